"""Do the skeletons of several formats, predicted for one person, lie inside each other?

The joint axis holds the joints of all formats, one format after the other. Inconsistency needs no
labels: on true poses every joint is nearly an affine combination of others, p = R p with rows of R
that sum to 1, whatever the pose; a prediction is inconsistent as far as it breaks that relation.
R must be fitted on TRUE poses (an ACAE's decoder after its encoder, `w2.T @ w1.T`): with the
matrix that a network was trained against, it would be measured by its own ruler. The offset error
needs labels in both formats and no matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelbridge.geometry.observed import floating_poses, observed_joints, paired_poses
from skeleton_defs import UserError

from .averages import Axis, mean_over
from .errors import absolute_errors

_ROW_SUM_TOLERANCE = 1e-6


def relation_errors(
    source: np.ndarray,
    target: np.ndarray,
    weights: np.ndarray,
    *,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Returns how far target joints are from the affine combinations of the source joints.

    `|target - weights @ source|`: with the weights of an `AffineMap` between two formats, how far
    two predictions of one person agree.

    Args:
      source: (..., J_source, D); target: (..., J_target, D), mm, NaN where missing. A combination
        is missing where one of the joints that it uses is.
      weights: (J_target, J_source), rows that sum to 1; a row of NaN gives NaN errors.
      mask: bool, broadcasting to (..., J_target): the joints to measure.

    Returns:
      (..., J_target), in the unit of the poses.

    Raises:
      UserError: shapes do not fit, or a row does not sum to 1.
    """
    source = floating_poses(source, "source")
    weights = _checked_weights(weights, source.shape[-2])
    unavailable = np.isnan(weights).any(axis=-1)
    weights = np.where(unavailable[:, None], 0, weights)
    there = observed_joints(source, name="source")
    expected = weights @ np.where(there[..., None], source, 0)
    # A product of floats, because one of booleans does not go through BLAS.
    uses_missing = np.subtract(1, there, dtype=np.float32) @ (weights != 0).T.astype(np.float32)
    lost = (uses_missing > 0) | unavailable
    return absolute_errors(np.where(lost[..., None], np.nan, expected), target, mask=mask)


def inconsistency(
    predicted: np.ndarray,
    relation: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean distance between predicted joints p and `relation @ p`.

    Lower is more consistent; on true poses it is the error of the relation itself, the level that
    a perfect network would reach.

    Args:
      predicted: (..., J, D) joints of all formats, mm, absolute: aligning the formats one by one
        would hide what is measured.
      relation: (J, J) rows that sum to 1, fitted on true poses.
      mask: bool, broadcasting to (..., J).
      axis: of the mean over (..., J).
    """
    return mean_over(relation_errors(predicted, predicted, relation, mask=mask), axis)


def same_named_pairs(formats: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns the pairs of joints of different formats that have one name.

    Args:
      formats: joint names of each format (e.g. `Skeleton.joints`), in the order in which the
        formats follow each other on the joint axis.

    Returns:
      (P, 2) joint numbers, the earlier format first.
    """
    joints = [(which, joint) for which, names in enumerate(formats) for joint in names]
    return np.array(
        [
            (a, b)
            for a, (format_a, name_a) in enumerate(joints)
            for b, (format_b, name_b) in enumerate(joints)
            if format_a < format_b and name_a == name_b
        ],
        dtype=np.intp,
    ).reshape(-1, 2)


def cross_format_offset_errors(
    predicted: np.ndarray,
    true: np.ndarray,
    pairs: np.ndarray,
    *,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the errors (..., P) of the vectors between same-named joints of two formats.

    A left hip of one format and that of another lie centimetres apart in truth; this measures how
    wrong the predicted vector from the one to the other is. Free of every translation of the whole,
    and of any fitted matrix.

    Args:
      predicted, true: (..., J, D) joints of all formats, mm, absolute.
      pairs: (P, 2) joint numbers, as `same_named_pairs` gives them.
      mask: bool, broadcasting to (..., J).
    """
    paired = paired_poses(predicted, true, mask)
    pairs = np.asarray(pairs)
    joints = paired.first.shape[-2]
    if pairs.ndim != 2 or pairs.shape[-1] != 2 or pairs.dtype.kind not in "iu":
        raise UserError(f"pairs must be joint numbers of shape (P, 2). Received {pairs.shape}")
    if pairs.size and not (pairs.min() >= 0 and pairs.max() < joints):
        raise UserError(
            f"pairs must number the {joints} joints of the poses from 0. "
            f"Received {pairs.min()} to {pairs.max()}"
        )
    there = np.where(paired.both_there[..., None], 1.0, np.nan)
    with np.errstate(invalid="ignore"):
        vectors = [
            poses[..., pairs[:, 1], :] * there[..., pairs[:, 1], :]
            - poses[..., pairs[:, 0], :] * there[..., pairs[:, 0], :]
            for poses in (paired.first, paired.second)
        ]
    return absolute_errors(*vectors)


def cross_format_offset_error(
    predicted: np.ndarray,
    true: np.ndarray,
    pairs: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean of `cross_format_offset_errors`; `axis` is over (..., P)."""
    return mean_over(cross_format_offset_errors(predicted, true, pairs, mask=mask), axis)


def gap_closed(control: np.ndarray, treated: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Returns which share of the error that could go went: (control - treated) / (control - bound).

    >>> round(float(gap_closed(195.7, 161.4, 151.4)), 2)
    0.77

    Args:
      control: error without the treatment; treated: with it; bound: of the best that can be hoped
        for, e.g. with every format labelled. Lower is better; any shapes that broadcast.

    Returns:
      1 where the bound is reached, 0 without effect, negative for harm, NaN where there was no gap.
    """
    control, treated, bound = (np.asarray(e, dtype=np.float64) for e in (control, treated, bound))
    gap = control - bound
    with np.errstate(invalid="ignore"):
        return np.where(gap > 0, (control - treated) / np.where(gap > 0, gap, 1), np.nan)[()]


def _checked_weights(weights: np.ndarray, source_count: int) -> np.ndarray:
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != source_count:
        raise UserError(
            f"relation must have shape (J_target, {source_count}). Received {weights.shape}"
        )
    sums = weights.sum(axis=-1)
    wrong = np.flatnonzero(~np.isnan(sums) & ~(np.abs(sums - 1) <= _ROW_SUM_TOLERANCE))
    if len(wrong):
        raise UserError(
            f"relation must have rows that sum to 1. Row {wrong[0]} sums to {sums[wrong[0]]:.6g} "
            "(an ACAE's relation is w2.T @ w1.T)"
        )
    return weights
