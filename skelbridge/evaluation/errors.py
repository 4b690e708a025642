"""Distances between predicted and true joints, after what a metric forgives.

Every function takes poses (..., J, D) of one unit (mm for 3D, px for 2D) and one frame, and
returns errors (..., J) in that unit. A joint counts where the truth is known, the mask is True and
the prediction is there; elsewhere its error is NaN, which every score leaves out. Scores are
functions of such errors (`pck`, `auc`, `cps`, `per_joint_table`, `bootstrap_interval`), so that
every score goes with every alignment, and joints are chosen by slicing:

    errors = root_aligned_errors(predicted, true, root=14)[..., :14]
    pck(errors, 150), auc_3dhp(errors)

`unpredicted` is the error of a joint that has a truth and no prediction: NaN leaves it out,
`np.inf` makes it wrong at every threshold.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from skelbridge.geometry.observed import PairedPoses, paired_poses
from skelbridge.geometry.procrustes import similarity_of

from .alignment import (
    Root,
    align_means,
    align_roots,
    align_scales,
    root_joints,
    root_points,
)


def absolute_errors(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    unpredicted: float = np.nan,
) -> np.ndarray:
    """Returns the distances (..., J) of poses as they are."""
    paired = paired_poses(predicted, true, mask)
    return _errors(paired, lambda piece: piece.first, unpredicted)


def root_aligned_errors(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    root: Root,
    mask: np.ndarray | None = None,
    unpredicted: float = np.nan,
) -> np.ndarray:
    """Returns the distances (..., J) after moving the roots together.

    Args:
      predicted, true: (..., J, D).
      root: the joint to align at, several for their mean, None for poses that are relative to
        their roots already. A pose whose true root is missing does not count.
      mask: bool, broadcasting to (..., J).
      unpredicted: error of joints (or of poses without a predicted root) that are not predicted.
    """
    paired = paired_poses(predicted, true, mask)
    return _errors(paired, lambda piece: align_roots(piece, root), unpredicted, root=root)


def mean_aligned_errors(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    unpredicted: float = np.nan,
) -> np.ndarray:
    """Returns the distances (..., J) after moving together the means of the joints that count."""
    paired = paired_poses(predicted, true, mask)
    return _errors(paired, align_means, unpredicted)


def scale_aligned_errors(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    root: Root,
    mask: np.ndarray | None = None,
    unpredicted: float = np.nan,
) -> np.ndarray:
    """Returns the distances (..., J) after moving the roots together and scaling about them."""
    paired = paired_poses(predicted, true, mask)
    return _errors(paired, lambda piece: align_scales(piece, root), unpredicted, root=root)


def procrustes_errors(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    unpredicted: float = np.nan,
) -> np.ndarray:
    """Returns the distances (..., J) after the best similarity without reflection per pose."""
    paired = paired_poses(predicted, true, mask)
    return _errors(paired, lambda piece: similarity_of(piece).apply(piece.first), unpredicted)


def _errors(
    paired: PairedPoses,
    align: Callable[[PairedPoses], np.ndarray],
    unpredicted: float,
    root: Root = None,
) -> np.ndarray:
    """Distances of aligned predictions from the truth, NaN where a joint does not count."""
    root_joints(root, paired.first.shape[-2])  # A wrong root is told also where no pose is.
    errors = np.empty(paired.first.shape[:-1])
    flat = errors.reshape(math.prod(errors.shape[:-1]), errors.shape[-1])
    for rows, piece in paired.pieces():
        flat[rows] = _distances(align(piece), piece.second)
        there = piece.both_there
        if not there.all():
            flat[rows][~there] = np.nan
        if not np.isnan(unpredicted):
            true_root = root_points(piece, root)[1]
            wanted = piece.second_there & ~np.isnan(true_root).any(axis=-1)
            flat[rows][wanted & np.isnan(flat[rows])] = unpredicted
    return errors


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = first - second
        squares *= squares
        # Coordinate by coordinate: numpy is slow at summing over an axis of length 3.
        return np.sqrt(sum(squares[..., d] for d in range(squares.shape[-1])))
