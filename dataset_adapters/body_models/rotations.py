"""Convert rotations between axis-angle, quaternion, 6D and matrix form, on any leading axes.

A matrix turns column vectors: `x' = R x`. Conventions that files differ in are stated per function.
"""

from __future__ import annotations

import numpy as np

_QUATERNION_ORDERS = {"wxyz": (0, 1, 2, 3), "xyzw": (3, 0, 1, 2)}


def matrix_from_axis_angle(axis_angle: np.ndarray) -> np.ndarray:
    """Turn rotation vectors into matrices (Rodrigues' formula).

    Args:
      axis_angle: `(..., 3)`, the axis times the angle in radians.

    Returns:
      `(..., 3, 3)`, of the same floating dtype.
    """
    axis_angle = _floating(axis_angle)
    x, y, z = (axis_angle[..., i] for i in range(3))
    angle = np.sqrt(x * x + y * y + z * z)
    # sin(a) / a and (1 - cos(a)) / a^2 without a division by zero: numpy's sinc(x) has a pi inside.
    sine_ratio = np.sinc(angle / np.pi)
    cosine_ratio = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    # Coordinate by coordinate: products of many 3 x 3 matrices are slow.
    cx, cy, cz = cosine_ratio * x, cosine_ratio * y, cosine_ratio * z
    sx, sy, sz = sine_ratio * x, sine_ratio * y, sine_ratio * z
    matrices = np.empty((*axis_angle.shape, 3), axis_angle.dtype)
    matrices[..., 0, 0] = 1 - (cy * y + cz * z)
    matrices[..., 1, 1] = 1 - (cx * x + cz * z)
    matrices[..., 2, 2] = 1 - (cx * x + cy * y)
    matrices[..., 0, 1], matrices[..., 1, 0] = cx * y - sz, cx * y + sz
    matrices[..., 2, 0], matrices[..., 0, 2] = cx * z - sy, cx * z + sy
    matrices[..., 1, 2], matrices[..., 2, 1] = cy * z - sx, cy * z + sx
    return matrices


def axis_angle_from_matrix(matrices: np.ndarray) -> np.ndarray:
    """Turn matrices into rotation vectors with angles in [0, pi].

    Args:
      matrices: `(..., 3, 3)` rotations.

    Returns:
      `(..., 3)` radians. Of the two axes of a half turn either may come back.
    """
    quaternion = quaternion_from_matrix(matrices)
    vector = quaternion[..., 1:]
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quaternion[..., :1])
    # Towards the identity, angle / sine tends to 2.
    is_small = sine < 1e-12
    ratio = np.where(is_small, 2.0, angle / np.where(is_small, 1.0, sine))
    return (ratio * vector).astype(quaternion.dtype)


def matrix_from_quaternion(quaternion: np.ndarray, *, order: str = "wxyz") -> np.ndarray:
    """Turn quaternions, which need not have unit length, into matrices.

    Args:
      quaternion: `(..., 4)`; a zero quaternion gives NaN.
      order: `"wxyz"` (scalar first: DeepMimic) or `"xyzw"` (scalar last: scipy, poselib).

    Returns:
      `(..., 3, 3)`.
    """
    quaternion = _floating(quaternion)
    length = np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = quaternion / np.where(length > 0, length, np.nan)
    w, x, y, z = (quaternion[..., i] for i in _quaternion_order(order))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_matrix(matrices: np.ndarray, *, order: str = "wxyz") -> np.ndarray:
    """Turn matrices into unit quaternions with a scalar part that is not negative.

    Args:
      matrices: `(..., 3, 3)` rotations.
      order: as in `matrix_from_quaternion`.

    Returns:
      `(..., 4)`.
    """
    m = _floating(matrices)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Row i is 4 q_i (w, x, y, z); the row of the largest q_i is the one that is well conditioned.
    diagonal = np.stack(
        [1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz], -1
    )
    wx, wy, wz = (m[..., k, j] - m[..., j, k] for j, k in ((1, 2), (2, 0), (0, 1)))
    xy, xz, yz = (m[..., j, k] + m[..., k, j] for j, k in ((0, 1), (0, 2), (1, 2)))
    rows = np.stack(
        [
            np.stack([diagonal[..., 0], wx, wy, wz], axis=-1),
            np.stack([wx, diagonal[..., 1], xy, xz], axis=-1),
            np.stack([wy, xy, diagonal[..., 2], yz], axis=-1),
            np.stack([wz, xz, yz, diagonal[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    largest = np.argmax(diagonal, axis=-1)[..., None, None]
    quaternion = np.take_along_axis(rows, largest, axis=-2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    inverse = np.argsort(_quaternion_order(order))
    return quaternion[..., inverse]


def matrix_from_six_d(six_d: np.ndarray) -> np.ndarray:
    """Turn the 6D representation into matrices by Gram-Schmidt.

    The six numbers are the first two columns of the matrix, one after the other. Code that takes
    them from `matrix[..., :2].reshape(6)` interleaves them: give it `x[..., [0, 2, 4, 1, 3, 5]]`.
    pytorch3d takes the first two rows: transpose the result.

    Args:
      six_d: `(..., 6)`.

    Returns:
      `(..., 3, 3)`; NaN where the two columns are parallel or zero.

    Source: Zhou et al., On the Continuity of Rotation Representations in Neural Networks, 2019.
    """
    six_d = _floating(six_d)
    first = _normalized(six_d[..., :3])
    second = six_d[..., 3:]
    second = _normalized(second - np.sum(first * second, axis=-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def six_d_from_matrix(matrices: np.ndarray) -> np.ndarray:
    """Return the first two columns of matrices `(..., 3, 3)`, one after the other: `(..., 6)`."""
    matrices = _floating(matrices)
    return np.concatenate([matrices[..., 0], matrices[..., 1]], axis=-1)


def rotation_defect(matrices: np.ndarray) -> np.ndarray:
    """Measure how far matrices `(..., 3, 3)` are from rotations: 0 for a rotation, 2 for a mirror.

    Returns:
      `(...)`, the largest element of `R R^T - 1` in size, or `1 - det R` where that is larger.
    """
    matrices = _floating(matrices)
    gram = matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3, dtype=matrices.dtype)
    return np.maximum(np.abs(gram).max(axis=(-2, -1)), np.abs(1 - np.linalg.det(matrices)))


def _floating(array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)


def _quaternion_order(order: str) -> tuple[int, ...]:
    if order not in _QUATERNION_ORDERS:
        raise ValueError(f"order must be 'wxyz' or 'xyzw'. Received {order!r}")
    return _QUATERNION_ORDERS[order]


def _normalized(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 1e-12, length, np.nan)
