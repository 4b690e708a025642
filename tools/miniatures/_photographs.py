"""Ordinary pictures of people: joints in pixels, where no calibration is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_adapters.camera import Camera

from . import scene
from ._room_views import draw, level_camera


@dataclass(frozen=True, eq=False)
class Photograph:
    """Some moments of people before one camera.

    Attributes:
      camera: level, over the middle of the floor.
      people: (T, P, J, 3) mm in the room.
      pixels: (T, P, J, 2) px.
      skeleton: format of the joints.
    """

    camera: Camera
    people: np.ndarray
    pixels: np.ndarray
    skeleton: str

    def picture(self, moment: int = 0, *, seed: int = 0) -> np.ndarray:
        """Paints one moment; (height, width, 3) uint8 RGB."""
        return draw(self.camera, list(self.people[moment]), self.skeleton, seed=seed)


def photograph(
    skeleton: str,
    size: tuple[int, int],
    n_people: int,
    *,
    n_frames: int = 1,
    farther_mm: dict[int, float] | None = None,
    decimals: int = 2,
    seed: int = 0,
) -> Photograph:
    """Lets people walk before a camera.

    Args:
      size: (width, height) px.
      farther_mm: person -> how much farther from the camera than the others.
      decimals: places after the point that pixels are rounded to.
    """
    camera = level_camera(
        size, focal=0.7 * sum(size), angle=0.7 + seed, distance_mm=4800, shift_px=(4.5, -3.5)
    )
    people = np.stack(
        [scene.poses(skeleton, n_frames, person=k, seed=seed) for k in range(n_people)], axis=1
    )
    for person, distance in (farther_mm or {}).items():
        people[:, person] += distance * camera.R[2]
    pixels = camera.project(people).round(decimals)
    return Photograph(camera, people, pixels, skeleton)
