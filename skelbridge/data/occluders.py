"""Things in front of people: pasted objects, or erased rectangles.

With equal chance the one or the other is chosen, and takes place with the probability of occlusion
(MeTRAbs: segmented objects of Pascal VOC; Zhong et al., "Random Erasing", 2020).
"""

from __future__ import annotations

import os

import numpy as np

from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

from .image_folder import image_files

_MAX_OBJECTS = 6
#: Objects have this scale in a crop of 256 px, after they were halved once.
_SCALE = (0.2, 1.0)
_REFERENCE_SIDE = 256
_STORED_SCALE = 0.5
_MAX_STORED_PX = 512
_MAX_ERASED_SHARE = 1 / 3
_LEAST_ASPECT = 0.3
_N_PROCEDURAL = 64


class Occluders:
    """Draws what covers people.

    Args:
      folder: of cut-out objects, RGBA images; they are kept in memory at half their size. None:
        procedural blobs.
    """

    def __init__(self, folder: str | os.PathLike | None = None):
        if folder is None:
            self._objects = [_blob(np.random.default_rng([7, i])) for i in range(_N_PROCEDURAL)]
        else:
            self._objects = [_cut_out(path) for path in image_files(folder, "cut-out objects")]

    def paste(self, crop: np.ndarray, random: np.random.Generator) -> None:
        """Pastes 1 to 6 objects on a crop (S, S, 4) uint8, in place."""
        side = len(crop)
        for _ in range(int(random.integers(1, _MAX_OBJECTS + 1))):
            thing = self._objects[random.integers(len(self._objects))]
            scale = random.uniform(*_SCALE) * side / _REFERENCE_SIDE
            _paste(crop, thing, scale, random.uniform(-0.5, side - 0.5, 2))


def erase(crop: np.ndarray, random: np.random.Generator) -> None:
    """Fills a rectangle of a crop (S, S, channels) uint8 with noise, in place."""
    side = len(crop)
    area = random.uniform(0, _MAX_ERASED_SHARE) * side**2
    aspect = random.uniform(_LEAST_ASPECT, 1 / _LEAST_ASPECT)
    width = int(min(round(np.sqrt(area * aspect)), side))
    height = int(min(round(np.sqrt(area / aspect)), side))
    left = int(random.integers(0, side - width + 1))
    top = int(random.integers(0, side - height + 1))
    part = crop[top : top + height, left : left + width]
    part[:] = random.integers(0, 256, part.shape, np.uint8)


def _paste(crop: np.ndarray, thing: np.ndarray, scale: float, center: np.ndarray) -> None:
    import cv2

    size = np.maximum(np.round(scale * np.array(thing.shape[1::-1])), 1).astype(int)
    first = np.round(center - (size - 1) / 2).astype(int)
    low, high = np.maximum(first, 0), np.minimum(first + size, crop.shape[1::-1])
    if (low >= high).any():
        return
    small = cv2.resize(thing, tuple(int(n) for n in size), interpolation=cv2.INTER_AREA)
    (left, top), (right, bottom) = low - first, high - first
    small = np.ascontiguousarray(small[top:bottom, left:right])
    share = small[..., 3].astype(np.float32) * np.float32(1 / 255)
    under = crop[low[1] : high[1], low[0] : high[0]]
    under[:] = cv2.blendLinear(small, np.ascontiguousarray(under), share, 1 - share)


def _cut_out(path: os.PathLike) -> np.ndarray:
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    except cv2.error:
        image = None
    if image is None:
        raise FileError(path, "expected an image; it cannot be read")
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise UserError(
            f"{os.fspath(path)}: a cut-out object must be an 8-bit image with alpha (RGBA). "
            f"Received shape {image.shape}, {image.dtype}"
        )
    scale = min(_STORED_SCALE, _MAX_STORED_PX / max(image.shape[:2]))
    size = tuple(max(1, round(n * scale)) for n in image.shape[1::-1])
    image = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _blob(random: np.random.Generator) -> np.ndarray:
    """Returns an object (height, width, 4) uint8: round or angular, with a pattern and shading."""
    import cv2

    width, height = (int(n) for n in random.integers(60, 220, 2))
    n = int(random.integers(3, 9))
    angles = np.sort(random.uniform(0, 2 * np.pi, n))
    radii = random.uniform(0.6, 0.98, n)
    if random.uniform() < 0.5:
        fine = np.linspace(0, 2 * np.pi, 65)[:-1]
        radii = 0.8 + 0.15 * np.sin(fine * int(random.integers(1, 5)) + random.uniform(0, 6))
        angles = fine
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * radii[:, None]
    pixels = (outline + 1) / 2 * (width - 1, height - 1)
    alpha = np.zeros((height, width), np.uint8)
    cv2.fillPoly(alpha, [np.round(16 * pixels).astype(np.int32)], 255, cv2.LINE_AA, 4)

    cells = int(random.integers(1, 7))
    palette = random.integers(20, 236, (int(random.integers(1, 4)), 3), np.uint8)
    colours = palette[random.integers(0, len(palette), (cells, cells))]
    how = cv2.INTER_NEAREST if random.uniform() < 0.5 else cv2.INTER_CUBIC
    texture = cv2.resize(colours, (width, height), interpolation=how).astype(np.float32)
    light = np.linspace(*random.uniform(0.6, 1.2, 2), width)[:, None]
    texture = texture * light + random.normal(0, 6, texture.shape)
    return np.dstack([np.clip(np.rint(texture), 0, 255).astype(np.uint8), alpha])
