"""skelbridge.nn on every backend of Keras that is installed."""

from pathlib import Path

import keras_backends
import pytest

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("pose_check_*.py"))
SLOW_FILES = sorted(HERE.glob("slow_check_*.py"))
TORCH_FILES = sorted(HERE.glob("torch_check_*.py"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return keras_backends.run_on_backends(FILES, tmp_path_factory.mktemp("nn"))


@pytest.mark.parametrize("backend", keras_backends.BACKENDS)
@pytest.mark.parametrize("check", keras_backends.checks_of(FILES))
def test_backend(results, backend, check):
    keras_backends.numbers_of(results, backend, check)


@pytest.fixture(scope="module")
def slow_results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    return keras_backends.run_on_backends(SLOW_FILES, folder, ["tensorflow"])


@pytest.mark.slow
@pytest.mark.parametrize("check", keras_backends.checks_of(SLOW_FILES))
def test_on_tensorflow(slow_results, check):
    keras_backends.numbers_of(slow_results, "tensorflow", check)


@pytest.fixture(scope="module")
def torch_results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch")
    return keras_backends.run_on_backends(TORCH_FILES, folder, ["torch"])


@pytest.mark.parametrize("check", keras_backends.checks_of(TORCH_FILES))
def test_against_torch(torch_results, check):
    keras_backends.numbers_of(torch_results, "torch", check)
