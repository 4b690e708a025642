"""Images on disk: their sizes, and their pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .containers.errors import FileError
from .videos import read_video, video_header, video_size

__all__ = [
    "BAYER_PATTERNS",
    "ImageRef",
    "image_size",
    "load",
    "load_each",
    "read_image",
    "read_silhouette",
    "read_video",
    "register_frame_reader",
    "video_header",
    "video_size",
]

#: Colours of raw images by their first two pixels and those below them.
BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


FrameReader = Callable[[str | os.PathLike, Iterable[int]], Iterator[tuple[int, np.ndarray]]]
_FRAME_READERS: dict[str, FrameReader] = {}


@dataclass(frozen=True)
class ImageRef:
    """Where the image is: a file, or a frame of a video. `load` reads the picture that is meant.

    Attributes:
      path: file relative to the dataset's root, with forward slashes.
      video_frame: 0-based index in decoding order where the file is a video.
      mirrored: the file shows the world in a mirror: its pixel columns are reversed after decoding.
        Cameras, boxes, masks and 2D joints refer to the reversed image.
      bayer: one of `BAYER_PATTERNS` where the file is a raw mosaic of colours, else "".
    """

    path: str
    video_frame: int | None = None
    mirrored: bool = False
    bayer: str = ""


def load(root: str | os.PathLike, image: ImageRef) -> np.ndarray:
    """Reads the picture of an example as (height, width, 3) uint8 RGB.

    Raises:
      FileError: the file is missing, damaged, or ends before the frame.
    """
    ((_, picture),) = load_each(root, [image])
    return picture


def load_each(
    root: str | os.PathLike, images: Iterable[ImageRef]
) -> Iterator[tuple[ImageRef, np.ndarray]]:
    """Yields each of several pictures once, with what it was asked for by.

    A file is opened once, and a video is decoded once; its frames come in ascending order.

    Args:
      root: the dataset's folder.
      images: may repeat.

    Raises:
      FileError: as for `load`.
    """
    files: dict[tuple[str, str], dict[int | None, dict[ImageRef, None]]] = {}
    for image in images:
        frames = files.setdefault((image.path, image.bayer), {})
        frames.setdefault(image.video_frame, {})[image] = None
    for (name, bayer), frames in files.items():
        path = Path(root) / name
        if None in frames:
            yield from _as_shown(read_image(path, bayer=bayer), frames.pop(None))
        if frames:
            for index, picture in _FRAME_READERS.get(path.suffix, read_video)(path, frames):
                yield from _as_shown(picture, frames[index])


def register_frame_reader(suffix: str, reader: FrameReader) -> None:
    """Makes `load` read the frames of other files than videos: of those with such an ending.

    An adapter whose dataset keeps its pictures in files of its own kind calls this on import.

    Args:
      suffix: with its dot.
      reader: takes a path and indices; yields (index, (height, width, 3) uint8 RGB), ascending.
    """
    _FRAME_READERS[suffix] = reader


def _as_shown(
    picture: np.ndarray, images: Iterable[ImageRef]
) -> Iterator[tuple[ImageRef, np.ndarray]]:
    for image in images:
        yield image, np.ascontiguousarray(picture[:, ::-1]) if image.mirrored else picture


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """Returns (width, height) in px from an image file's header; no pixel is decoded.

    Raises:
      FileError: the file is missing or is no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.size
    except UnidentifiedImageError:
        raise FileError(path, "expected an image (JPEG, PNG, ...), found something else") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileError(path, f"expected an image; it cannot be read: {error}") from None


def read_image(path: str | os.PathLike, *, bayer: str = "") -> np.ndarray:
    """Reads an image as (height, width, 3) uint8 RGB.

    Args:
      path: the file.
      bayer: its pattern where it is a raw mosaic of colours: see `ImageRef`.

    Raises:
      FileError: the file is missing or is no image, or one with colours where a mosaic is expected.
    """
    import cv2

    if not bayer:
        return cv2.cvtColor(_decoded(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    mosaic = _decoded(path, cv2.IMREAD_UNCHANGED)
    if mosaic.ndim != 2 or mosaic.dtype != np.uint8 or min(mosaic.shape) < 2:
        raise FileError(
            path,
            f"expected a raw mosaic of colours ({bayer}), found an image of shape {mosaic.shape}",
        )
    return cv2.cvtColor(mosaic, getattr(cv2, f"COLOR_Bayer{bayer}2RGB"))


def read_silhouette(path: str | os.PathLike, *, above: int = 127) -> np.ndarray:
    """Reads an image of a silhouette: (height, width) bool, where it is brighter than `above`.

    Raises:
      FileError: the file is missing or is no image.
    """
    import cv2

    return _decoded(path, cv2.IMREAD_GRAYSCALE) > above


def _decoded(path: str | os.PathLike, flags: int) -> np.ndarray:
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    if _is_cut_jpeg(data):
        raise FileError(path, f"is truncated: the JPEG has no end after {len(data)} bytes")
    try:
        # Orientation tags are ignored: annotations count the pixels as they are stored.
        image = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    except cv2.error as error:
        raise FileError(path, f"expected an image; it cannot be decoded: {error.err}") from None
    if image is None:
        raise FileError(path, f"expected an image, found {len(data)} bytes that do not decode")
    return image


def _is_cut_jpeg(data: np.ndarray) -> bool:
    """Whether a JPEG lacks its end: decoders fill the missing part with grey and say nothing."""
    if data[:2].tobytes() != b"\xff\xd8":
        return False
    at = 2
    # Segments up to the scan are skipped: a thumbnail in them has an end of its own.
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + (int(data[at + 2]) << 8) + int(data[at + 3])
    return data[at:].tobytes().rfind(b"\xff\xd9") < 0
