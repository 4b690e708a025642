"""`results.json`: all numbers of a run, the same bytes for the same numbers."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataset_adapters.containers.errors import FileError

from ..atomic import atomic_path
from .outcome import Evaluation, Outcome, evaluate

RESULTS_NAME = "results.json"
VERSION = 1
_DIGITS = 4


def write_results(
    folder: str | os.PathLike, outcome: Outcome, evaluation: Evaluation | None = None
) -> Path:
    """Writes `results.json` into a folder that exists, and returns its path.

    The file holds `numbers` (scores, comparisons, verdict; mm and shares, rounded to 4 digits,
    null where nothing was measured), `numbers_sha256` of them, and apart from these `machine` and
    `configs`. Equal numbers give equal hashes on any machine.

    Args:
      evaluation: of this outcome, where it was made already.

    Raises:
      FileError: the file cannot be written.
    """
    path = Path(folder) / RESULTS_NAME
    numbers = plain_numbers(numbers_of(outcome, evaluation or evaluate(outcome)))
    content = {
        "numbers": numbers,
        "numbers_sha256": hashlib.sha256(_text(numbers).encode()).hexdigest(),
        "machine": plain_numbers(outcome.machine),
        "configs": dict(outcome.configs),
    }
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(_text(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror or error}") from None
    return path


def numbers_of(outcome: Outcome, evaluation: Evaluation) -> dict[str, Any]:
    """Returns all numbers of an outcome, without those of single pictures."""
    test = outcome.test
    return {
        "version": VERSION,
        "preset": outcome.preset,
        "seeds": list(outcome.seeds),
        "test": {
            "images": test.images_per_domain(),
            "labelled": dict(test.labelled),
            "formats": list(test.formats),
        },
        "true_inconsistency": evaluation.true_inconsistency,
        "scores": _by_text(evaluation.scores, _without_images),
        "comparisons": _by_text(evaluation.comparisons),
        "batch_norm": _by_text(evaluation.batch_norm, _without_images),
        "batch_norm_comparisons": _by_text(evaluation.batch_norm_comparisons),
        "verdict": [
            {"text": c.text, "bar": str(c.bar), "found": c.found, "met": c.met}
            for c in evaluation.checks
        ],
    }


def plain_numbers(value: Any) -> Any:
    """Returns a value as JSON holds it: text keys, rounded floats, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain_numbers(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_numbers(entry) for entry in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain_numbers(value.tolist())
    if isinstance(value, float):
        # Adding 0 turns -0.0 into 0.0: rounding noise must not show.
        return round(value, _DIGITS) + 0.0 if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _by_text(table: Mapping, changed=lambda entry: entry) -> dict[str, dict]:
    """(seed, variant) -> entry, as nested objects."""
    result: dict[str, dict] = {}
    for (first, second), entry in table.items():
        result.setdefault(str(first), {})[second] = changed(entry)
    return result


def _without_images(scores: Mapping) -> dict:
    return {key: entry for key, entry in scores.items() if key != "per_image"}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
