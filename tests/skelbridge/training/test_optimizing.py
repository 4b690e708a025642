"""skelbridge.training.optimizing: see run_check_optimizing.py."""

from pathlib import Path

import keras_backends
import pytest

CHECKS = keras_backends.checks_of([Path(__file__).with_name("run_check_optimizing.py")])


@pytest.mark.parametrize("check", CHECKS)
def test_run(of_runs, check):
    of_runs(check)
