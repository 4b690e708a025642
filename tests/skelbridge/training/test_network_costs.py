"""skelbridge.training.graph_costs and network_costs: see run_check_costs.py."""

from pathlib import Path

import keras_backends
import pytest

CHECKS = keras_backends.checks_of([Path(__file__).with_name("run_check_costs.py")])


@pytest.mark.parametrize("check", CHECKS)
def test_costs(of_runs, check):
    of_runs(check)
