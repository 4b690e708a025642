"""Mean per-joint position errors, named as the papers name them.

Poses are (..., J, D) of one unit (mm) and frame; the result is in that unit. `axis` is that of a
numpy mean over the errors (..., J): None pools all joints of all poses into one number, -1 gives
one number per pose. Joints that do not count (see `errors`) are left out; a mean of none is NaN.
"""

from __future__ import annotations

import numpy as np

from skelbridge.geometry.observed import paired_poses
from skeleton_defs import UserError

from .alignment import Root
from .averages import Axis, mean_over
from .errors import (
    absolute_errors,
    mean_aligned_errors,
    procrustes_errors,
    root_aligned_errors,
    scale_aligned_errors,
)


def mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    root: Root,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean joint distance after moving the roots together (MPJPE).

    The root counts as a joint: its error is 0. Ionescu et al., "Human3.6M", PAMI 2014;
    "protocol 1" of the lifting literature.

    >>> import numpy as np
    >>> mpjpe([[0.0, 0, 0], [0, 3, 4]], [[7.0, 7, 7], [7, 7, 7]], root=0)
    np.float64(2.5)

    Args:
      root: the joint to align at, several for their mean (both hips for COCO), None for poses that
        are relative to their roots already; `root_of` looks it up for a format.
    """
    return mean_over(root_aligned_errors(predicted, true, root=root, mask=mask), axis)


def mean_aligned_mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean joint distance after moving the mean joints together.

    What the mean-relative training loss of MeTRAbs sees.
    """
    return mean_over(mean_aligned_errors(predicted, true, mask=mask), axis)


def absolute_mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean joint distance without any alignment (A-MPJPE)."""
    return mean_over(absolute_errors(predicted, true, mask=mask), axis)


def pmpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean joint distance after the best similarity per pose (PMPJPE, PA-MPJPE).

    Rotation, translation and scale; a mirrored pose stays wrong. "Protocol 2" of the lifting
    literature. The similarity minimises squared distances: the mean distance can, rarely, be above
    that of another alignment; the root mean square never is.
    """
    return mean_over(procrustes_errors(predicted, true, mask=mask), axis)


def n_mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    root: Root,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean joint distance after moving roots together and scaling (N-MPJPE).

    Per pose `s = <true, predicted> / <predicted, predicted>`. Rhodin et al., "Unsupervised
    geometry-aware representation for 3D human pose estimation", ECCV 2018; VideoPose3D scales
    poses about their own origin: `root=None`.
    """
    return mean_over(scale_aligned_errors(predicted, true, root=root, mask=mask), axis)


def mpjve(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the mean error of joint velocities (MPJVE), in the unit per frame.

    Pavllo et al., "3D human pose estimation in video with temporal convolutions", CVPR 2019: first
    differences of poses as they are, without regard to the frame rate.

    Args:
      predicted, true: (..., T, J, D), one sequence of frames; a joint counts in a step where both
        frames have it.
      mask: bool, broadcasting to (..., T, J).
      axis: over (..., T - 1, J).
    """
    paired = paired_poses(predicted, true, mask)
    if paired.first.ndim < 3:
        raise UserError(
            f"MPJVE must have poses of shape (..., T, J, D). Received {paired.first.shape}"
        )
    steps = []
    for poses, there in ((paired.first, paired.first_there), (paired.second, paired.second_there)):
        known = np.where(there[..., None], poses, np.nan)
        steps.append(np.diff(known, axis=-3))
    return mean_over(absolute_errors(*steps), axis)
