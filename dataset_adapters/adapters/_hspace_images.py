"""HSPACE's images, which lie inside of its TFRecord files with red and blue exchanged."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator

import numpy as np

from ..containers.errors import FileError
from ..containers.tfrecord import TfRecordFile
from ..images import register_frame_reader

IMAGE_KEY = "image/rgb"


def read_frames(path: str | os.PathLike, frames: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index, (height, width, 3) uint8 RGB) of records of a file, ascending.

    Raises:
      FileError: the file is damaged, or ends before the last wanted record.
    """
    import cv2

    with TfRecordFile(path) as file:
        for index in sorted({int(frame) for frame in frames}):
            # OpenCV hands out blue first, and what is stored as blue is red.
            image = cv2.imdecode(np.frombuffer(encoded_frame(file, index), np.uint8), 1)
            if image is None:
                raise FileError(path, f"record {index + 1}: its image does not decode")
            yield index, image


register_frame_reader(".tfrecord", read_frames)


def encoded_frame(file: TfRecordFile, index: int) -> bytes:
    """Returns the JPEG or PNG file that a record holds; red and blue are exchanged in it.

    Raises:
      FileError: there is no such record, or no image in it.
    """
    if not 0 <= index < len(file):
        raise FileError(file.path, f"expected record {index + 1}, found only {len(file)}")
    images = file.features(index, IMAGE_KEY.__eq__).get(IMAGE_KEY)
    if not isinstance(images, list) or len(images) != 1 or not images[0]:
        raise FileError(file.path, f"record {index + 1}: expected one image under {IMAGE_KEY!r}")
    return images[0]


def frame_size(file: TfRecordFile, index: int) -> tuple[int, int]:
    """Returns (width, height) px of a record's image from its header; no pixel is decoded.

    Raises:
      FileError: there is no such record, or no image in it.
    """
    from PIL import Image

    data = encoded_frame(file, index)
    bombs = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, *bombs):
        raise FileError(
            file.path, f"record {index + 1}, {IMAGE_KEY}: expected a JPEG or PNG, found no image"
        ) from None
