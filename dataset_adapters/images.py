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
    if _is_cut_jpeg(data):
        raise FileError(path, f"is truncated: the JPEG has no end after {len(data)} bytes")
    # Orientation tags are ignored: annotations count the pixels as they are stored.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(data, flags) if len(data) else None
    except cv2.error as error:
        raise FileError(path, f"expected an image; it cannot be decoded: {error.err}") from None
    if image is None:
        raise FileError(path, f"expected an image, found {len(data)} bytes that do not decode")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


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


def video_rate(path: str | os.PathLike) -> float:
    """Returns the frames per second that the container of a video states; 0 where it does not.

    Raises:
      FileError: the file is missing or is no video.
    """
    import cv2

    capture = _opened(path)
    try:
        return float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()


def read_video(path: str | os.PathLike, frames) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index, (height, width, 3) uint8 RGB) of the wanted 0-based frames, ascending.

    The video is decoded from its start: seeking is not exact with every codec.

    Raises:
      FileError: the file is no video, or ends before the last wanted frame.
    """
    import cv2

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
            yield index, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _is_cut_jpeg(data: np.ndarray) -> bool:
    """Whether a JPEG lacks its end: decoders fill the missing part with grey and say nothing."""
    if data[:2].tobytes() != b"\xff\xd8":
        return False
    at = 2
    # Segments up to the scan are skipped: a thumbnail in them has an end of its own.
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + (int(data[at + 2]) << 8) + int(data[at + 3])
    return data[at:].tobytes().rfind(b"\xff\xd9") < 0


def _opened(path: str | os.PathLike):
    import cv2

    if not os.path.isfile(path):
        raise FileError(path, "expected a video file, found none")
    capture = cv2.VideoCapture(os.fspath(path))
    if not capture.isOpened():
        capture.release()
        raise FileError(path, "expected a video, found something that does not decode as one")
    return capture
