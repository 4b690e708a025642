"""Crops of people, cut as those of training and evaluation are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dataset_adapters.camera import N_DISTORTION, Camera, intrinsics
from skeleton_defs import UserError

from ..data import Augmentation, CropOptions
from ..data.colour import recoloured
from ..data.resampling import resampled
from ..data.views import N_DRAWS, crop_views
from ..store import Batch, Group

_FOV_RANGE_DEGREES = (1.0, 179.0)


@dataclass(frozen=True, eq=False)
class PersonCrop:
    """What the network sees of a person.

    Attributes:
      image: (S, S, 3) float32 RGB in [0, 1].
      K: (3, 3) float32, px of the crop.
      R: (3, 3) rotation from the image's camera to the crop's; determinant -1 where mirrored.
    """

    image: np.ndarray
    K: np.ndarray
    R: np.ndarray


def camera_from_fov(size: tuple[int, int], fov_degrees: float) -> Camera:
    """Returns the assumed camera of a picture: its principal point is the picture's middle.

    Args:
      size: width, height px.
      fov_degrees: field of view along the larger side.

    Raises:
      UserError: no camera has such a field of view.
    """
    check_fov(fov_degrees)
    focal = max(size) / (2 * math.tan(math.radians(fov_degrees) / 2))
    K = intrinsics(focal, focal, (size[0] - 1) / 2, (size[1] - 1) / 2)
    return Camera(R=np.eye(3), t=np.zeros(3), K=K, image_size=size)


def check_fov(fov_degrees: float) -> None:
    """Raises `UserError` unless a field of view is between 1 and 179 degrees."""
    low, high = _FOV_RANGE_DEGREES
    if not low <= fov_degrees <= high:
        raise UserError(
            f"the field of view must be from {low:g} to {high:g} degrees. Received {fov_degrees:g}"
        )


def person_crops(
    picture: np.ndarray,
    camera: Camera,
    boxes: np.ndarray,
    *,
    crop: CropOptions,
    is_mirrored: bool = False,
) -> list[PersonCrop]:
    """Cuts people out of a picture.

    Args:
      picture: (height, width, 3) uint8 RGB.
      camera: of the picture. Where it knows which way is up, crops are upright in the world, else
        in the picture.
      boxes: (P, 4) left, top, width, height px.
      is_mirrored: show them in a mirror.

    Raises:
      UserError: a box is empty.
    """
    import cv2

    batch = _as_batch(picture, camera, boxes)
    plain = Augmentation.none(flip=is_mirrored)
    draws = np.full((len(boxes), N_DRAWS), 0.5)
    views = crop_views(batch, np.asarray(boxes, float), draws, crop=crop, augmentation=plain)
    rgba = cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)
    crops = []
    for row in range(len(boxes)):
        pixels = resampled(rgba, views, row, side=crop.side, shrinks_first=crop.shrinks_first)
        image = recoloured(pixels, None) * np.float32(1 / 255)
        crops.append(PersonCrop(image, views.K[row].astype(np.float32), views.R[row]))
    return crops


def _as_batch(picture: np.ndarray, camera: Camera, boxes: np.ndarray) -> Batch:
    """Returns people as examples whose world is the camera's frame."""
    n = len(boxes)
    up = np.full(3, np.nan) if camera.up is None else camera.up
    lens = np.zeros(N_DISTORTION) if camera.distortion is None else camera.distortion
    return Batch(
        indices=np.arange(n),
        groups=[Group("picture", "test", "")],
        group=np.zeros(n, np.int64),
        frame=np.zeros(n, np.int64),
        joints3d=np.zeros((n, 0, 3)),
        joints2d=np.zeros((n, 0, 2), np.float32),
        validity=np.zeros((n, 0), bool),
        box=np.asarray(boxes, np.float32),
        image_size=np.tile(picture.shape[1::-1], (n, 1)),
        has_camera=np.ones(n, bool),
        R=np.tile(np.eye(3), (n, 1, 1)),
        t=np.zeros((n, 3)),
        K=np.tile(camera.K, (n, 1, 1)),
        distortion=np.tile(lens, (n, 1)),
        world_up=np.tile(up, (n, 1)),
        sequence=[""] * n,
        subject=[""] * n,
        camera_name=[""] * n,
        person=[""] * n,
    )
