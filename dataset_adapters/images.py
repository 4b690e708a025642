"""Images and videos on disk: their sizes, and their pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from .containers.errors import FileError


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


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Reads an image as (height, width, 3) uint8 RGB.

    Raises:
      FileError: the file is missing or is no image.
    """
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    # Orientation tags are ignored: annotations count the pixels as they are stored.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(data, flags) if len(data) else None
    if image is None:
        raise FileError(path, f"expected an image, found {len(data)} bytes that do not decode")
    return np.ascontiguousarray(image[..., ::-1])


def video_size(path: str | os.PathLike) -> tuple[int, int, int]:
    """Returns (width, height, number of frames as the container states it) of a video.

    Raises:
      FileError: the file is missing or is no video.
    """
    import cv2

    capture = _opened(path)
    try:
        keys = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT)
        width, height, count = (int(capture.get(key)) for key in keys)
        return width, height, count
    finally:
        capture.release()


def read_video(path: str | os.PathLike, frames) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index, (height, width, 3) uint8 RGB) of the wanted 0-based frames, ascending.

    The video is decoded from its start: seeking is not exact with every codec.

    Raises:
      FileError: the file is no video, or ends before the last wanted frame.
    """
    wanted = sorted({int(f) for f in frames})
    capture = _opened(path)
    try:
        at = -1
        for index in wanted:
            while at < index:
                if not capture.grab():
                    raise FileError(path, f"expected frame {index}, found only {at + 1} frames")
                at += 1
            decoded, image = capture.retrieve()
            if not decoded:
                raise FileError(path, f"frame {index} cannot be decoded")
            yield index, np.ascontiguousarray(image[..., ::-1])
    finally:
        capture.release()


def _opened(path: str | os.PathLike):
    import cv2

    if not os.path.isfile(path):
        raise FileError(path, "expected a video file, found none")
    capture = cv2.VideoCapture(os.fspath(path))
    if not capture.isOpened():
        capture.release()
        raise FileError(path, "expected a video, found something that does not decode as one")
    return capture
