"""How sure a mean is: percentile bootstrap over poses, or over groups of them.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skeleton_defs import UserError

# Draws are made in pieces of about this many numbers.
_PIECE = 1 << 21


class Interval(NamedTuple):
    """A mean and the interval that holds the true one with some confidence."""

    mean: float
    low: float
    high: float


def bootstrap_interval(
    values: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: Sequence | None = None,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Returns the mean of values (N,) with its bootstrap confidence interval.

    Of two models compare the values of one pose: the interval of `treated - control` is far
    narrower than the two apart.

    >>> bootstrap_interval([1.0, 1.0, 1.0])
    Interval(mean=1.0, low=1.0, high=1.0)

    Args:
      values, weights, groups, resamples, seed: as for `bootstrap_means`.
      confidence: share of the resampled means inside, between 0 and 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise UserError(f"values must have shape (N,). Received {values.shape}")
    means = bootstrap_means(values, weights=weights, groups=groups, resamples=resamples, seed=seed)
    parts = _sums(values[:, None], _weights(weights, len(values)), np.arange(len(values)))
    mean = _ratio(*(part.sum(axis=0) for part in parts))[0]
    return Interval(float(mean), *percentile_interval(means, confidence=confidence))


def percentile_interval(samples: np.ndarray, *, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the bounds that hold the middle share of resampled numbers (R,).

    For what is computed of several resampled means: a difference, a ratio, the gap closed.

    Raises:
      UserError: the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise UserError(f"confidence must be between 0 and 1. Received {confidence}")
    samples = np.asarray(samples, dtype=np.float64)
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return np.nan, np.nan
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def bootstrap_means(
    values: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    groups: Sequence | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """Returns the means of resampled values, (resamples,) or (resamples, K).

    Args:
      values: (N,) one number per pose, e.g. `mpjpe(..., axis=-1)`, or (N, K), K numbers of one
        pose (models, formats), which are resampled together. NaN does not count.
      weights: of the shape of `values` or (N,), at least 0; the number of joints that count, where
        the mean is to pool joints rather than poses.
      groups: (N,) labels; poses of one label (a video, a person) are drawn together, because
        neighbouring frames are no independent tests. None: every pose is a group of its own.
      resamples: number of draws.
      seed: the same seed gives the same draws.

    Raises:
      UserError: shapes do not fit, or a weight is negative.
    """
    values = np.asarray(values, dtype=np.float64)
    table = values[:, None] if values.ndim == 1 else values
    if table.ndim != 2 or resamples < 1:
        raise UserError(
            "bootstrap must have values of shape (N,) or (N, K), and at least one resample. "
            f"Received shape {values.shape} and {resamples} resamples"
        )
    labels = np.arange(len(table)) if groups is None else _numbered(groups, len(table))
    sums, counts = _sums(table, _weights(weights, len(table)), labels)
    # einsum, not BLAS: the last digit must not depend on the number of threads.
    means = [
        _ratio(*(np.einsum("rg,gk->rk", times, parts) for parts in (sums, counts)))
        for times in _draws(len(sums), resamples, seed)
    ]
    means = np.concatenate(means)
    return means[:, 0] if values.ndim == 1 else means


def _sums(
    table: np.ndarray, weights: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums (G, K) and total weights (G, K) per group."""
    if weights.shape not in (table.shape, (len(table), 1)) or not (weights >= 0).all():
        raise UserError(
            f"weights must be at least 0, of shape {table.shape} or ({len(table)},). "
            f"Received shape {weights.shape}"
        )
    there = ~np.isnan(table)
    weights = np.where(there, weights, 0)
    size = (int(labels.max(initial=-1)) + 1, table.shape[1])
    sums, counts = np.zeros(size), np.zeros(size)
    np.add.at(sums, labels, weights * np.where(there, table, 0))
    np.add.at(counts, labels, weights)
    return sums, counts


def _weights(weights: np.ndarray | None, count: int) -> np.ndarray:
    """Weights (N, K) or (N, 1)."""
    weights = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    return weights[:, None] if weights.ndim == 1 else weights


def _numbered(groups: Sequence, count: int) -> np.ndarray:
    groups = np.asarray(groups)
    if groups.shape != (count,):
        raise UserError(f"groups must be {count} labels. Received shape {groups.shape}")
    return np.unique(groups, return_inverse=True)[1]


def _draws(count: int, resamples: int, seed: int):
    """Yields how often each of `count` groups was drawn, (some resamples, count) at a time."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _PIECE // max(count, 1))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = rng.integers(0, max(count, 1), size=(rows, count))
        drawn += np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count)
        yield times.reshape(rows, count).astype(np.float64)


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.nan)
