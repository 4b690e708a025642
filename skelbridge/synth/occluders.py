"""Things in front of people: boards, posts, discs; they never hide a whole person."""

from __future__ import annotations

import numpy as np

#: At least so much of what the image holds of a person stays free.
LEAST_FREE = 0.5
_ATTEMPTS = 5


def occlude(
    picture: np.ndarray, silhouette: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Puts something in front of a person.

    Args:
      picture: `(S, S, 3)` uint8 RGB.
      silhouette: `(S, S)` bool.

    Returns:
      The picture and what is left of the silhouette.
    """
    import cv2

    size = len(picture)
    rows, columns = np.nonzero(silhouette)
    if not len(rows):
        return picture, silhouette
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    scale = 1.0
    for _ in range(_ATTEMPTS):
        k = int(rng.integers(len(rows)))
        corners = _outline(rng, scale * extent) + np.array([columns[k], rows[k]])
        cover = np.zeros((size, size), np.uint8)
        points = np.round(corners * 16).astype(np.int32)
        cv2.fillPoly(cover, [points], 255, cv2.LINE_AA, 4)
        free = silhouette & (cover < 128)
        if free.sum() >= LEAST_FREE * silhouette.sum() and free.any():
            share = (cover.astype(np.float32) / 255)[..., None]
            mixed = picture * (1 - share) + _surface(rng, size) * share
            return np.round(mixed).astype(np.uint8), free
        scale *= 0.7
    return picture, silhouette


def _outline(rng: np.random.Generator, extent: float) -> np.ndarray:
    """Returns corners (N, 2) px around the origin."""
    kind = int(rng.integers(4))
    angle = rng.uniform(-0.35, 0.35)
    if kind == 0:
        half = rng.uniform(0.1, 0.28, 2) * extent
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
        angle = rng.uniform(0, np.pi)
    elif kind == 1:
        # A post or a bar from one edge of the picture to the other.
        half = np.array([rng.uniform(0.04, 0.12) * extent, 4 * extent])
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
        angle += np.pi / 2 * int(rng.integers(2))
    elif kind == 2:
        turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        radii = rng.uniform(0.12, 0.28, 2) * extent
        corners = np.stack([np.cos(turns), np.sin(turns)], axis=1) * radii
    else:
        turns = np.sort(rng.uniform(0, 2 * np.pi, 7))
        corners = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        corners = corners * (rng.uniform(0.12, 0.34, (7, 1)) * extent)
    c, s = np.cos(angle), np.sin(angle)
    return corners @ np.array([(c, s), (-s, c)])


def _surface(rng: np.random.Generator, size: int) -> np.ndarray:
    import cv2

    coarse = rng.integers(10, 245, 3) + rng.uniform(-30, 30, (2, 2, 1))
    return cv2.resize(coarse.clip(0, 255).astype(np.float32), (size, size))
