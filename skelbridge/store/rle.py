"""Silhouettes as COCO run lengths: column by column, the lengths of runs of 0, 1, 0, ...

The compressed form writes each length (from the fourth on: its difference to the length two
before) in groups of 5 bits, lowest first, as characters from code 48; bit 32 says that more follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_GROUPS = 13  # Enough for 64 bits.


def encode(silhouette: np.ndarray) -> dict[str, Any]:
    """Returns the COCO RLE dictionary of a (height, width) bool array; `counts` is text."""
    height, width = silhouette.shape
    pixels = np.asarray(silhouette, bool).T.reshape(-1)
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    starts = [[0]] if pixels.size and pixels[0] else []
    bounds = np.concatenate([[0], *starts, edges, [pixels.size]])
    return {"size": [height, width], "counts": _to_text(np.diff(bounds)).decode("ascii")}


def decode(mask: Mapping[str, Any]) -> np.ndarray:
    """Returns the (height, width) bool array of a COCO RLE dictionary.

    Raises:
      ValueError: the run lengths do not fit the size.
    """
    height, width = _size(mask)
    lengths = runs(mask)
    ones = np.arange(len(lengths)) % 2 == 1
    return np.repeat(ones, lengths).reshape(width, height).T


def runs(mask: Mapping[str, Any]) -> np.ndarray:
    """Returns the run lengths, starting with a run of zeros.

    Raises:
      ValueError: they do not fit the mask's size.
    """
    height, width = _size(mask)
    counts = mask.get("counts")
    if isinstance(counts, str):
        # What is not ASCII must not become a `?`, which stands for a number.
        counts = counts.encode("ascii") if counts.isascii() else b"\xff"
    if isinstance(counts, bytes):
        lengths = _from_text(counts)
    else:
        lengths = np.asarray(counts if isinstance(counts, (list, tuple, np.ndarray)) else [])
        if lengths.ndim != 1 or (lengths.size and lengths.dtype.kind not in "iu"):
            raise ValueError("a mask's counts must be text or a list of whole numbers")
        lengths = lengths.astype(np.int64)
    if (lengths < 0).any() or lengths.sum() != height * width or (lengths > height * width).any():
        raise ValueError(f"a mask's runs must cover {height} x {width} px, found {lengths.sum()}")
    return lengths


def box_of(mask: Mapping[str, Any]) -> np.ndarray:
    """Returns (4,) left, top, width, height px around a COCO RLE silhouette; zeros when empty."""
    height, _ = _size(mask)
    ends = np.cumsum(runs(mask))
    starts, stops = ends[0:-1:2], ends[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return np.zeros(4)
    first, last = starts // height, (stops - 1) // height
    within = first == last
    top = np.where(within, starts % height, 0).min()
    bottom = np.where(within, (stops - 1) % height, height - 1).max()
    left, right = first.min(), last.max()
    return np.array([left - 0.5, top - 0.5, right - left + 1, bottom - top + 1])


def _size(mask: Mapping[str, Any]) -> tuple[int, int]:
    size = mask.get("size")
    try:
        height, width = (int(n) for n in size)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"a mask's size must be [height, width], found {size!r}") from None
    if not (0 < height <= 1 << 16 and 0 < width <= 1 << 16):
        raise ValueError(f"a mask's size must be 1 to 65536 px, found {height} x {width}")
    return height, width


def _to_text(lengths: np.ndarray) -> bytes:
    values = lengths.astype(np.int64)
    values[3:] -= lengths[1:-2]
    bits = 5 * np.arange(_GROUPS)
    groups = (values[:, None] >> np.minimum(bits, 63)) & 31
    # The number of groups that hold the value with its sign.
    limits = np.int64(1) << (5 * np.arange(1, _GROUPS) - 1)
    n = 1 + ((values[:, None] >= limits) | (values[:, None] < -limits)).sum(1)
    position = np.arange(_GROUPS)
    characters = groups + 48 + 32 * (position < n[:, None] - 1)
    return characters[position < n[:, None]].astype(np.uint8).tobytes()


def _from_text(text: bytes) -> np.ndarray:
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if ((codes < 0) | (codes > 63)).any():
        raise ValueError("a mask's counts hold characters that are no run lengths")
    last = (codes & 32) == 0
    if not len(codes) or not last[-1]:
        raise ValueError("a mask's counts end within a run length")
    ends = np.flatnonzero(last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if (ends - starts).max() >= 6:
        raise ValueError("a mask's counts hold a run length beyond 30 bits")
    position = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    values = np.add.reduceat((codes & 31) << (5 * position), starts)
    negative = (codes[ends] & 16) != 0
    values -= negative.astype(np.int64) << (5 * (ends - starts + 1))
    # From the fourth on they are differences to the one two before.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
