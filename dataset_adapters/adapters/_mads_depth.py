"""Cameras of MADS's depth part: the left view of a stereo pair, its rotation's sign in doubt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..containers.mat import read_mat
from ._inside import joints_inside
from ._values import as_numbers, camera_of

CALIBRATION = "Calib_C0_left.mat"
#: What the stored rotation vector is multiplied by. Known loaders negate it: one always, an earlier
#: one in one action only.
SIGNS = {"negated": -1.0, "stored": 1.0}
#: So much larger a share of the joints in the image speaks for the stored sign.
CLEARLY_MORE = 0.1
_SIZES = {"fc": 2, "cc": 2, "alpha_c": 1, "kc": 5, "om": 3, "T": 3}


def left_camera(
    path, image_size: tuple[int, int], poses: Sequence[np.ndarray], *, rotation: str
) -> tuple[Camera, str]:
    """Returns the camera of the left view, and a note on the choice of its rotation.

    Args:
      path: the calibration file.
      image_size: (width, height) px.
      poses: arrays (T, J, 3) mm that the view shows.
      rotation: a key of `SIGNS`, or `auto`: `stored` if that brings clearly more joints into the
        image, else `negated`. (A camera that looks level, at a world with y up, nearly is its own
        inverse: then the shares tell nothing.)

    Raises:
      FileError: the file is damaged or makes no camera.
    """
    stored = read_mat(path, keys=list(_SIZES))
    numbers = {key: as_numbers(path, key, stored[key], size) for key, size in _SIZES.items()}
    (fx, fy), (cx, cy), (skew,) = numbers["fc"], numbers["cc"], numbers["alpha_c"]
    cameras = {
        name: camera_of(
            path,
            ", ".join(_SIZES),
            R=matrix_from_axis_angle(sign * numbers["om"]),
            t=numbers["T"],
            K=np.array([[fx, skew * fx, cx], [0, fy, cy], [0, 0, 1]]),
            distortion=numbers["kc"],
            world_up=(0, 1, 0),
            image_size=image_size,
        )
        for name, sign in SIGNS.items()
    }
    if rotation != "auto":
        return cameras[rotation], f"rotation of the left camera {rotation} (option)"
    shares = {name: _share_inside(camera, poses) for name, camera in cameras.items()}
    is_clear = shares["stored"] >= shares["negated"] + CLEARLY_MORE
    chosen = "stored" if is_clear else "negated"
    told = " and ".join(f"{100 * share:.0f} % {name}" for name, share in shares.items())
    return cameras[chosen], f"rotation of the left camera {chosen}: joints in the image are {told}"


def _share_inside(camera: Camera, poses: Sequence[np.ndarray]) -> float:
    inside = sum(int(joints_inside(camera.project(p), camera.image_size).sum()) for p in poses)
    known = sum(int((~np.isnan(p[..., 0])).sum()) for p in poses)
    return inside / known if known else 0.0
