"""Silhouettes of one person in many images, as pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class LabelMasks(Sequence):
    """Silhouettes as COCO RLE, encoded when they are asked for.

    Args:
      pixels: (N, height, width) bool, none of them empty.
    """

    def __init__(self, pixels: np.ndarray):
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        from pycocotools import mask

        return mask.encode(np.asfortranarray(self._pixels[row].astype(np.uint8)))

    def boxes(self) -> np.ndarray:
        """Returns (N, 4) left, top, width, height px."""
        columns, rows = self._pixels.any(axis=1), self._pixels.any(axis=2)
        left, top = columns.argmax(axis=1), rows.argmax(axis=1)
        right = columns.shape[1] - columns[:, ::-1].argmax(axis=1)
        bottom = rows.shape[1] - rows[:, ::-1].argmax(axis=1)
        return np.stack([left, top, right - left, bottom - top], axis=1).astype(float)
