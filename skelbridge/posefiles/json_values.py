"""Values between JSON and numpy: a column from many records, and arrays as JSON lists."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import printable
from skelbridge.posefiles.json_text import number_array

#: A numpy text array gives every entry the room of the longest one; longer texts stay a list.
MAX_TEXT_LENGTH = 256

#: Deeper than any extras a pose file carries; ends the recursion on hostile input.
_MAX_DEPTH = 32


def joint_names(value: Any, count: int) -> tuple[str, ...] | None:
    """Returns names of `count` joints, or None where `value` is anything else."""
    if isinstance(value, list) and len(value) == count and all(type(n) is str for n in value):
        return tuple(map(printable, value))
    return None


def column(records: list[dict], key: str) -> np.ndarray | list | None:
    """Collects `record[key]` of many records.

    Returns:
      An array with one entry per record where the values allow it (numbers, texts, regular lists of
      numbers; NaN stands for a number that some records lack), else the list of raw values; None
      where no record has the key.
    """
    values = [record.get(key) for record in records]
    types = set(map(type, values))
    if types == {type(None)} or not values:
        return None
    if types == {str}:
        return np.array(values) if max(map(len, values)) <= MAX_TEXT_LENGTH else values
    if types == {bool}:
        return np.array(values)
    if types == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64)
    if types <= {int, float, list, type(None)}:
        try:
            return number_array("", key, values)
        except FileError:  # ragged, or not only numbers: worth carrying as it is
            return values
    return values


def columns(records: list[dict], keys: Iterable[str]) -> dict[str, np.ndarray | list]:
    """Collects the `column` of every key that some record has."""
    found = {key: column(records, key) for key in keys}
    return {key: values for key, values in found.items() if values is not None}


def shortest(array: np.ndarray) -> np.ndarray:
    """Returns floats as the float64 that prints with the fewest digits and means the same float.

    0.1 as float32 becomes 0.1, not 0.10000000149: what is written reads back as the same float32.
    """
    if array.dtype.itemsize < 8:
        array = array.astype(str)
    return array.astype(np.float64)


def number_lists(array: np.ndarray) -> Any:
    """Returns an array as nested lists with the fewest exact digits; None stands for NaN."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return array.tolist()
    array = shortest(array)
    missing = np.isnan(array)
    if not missing.any():
        return array.tolist()
    return np.where(missing, None, array.astype(object)).tolist()


def jsonable(value: Any) -> Any:
    """Returns a copy that `json.dumps` accepts and writes as strict JSON.

    Raises:
      TypeError: for what JSON cannot hold (objects, bytes, complex numbers, infinities).
    """
    return _jsonable(value, 0)


def _jsonable(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise TypeError("nested too deep")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and not math.isinf(value):
        return None if math.isnan(value) else float(value)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _jsonable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item, depth + 1) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        finite = value.dtype.kind != "f" or not np.isinf(value).any()
        if value.dtype.kind in "biufU" and finite:
            return number_lists(np.asarray(value))
    raise TypeError(f"JSON cannot hold {type(value).__name__}")


def jsonable_extras(extras: dict[str, Any]) -> dict[str, Any]:
    """Returns the extras that JSON can hold; the others are left out."""
    kept = {}
    for key, value in extras.items():
        try:
            kept[key] = jsonable(value)
        except TypeError:
            continue
    return kept
