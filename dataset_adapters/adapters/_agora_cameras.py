"""AGORA's cameras: most scenes have fixed ones that the image's name tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera, intrinsics
from ._values import camera_of

IMAGE_SIZE = (3840, 2160)
CENTER_PX = (1920.0, 1080.0)
#: Width of the sensor, which 3840 px span.
SENSOR_MM = 36.0
_MM_PER_CM, _MM_PER_M = 10.0, 1000.0


@dataclass(frozen=True)
class Mount:
    """Where a camera is, in Unreal's axes (x forward, y right, z up), and how it looks.

    Attributes:
      focal_mm: focal length.
      position_cm: x, y, z.
      yaw_degrees: about z, from x to y.
      pitch_degrees: downwards.
      height_m: added to the place's y in axes with y down.
    """

    focal_mm: float
    position_cm: tuple[float, float, float]
    yaw_degrees: float = 0.0
    pitch_degrees: float = 0.0
    height_m: float = 0.0


#: Part of the image's name -> mount; the first that fits counts.
FIXED_MOUNTS = {
    "hdri": Mount(50, (0, 0, 170)),
    "cam00": Mount(18, (400, -275, 265), 135, 30),
    "cam01": Mount(18, (400, 225, 265), -135, 30),
    "cam02": Mount(18, (-490, 170, 265), -45, 30),
    "cam03": Mount(18, (-490, -275, 265), 45, 30),
    "ag2": Mount(28, (0, 0, 170), 0, 15),
}


def fixed_mount(image: str) -> Mount | None:
    """Returns the mount that belongs to an image's name, if its scene has a fixed one."""
    return next((mount for part, mount in FIXED_MOUNTS.items() if part in image), None)


def free_mount(x: float, y: float, z: float, yaw_degrees: float) -> Mount:
    """Returns the mount of the other scenes, whose place is in the data frame."""
    return Mount(28, (x, y, z), yaw_degrees, 0.0, -1.7)


def unreal_in_camera_axes(points: np.ndarray) -> np.ndarray:
    """Returns Unreal's points (..., 3) in axes x right, y down, z forward; the unit stays."""
    x, y, z = np.moveaxis(np.asarray(points, float), -1, 0)
    return np.stack([y, -z, x], axis=-1)


def camera_of_mount(path, what: str, mount: Mount, scale: float = 1.0) -> Camera:
    """Returns the camera (mm; world axes x right, y down, z forward of Unreal's x axis).

    Args:
      path, what: for messages.
      mount: where it is.
      scale: of the images against 3840 x 2160.

    Raises:
      FileError: the mount's numbers make no camera.
    """
    center = _MM_PER_CM * unreal_in_camera_axes(np.array(mount.position_cm))
    center[1] += _MM_PER_M * mount.height_m
    yaw, pitch = np.radians([mount.yaw_degrees, mount.pitch_degrees])
    turn = matrix_from_axis_angle(np.array([0, -yaw, 0]))
    tilt = matrix_from_axis_angle(np.array([pitch, 0, 0]))
    focal = scale * mount.focal_mm / SENSOR_MM * IMAGE_SIZE[0]
    return camera_of(
        path,
        what,
        center=center,
        R=tilt @ turn,
        K=intrinsics(focal, focal, scale * CENTER_PX[0], scale * CENTER_PX[1]),
        world_up=(0, -1, 0),
        image_size=tuple(round(scale * n) for n in IMAGE_SIZE),
    )
