"""Users' pictures: any format that OpenCV or Pillow reads, the right way up."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.images import read_image

_ORIENTATION_TAG = 0x0112
#: EXIF orientation -> (quarter turns to the left, mirrored left to right afterwards).
_UPRIGHT = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (-1, True),
    6: (-1, False),
    7: (1, True),
    8: (1, False),
}


def read_upright(path: str | os.PathLike) -> np.ndarray:
    """Reads a picture as image viewers show it: turned as its EXIF orientation says.

    Returns:
      (height, width, 3) uint8 RGB.

    Raises:
      FileError: the file is missing, damaged or no picture.
    """
    import cv2

    check_is_file(path)
    if not cv2.haveImageReader(os.fspath(path)):
        return _read_by_pillow(path)
    picture = read_image(path)
    turns, is_mirrored = _UPRIGHT.get(_orientation(path), (0, False))
    picture = np.rot90(picture, turns)
    return np.ascontiguousarray(picture[:, ::-1] if is_mirrored else picture)


def check_is_file(path: str | os.PathLike) -> None:
    """Raises `FileError` unless there is a file that holds something."""
    if os.path.isdir(path):
        raise FileError(path, "expected an image, found a folder; give the files in it")
    if not os.path.exists(path):
        raise FileError(path, "there is no such image")
    if not os.path.getsize(path):
        raise FileError(path, "expected an image, found an empty file")


def _orientation(path: str | os.PathLike) -> int:
    """Returns the EXIF orientation, 1 where there is none or Pillow cannot tell."""
    from PIL import Image

    try:
        with _no_warnings(), Image.open(path) as image:
            return image.getexif().get(_ORIENTATION_TAG, 1)
    # Pillow raises SyntaxError and the like on damaged EXIF blocks of pictures that decode.
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, Image.DecompressionBombError):
        return 1


def _read_by_pillow(path: str | os.PathLike) -> np.ndarray:
    """Reads what OpenCV has no decoder for."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with _no_warnings(), Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError:
        raise FileError(path, "expected an image (JPEG, PNG, ...), found something else") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        problem = " ".join(str(error).split())
        raise FileError(path, f"expected an image; it cannot be decoded: {problem}") from None


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Silences Pillow on harmless damage (EXIF tags) and on large pictures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
