"""Which joints an image shows."""

from __future__ import annotations

import numpy as np

from ..camera import Camera, bent

#: Far outside of the image a lens polynomial may fold back into it: a joint whose place without
#: distortion is further from the principal point than so many image sides is not seen.
_MAX_SIDES = 2.0


def joints_inside(joints2d: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Counts joints (..., J, 2) px within an image of (width, height) px; missing ones are not.

    Returns:
      (...) integers.
    """
    return np.count_nonzero(_is_inside(joints2d[..., 0], joints2d[..., 1], image_size), axis=-1)


class SeenJoints:
    """Joints of many people that many cameras look at.

    Args:
      joints: (N, J, 3) mm in world coordinates, NaN for missing joints.
    """

    def __init__(self, joints: np.ndarray):
        # Coordinates first and people last: every step then runs along whole rows of memory. Single
        # precision (some 1e-4 px) is enough to tell inside from outside.
        self._points = np.ascontiguousarray(joints.transpose(2, 1, 0), np.float32)

    def count(self, camera: Camera) -> np.ndarray:
        """Returns how many joints (N,) lie in the camera's image."""
        shape = self._points.shape
        points = camera.R.astype(np.float32) @ self._points.reshape(3, -1)
        points += camera.t.astype(np.float32)[:, None]
        x, y, depth = points.reshape(shape)
        fx, skew, cx, fy, cy = (
            float(camera.K[i]) for i in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2))
        )
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            x, y = x / depth, y / depth
            reach = _MAX_SIDES * max(camera.image_size) / min(fx, fy)
            is_seen = (depth > 0) & (np.abs(x) < reach) & (np.abs(y) < reach)
            if camera.is_distorted:
                x, y = bent(x, y, camera.distortion.tolist())
            u = x * fx + y * skew + cx if skew else x * fx + cx
            is_seen &= _is_inside(u, y * fy + cy, camera.image_size)
        return np.count_nonzero(is_seen, axis=0)


def _is_inside(x: np.ndarray, y: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    width, height = image_size
    # Pixel centres are at integers. Comparisons with NaN are false.
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
