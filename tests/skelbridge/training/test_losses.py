"""skelbridge.training.losses and .objectives on every backend of Keras that is installed."""

from pathlib import Path

import keras_backends
import numpy as np
import pytest

FILES = sorted(Path(__file__).parent.glob("training_check_*.py"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return keras_backends.run_on_backends(FILES, tmp_path_factory.mktemp("training"))


@pytest.mark.parametrize("backend", keras_backends.BACKENDS)
@pytest.mark.parametrize("check", keras_backends.checks_of(FILES))
def test_backend(results, backend, check):
    keras_backends.numbers_of(results, backend, check)


@pytest.mark.parametrize("backend", keras_backends.BACKENDS[1:])
def test_backends_agree(results, backend):
    name = "check_losses_against_loops"
    expected = keras_backends.numbers_of(results, "tensorflow", name)
    for key, value in keras_backends.numbers_of(results, backend, name).items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-5)
