"""Sizes of images of which the annotations do not tell them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..columns import LazyColumn
from ..containers.errors import FileError
from ..images import image_size


class ImageSizes(LazyColumn):
    """(width, height) px from the headers of image files, read when they are asked for.

    Args:
      root: the dataset's folder.
      images: paths below it, one per row.
    """

    def __init__(self, root: Path, images: Sequence[str]):
        super().__init__(len(images))
        self._root = root
        self._images = images
        self._known: dict[str, tuple[int, int] | None] = {}

    def value(self, row: int) -> tuple[int, int] | None:
        """Returns the size of a row's image; None where there is no readable file."""
        image = self._images[row]
        if image not in self._known:
            self._known[image] = stated_size(self._root / image)
        return self._known[image]


def stated_size(path: Path) -> tuple[int, int] | None:
    """Returns (width, height) px as the header of an image file states them.

    None where there is no file, or no image in it: it is missed where the pixels are needed.
    """
    try:
        return image_size(path) if path.is_file() else None
    except FileError:
        return None
