"""skelbridge.acae.nn on every backend of Keras that is installed: one process each."""

import ast
from pathlib import Path

import numpy as np
import pytest
from keras_backends import BACKENDS, checks_of, numbers_of, run_on_backends

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FILES = sorted(HERE.glob("nn_check_*.py"))
CHECKS = checks_of(FILES)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_on_backends(FILES, tmp_path_factory.mktemp("nn"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("check", CHECKS)
def test_backend(results, backend, check):
    numbers_of(results, backend, check)


@pytest.mark.parametrize("backend", BACKENDS[1:])
@pytest.mark.parametrize(
    ("check", "name", "tolerance"),
    [
        ("check_value_and_gradient_agree_with_float64", "value", 1e-5),
        ("check_start_is_the_same_everywhere", "w1", 0),
        ("check_start_is_the_same_everywhere", "w2", 0),
        ("check_losses_against_loops", "projected", 1e-5),
        ("check_training", "history", 1e-4),
    ],
)
def test_backends_agree(results, backend, check, name, tolerance):
    expected = numbers_of(results, "tensorflow", check)[name]
    np.testing.assert_allclose(numbers_of(results, backend, check)[name], expected, rtol=tolerance)


#: Beside `nn` and `acae/nn`: modules that are networks' training themselves ...
OF_NETWORKS = (
    "losses", "network", "network_costs", "objectives", "optimizing", "pure_step", "step",
    "traced_uniforms", "variants",
)  # fmt: skip
AT_ONCE = {f"training/{name}.py" for name in OF_NETWORKS}
#: ... and those that load Keras inside of functions, when it is needed.
LOADING_LATER = ("distribution", "run_folder", "run_log", "trainer")
LATER = {f"training/{name}.py" for name in LOADING_LATER}
LATER.add("data/feeding.py")


def imported(node):
    """Names of modules that a statement imports, and those inside of it."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.ImportFrom):
            yield inner.module or ""
        elif isinstance(inner, ast.Import):
            yield from (alias.name for alias in inner.names)


def happens_at_import(node):
    is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return not isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not is_for_types


def is_of_networks(module):
    first, *_ = parts = module.split(".")
    return first in {"keras", "tensorflow", "torch", "jax"} or "nn" in parts


def test_keras_is_imported_where_networks_are_only():
    package = ROOT / "skelbridge"
    for file in package.rglob("*.py"):
        place = file.relative_to(package).as_posix()
        if place.startswith(("nn/", "acae/nn/")) or place in AT_ONCE:
            continue
        nodes = ast.parse(file.read_text()).body
        if place in LATER:
            assert any(is_of_networks(name) for node in nodes for name in imported(node)), place
            nodes = [node for node in nodes if happens_at_import(node)]
        for node in nodes:
            for name in imported(node):
                assert not is_of_networks(name), f"{file} imports {name}"
