"""Pinhole crop cameras as tensors: px -> rays and mm -> px, in float32.

K is (B, 3, 3) with last row (0, 0, 1); the upper left 2x2 block may be any regular matrix (turned
or sheared pixels). Pixel centres are at integers.
"""

from __future__ import annotations

from keras import ops

#: Depths are taken to be at least this (mm) where something is divided by them.
MIN_DEPTH_MM = 1.0


def rays(points, intrinsics):
    """Returns x/z and y/z `(B, J, 2)` of image points `(B, J, 2)` px."""
    linear, centre = _split(intrinsics)
    a, b, c, d = (linear[:, i, j][:, None] for i in (0, 1) for j in (0, 1))
    x, y = points[..., 0] - centre[..., 0], points[..., 1] - centre[..., 1]
    determinant = a * d - b * c
    return ops.stack([(d * x - b * y) / determinant, (a * y - c * x) / determinant], axis=-1)


def project(poses, intrinsics):
    """Returns the image points `(B, J, 2)` px of camera frame poses `(B, J, 3)` mm.

    Joints nearer than 1 mm, or behind the camera, are projected as if at 1 mm depth.
    """
    linear, centre = _split(intrinsics)
    on_plane = poses[..., :2] / ops.maximum(poses[..., 2:], MIN_DEPTH_MM)
    x, y = on_plane[..., 0], on_plane[..., 1]
    a, b, c, d = (linear[:, i, j][:, None] for i in (0, 1) for j in (0, 1))
    return ops.stack([a * x + b * y, c * x + d * y], axis=-1) + centre


def squared_focal_length(intrinsics):
    """Returns the (B,) product of the focal lengths along x and y, px^2."""
    linear, _ = _split(intrinsics)
    return ops.absolute(linear[:, 0, 0] * linear[:, 1, 1] - linear[:, 0, 1] * linear[:, 1, 0])


def is_between(points, zone):
    """Returns (B, J) booleans: both coordinates of image points lie in `zone` (low, high) px."""
    low, high = zone
    return ops.all(ops.logical_and(points >= low, points <= high), axis=-1)


def _split(intrinsics):
    intrinsics = ops.cast(intrinsics, "float32")
    return intrinsics[:, :2, :2], intrinsics[:, None, :2, 2]
