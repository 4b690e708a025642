"""Whether paired poses are in one frame of reference, and what to do where only one is moved."""

from __future__ import annotations

import numpy as np

from skeleton_defs import UserError

from .affine_map import AffineMap

# The mean joint of two skeletons of one body: centimetres apart, whatever the formats.
_MAX_SPREADS_APART = 1.5
_MAX_SIZE_RATIO = 2.5
# Where the prior knows too few joints, a body may be paired with one of its hands.
_MAX_SPREADS_APART_UNINFORMED = 5.0
_MAX_SIZE_RATIO_UNINFORMED = 30.0
# Name maps are 40 to 70 mm off on average; frames turned against each other several hundred.
_TURNED_ERROR_MM = 120.0
_LOOKED_AT = 2000
# Errors of this kind are those of a moving origin rather than of joints.
_SHIFT_SHARE = 0.7
_SHIFT_MM = 30.0
_REMEDY = (
    "bring both into one frame of reference, or use --align mean (the target's place as a whole "
    "is then taken from the prior)"
)


def move_targets_to_prior(source: np.ndarray, target: np.ndarray, prior: AffineMap) -> np.ndarray:
    """Moves every target pose so that its mean joint lies where the prior puts it.

    Rows that sum to one cannot express a translation that changes from pose to pose (a target
    relative to its own root, a source in the world). Paired poses of that kind tell how target
    joints lie to each other, not where they lie as a whole; this takes the latter from the prior.

    Args:
      source: (N, J, D); target: (N, T, D), mm, NaN where missing.
      prior: a map with at least one row.

    Returns:
      (N, T, D), NaN in poses where the prior gives none of the target's joints.
    """
    predicted = prior.apply(source)
    if not np.isfinite(predicted).any():
        raise UserError(
            "--align mean needs a prior that gives some of the target's joints from the source's. "
            f"'{prior.method}' gives none"
        )
    return target + _mean_joint(predicted - target)


def check_frames_of_reference(
    source: np.ndarray, target: np.ndarray, prior: AffineMap
) -> tuple[str, ...]:
    """Raises where the poses of a pair cannot be the same body in the same coordinates.

    Args:
      source: (N, J, D); target: (N, T, D), mm, NaN where missing.
      prior: what to expect; without any row only gross mistakes are found.

    Returns:
      Remarks for the user.

    Raises:
      UserError: sizes differ (units), places differ, or one is turned against the other.
    """
    chosen = np.unique(np.linspace(0, len(source) - 1, _LOOKED_AT).astype(int))
    source, target = source[chosen], target[chosen]
    predicted = prior.apply(source)
    informed = np.isfinite(predicted) & np.isfinite(target)
    enough = informed.all(axis=-1).sum(axis=-1) >= 4
    if enough.any():
        expected = np.where(informed, predicted, np.nan)[enough]
        found = np.where(informed, target, np.nan)[enough]
    else:
        expected, found = source, target
    _check_size(_size(expected), _size(found), informed=enough.any())
    spread = max(_size(source), _size(target))
    _check_place(_mean_joint(found) - _mean_joint(expected), spread, informed=enough.any())
    if enough.any():
        _check_turn(expected - _mean_joint(expected), found - _mean_joint(found))
    return _common_root(source, target, prior)


def translation_note(residuals: np.ndarray) -> tuple[str, ...]:
    """A remark where whole target poses are off, rather than joints.

    Args:
      residuals: (N, D, T) predicted minus true joints in mm, NaN where missing.
    """
    there = ~np.isnan(residuals)
    count = there.sum(axis=-1)
    if residuals.shape[-1] < 4 or not count.any():
        return ()
    mean = np.where(there, residuals, 0).sum(axis=-1) / np.maximum(count, 1)
    share = (count * mean**2).sum() / max(np.nansum(residuals**2), 1e-12)
    typical = np.sqrt((mean**2).sum(axis=-1).mean())
    if share < _SHIFT_SHARE or typical < _SHIFT_MM:
        return ()
    return (
        f"{share:.0%} of the squared error is a shift of whole poses, by {typical:.0f} mm: source "
        "and target may be relative to different points. --align mean takes the target's place as "
        "a whole from the prior",
    )


