"""Lists of numbers, whole numbers and texts of JSON documents; nothing else passes for them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..containers.errors import FileError
from ..containers.file_text import quote
from ._values import first_implausible

Namer = Callable[[int], str]


def _by_number(row: int) -> str:
    return f"entry {row + 1}"


def number_lists(
    path,
    key: str,
    lists: Sequence[list],
    width: int,
    *,
    name: Namer = _by_number,
    may_miss: bool = False,
) -> np.ndarray:
    """Returns lists of equal length as an array (N, width) float64.

    Args:
      path, key: for messages.
      lists: N lists of `width` numbers; texts of digits are no numbers.
      width: how many numbers each must have.
      name: what messages call a row.
      may_miss: whether null is let through, as NaN.

    Raises:
      FileError: a list is none, is longer or shorter, or holds something else than numbers.
    """
    if may_miss:
        lists = [_without_nulls(row) for row in lists]
    flat = array("d")
    try:
        for row in lists:
            flat.fromlist(row)
    except (TypeError, OverflowError):
        raise _odd_list(path, key, lists, width, name) from None
    if len(flat) != len(lists) * width or any(len(row) != width for row in lists):
        raise _odd_list(path, key, lists, width, name)
    if not flat:
        return np.zeros((len(lists), width))
    numbers = np.frombuffer(flat).reshape(len(lists), width)
    place = first_implausible(numbers, may_miss=may_miss)
    if place is None:
        return numbers
    raise FileError(
        path, f"{key} of {name(place[0])}: expected finite numbers, found {numbers[place]:g}"
    )


def whole_numbers(
    path, key: str, values: Sequence[Any], *, name: Namer = _by_number, least: int | None = None
) -> np.ndarray:
    """Returns whole numbers (N,) int64.

    Args:
      path, key, name: for messages.
      values: N integers.
      least: the smallest that may be.

    Raises:
      FileError: one of them is something else.
    """
    try:
        numbers = np.array(array("q", values), np.int64)
    except (TypeError, OverflowError):
        row = next(i for i, value in enumerate(values) if not _fits(value))
    else:
        if least is None or not len(numbers) or numbers.min() >= least:
            return numbers
        row = int(np.argmin(numbers))
    expected = "a whole number" if least is None else f"a whole number of at least {least}"
    found = described(values[row])
    raise FileError(path, f"{key} of {name(row)}: expected {expected}, found {found}")


def texts(path, key: str, values: Sequence[Any], *, name: Namer = _by_number) -> list[str]:
    """Returns texts; whole numbers, which ids mostly are, are written as such.

    Raises:
      FileError: one of them is something else.
    """
    kinds = set(map(type, values))
    if kinds <= {str}:
        return list(values)
    if kinds <= {int, str}:
        try:
            return [str(value) for value in values]
        except ValueError:
            # Python refuses to write numbers of thousands of digits.
            pass
    row = next((i for i, value in enumerate(values) if type(value) not in (str, int)), 0)
    raise FileError(
        path,
        f"{key} of {name(row)}: expected text or a whole number, found {described(values[row])}",
    )


def described(value: Any) -> str:
    """Returns what to call a value of a JSON document in a message."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, int) and abs(value) > 10**30:
        return "a number of more than 30 digits"
    return quote(value) if isinstance(value, str) else str(value)


def _fits(value: Any) -> bool:
    return isinstance(value, int) and -(2**63) <= value < 2**63


def _without_nulls(row: Any) -> Any:
    if isinstance(row, list) and None in row:
        return [np.nan if value is None else value for value in row]
    return row


def _odd_list(path, key: str, lists: Sequence, width: int, name: Namer) -> FileError:
    """Returns the error about the first list that is not `width` numbers; there is one."""
    found = ((i, _what_is_odd(row, width)) for i, row in enumerate(lists))
    row, odd = next((i, odd) for i, odd in found if odd)
    return FileError(path, f"{key} of {name(row)}: expected {width} numbers, found {odd}")


def _what_is_odd(row: Any, width: int) -> str:
    if not isinstance(row, list):
        return described(row)
    if len(row) != width:
        return str(len(row))
    odd = [value for value in row if not isinstance(value, float) and not _is_integer(value)]
    return f"{described(odd[0])} among them" if odd else ""


def _is_integer(value: Any) -> bool:
    # Larger ones have no place in a float.
    return isinstance(value, int) and abs(value) < 2**1023
