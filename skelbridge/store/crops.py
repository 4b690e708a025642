"""The view of one person that is stored: where its pixels come from, and its own camera.

With a camera: the view is turned to the centre of the person's box, upright where the world's up
is known, without lens distortion, with square pixels. Without: an upright piece of the image. The
square around the person leaves room for the augmentation of training (rotation, zoom, shift) and
is cut where the image ends. Source: PosePile's preprocessing, facts in `CropRule`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from dataset_adapters.camera import Camera, bent, intrinsics

#: A direction this near to vertical has no upright view (sine of the angle).
_NEAR_VERTICAL = 0.05
#: Every so many pixels the map to the source is computed; between them it is interpolated.
GRID_STEP = 8
#: Stands for pixels that are not in the image, whatever the lens would say.
OUTSIDE = -1e5
_NO_LIMIT = 1e6
_CENTER_AND_SIDES = np.array([(0.5, 0.5), (0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1)])


@dataclass(frozen=True)
class CropRule:
    """How large stored crops are.

    Attributes:
      max_box_px: the larger side of the person's box in the crop is at most this.
      max_zoom: pixels are enlarged at most this much.
      rotation_degrees: the square covers the box turned by up to this angle.
      margin: factor on the square: zoom of training by 1/0.85 twice, and its shift of 10 %.
    """

    max_box_px: float = 384.0
    max_zoom: float = 1.2
    rotation_degrees: float = 30.0
    margin: float = 1.1 / 0.85**2

    def side(self, width: float, height: float) -> float:
        """Returns the side of the square around a box."""
        angle = np.deg2rad(self.rotation_degrees)
        c, s = np.cos(angle), np.sin(angle)
        return self.margin * max(c * width + s * height, c * height + s * width)


@dataclass(frozen=True, eq=False)
class TurnedCrop:
    """A crop of a calibrated image.

    Attributes:
      camera: the crop's own camera, without distortion.
      box: (4,) the person's box in the crop, px.
      size: (width, height) of the crop, px.
      source: the image's camera.
    """

    camera: Camera
    box: np.ndarray
    size: tuple[int, int]
    source: Camera

    def points(self, pixels: np.ndarray) -> np.ndarray:
        """Returns where pixels (..., 2) of the image lie in the crop; NaN where in none."""
        turn = self.camera.R @ self.source.R.T
        return self.camera.image_from_camera(self.source.camera_from_image(pixels) @ turn.T)

    def source_pixels(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Returns x and y (2, ...) of the image's pixel that is seen at pixels of the crop.

        As `Camera` has it, but coordinate by coordinate: that is several times as fast.

        Args:
          u, v: pixels of the crop; may broadcast, as columns and rows do.
        """
        turn = self.source.R @ self.camera.R.T
        x, y, z = (
            row[0] * u + (row[1] * v + row[2]) for row in turn @ np.linalg.inv(self.camera.K)
        )
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            x, y = x / z, y / z
            unseen = z <= 0
            if self.source.is_distorted:
                limit = lens_limit(self.source.distortion.tobytes())
                unseen |= x * x + y * y > limit * limit
                x, y = bent(x, y, self.source.distortion.tolist())
            found = np.stack([row[0] * x + (row[1] * y + row[2]) for row in self.source.K[:2]])
        found[:, unseen | ~np.isfinite(found).all(0)] = OUTSIDE
        return found


@dataclass(frozen=True, eq=False)
class FlatCrop:
    """A crop of an image without calibration: a scaled piece of it.

    Attributes:
      box: (4,) the person's box in the crop, px.
      size: (width, height) of the crop, px.
      origin: (2,) left and top edge in the image, px.
      zoom: (2,) px of the crop per px of the image.
    """

    box: np.ndarray
    size: tuple[int, int]
    origin: np.ndarray
    zoom: np.ndarray
    camera: None = None

    def points(self, pixels: np.ndarray) -> np.ndarray:
        """Returns where pixels (..., 2) of the image lie in the crop."""
        return (np.asarray(pixels, float) - self.origin) * self.zoom - 0.5


def turned_crop(
    camera: Camera, box: np.ndarray, image_size: tuple[int, int], rule: CropRule
) -> TurnedCrop | None:
    """Returns the crop of a person in a calibrated image.

    Args:
      camera: of the image.
      box: (4,) left, top, width, height px in the image.
      image_size: (width, height) px of the image.

    Returns:
      None where the box is not in the image, or its centre is beyond what the lens images.
    """
    ray, *sides = camera.camera_from_image(box[:2] + box[2:] * _CENTER_AND_SIDES)
    if not np.isfinite(ray).all():
        return None
    turn = _turn_to(ray, camera.up)
    focal = (camera.K[0, 0] + camera.K[1, 1]) / 2
    seen = focal * _ideal(np.array(sides) @ turn.T)
    if not np.isfinite(seen).all():
        seen = (box[2:] / 2) * np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])
    low, high = seen.min(0), seen.max(0)
    larger = max(high - low)
    if not larger > 0:
        return None
    zoom = min(rule.max_zoom * max(box[2:]), rule.max_box_px) / larger
    half = zoom * rule.side(*(high - low)) / 2
    first, last = _within_image(camera, turn, zoom * focal, image_size, half)
    size = np.round(last - first).astype(int)
    if (size < 1).any():
        return None
    center = -first - 0.5
    own = Camera(
        R=turn @ camera.R,
        t=turn @ camera.t,
        K=intrinsics(zoom * focal, zoom * focal, *center),
        world_up=camera.world_up,
        image_size=tuple(size),
    )
    new_box = np.concatenate([zoom * low + center, zoom * (high - low)])
    return TurnedCrop(own, new_box, own.image_size, camera)


