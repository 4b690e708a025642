"""Poses with left and right exchanged in some of their formats: found before anything is fitted.

An exchange turns the sign of (left - right) / 2 of the pairs it hits, and of no others. So each
pair's half difference is predicted from those of the pairs most like it; where formats contradict
each other, the predictions fail by about twice the distance of the sides. It is the largest
variance there can be, so it has to be out of the data before second moments are taken.
"""

from __future__ import annotations

import numpy as np

from .chirality import ChiralLayout

# A pair's prediction counts others by this power of their correlation.
_SHARPNESS = 8
#: Poses are out of line so many times farther above the median than the upper quartile is.
_QUARTILES = 7.0
#: Fewer of them than this are as likely odd poses.
_SUSPICIOUS_SHARE = 0.005
_ROUNDS = 4


def sides_agree(
    poses: np.ndarray, layout: ChiralLayout, *, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns (N,) which poses have the same left and right in all formats.

    Args:
      poses: (N, J, 3) complete.
      mask: (N, J) what was observed of them; the rest does not count.
    """
    h = layout.pairs
    everyone = np.ones(len(poses), bool)
    if h < 2:
        return everyone
    left, right = layout.order[:h], layout.order[h : 2 * h]
    halves = np.swapaxes(poses[:, left] - poses[:, right], 1, 2).astype(np.float32) / 2
    if not halves.any():
        return everyone
    known = None if mask is None else mask[:, left] & mask[:, right]
    agree = everyone
    for _ in range(_ROUNDS):
        if not agree.any():
            return everyone
        shares = _contradiction(halves, agree, known)
        middle, upper = np.percentile(shares[agree], [50, 75])
        before, agree = agree, shares <= middle + _QUARTILES * (upper - middle)
        if (~agree).mean() <= _SUSPICIOUS_SHARE:
            return everyone
        if np.array_equal(before, agree):
            break
    return agree


def _contradiction(halves: np.ndarray, agree: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """(N,) share of the half differences that pairs like them do not predict."""
    rows = halves[agree].reshape(-1, halves.shape[2])
    products = (rows.T @ rows).astype(np.float64)
    squares = np.maximum(np.diagonal(products), 1e-12 * np.trace(products))
    likeness = np.maximum(products / np.sqrt(np.outer(squares, squares)), 0) ** _SHARPNESS
    np.fill_diagonal(likeness, 0)
    slopes = likeness * products / squares
    slopes /= likeness.sum(axis=1, keepdims=True) + 1e-9
    missed = halves - halves @ slopes.T.astype(np.float32)
    scale = (len(rows) / squares).astype(np.float32)
    missed, whole = missed**2 * scale, halves**2 * scale
    if known is not None:
        missed, whole = missed * known[:, None], whole * known[:, None]
    return missed.sum(axis=(1, 2)) / np.maximum(whole.sum(axis=(1, 2)), 1e-12)
