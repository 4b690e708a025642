"""Means over what counts: NaN is left out, and a mean of nothing is NaN."""

from __future__ import annotations

import numpy as np

#: As in numpy: one axis, several, None for all of them, () for none.
Axis = int | tuple[int, ...] | None


def mean_over(values: np.ndarray, axis: Axis = None) -> np.ndarray:
    """Returns the mean of the values that are not NaN, NaN where there is none.

    Args:
      values: any shape. Infinity counts.
      axis: as in `np.mean`; None gives one number.
    """
    values = np.asarray(values, dtype=np.float64)
    counts = ~np.isnan(values)
    if counts.all() and values.size:
        return values.mean(axis=axis)
    total = np.where(counts, values, 0).sum(axis=axis)
    number = counts.sum(axis=axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)[()]


def worst_over_joints(errors: np.ndarray) -> np.ndarray:
    """Returns the largest error (...) over the joints (..., J), NaN where none counts."""
    errors = np.asarray(errors, dtype=np.float64)
    counts = ~np.isnan(errors)
    worst = np.where(counts, errors, -np.inf).max(axis=-1, initial=-np.inf)
    return np.where(counts.any(axis=-1), worst, np.nan)
