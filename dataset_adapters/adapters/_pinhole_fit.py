"""Whether a camera projects 3D joints onto 2D joints, and which one would."""

from __future__ import annotations

import numpy as np

from ..camera import Camera, intrinsics

#: Points that are seen at a flatter angle are damage.
_MAX_SLOPE = 100.0


def reprojection_error_px(camera: Camera, in_camera: np.ndarray, joints2d: np.ndarray) -> float:
    """Returns the median distance of projected and annotated joints per axis, px.

    Args:
      camera: whose intrinsics and distortion are used.
      in_camera: (..., 3) mm in camera coordinates.
      joints2d: (..., 2) px.

    Returns:
      Infinity where no joint has both.
    """
    off = np.abs(camera.image_from_camera(in_camera) - joints2d)
    off = off[~np.isnan(off)]
    return float(np.median(off)) if off.size else np.inf


def fit_intrinsics(in_camera: np.ndarray, joints2d: np.ndarray) -> np.ndarray | None:
    """Returns the intrinsic matrix (no skew, no distortion) that projects points onto pixels best.

    Args:
      in_camera: (..., 3) mm in camera coordinates.
      joints2d: (..., 2) px.

    Returns:
      (3, 3) by linear least squares of u = f x / z + c, or None where the points determine none.
    """
    points, pixels = in_camera.reshape(-1, 3), joints2d.reshape(-1, 2)
    # Comparisons with NaN are false.
    is_seen = (points[:, 2] > 0) & ~np.isnan(pixels).any(-1)
    is_seen &= (np.abs(points[:, :2]) <= _MAX_SLOPE * points[:, 2:]).all(-1)
    ideal = points[is_seen, :2] / points[is_seen, 2:]
    pixels = pixels[is_seen]
    if len(ideal) < 2 or np.ptp(ideal, axis=0).min() < 1e-6:
        return None
    shifted = ideal - ideal.mean(0)
    focal = (shifted * pixels).sum(0) / (shifted**2).sum(0)
    center = pixels.mean(0) - focal * ideal.mean(0)
    if not (np.isfinite(focal).all() and (focal > 0).all()):
        return None
    return intrinsics(*focal, *center)