def flat_crop(box: np.ndarray, image_size: tuple[int, int], rule: CropRule) -> FlatCrop | None:
    """Returns the crop of a person in an image without calibration; None where it is outside."""
    if not max(box[2:]) > 0:
        return None
    half = rule.side(*box[2:]) / 2
    center = box[:2] + box[2:] / 2 + 0.5
    first = np.maximum(np.floor(center - half), 0)
    last = np.minimum(np.ceil(center + half), image_size)
    if (last - first < 1).any():
        return None
    zoom = min(rule.max_zoom, rule.max_box_px / max(box[2:]))
    size = np.maximum(np.floor(zoom * (last - first) + 1e-6), 1).astype(int)
    exact = size / (last - first)
    low = (box[:2] + 0.5 - first) * exact - 0.5
    new_box = np.concatenate([low, box[2:] * exact])
    return FlatCrop(new_box, (int(size[0]), int(size[1])), first - 0.5 + 0.0, exact)


def coarse_map(crop: TurnedCrop) -> np.ndarray:
    """Returns the pixel of the image behind the middle of each cell of 8 x 8 pixels of the crop.

    Returns:
      (2, rows + 2, columns + 2) x and y: there is a cell more on each side. Interpolated linearly,
      the error is below 0.02 px for lenses in use.
    """
    cells = [-(-n // GRID_STEP) + 2 for n in crop.size]
    axes = [(np.arange(n) - 1) * GRID_STEP + (GRID_STEP - 1) / 2 for n in cells]
    return crop.source_pixels(axes[0], axes[1][:, None])


def refined_map(plane: np.ndarray, size: tuple[int, int], allocate=np.empty) -> np.ndarray:
    """Returns one coordinate of a coarse map at all pixels of a crop of `size`, as float32.

    Args:
      allocate: (shape, dtype) -> array, for the result.
    """
    import cv2

    shape = plane.shape[0] * GRID_STEP, plane.shape[1] * GRID_STEP
    fine = cv2.resize(plane.astype(np.float32), shape[::-1], allocate(shape, np.float32))
    width, height = size
    return fine[GRID_STEP : GRID_STEP + height, GRID_STEP : GRID_STEP + width]


@functools.lru_cache(maxsize=1024)
def lens_limit(distortion: bytes) -> float:
    """Returns the radius (tangent of the angle) up to which a lens model maps outward.

    Beyond it a polynomial folds back, and would show parts of the image a second time.

    Args:
      distortion: the bytes of the 12 float64 coefficients.
    """
    k1, k2, _, _, k3, k4, k5, k6 = np.frombuffer(distortion)[:8]
    radius = np.linspace(0, 4, 4001)
    square = radius**2
    with np.errstate(divide="ignore", invalid="ignore"):
        image = radius * (1 + square * (k1 + square * (k2 + square * k3)))
        image = image / (1 + square * (k4 + square * (k5 + square * k6)))
        falls = ~(np.diff(image) > 0)
    return float(radius[falls.argmax()]) if falls.any() else _NO_LIMIT


def _turn_to(ray: np.ndarray, up: np.ndarray | None) -> np.ndarray:
    """Returns the rotation (3, 3) from the camera's axes to those of a view along `ray`."""
    forward = ray / np.linalg.norm(ray)
    right = np.cross(forward, (0, -1, 0) if up is None else up)
    if np.linalg.norm(right) < _NEAR_VERTICAL:
        right = np.cross(forward, (0, -1, 0))
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def _ideal(rays: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(rays[..., 2:] > 0, rays[..., :2] / rays[..., 2:], np.nan)


def _within_image(camera, turn, focal, image_size, half) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corners of the square +-`half` cut to the image's bounds in the turned view."""
    border = focal * _ideal(_border_rays(camera, tuple(image_size)) @ turn.T)
    square = np.array([half, half])
    if not np.isfinite(border).all():
        # A part of the border is beyond the lens model or behind: nobody knows where to cut.
        return -square, square
    return np.maximum(-square, border.min(0)), np.minimum(square, border.max(0))


@functools.lru_cache(maxsize=32)
def _border_rays(camera: Camera, image_size: tuple[int, int]) -> np.ndarray:
    """Returns the rays (N, 3) of points along the image's edges, in camera axes."""
    along = np.linspace(0, 1, 17)
    ends = np.repeat([0.0, 1.0], len(along))
    sides = np.stack([np.tile(along, 2), ends], axis=-1)
    edges = np.concatenate([sides, sides[:, ::-1]])
    return camera.camera_from_image(edges * image_size - 0.5)
