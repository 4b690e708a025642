"""The cameras of crops: which view of which image each crop shows, and where its joints are.

With a camera, a crop is what a virtual camera at the same place sees: turned to the (shifted)
centre of the person's box, upright with respect to the world, rolled, mirrored, without lens
distortion, with square pixels; the midpoints of the box's two short sides are S / zoom px apart.
Its principal point is the crop's centre ((S - 1) / 2, (S - 1) / 2): the centres of pixels are at
whole numbers, in all images. Without a camera, the image is taken for that of a camera with a small
field of view, and the crop is a shifted piece of it: its principal point lies elsewhere, possibly
outside.

A mirrored crop is one of a camera whose x axis points to the left: its rotation has determinant -1.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from dataset_adapters.camera import distorted, undistorted
from skeleton_defs import UserError

from ..store import Batch
from .options import Augmentation, CropOptions

#: How many random numbers a view takes.
N_DRAWS = 8
#: A direction this near to vertical has no upright view (sine of the angle).
_NEAR_VERTICAL = 0.05
_IMAGE_UP = np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True, eq=False)
class CropViews:
    """Views of N crops.

    Attributes:
      R: (N, 3, 3) rotation from world to crop camera; determinant -1 where mirrored.
      K: (N, 3, 3) intrinsics of the crops, px.
      center: (N, 3) where the cameras are, mm, world.
      to_source: (N, 3, 3) rotation from the crop's camera to that of the image.
      intrinsics: (N, 3, 3) of the image's camera, px; assumed ones where it has none.
      distortion: (N, 12) of its lens.
      is_flipped: (N,) bool.
      zoom: (N,) px of the crop per px of the image, at its centre.
    """

    R: np.ndarray
    K: np.ndarray
    center: np.ndarray
    to_source: np.ndarray
    intrinsics: np.ndarray
    distortion: np.ndarray
    is_flipped: np.ndarray
    zoom: np.ndarray

    @functools.cached_property
    def homography(self) -> np.ndarray:
        """(N, 3, 3) from pixels of the crop to those of the image freed of distortion."""
        return self.intrinsics @ self.to_source @ np.linalg.inv(self.K)

    @property
    def is_distorted(self) -> np.ndarray:
        """(N,) bool: lines are bent in the image."""
        return self.distortion.any(1)

    def from_image(self, pixels: np.ndarray) -> np.ndarray:
        """Returns where image pixels (N, J, 2) are in the crops; NaN where nowhere."""
        rays = _homogeneous(pixels) @ _transposed(np.linalg.inv(self.intrinsics))
        for row in np.flatnonzero(self.is_distorted):
            rays[row, :, :2] = undistorted(rays[row, :, :2], self.distortion[row])
        # Rows are points: x @ R is the inverse of the rotation R.
        return _divided((rays @ self.to_source) @ _transposed(self.K))

    def to_image(self, row: int, pixels: np.ndarray) -> np.ndarray:
        """Returns which image pixels (..., 2) are seen at pixels of one crop; NaN if behind."""
        rays = _homogeneous(pixels) @ np.linalg.inv(self.K[row]).T @ self.to_source[row].T
        ideal = _divided(rays)
        if self.distortion[row].any():
            ideal = distorted(ideal, self.distortion[row])
        return _divided(_homogeneous(ideal) @ self.intrinsics[row].T)


def crop_views(
    batch: Batch,
    boxes: np.ndarray,
    draws: np.ndarray,
    *,
    crop: CropOptions,
    augmentation: Augmentation,
) -> CropViews:
    """Returns the views of a batch of examples.

    Args:
      batch: N examples.
      boxes: (N, 4) left, top, width, height px of what is to be shown.
      draws: (N, N_DRAWS) uniform random numbers.

    Raises:
      UserError: a box is unknown or empty, or an image's size where it is needed.
    """
    _check_boxes(batch, boxes)
    has_camera = batch.has_camera
    intrinsics = np.where(has_camera[:, None, None], batch.K, _assumed_intrinsics(batch, crop))
    centers = boxes[:, :2] + boxes[:, 2:] / 2
    larger = boxes[:, 2:].max(1)
    radius, angle = np.sqrt(draws[:, 0]), 2 * np.pi * draws[:, 1]
    disc = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    centers = centers + augmentation.shift * larger[:, None] * disc

    half = np.where(boxes[:, 2:] == larger[:, None], boxes[:, 2:] / 2, 0)
    half[half.all(1), 0] = 0  # A square box: its height counts.
    points = np.stack([centers, centers - half, centers + half], axis=1)
    rays = _rays(points, intrinsics, batch.distortion * has_camera[:, None])
    up = np.where(
        (has_camera & ~np.isnan(batch.world_up).any(1))[:, None],
        (batch.R @ np.nan_to_num(batch.world_up)[..., None])[..., 0],
        _IMAGE_UP,
    )
    turn = np.where(has_camera[:, None, None], _turns_to(rays[:, 0], up), np.eye(3))

    focal = (intrinsics[:, 0, 0] + intrinsics[:, 1, 1]) / 2
    ends = _divided(rays[:, 1:] @ _transposed(turn)) * focal[:, None, None]
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1)
    length = np.where(length > 0, length, larger)  # Also where it is NaN: an end is behind.
    low, high = augmentation.zoom
    zoom = crop.side / length * (low + (high - low) * draws[:, 2])

    degrees = augmentation.rotation_degrees * (2 * draws[:, 3] - 1)
    is_flipped = draws[:, 4] < augmentation.flip
    own = _rolls(np.deg2rad(degrees), is_flipped)
    K = np.zeros_like(intrinsics)
    K[:, 0, 0] = K[:, 1, 1] = focal * zoom
    K[:, 2, 2] = 1
    aside = intrinsics[:, :2, 2] - centers
    aside = zoom[:, None] * (own[:, :2, :2] @ aside[..., None])[..., 0]
    K[:, :2, 2] = (crop.side - 1) / 2 + np.where(has_camera[:, None], 0, aside)
    from_source = own @ turn
    return CropViews(
        R=from_source @ batch.R,
        K=K,
        center=-(_transposed(batch.R) @ batch.t[..., None])[..., 0],
        to_source=_transposed(from_source),
        intrinsics=intrinsics,
        distortion=batch.distortion * has_camera[:, None],
        is_flipped=is_flipped,
        zoom=zoom,
    )


def _check_boxes(batch: Batch, boxes: np.ndarray) -> None:
    bad = ~(np.isfinite(boxes).all(1) & (boxes[:, 2:] > 0).all(1))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise UserError(
            f"example {batch.indices[row]} ({batch.groups[batch.group[row]].dataset}) must have a "
            f"box of more than 0 px. Received {boxes[row].tolist()}; prepare it again"
        )


def _assumed_intrinsics(batch: Batch, crop: CropOptions) -> np.ndarray:
    unknown = ~batch.has_camera & ~batch.image_size.all(1)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise UserError(
            f"example {batch.indices[row]} ({batch.groups[batch.group[row]].dataset}) has neither "
            "a camera nor an image size; prepare it with crops"
        )
    focal = batch.image_size.max(1) / (2 * np.tan(np.deg2rad(crop.fov_2d_degrees) / 2))
    K = np.zeros((len(batch), 3, 3))
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, :2, 2] = (batch.image_size - 1) / 2
    K[:, 2, 2] = 1
    return K


def _rays(points: np.ndarray, K: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Returns the rays (N, P, 3) of image points (N, P, 2)."""
    rays = _homogeneous(points) @ _transposed(np.linalg.inv(K))
    for row in np.flatnonzero(distortion.any(1)):
        ideal = undistorted(rays[row, :, :2], distortion[row])
        # Beyond the lens model's range the direction is about that of a perfect lens.
        rays[row, :, :2] = np.where(np.isnan(ideal), rays[row, :, :2], ideal)
    return rays


def _turns_to(rays: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Returns the rotations (N, 3, 3) from a camera's axes to those of upright views along rays."""
    forward = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    right = np.cross(forward, up)
    vertical = np.linalg.norm(right, axis=-1, keepdims=True) < _NEAR_VERTICAL
    right = np.where(vertical, np.cross(forward, _IMAGE_UP), right)
    right = right / np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(forward, right), forward], axis=1)


def _rolls(angles: np.ndarray, is_flipped: np.ndarray) -> np.ndarray:
    """Returns (N, 3, 3) turns about the viewing direction, then mirrored where flipped."""
    turns = np.zeros((len(angles), 3, 3))
    c, s = np.cos(angles), np.sin(angles)
    turns[:, 0, 0], turns[:, 0, 1] = c, -s
    turns[:, 1, 0], turns[:, 1, 1] = s, c
    turns[:, 2, 2] = 1
    turns[is_flipped, 0] *= -1
    return turns


def _homogeneous(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)


def _divided(points: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return points[..., :2] / np.where(points[..., 2:] > 0, points[..., 2:], np.nan)


def _transposed(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)
