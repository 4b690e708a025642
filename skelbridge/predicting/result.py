"""What was predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_adapters.camera import Camera

from .targets import TargetFormat


@dataclass(frozen=True)
class ModelFacts:
    """Which model predicted.

    Attributes:
      run: its folder.
      step: of its weights.
      formats: that it predicts.
      trained_on: datasets.
      is_synthetic_only: it has seen rendered people only.
    """

    run: str
    step: int
    formats: tuple[str, ...]
    trained_on: tuple[str, ...]
    is_synthetic_only: bool


@dataclass(frozen=True, eq=False)
class ImagePoses:
    """The people in one picture.

    Attributes:
      path: of the picture.
      camera: assumed; its `image_size` is that of the picture (turned as its EXIF data says).
      boxes: (P, 4) left, top, width, height px.
      joints3d: format -> (P, J, 3) mm, camera frame (x right, y down, z forward); NaN: unavailable.
      joints2d: format -> (P, J, 2) px; NaN also for what would be behind the camera.
    """

    path: str
    camera: Camera
    boxes: np.ndarray
    joints3d: dict[str, np.ndarray]
    joints2d: dict[str, np.ndarray]

    @property
    def size(self) -> tuple[int, int]:
        """Width, height px."""
        return self.camera.image_size


@dataclass(frozen=True, eq=False)
class Predictions:
    """The people in several pictures.

    Attributes:
      model: what predicted.
      targets: the formats.
      images: in the order given.
      fov_degrees: assumed, along the larger side of every picture.
      is_mirror_averaged: every pose is the mean of what the crop and its mirror image gave.
      notes: remarks for the user.
    """

    model: ModelFacts
    targets: tuple[TargetFormat, ...]
    images: tuple[ImagePoses, ...]
    fov_degrees: float
    is_mirror_averaged: bool
    notes: tuple[str, ...]

    @property
    def n_people(self) -> int:
        """The number of people in all pictures."""
        return sum(len(image.boxes) for image in self.images)

    def summary(self) -> str:
        """Returns one line for people."""
        people = f"{self.n_people} {'person' if self.n_people == 1 else 'people'}"
        images = f"{len(self.images)} image{'' if len(self.images) == 1 else 's'}"
        return f"{people} in {images}: {', '.join(target.summary() for target in self.targets)}"
