"""Pixels of a crop: resampled in linear light (gamma 2.2, 16 bits), without aliasing."""

from __future__ import annotations

import functools
import math

import numpy as np

from .crops import GRID_STEP, OUTSIDE, FlatCrop, TurnedCrop, coarse_map, refined_map

GAMMA = 2.2
#: Source pixels around the seen part that interpolation and filter need.
_MARGIN = 4
#: Where nothing is shrunk, the source is first made finer (bicubic) by this factor.
_FINER = 1.5
_NOT_SHRUNK = 1.05
#: From 1.75 on, two pixels become one and are made a little larger.
_ROUNDS_UP = 0.25
#: Of the levels that a silhouette has while it is resampled.
_HALF = 500


class Workspace:
    """Memory for what is between the steps, used again for the next picture.

    Megabytes that are freshly taken from the system cost more than computing on them.
    """

    def __init__(self):
        self._buffers: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Returns an array with any content; the next call with this name takes it back."""
        n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < n_bytes:
            buffer = self._buffers[name] = np.empty(n_bytes * 5 // 4, np.uint8)
        return buffer[:n_bytes].view(dtype).reshape(shape)


def resampler_of(
    crop: TurnedCrop | FlatCrop, image_size: tuple[int, int], workspace: Workspace | None = None
) -> TurnedResampler | FlatResampler:
    """Returns what moves the pixels of images of `image_size` (width, height) to a crop."""
    if isinstance(crop, FlatCrop):
        return FlatResampler(crop, workspace or Workspace())
    return TurnedResampler(crop, image_size, workspace or Workspace())


class FlatResampler:
    """Scales a piece of an image: exact means over areas when shrinking, else bicubic."""

    def __init__(self, crop: FlatCrop, workspace: Workspace):
        self._workspace = workspace
        self._size = crop.size
        (self._left, self._top) = np.round(crop.origin + 0.5).astype(int)
        (width, height) = np.round(crop.size / crop.zoom).astype(int)
        self._right, self._bottom = self._left + width, self._top + height
        self._is_shrunk = bool((crop.zoom < 1).any())

    def image(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the crop of an image (height, width, 3) uint8."""
        import cv2

        part = self._part(pixels)
        linear = self._workspace.array("linear", part.shape, np.uint16)
        scaled = self._workspace.array("scaled", (*self._size[::-1], 3), np.uint16)
        return _with_gamma(self._scaled(cv2.LUT(part, _to_linear(), linear), scaled))

    def silhouette(self, mask: np.ndarray) -> np.ndarray:
        """Returns the crop of a silhouette (height, width) bool."""
        return self._scaled(_levels(self._part(mask))) > _HALF

    def _part(self, pixels: np.ndarray) -> np.ndarray:
        return pixels[self._top : self._bottom, self._left : self._right]

    def _scaled(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        import cv2

        how = cv2.INTER_AREA if self._is_shrunk else cv2.INTER_CUBIC
        return cv2.resize(values, self._size, out, interpolation=how)


class TurnedResampler:
    """Moves the pixels of a calibrated image to the view of a turned camera.

    Where the crop is smaller, the image is shrunk by whole factors (exact mean) and low-pass
    filtered for the rest; where it is not, it is made finer bicubically. Then it is interpolated
    between neighbours. Where the crop is about as fine as the image or finer, that is about as good
    as bicubic interpolation with supersampling, and several times as fast; a crop of half the
    scale and less is softer than one shrunk by area, as flat crops are.

    Args:
      crop: where they go.
      image_size: (width, height) px of the image.
      workspace: is used until the next resampler is made with it.
    """

    def __init__(self, crop: TurnedCrop, image_size: tuple[int, int], workspace: Workspace):
        self._workspace = workspace
        self._shape = crop.size[::-1]
        pixels = coarse_map(crop)
        ratio = _shrinking(pixels)
        self._factor = max(1, int(ratio + _ROUNDS_UP))
        self._is_shrunk = ratio > _NOT_SHRUNK
        # The low-pass filter mixes in the mean over 3 x 3 pixels, whose variance is 2/3. For a
        # pixel of `rest` pixels we want that of an exact mean three times; no more than 0.75, where
        # alternating columns vanish.
        rest = ratio / self._factor
        variance = 3 * (rest * rest - 1) / 12 if rest > _NOT_SHRUNK else 0.0
        self._share = min(1.5 * variance, 0.75)
        self._first, part = _seen_part(pixels, image_size, self._factor)
        self._last = self._first + part
        self._size = part // self._factor if self._is_shrunk else np.ceil(_FINER * part).astype(int)
        # The edge of the part, not the centre of its first pixel, stays when it is scaled.
        scale = self._size / part
        shift = -(self._first - 0.5) * scale - 0.5
        local = pixels * scale[:, None, None] + shift[:, None, None]
        self._maps = [
            refined_map(plane, crop.size, functools.partial(workspace.array, f"map {axis}"))
            for axis, plane in enumerate(local)
        ]

    def image(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the crop of an image (height, width, 3) uint8, black outside of it."""
        import cv2

        # OpenCV moves four channels several times as fast as three.
        part = self._part(pixels)
        shape = (*part.shape[:2], 4)
        part = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA, self._array("part", shape, np.uint8))
        linear = cv2.LUT(part, _to_linear(), self._array("linear", shape))
        moved = self._moved(self._scaled(linear))
        bright = _with_gamma(moved, self._array("bright", moved.shape, np.uint8))
        # The order of OpenCV's JPEG, which spares `to_jpeg` a pass.
        return cv2.cvtColor(bright, cv2.COLOR_RGBA2BGR)[..., ::-1]

    def silhouette(self, mask: np.ndarray) -> np.ndarray:
        """Returns the crop of a silhouette (height, width) bool."""
        return self._moved(self._scaled(_levels(self._part(mask)))) > _HALF

    def _part(self, pixels: np.ndarray) -> np.ndarray:
        (left, top), (right, bottom) = self._first, self._last
        return pixels[top:bottom, left:right]

    def _array(self, name: str, shape: tuple[int, ...], dtype=np.uint16) -> np.ndarray:
        return self._workspace.array(name, shape, dtype)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        import cv2

        size = tuple(int(n) for n in self._size)
        shape = (*size[::-1], *values.shape[2:])
        if not self._is_shrunk or self._factor > 1:
            how = cv2.INTER_AREA if self._is_shrunk else cv2.INTER_CUBIC
            values = cv2.resize(values, size, self._array("scaled", shape), interpolation=how)
        if self._share:
            mean, out = self._array("mean", shape), self._array("filtered", shape)
            mean = cv2.blur(values, (3, 3), mean, borderType=cv2.BORDER_REPLICATE)
            values = cv2.addWeighted(values, 1 - self._share, mean, self._share, 0, out)
        return values

    def _moved(self, values: np.ndarray) -> np.ndarray:
        import cv2

        out = self._array("moved", (*self._shape, *values.shape[2:]))
        border = cv2.BORDER_CONSTANT
        return cv2.remap(values, *self._maps, cv2.INTER_LINEAR, out, border, 0)


def to_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Encodes (height, width, 3) uint8 RGB."""
    import cv2

    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
    turned = image[..., ::-1]
    if not turned.flags.c_contiguous:
        turned = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", turned, parameters)
    if not done:
        raise ValueError(f"an image of shape {image.shape} cannot be encoded as JPEG")
    return data.tobytes()


def from_jpeg(data: bytes) -> np.ndarray | None:
    """Decodes to (height, width, 3) uint8 RGB; None where the bytes are no image."""
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _shrinking(pixels: np.ndarray) -> float:
    """Returns how many source pixels (of one axis) a pixel in the middle of the crop covers.

    Args:
      pixels: the crop's coarse map.
    """
    y, x = pixels.shape[1] // 2, pixels.shape[2] // 2
    across = pixels[:, y, x] - pixels[:, y, x - 1]
    down = pixels[:, y, x] - pixels[:, y - 1, x]
    area = abs(across[0] * down[1] - across[1] * down[0]) / GRID_STEP**2
    return float(np.clip(np.sqrt(area), 1e-3, 1e3))


def _seen_part(pixels: np.ndarray, image_size, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first pixel and the size (2,) of the part of an image that a crop needs.

    The size is a multiple of `factor`: at the image's far edges less than that is given up.
    """
    size = np.array(image_size)
    inside = np.clip(pixels, -1.0, size[:, None, None])
    outside = pixels == OUTSIDE
    if outside.any():
        inside = inside[:, ~outside.any(0)][..., None]
    margin = _MARGIN * factor
    low = inside.min((1, 2), initial=size.max()) - margin
    high = inside.max((1, 2), initial=0) + margin + 1
    first = np.clip(np.floor(low), 0, np.maximum(size - factor, 0)).astype(int)
    part = np.clip(np.ceil(high), first + factor, size).astype(int) - first
    return first, np.maximum(part // factor, 1) * factor


def _levels(mask: np.ndarray) -> np.ndarray:
    return mask.astype(np.uint16) * np.uint16(2 * _HALF)


@functools.cache
def _to_linear() -> np.ndarray:
    return np.round(65535 * (np.arange(256) / 255) ** GAMMA).astype(np.uint16)


@functools.cache
def _to_gamma() -> np.ndarray:
    return np.round(255 * (np.arange(65536) / 65535) ** (1 / GAMMA)).astype(np.uint8)


def _with_gamma(linear: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    import cv2

    if _opencv_has_long_tables():
        return cv2.LUT(linear, _to_gamma(), out)
    return np.take(_to_gamma(), linear, out=out)


@functools.cache
def _opencv_has_long_tables() -> bool:
    """Whether OpenCV looks 16-bit values up (from version 5 on); numpy takes twice as long."""
    import cv2

    levels = np.array([[0, 1000, 65535]], np.uint16)
    try:
        return bool((cv2.LUT(levels, _to_gamma()) == _to_gamma()[levels]).all())
    except cv2.error:
        return False
