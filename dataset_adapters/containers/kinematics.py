"""Euler angles to rotation matrices, and forward kinematics over a list of parents.

Column vectors throughout: a rotation R turns a point p of the child's frame into `R @ p` of the
parent's. `T` frames, `J` joints; a joint's parent is its index, or -1 for a root.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: The two axes that turn into one another under a rotation about each axis: cos and sin of the
#: angle move the first towards the second.
_TURNING = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}

#: A clip may take this many times its file's size as positions ...
_POSITIONS_PER_FILE_BYTE = 64
#: ... or this many bytes, whichever is more: files where few joints move are small for their clip.
_ALWAYS_ALLOWED_BYTES = 256 << 20


def euler_rotations(angles: np.ndarray, axes: str) -> np.ndarray:
    """Multiply rotations about coordinate axes in the order they are listed.

    The product of the first axis' rotation, then the second's, ...: each rotation is about the axes
    as the earlier ones left them (intrinsic), which is the same as the reversed list about fixed
    axes.

    Args:
      angles: `(..., n)`, radians.
      axes: `n` letters out of `X`, `Y` and `Z`; repeats are allowed, as in `"ZXZ"`.

    Returns:
      `(..., 3, 3)`.
    """
    angles = np.asarray(angles, dtype=np.float64)
    if angles.shape[-1:] != (len(axes),):
        raise ValueError(
            f"angles must have shape (..., {len(axes)}) for axes {axes!r}. "
            f"Received shape {angles.shape}"
        )
    rotations = np.zeros((*angles.shape[:-1], 3, 3))
    rotations[..., range(3), range(3)] = 1.0
    cosines, sines = np.cos(angles), np.sin(angles)
    for k, axis in enumerate(axes):
        first, second = _TURNING[axis]
        cos, sin = cosines[..., k, None], sines[..., k, None]
        a, b = rotations[..., first].copy(), rotations[..., second].copy()
        rotations[..., first] = cos * a + sin * b
        rotations[..., second] = cos * b - sin * a
    return rotations


def fixed_axis_rotations(angles: np.ndarray, axes: str) -> np.ndarray:
    """Apply rotations about fixed coordinate axes one after the other, the first listed first.

    Args:
      angles: `(..., n)`, radians.
      axes: `n` letters out of `X`, `Y` and `Z`.

    Returns:
      `(..., 3, 3)`; for `"XYZ"` it is Rz Ry Rx.
    """
    return euler_rotations(np.asarray(angles)[..., ::-1], axes[::-1])


def parents_first(parents: Sequence[int]) -> list[int]:
    """Order joints such that every joint comes after its parent.

    Raises:
      ValueError: a parent is out of range, or joints are their own ancestors.
    """
    children: list[list[int]] = [[] for _ in parents]
    order = []
    for joint, parent in enumerate(parents):
        if not -1 <= parent < len(parents):
            raise ValueError(f"parent of joint {joint} must be -1 or a joint. Received {parent}")
        (children[parent] if parent >= 0 else order).append(joint)
    for joint in order:  # grows while it is walked through: breadth first, no recursion
        order.extend(children[joint])
    if len(order) != len(parents):
        loop = min(set(range(len(parents))) - set(order))
        raise ValueError(f"joint {loop} must descend from a root, but its ancestors form a loop")
    return order


def accumulate_rotations(parents: Sequence[int], local: np.ndarray) -> np.ndarray:
    """Turn rotations relative to the parent into rotations relative to the world.

    Args:
      parents: `J` indices, -1 for a root.
      local: `(..., J, 3, 3)`.

    Returns:
      `(..., J, 3, 3)`: the parent's world rotation times the local one.
    """
    world = np.array(local, dtype=np.float64)
    for joint in parents_first(parents):
        if parents[joint] >= 0:
            world[..., joint, :, :] = world[..., parents[joint], :, :] @ local[..., joint, :, :]
    return world


def accumulate_steps(parents: Sequence[int], steps: np.ndarray) -> np.ndarray:
    """Add up steps from parent to child into world positions.

    Args:
      parents: `J` indices, -1 for a root.
      steps: `(..., J, 3)` from the parent (a root: from the origin) to each joint, in world axes.

    Returns:
      `(..., J, 3)`.
    """
    positions = np.array(steps, dtype=np.float64)
    for joint in parents_first(parents):
        if parents[joint] >= 0:
            positions[..., joint, :] += positions[..., parents[joint], :]
    return positions


def place_joints(parents: Sequence[int], local: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Pose a tree of joints.

    A joint whose rotation is NaN is placed still; all joints below it become NaN.

    Args:
      parents: `J` indices, -1 for a root.
      local: `(..., J, 3, 3)` rotations relative to the parent.
      steps: `(..., J, 3)` from the parent to each joint in the parent's axes (a root: from the
        origin in world axes).

    Returns:
      `(..., J, 3)` world positions.
    """
    world = accumulate_rotations(parents, local)
    children = np.flatnonzero(np.array(parents) >= 0)
    rotations = world[..., np.array(parents)[children], :, :]
    turned = np.array(steps, dtype=np.float64)
    turned[..., children, :] = rotate(rotations, turned[..., children, :])
    return accumulate_steps(parents, turned)


def rotate(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Apply `(..., 3, 3)` rotations to `(..., 3)` vectors; leading axes broadcast."""
    return (rotations @ vectors[..., None])[..., 0]


def positions_fit(n_frames: int, n_joints: int, *, file_bytes: int) -> bool:
    """Tell whether a clip's `(T, J, 3)` float64 positions are in proportion to the file it is from.

    Joints without channels cost a file nothing, so that a small file can ask for any amount of
    memory.
    """
    allowed = max(_ALWAYS_ALLOWED_BYTES, _POSITIONS_PER_FILE_BYTE * file_bytes)
    return n_frames * n_joints * 24 <= allowed


def frame_chunks(n_frames: int, n_joints: int) -> list[slice]:
    """Split frames such that the rotation matrices of one chunk stay near 40 MB."""
    size = max(1, (1 << 19) // max(n_joints, 1))
    return [slice(start, start + size) for start in range(0, n_frames, size)]
