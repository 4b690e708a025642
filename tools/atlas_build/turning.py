"""The rotation algebra that moving a pose from one skeleton to another needs.

Matrices turn column vectors; all functions work on any leading axes.
"""

from __future__ import annotations

import numpy as np

from dataset_adapters.body_models.rotations import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
    quaternion_from_matrix,
)
from skelbridge.atlas.body_parts import swing_vector, unit

__all__ = ["about", "angle_of", "between", "limb_frame", "swing", "swing_vector", "twist_angle",
           "unit"]  # fmt: skip


def limb_frame(direction: np.ndarray, hinge: np.ndarray) -> np.ndarray:
    """Build an orthonormal frame on a bone.

    Args:
      direction: `(..., 3)` along the bone.
      hinge: `(..., 3)` the axis it bends about; the part along the bone does not count.

    Returns:
      `(..., 3, 3)` rotations with columns direction, hinge, and the normal of both.
    """
    first = unit(np.asarray(direction))
    second = np.asarray(hinge) - np.sum(first * hinge, axis=-1, keepdims=True) * first
    second = unit(second)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the shortest turn `(..., 3, 3)` that takes unit vectors `start` to `end`."""
    return matrix_from_axis_angle(swing_vector(start, end))


def twist_angle(rotations: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return how far `(..., 3, 3)` rotations turn about unit vectors `(..., 3)`.

    Returns:
      `(...)` radians in (-pi, pi]: the angle of the twist in the swing-twist decomposition.
    """
    quaternion = quaternion_from_matrix(rotations)
    along = np.sum(quaternion[..., 1:] * axis, axis=-1)
    angle = 2 * np.arctan2(along, quaternion[..., 0])
    return (angle + np.pi) % (2 * np.pi) - np.pi


def about(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return rotations `(..., 3, 3)` about unit vectors `(..., 3)` by `(...)` radians."""
    return matrix_from_axis_angle(axis * np.asarray(angle)[..., None])


def between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Go `share` of the shortest way from the first `(..., 3, 3)` rotation to the second."""
    step = axis_angle_from_matrix(np.swapaxes(first, -1, -2) @ second)
    return first @ matrix_from_axis_angle(share * step)


def angle_of(rotations: np.ndarray) -> np.ndarray:
    """Return the angles `(...)` of `(..., 3, 3)` rotations, in radians from 0 to pi."""
    return np.linalg.norm(axis_angle_from_matrix(rotations), axis=-1)
