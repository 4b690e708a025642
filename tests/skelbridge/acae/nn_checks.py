"""Checks of skelbridge.acae.nn on the backend that KERAS_BACKEND names.

Run by test_nn_backends.py in a process per backend: `python nn_checks.py RESULTS.json`. Every
function `check_*` of the modules nn_check_* passes, or raises; numbers it returns are compared
between backends.
"""

import json
import sys
import time
import traceback
import warnings
from pathlib import Path

import nn_check_fine_tuning
import nn_check_losses
import nn_check_model
import nn_check_penalty

MODULES = nn_check_penalty, nn_check_model, nn_check_losses, nn_check_fine_tuning


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


if __name__ == "__main__":
    found = {name: f for m in MODULES for name, f in vars(m).items() if name.startswith("check_")}
    Path(sys.argv[1]).write_text(json.dumps(run(found)))
