"""Silhouettes that the files hold as pixels, given as COCO RLE when they are asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..columns import LazyColumn
from ..images import read_silhouette


class LabelMasks(LazyColumn):
    """Silhouettes of which the pixels are there.

    Args:
      pixels: (N, height, width) bool, none of them empty.
    """

    def __init__(self, pixels: np.ndarray):
        super().__init__(len(pixels))
        self._pixels = pixels

    def value(self, row: int) -> Mapping[str, Any]:
        """Returns the silhouette of a row."""
        return _encoded(self._pixels[row])

    def boxes(self) -> np.ndarray:
        """Returns (N, 4) left, top, width, height px."""
        columns, rows = self._pixels.any(axis=1), self._pixels.any(axis=2)
        left, top = columns.argmax(axis=1), rows.argmax(axis=1)
        right = columns.shape[1] - columns[:, ::-1].argmax(axis=1)
        bottom = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
        return np.stack([left, top, right - left, bottom - top], axis=1).astype(float)


class MaskImages(LazyColumn):
    """Silhouettes that are images of their own.

    Args:
      root: the dataset's folder.
      paths: below it, "" where there is none.
      read: returns what an image shows of the person, (height, width) bool. A missing or damaged
        image is a `FileError` then. Default: where it is brighter than 127.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        paths: Sequence[str],
        *,
        read: Callable[[Path], np.ndarray] = read_silhouette,
    ):
        super().__init__(len(paths))
        self._root = Path(root)
        self._paths = paths
        self._read = read

    def value(self, row: int) -> Mapping[str, Any] | None:
        """Returns the silhouette of a row; None where it has none."""
        path = self._paths[row]
        return DeferredMask(functools.partial(self._read, self._root / path)) if path else None


class DeferredMask(Mapping):
    """A COCO RLE dictionary whose pixels are read when its contents are asked for: examples are
    looked at far more often than their silhouettes.

    Args:
      read: returns the silhouette (height, width) bool, or raises a `FileError`.
    """

    def __init__(self, read: Callable[[], np.ndarray]):
        self._read = read

    @functools.cached_property
    def _content(self) -> Mapping[str, Any]:
        return _encoded(self._read())

    def __getitem__(self, key: str) -> Any:
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("size", "counts"))

    def __len__(self) -> int:
        return 2


def _encoded(silhouette: np.ndarray) -> Mapping[str, Any]:
    from pycocotools import mask

    return mask.encode(np.asfortranarray(silhouette, np.uint8))
