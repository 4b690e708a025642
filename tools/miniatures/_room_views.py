"""Rooms seen by cameras: other world axes, level cameras, quick pictures, truth rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dataset_adapters.camera import Camera, intrinsics

from . import scene
from .truth import TruthRow

#: Pictures are drawn this much smaller and enlarged: the sizes of real datasets take long to paint.
_SHRINK = 4


@dataclass(frozen=True, eq=False)
class WorldFrame:
    """World axes other than the room's own: x_world = R x_room + offset, mm."""

    R: np.ndarray
    offset: np.ndarray

    @classmethod
    def upward(cls, up: str) -> WorldFrame:
        """Returns the frame with the upward axis `z`, `y` or `-y` and the room's origin."""
        return cls(scene.AXES[up], np.zeros(3))

    @classmethod
    def of_camera(cls, camera: Camera) -> WorldFrame:
        """Returns the frame of a camera of the room: that camera gets R = 1 and t = 0."""
        return cls(camera.R, camera.t)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Brings points (..., 3) of the room into this frame."""
        return points @ self.R.T + self.offset

    def camera(self, camera: Camera) -> Camera:
        """Brings a camera of the room into this frame."""
        R = camera.R @ self.R.T
        return replace(camera, R=R, t=camera.t - R @ self.offset, world_up=self.R @ camera.world_up)


def level_camera(
    image_size: tuple[int, int],
    *,
    focal: float,
    angle: float,
    distance_mm: float = 4000.0,
    height_mm: float = 1000.0,
    shift_px: tuple[float, float] = (0.0, 0.0),
    distortion=None,
) -> Camera:
    """Returns a camera of the room that looks horizontally over the middle of the floor.

    Args:
      angle: direction in which it stands, radians.
      shift_px: where the principal point lies relative to the middle of the image.
    """
    forward = -np.array([np.cos(angle), np.sin(angle), 0])
    center = -distance_mm * forward + [0, 0, height_mm]
    down = np.array([0, 0, -1.0])
    middle = (np.array(image_size) - 1) / 2 + shift_px
    return Camera.at(
        center,
        np.stack([np.cross(down, forward), down, forward]),
        intrinsics(focal, focal * 1.004, *middle),
        distortion=distortion,
        world_up=(0, 0, 1),
        image_size=image_size,
    )


def draw(camera: Camera, people: list[np.ndarray], skeleton: str, *, seed: int = 0) -> np.ndarray:
    """Paints what a camera sees of people (J, 3) mm; (height, width, 3) uint8 RGB."""
    import cv2

    depth = [np.nanmean(camera.to_camera(joints)[:, 2]) for joints in people]
    order = np.argsort(depth)[::-1]
    pixels = [camera.project(people[i]) / _SHRINK for i in order]
    small = tuple(n // _SHRINK for n in camera.image_size)
    return cv2.resize(scene.picture(small, pixels, skeleton, seed=seed), camera.image_size)


def draw_mask(camera: Camera, joints: np.ndarray, skeleton: str) -> np.ndarray:
    """Paints the silhouette of one person (J, 3) mm; (height, width) uint8, 0 or 255."""
    import cv2

    small = tuple(n // _SHRINK for n in camera.image_size)
    mask = scene.person_mask(small, camera.project(joints) / _SHRINK, skeleton)
    return cv2.resize(
        mask.astype(np.uint8) * 255, camera.image_size, interpolation=cv2.INTER_NEAREST
    )


def seen(camera: Camera, joints: np.ndarray, *, has_up: bool = True, **fields) -> TruthRow:
    """Returns the truth about one person (J, 3) mm in the world of `camera`.

    Args:
      has_up: False where nobody can tell from the dataset's files which way is up.
      fields: the rest of the row (split, skeleton, image, ...).
    """
    values = {
        "joints3d": camera.to_camera(joints),
        "joints2d": camera.project(joints),
        "up": camera.up if has_up else None,
    }
    return TruthRow(**(values | fields))
