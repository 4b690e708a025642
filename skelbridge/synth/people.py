"""Whom we see: body shapes of a wanted stature and build."""

from __future__ import annotations

import functools

import numpy as np

from ..atlas.body_parts import LOW_POLY_PARTS
from ..atlas.low_poly import LowPolyBody

#: How much people of one stature and build differ otherwise, in standard deviations.
_VARIETY, _MOST = 0.7, 1.6
_TRUNK = tuple(LOW_POLY_PARTS.index(name) for name in ("pelvis", "spine1", "spine2", "spine3"))


def shape_of(
    body: LowPolyBody, rng: np.random.Generator, *, stature: float, build: float
) -> np.ndarray:
    """Draws a body shape.

    Args:
      stature: m, from sole to crown.
      build: how wide the trunk is for this stature, in standard deviations: negative is slim.

    Returns:
      `(S,)` standard deviations from the mean, for `LowPolyBody.shaped`.
    """
    rows, mean = _measures(body)
    wanted = np.array([stature - mean, build]) - rows[:, 0]
    shape = np.clip(_VARIETY * rng.standard_normal(rows.shape[1] - 1), -_MOST, _MOST)
    gradients = rows[:, 1:]
    # The least change that gives both measures what is wanted of them.
    missing = wanted - gradients @ shape
    return shape + gradients.T @ np.linalg.solve(gradients @ gradients.T, missing)


@functools.lru_cache(maxsize=4)
def _measures(body: LowPolyBody) -> tuple[np.ndarray, float]:
    """Returns (2, 1 + S): stature (m) and build (s.d.) of a shape, affine; and the mean stature."""
    top, sole = body.vertices[:, 1].argmax(), body.vertices[:, 1].argmin()
    stature = body.vertex_shapes[:, top, 1] - body.vertex_shapes[:, sole, 1]
    main = body.skin_parts[np.arange(len(body.vertices)), body.skin_weights.argmax(axis=1)]
    trunk = np.isin(main, _TRUNK)
    outward = body.vertices[trunk] * (1, 0, 1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    girth = (body.vertex_shapes[:, trunk] * outward).sum(-1).mean(-1)
    # Taller people are wider: what stature explains is no matter of build.
    girth = girth - stature * (girth @ stature) / (stature @ stature)
    girth /= np.linalg.norm(girth)
    mean = body.vertices[top, 1] - body.vertices[sole, 1]
    return np.stack([np.append(0.0, stature), np.append(0.0, girth)]), float(mean)
