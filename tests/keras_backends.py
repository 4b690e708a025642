"""Runs checks on every backend of Keras that is installed, in one process each.

A check is a function `check_*` without arguments that passes or raises; what it returns is compared
between backends. `python keras_backends.py RESULTS.json MODULE.py ...` runs those of some files.
"""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BACKENDS = ("tensorflow", "jax", "torch")
#: The processes share few cores, and XLA's compiler takes longer than what it compiles here.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "XLA_FLAGS": "--xla_backend_optimization_level=0",
}


def checks_of(files):
    """Names of the checks, found without importing."""
    return [
        node.name
        for file in files
        for node in ast.parse(Path(file).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")
    ]


def is_installed(backend):
    return all(importlib.util.find_spec(package) for package in ("keras", backend))


def run_on_backends(files, folder, backends=BACKENDS):
    """Backend -> check -> {"numbers" or "error", "seconds"}, or the output of a failed process."""
    running, found = {}, {}
    for backend in filter(is_installed, backends):
        results, output = folder / f"{backend}.json", folder / f"{backend}.txt"
        with output.open("w") as stream:
            command = [sys.executable, __file__, str(results), *map(str, files)]
            running[backend] = subprocess.Popen(
                command,
                env=os.environ | ENVIRONMENT | {"KERAS_BACKEND": backend},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
    try:
        for backend, process in running.items():
            failed = process.wait(timeout=900)
            text = (folder / f"{backend}.txt").read_text()[-4000:]
            found[backend] = (
                text if failed else json.loads((folder / f"{backend}.json").read_text())
            )
    finally:
        for process in running.values():
            process.kill()
    return found


def numbers_of(results, backend, check):
    """What a check returned; fails or skips the test otherwise."""
    if not is_installed(backend):
        pytest.skip(f"{backend} is not installed (pip install 'skelbridge[backends]')")
    if isinstance(results[backend], str):
        pytest.fail(results[backend], pytrace=False)
    result = results[backend][check]
    if "error" in result:
        pytest.fail(result["error"], pytrace=False)
    return result["numbers"]


def run(checks):
    results = {}
    for name, check in checks.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, with NumPy 2
            try:
                results[name] = {"numbers": check()}
            except Exception:
                results[name] = {"error": traceback.format_exc()}
        results[name]["seconds"] = round(time.process_time() - start, 3)
    return results


def main(results, *files):
    checks = {}
    for file in files:
        sys.path.insert(0, str(Path(file).parent))
        module = importlib.import_module(Path(file).stem)
        checks |= {name: f for name, f in vars(module).items() if name.startswith("check_")}
    Path(results).write_text(json.dumps(run(checks)))


if __name__ == "__main__":
    main(*sys.argv[1:])
