"""Silhouettes that the files hold as pixels, given as COCO RLE when they are asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
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
      paths: below it, "" where there is none; foreground is above 127.
    """

    def __init__(self, root: str | os.PathLike, paths: Sequence[str]):
        super().__init__(len(paths))
        self._root = Path(root)
        self._paths = paths

    def value(self, row: int) -> Mapping[str, Any] | None:
        """Returns the silhouette of a row; None where it has none."""
        path = self._paths[row]
        return _MaskOfImage(self._root / path) if path else None


class _MaskOfImage(Mapping):
    """A COCO RLE dictionary whose image is decoded when its contents are asked for: examples are
    looked at far more often than their silhouettes.

    Args:
      path: the image. A missing or damaged one is a `FileError` then.
    """

    def __init__(self, path: Path):
        self._path = path

    @functools.cached_property
    def _content(self) -> Mapping[str, Any]:
        return _encoded(read_silhouette(self._path))

    def __getitem__(self, key: str) -> Any:
        return self._content[key]

    def __iter__(self) -> Iterator[str]:
        return iter(("size", "counts"))

    def __len__(self) -> int:
        return 2


def _encoded(silhouette: np.ndarray) -> Mapping[str, Any]:
    from pycocotools import mask

    return mask.encode(np.asfortranarray(silhouette, np.uint8))
