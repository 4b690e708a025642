"""A z-buffer in numpy: which triangle is seen at each pixel.

Triangles are cut into the runs of pixels of each row, all at once; 1 / depth is linear in the image
and decides between runs that cover the same pixel. A triangle covers the pixels whose centres lie
in it; a centre on an edge between two triangles belongs to one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FACE_BITS = 20
_DEPTH_STEPS = float(1 << 40)
#: Keeps rounding errors of the nearest and the farthest depth away from the ends of the scale.
_MARGIN_STEPS = 1024.0


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen at the covered pixels of an image.

    Attributes:
      pixels: `(N,)` numbers of the covered pixels, row by row, ascending.
      faces: `(N,)` the triangle that is seen there.
      inverse_depth: `(N,)`.
    """

    pixels: np.ndarray
    faces: np.ndarray
    inverse_depth: np.ndarray


def seen_faces(
    x: np.ndarray, y: np.ndarray, inverse_depth: np.ndarray, size: tuple[int, int]
) -> Seen:
    """Finds the nearest triangle at every pixel.

    Args:
      x, y: `(3, F)` px; only triangles that turn clockwise in the image (x right, y down: positive
        area) are seen.
      inverse_depth: `(3, F)`, positive.
      size: (width, height) px.
    """
    width, height = size
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    first = np.maximum(np.ceil(np.minimum(np.minimum(y[0], y[1]), y[2])), 0).astype(np.int64)
    last = np.maximum(np.maximum(y[0], y[1]), y[2])
    last = np.minimum(np.floor(last), height - 1).astype(np.int64)
    chosen = np.flatnonzero((area > 1e-9) & (last >= first))
    if not len(chosen):
        return Seen(chosen, chosen, np.zeros(0))
    x, y, w, area = x[:, chosen], y[:, chosen], inverse_depth[:, chosen], area[chosen]
    first, last = first[chosen], last[chosen]

    # Rows: each triangle's run of pixels lies between its edges.
    n_rows = last - first + 1
    face = np.repeat(np.arange(len(chosen)), n_rows)
    row = np.arange(len(face)) - np.repeat(np.cumsum(n_rows) - n_rows - first, n_rows)
    begin, end = _runs(x, y, face, row)
    begin = np.maximum(np.ceil(begin), 0).astype(np.int64)
    end = np.minimum(np.ceil(end), width).astype(np.int64)
    covers = np.flatnonzero(end > begin)
    face, row, begin = face[covers], row[covers], begin[covers]
    n_pixels = end[covers] - begin

    # Pixels of all runs, and their 1 / depth in steps.
    low, high = w.min(), w.max()
    step = (high - low) / _DEPTH_STEPS or 1.0
    w0, w1, w2 = (w - low) / step + _MARGIN_STEPS
    wx = ((w1 - w0) * (y[2] - y[0]) - (w2 - w0) * (y[1] - y[0])) / area
    wy = ((w2 - w0) * (x[1] - x[0]) - (w1 - w0) * (x[2] - x[0])) / area
    at_start = (w0 - wx * x[0] - wy * y[0])[face] + wx[face] * begin + wy[face] * row
    before = np.cumsum(n_pixels) - n_pixels
    along = np.arange(before[-1] + n_pixels[-1] if len(before) else 0)
    pixel = np.repeat(row * width + begin - before, n_pixels) + along
    slope = wx[face]
    level = np.repeat(at_start - slope * before, n_pixels) + np.repeat(slope, n_pixels) * along
    key = level.astype(np.int64) << _FACE_BITS
    key |= np.repeat(face, n_pixels)
    nearest = np.zeros(width * height, np.int64)
    np.maximum.at(nearest, pixel, key)
    pixels = np.flatnonzero(nearest > 0)
    key = nearest[pixels]
    level = (key >> _FACE_BITS) - _MARGIN_STEPS
    return Seen(pixels, chosen[key & ((1 << _FACE_BITS) - 1)], level * step + low)


def _runs(x: np.ndarray, y: np.ndarray, face: np.ndarray, row: np.ndarray):
    """Returns where rows (R,) of faces (R,) begin and end, px: between left and right edges."""
    begin = np.full(len(face), -np.inf)
    end = np.full(len(face), np.inf)
    for k in range(3):
        following = (k + 1) % 3
        dx, dy = x[following] - x[k], y[following] - y[k]
        level = dy == 0
        slope = dx / np.where(level, 1.0, dy)
        intercept = x[k] - slope * y[k]
        crossing = slope[face] * row + intercept[face]
        # With positive area and y down, the inside is to the right of edges that go up.
        side = dy[face]
        begin = np.maximum(begin, np.where(side < 0, crossing, -np.inf))
        end = np.minimum(end, np.where(side > 0, crossing, np.inf))
    return begin, end
