from pathlib import Path

import keras_backends
import pytest

FILES = sorted(Path(__file__).parent.glob("run_check_*.py"))


@pytest.fixture(scope="session")
def of_runs(tmp_path_factory):
    """What the checks of `run_check_*.py` found, which share a process and a trained run."""
    folder = tmp_path_factory.mktemp("runs")
    results = keras_backends.run_on_backends(FILES, folder, ["tensorflow"])
    return lambda check: keras_backends.numbers_of(results, "tensorflow", check)
