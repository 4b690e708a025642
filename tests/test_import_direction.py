"""The rooms import one way only: skeleton_defs <- dataset_adapters <- skelbridge."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "skeleton_defs": {"skeleton_defs"},
    "dataset_adapters": {"skeleton_defs", "dataset_adapters"},
    "skelbridge": {"skeleton_defs", "dataset_adapters", "skelbridge"},
}
MODELS_AND_FILES = set("acae atlas cli conversion data nn posefiles store training viz".split())
#: Inside skelbridge: room -> rooms that it must not know.
FORBIDDEN_ROOMS = {
    "conversion": {"posefiles", "viz", "cli"},
    "posefiles": {"conversion", "viz", "cli"},
    "viz": {"conversion", "posefiles", "cli"},
    "geometry": {*MODELS_AND_FILES, "evaluation"},
    "evaluation": MODELS_AND_FILES,
}


def imports_of(file: Path):
    """(module, relative level) of every import statement, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_downwards_only(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        for module, level in imports_of(file):
            top = module.split(".")[0]
            if level == 0 and top in ALLOWED:
                assert top in ALLOWED[package], f"{file} imports {module}"
            if package == "skeleton_defs" and level == 0:
                standard = top in sys.stdlib_module_names or top in {"numpy", "tomli", "tomllib"}
                assert standard or top == "skeleton_defs", f"{file} imports {module}"
            if package != "skelbridge":
                assert top not in {"tensorflow", "keras", "torch", "jax"}, f"{file}: {module}"


@pytest.mark.parametrize("room", FORBIDDEN_ROOMS)
def test_rooms_import_downwards_only(room):
    for file in sorted((ROOT / "skelbridge" / room).rglob("*.py")):
        for module, level in imports_of(file):
            if level == 2:
                assert module.split(".")[0] not in FORBIDDEN_ROOMS[room], f"{file}: {module}"
            for other in FORBIDDEN_ROOMS[room]:
                assert not module.startswith(f"skelbridge.{other}"), f"{file}: {module}"


@pytest.mark.parametrize(
    "statement",
    [
        "import skelbridge; skelbridge.convert",
        "import skelbridge.cli",
        "from skelbridge.cli import cli; cli.main(['formats'], standalone_mode=False)",
        "import skelbridge.posefiles.reading, skelbridge.posefiles.writing, skelbridge.viz",
        "import skelbridge.evaluation, skelbridge.geometry.procrustes",
    ],
)
def test_starting_up_loads_nothing_heavy(statement):
    heavy = ("tensorflow", "keras", "pandas", "h5py", "scipy", "matplotlib", "plotly", "ezc3d")
    code = f"{statement}\nimport sys\nprint('loaded:', [m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"
