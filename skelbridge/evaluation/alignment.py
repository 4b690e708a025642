"""Moving predicted poses onto the true ones, as far as a metric forgives.

Every function returns the prediction (..., J, D) in the frame of the truth, so that an error is
a plain distance and a picture shows what was measured. Only joints that both poses have, and that
the mask leaves in, decide how a pose is moved. `skelbridge.geometry.procrustes_aligned` is the
alignment behind PMPJPE.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import numpy as np

from skelbridge.geometry.observed import PairedPoses, paired_poses
from skeleton_defs import Skeleton, UserError

#: The joint that poses are aligned at, or the joints whose mean it is; None: poses are as they
#: should be, relative to a root already.
Root = int | Sequence[int] | None


def root_of(skeleton: Skeleton) -> tuple[int, ...]:
    """Returns the joints whose mean is the root of a format, e.g. both hips for `coco_17`."""
    if not skeleton.root:
        raise UserError(f"skeleton '{skeleton.name}' has no root: give the joints as numbers")
    return tuple(skeleton.joints.index(joint) for joint in skeleton.root)


def root_aligned(
    predicted: np.ndarray, true: np.ndarray, *, root: Root, mask: np.ndarray | None = None
) -> np.ndarray:
    """Moves predicted poses (..., J, D) so that their roots lie at the true ones.

    Poses without a root in either are NaN.
    """
    return align_roots(paired_poses(predicted, true, mask), root)


def mean_aligned(
    predicted: np.ndarray, true: np.ndarray, *, mask: np.ndarray | None = None
) -> np.ndarray:
    """Moves predicted poses (..., J, D) so that the means of the joints that count agree."""
    return align_means(paired_poses(predicted, true, mask))


def scale_aligned(
    predicted: np.ndarray, true: np.ndarray, *, root: Root, mask: np.ndarray | None = None
) -> np.ndarray:
    """Moves roots together and scales predicted poses about them: `s = <true, p> / <p, p>`.

    The least-squares factor of N-MPJPE. It is not bounded: a prediction that points the other way
    altogether gets a negative one.
    """
    return align_scales(paired_poses(predicted, true, mask), root)


def align_roots(paired: PairedPoses, root: Root) -> np.ndarray:
    """`root_aligned` of checked poses."""
    predicted_root, true_root = root_points(paired, root)
    with np.errstate(over="ignore", invalid="ignore"):
        return paired.first + (true_root - predicted_root)


def align_means(paired: PairedPoses) -> np.ndarray:
    """`mean_aligned` of checked poses."""
    there = paired.both_there[..., None]
    count = there.sum(axis=-2, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = np.where(there, paired.second - paired.first, 0).sum(axis=-2, keepdims=True)
        shift = np.where(count > 0, difference / np.maximum(count, 1), np.nan)
        return paired.first + shift


def align_scales(paired: PairedPoses, root: Root) -> np.ndarray:
    """`scale_aligned` of checked poses."""
    predicted_root, true_root = root_points(paired, root)
    there = paired.both_there[..., None]
    with np.errstate(over="ignore", invalid="ignore"):
        first = paired.first - predicted_root
        counted = np.where(there, first, 0)
        second = np.where(there, paired.second - true_root, 0)
        product = np.einsum("...jd,...jd->...", counted, second)
        square = np.einsum("...jd,...jd->...", counted, counted)
        # A prediction without extent is the same at every scale.
        scale = product / np.where(square > 0, square, 1)
        return scale[..., None, None] * first + true_root


def root_points(paired: PairedPoses, root: Root) -> tuple[np.ndarray, np.ndarray]:
    """Returns both roots (..., 1, D), NaN where one of the root's joints is missing."""
    joints = root_joints(root, paired.first.shape[-2])
    if not joints:
        return np.zeros(1), np.zeros(1)
    sides = ((paired.first, paired.first_there), (paired.second, paired.second_there))
    points = []
    for poses, there in sides:
        chosen = np.where(there[..., joints, None], poses[..., joints, :], np.nan)
        points.append(chosen.mean(axis=-2, keepdims=True))
    return points[0], points[1]


def root_joints(root: Root, joint_count: int) -> list[int]:
    """Returns the joints of a root as numbers.

    Raises:
      UserError: no joints of a pose of that many.
    """
    if root is None:
        return []
    try:
        joints = [operator.index(j) for j in (root if np.iterable(root) else [root])]
    except TypeError:
        joints = []
    if not joints or not all(-joint_count <= joint < joint_count for joint in joints):
        raise UserError(
            f"root must be one or several of the {joint_count} joints, by number, or None for "
            f"poses that are relative to their root already. Received {root!r}"
        )
    return joints
