"""Rows of a table placed on axes: frames, persons, joints."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.errors import FileError

from .table_body import Labels

#: Frames x persons x joints may be this much more than rows: beyond, the columns are misread.
MAX_GRID_GROWTH = 50
MIN_GRID_CELLS = 100_000
_NUMBER = re.compile(r"[-+]?\d{1,18}(\.\d{0,25})?([eE][-+]?\d{1,2})?")


@dataclass(frozen=True)
class Axis:
    """One axis that rows are placed on.

    Attributes:
      codes: `(R,)`, each row's place.
      labels: `(n,)`, what the places are called.
    """

    codes: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def axis_of(labels: Labels) -> Axis:
    """Returns an axis: numbers in ascending order, other labels as they appear."""
    numbers = _numbers(labels.values)
    if numbers is None:
        return Axis(labels.codes, np.array(labels.values, str))
    values, place = np.unique(numbers, return_inverse=True)
    return Axis(place[labels.codes] if len(place) else labels.codes, values)


def values_of(labels: Labels) -> np.ndarray:
    """Returns a column as float64 where it holds numbers only (empty cells: NaN), else as text."""
    numbers = _numbers([value for value in labels.values if value])
    if numbers is None:
        return np.array(labels.values, str)[labels.codes]
    values = np.array([float(value or "nan") for value in labels.values], np.float64)
    return values[labels.codes]


def count_within(codes: np.ndarray) -> Axis:
    """Returns for each row how many rows of the same code are before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(codes)])
    nth = np.empty(len(codes), np.int64)
    nth[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.r_[starts, len(codes)]))
    return Axis(nth, np.arange(nth.max() + 1 if len(nth) else 0))


def combined_codes(axes: Sequence[Axis], n_rows: int) -> np.ndarray:
    """Returns one code per row for its places on several axes."""
    codes = np.zeros(n_rows, np.int64)
    for axis in axes:
        # Renumbered each time, so that products stay small.
        codes = np.unique(codes * len(axis) + axis.codes, return_inverse=True)[1].reshape(-1)
    return codes


def grid(path: str | os.PathLike, axes: Sequence[Axis], values: np.ndarray) -> np.ndarray:
    """Returns rows `(R, ...)` at their places `(n1, n2, ..., ...)`, NaN elsewhere.

    Raises:
      FileError: two rows have the same place, or there are far more places than rows.
    """
    sizes = tuple(len(axis) for axis in axes)
    if math.prod(sizes) > max(MAX_GRID_GROWTH * len(values), MIN_GRID_CELLS):
        raise FileError(
            path,
            f"expected most joints in most frames, found {len(values)} rows for "
            f"{' x '.join(map(str, sizes))} of them; are frame and joint columns what they seem?",
        )
    placed = np.full((math.prod(sizes), *values.shape[1:]), np.nan, values.dtype)
    if len(values):
        places = np.ravel_multi_index([axis.codes for axis in axes], sizes)
        _check_distinct(path, places, axes)
        placed[places] = values
    return placed.reshape(*sizes, *values.shape[1:])


def _check_distinct(path, places: np.ndarray, axes: Sequence[Axis]) -> None:
    order = np.argsort(places, kind="stable")
    repeats = np.flatnonzero(np.diff(places[order]) == 0)
    if len(repeats):
        row = order[repeats + 1].min()
        what = ", ".join(repr(axis.labels[axis.codes[row]].item()) for axis in axes)
        raise FileError(
            path,
            f"row {row + 1} after the header repeats ({what}); if there are several persons, a "
            "column person must tell them apart",
        )


def _numbers(values: Sequence[str]) -> np.ndarray | None:
    """Returns labels as numbers (whole ones as int64), or None where one is none."""
    if not all(_NUMBER.fullmatch(value) for value in values):
        return None
    numbers = np.array([float(value) for value in values], np.float64)
    is_whole = (numbers == np.floor(numbers)).all() and (abs(numbers) < 2**53).all()
    return numbers.astype(np.int64) if is_whole else numbers
