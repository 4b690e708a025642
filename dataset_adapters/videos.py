"""Videos on disk: what their headers state, and their frames."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from .containers.avi import read_avi_header
from .containers.errors import FileError
from .containers.matroska import read_matroska_header
from .containers.mp4 import read_mp4_header
from .containers.video_header import VideoHeader

_HEADER_READERS = {
    ".avi": read_avi_header,
    ".mkv": read_matroska_header,
    ".webm": read_matroska_header,
    ".mp4": read_mp4_header,
    ".m4v": read_mp4_header,
    ".mov": read_mp4_header,
}


def video_header(path: str | os.PathLike) -> VideoHeader:
    """Returns size, number of frames and rate as the container states them, 0 where it does not.

    The decoder is only opened for headers that are not understood here.

    Raises:
      FileError: the file is missing or is no video.
    """
    read = _HEADER_READERS.get(os.path.splitext(path)[1].lower())
    _check_is_file(path)
    return (read and read(path)) or _header_by_decoder(path)


def video_size(path: str | os.PathLike) -> tuple[int, int, int]:
    """Returns (width, height, number of frames as the container states it) of a video.

    Raises:
      FileError: the file is missing or is no video.
    """
    header = video_header(path)
    return header.width, header.height, header.n_frames


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


def _header_by_decoder(path: str | os.PathLike) -> VideoHeader:
    import cv2

    capture = _opened(path)
    try:
        keys = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT)
        return VideoHeader(*(int(capture.get(k)) for k in keys), capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()


def _opened(path: str | os.PathLike):
    import cv2

    _check_is_file(path)
    capture = cv2.VideoCapture(os.fspath(path))
    if not capture.isOpened():
        capture.release()
        raise FileError(path, "expected a video, found something that does not decode as one")
    return capture


def _check_is_file(path: str | os.PathLike) -> None:
    if not os.path.isfile(path):
        raise FileError(path, "expected a video file, found none")