def _check_size(expected: float, found: float, *, informed: bool) -> None:
    most = _MAX_SIZE_RATIO if informed else _MAX_SIZE_RATIO_UNINFORMED
    if expected > 0 and found > 0 and not 1 / most < found / expected < most:
        raise UserError(
            "source and target poses must be of the same people in the same unit. The target is "
            f"{found / expected:.3g} times as large as expected of the source: state both units "
            "with --units SOURCE:TARGET, or scale one with skelbridge convert --scale"
        )


def _check_place(apart: np.ndarray, spread: float, *, informed: bool) -> None:
    distances = np.linalg.norm(apart, axis=-1)
    distances = distances[np.isfinite(distances)]
    distance = float(np.median(distances)) if len(distances) else 0.0
    most = _MAX_SPREADS_APART if informed else _MAX_SPREADS_APART_UNINFORMED
    if spread > 0 and distance > most * spread:
        raise UserError(
            "source and target poses must be in one frame of reference (both in the world, or "
            f"relative to the same point). The target lies {distance:.0f} mm from the source "
            f"in the median: {_REMEDY}"
        )


def _check_turn(expected: np.ndarray, found: np.ndarray) -> None:
    before = float(np.nanmean(np.linalg.norm(expected - found, axis=-1)))
    if before < _TURNED_ERROR_MM:
        return
    a, b = (np.nan_to_num(p).reshape(-1, p.shape[-1]) for p in (expected, found))
    u, _, vt = np.linalg.svd(a.T @ b)
    turn = u @ vt
    after = float(np.nanmean(np.linalg.norm(expected @ turn - found, axis=-1)))
    if after > before / 2:
        return
    if np.linalg.det(turn) < 0:
        what = "mirrored against"
    else:
        cosine = (np.trace(turn) - 1) / 2 if len(turn) == 3 else turn[0, 0]
        what = f"turned by {np.degrees(np.arccos(np.clip(cosine, -1, 1))):.0f} degrees against"
    raise UserError(
        f"source and target poses must be in one frame of reference. The target is {what} the "
        f"source (undoing it takes the difference from {before:.0f} to {after:.0f} mm): bring "
        "both to the same axes, for example with skelbridge convert --up"
    )


def _common_root(source: np.ndarray, target: np.ndarray, prior: AffineMap) -> tuple[str, ...]:
    """A remark where both skeletons are relative to a root of their own."""
    roots = [np.flatnonzero((p == 0).all(axis=(0, 2))) for p in (source, target)]
    if not (len(roots[0]) and len(roots[1])):
        return ()
    row, column = int(roots[1][0]), int(roots[0][0])
    if prior.status[row] == "copied" and prior.weights[row, column] == 1:
        return ()
    return (
        f"source joint '{prior.source.joints[column]}' and target joint "
        f"'{prior.target.joints[row]}' are at the origin in every pose: the pairs do not tell how "
        "far apart these two are, and the map puts them in one place. With --align mean the "
        "target's place is taken from the prior",
    )


def _size(poses: np.ndarray) -> float:
    """Median root mean square distance of joints from their mean."""
    square = ((poses - _mean_joint(poses)) ** 2).sum(axis=-1)
    known = np.isfinite(square).any(axis=-1)
    return float(np.sqrt(np.median(np.nanmean(square[known], axis=-1)))) if known.any() else 0.0


def _mean_joint(poses: np.ndarray) -> np.ndarray:
    """(N, 1, D) mean of the joints that are there; NaN where none is."""
    there = np.isfinite(poses)
    count = there.sum(axis=-2, keepdims=True)
    total = np.where(there, poses, 0).sum(axis=-2, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
