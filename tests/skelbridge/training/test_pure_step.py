"""skelbridge.training.pure_step (JAX), also against TensorFlow's step: see pure_check_*.py."""

import os
import subprocess
import sys
from pathlib import Path

import keras_backends
import numpy as np
import pytest

HERE = Path(__file__).parent
NUMBERS, STEP = HERE / "pure_check_numbers.py", HERE / "pure_check_step.py"
SLOW_NUMBERS, SLOW_STEP = (HERE / f"slow_{file.name}" for file in (NUMBERS, STEP))
checks_of = keras_backends.checks_of
TRAINED_WITH_JAX = """
import sys, numpy as np
from pathlib import Path
from pure_check_numbers import REGISTRY, batch, config, predicted
from skelbridge.training.checkpoints import checkpoint_path, save_checkpoint
from skelbridge.training.config_file import write_config
from skelbridge.training.network import build_model
from skelbridge.training.pure_step import make_pure_step

run, settings = Path(sys.argv[1]), config()
network = build_model(settings, REGISTRY, None)
state, step = make_pure_step(settings, REGISTRY, network)
for number in range(settings.steps):
    state, _ = step(state, batch(number), number)
step.assign(state)
(run / "checkpoints").mkdir()
write_config(run / "config.yaml", settings)
save_checkpoint(checkpoint_path(run / "checkpoints", settings.steps), step.variables, {})
np.save(run / "jax.npy", predicted(network))
"""
READ_WITH_TENSORFLOW = """
import sys, numpy as np
from pure_check_numbers import batch
from skelbridge.training.run_folder import load_run

np.save(sys.argv[1] + "/tensorflow.npy", load_run(sys.argv[1]).poses(batch(99)))
"""


def results_of(numbers, step, folder):
    """The first file runs on both backends, the other one needs JAX."""
    # The processes share few cores: TensorFlow's and JAX's at a time.
    on_jax = keras_backends.run_on_backends([step, numbers], folder, ["jax"])
    return keras_backends.run_on_backends([numbers], folder, ["tensorflow"]) | on_jax


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return results_of(NUMBERS, STEP, tmp_path_factory.mktemp("pure"))


@pytest.fixture(scope="module")
def slow_results(tmp_path_factory):
    return results_of(SLOW_NUMBERS, SLOW_STEP, tmp_path_factory.mktemp("slow"))


def agree(results, check):
    """Losses of all steps, the weights and what the network predicts after them."""
    found = keras_backends.numbers_of(results, "jax", check)
    expected = keras_backends.numbers_of(results, "tensorflow", check)
    for step, other in zip(found["losses"], expected["losses"], strict=True):
        assert set(step) == set(other)
        for name, value in step.items():
            np.testing.assert_allclose(value, other[name], rtol=1e-4, atol=1e-7)
    assert found["shapes"] == expected["shapes"]
    assert len(found["weights"]) == len(expected["weights"])
    for weights, others in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(weights, others, atol=1e-5)
    np.testing.assert_allclose(found["statistics"], expected["statistics"], rtol=1e-5)
    np.testing.assert_allclose(found["predicted"], expected["predicted"], rtol=1e-4, atol=0.1)


@pytest.mark.parametrize("check", checks_of([STEP]))
def test_step(results, check):
    keras_backends.numbers_of(results, "jax", check)


@pytest.mark.parametrize("check", checks_of([NUMBERS]))
def test_agrees_with_tensorflow(results, check):
    agree(results, check)


@pytest.mark.slow
@pytest.mark.parametrize("check", checks_of([SLOW_STEP]))
def test_step_for_long(slow_results, check):
    keras_backends.numbers_of(slow_results, "jax", check)


@pytest.mark.slow
@pytest.mark.parametrize("check", checks_of([SLOW_NUMBERS]))
def test_variants_agree_with_tensorflow(slow_results, check):
    agree(slow_results, check)


@pytest.mark.slow
def test_a_checkpoint_from_jax_predicts_with_tensorflow(tmp_path):
    for backend, code in (("jax", TRAINED_WITH_JAX), ("tensorflow", READ_WITH_TENSORFLOW)):
        if not keras_backends.is_installed(backend):
            pytest.skip(f"{backend} is not installed (pip install 'skelbridge[backends]')")
        environment = keras_backends.ENVIRONMENT | {"KERAS_BACKEND": backend}
        environment["PYTHONPATH"] += f"{os.pathsep}{HERE}"
        command = [sys.executable, "-c", code, tmp_path]
        subprocess.run(command, env=os.environ | environment, check=True, timeout=900)
    expected, found = (np.load(tmp_path / f"{name}.npy") for name in ("jax", "tensorflow"))
    assert np.abs(expected).max() > 100  # mm
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=0.1)
