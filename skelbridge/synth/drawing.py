"""From a posed body and a view to a picture: shading, edges, background, lens."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from ..atlas.body_parts import unit
from ..atlas.low_poly import LowPolyBody
from .looks import Look
from .rasteriser import Seen, seen_faces
from .views import View

#: Everything is drawn this many times finer, per axis, and averaged.
FINER = 2
#: How much brightness varies along the cloth, as folds do.
_FOLDS = 0.07
_SHADOW = 0.55
_GRAIN_SEED, _GRAIN_SIDE = 20240601, 512


@dataclass(frozen=True, eq=False)
class Drawing:
    """A person as drawn, before anything stands in front.

    Attributes:
      picture: `(S, S, 3)` uint8 RGB.
      silhouette: `(S, S)` bool: at least half of the pixel is the person.
      depth: `(S, S)` m of the surface, NaN beside the person.
    """

    picture: np.ndarray
    silhouette: np.ndarray
    depth: np.ndarray


def draw(
    body: LowPolyBody,
    vertices: np.ndarray,
    colors: np.ndarray,
    background: np.ndarray,
    view: View,
    look: Look,
    rng: np.random.Generator,
) -> Drawing:
    """Draws one person.

    Args:
      vertices: `(V, 3)` m.
      colors: `(F, 3)` float32 RGB from 0 to 255.
      background: `(S, S, 3)` uint8 RGB.
    """
    import cv2

    size = len(background)
    pixels, depth = view.project(vertices)
    brightness, sun = _brightness(body, vertices, look, rng)
    faces = _outer_sides(body)
    fine = np.ascontiguousarray((FINER * pixels + (FINER - 1) / 2).T)
    x, y = fine[0][faces], fine[1][faces]
    seen = seen_faces(x, y, (1 / depth)[faces], (FINER * size, FINER * size))
    shade = _interpolated(x, y, brightness[faces], seen, FINER * size)
    lit = np.empty((len(seen.faces), 4), np.float32)
    lit[:, :3] = colors.take(seen.faces, axis=0)
    lit[:, :3] *= shade[:, None]
    lit[:, 3] = 255
    rgba = np.minimum(lit, 255, out=lit).astype(np.uint8)
    person = np.zeros(FINER * size * FINER * size, np.uint32)
    person[seen.pixels] = rgba.view(np.uint32).ravel()
    person = person.view(np.uint8).reshape(FINER * size, FINER * size, 4)
    person = cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA)
    if look.has_shadow:
        background = _with_shadow(background, vertices, view, sun)
    beside = cv2.cvtColor(255 - person[..., 3], cv2.COLOR_GRAY2RGB)
    picture = cv2.add(person[..., :3], cv2.multiply(background, beside, scale=1 / 255))
    picture = _through_lens(np.ascontiguousarray(picture), look, rng)
    silhouette = person[..., 3] >= 128
    _cut(picture, silhouette, view.limits)
    return Drawing(picture, silhouette, _coarse_depth(seen, size))


def _brightness(body: LowPolyBody, vertices, look: Look, rng) -> tuple[np.ndarray, np.ndarray]:
    """Returns the light on each vertex (V,), and the direction to the lamp, from above."""
    normals = _normals(body, vertices)
    across, front = rng.uniform(-1.0, 1.0), rng.uniform(0.1, 1.0)
    sun = unit(np.array([across, rng.uniform(0.4, 1.2), front]))
    directed = rng.uniform(*look.light)
    falling = normals @ sun
    # Half of the light wraps around: rooms reflect it.
    light = np.maximum(falling, 0) * 0.75 + (0.5 + 0.5 * falling) * 0.25
    ambient = (1 - directed) * (0.85 + 0.15 * normals[:, 1])
    folds = 1 + _FOLDS * rng.standard_normal(len(vertices))
    return (ambient + 1.25 * directed * light) * folds, sun


def _normals(body: LowPolyBody, vertices: np.ndarray) -> np.ndarray:
    corners, starts = _corners_by_vertex(body)
    axes = np.ascontiguousarray(vertices.T)
    faces = _outer_sides(body)
    (cx, cy, cz), (bx, by, bz), (ax, ay, az) = (axes.take(corner, axis=1) for corner in faces)
    bx, by, bz, cx, cy, cz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    of_faces = np.stack([by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx])
    sums = np.add.reduceat(of_faces.take(corners, axis=1), starts, axis=1)
    length = np.sqrt(sums[0] ** 2 + sums[1] ** 2 + sums[2] ** 2)
    return (sums / np.maximum(length, 1e-12)).T


@functools.lru_cache(maxsize=4)
def _corners_by_vertex(body: LowPolyBody) -> tuple[np.ndarray, np.ndarray]:
    """Returns the faces around each vertex, one vertex after the other, and where each begins."""
    order = np.argsort(body.faces.ravel(), kind="stable")
    counts = np.bincount(body.faces.ravel(), minlength=len(body.vertices))
    return order // 3, np.cumsum(counts) - counts


@functools.lru_cache(maxsize=4)
def _outer_sides(body: LowPolyBody) -> np.ndarray:
    """Returns (3, F) vertex numbers that turn clockwise in an image of the body's outside."""
    return np.ascontiguousarray(body.faces[:, ::-1].T)


def _interpolated(x, y, values: np.ndarray, seen: Seen, width: int) -> np.ndarray:
    """Returns values (3, F) of corners (3, F) at the pixels where the faces are seen."""
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    area = np.where(np.abs(area) > 1e-9, area, np.inf)
    v1, v2 = values[1] - values[0], values[2] - values[0]
    sx = (v1 * (y[2] - y[0]) - v2 * (y[1] - y[0])) / area
    sy = (v2 * (x[1] - x[0]) - v1 * (x[2] - x[0])) / area
    start = values[0] - sx * x[0] - sy * y[0]
    columns, rows = _places(width)
    start, sx, sy = (plane.astype(np.float32).take(seen.faces) for plane in (start, sx, sy))
    sx *= columns.take(seen.pixels)
    sy *= rows.take(seen.pixels)
    return start + sx + sy


@functools.lru_cache(maxsize=2)
def _places(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the column and the row of each pixel of a square image."""
    rows, columns = np.divmod(np.arange(width * width), width)
    return columns.astype(np.float32), rows.astype(np.float32)


def _with_shadow(background: np.ndarray, vertices, view: View, sun: np.ndarray) -> np.ndarray:
    """Darkens the floor (y = 0) where the person keeps the light away, roughly."""
    import cv2

    low = vertices[vertices[:, 1] < 0.6]
    ground = low - sun * (low[:, 1:2] / sun[1])
    pixels, depth = view.project(ground)
    if (depth <= 0.1).any():
        return background
    shade = np.zeros(background.shape[:2], np.uint8)
    hull = cv2.convexHull(np.round(np.clip(pixels, -4e3, 4e3) * 16).astype(np.int32))
    cv2.fillConvexPoly(shade, hull, 255, cv2.LINE_AA, 4)
    shade = cv2.blur(shade, (7, 7))
    kept = cv2.cvtColor(255 - cv2.convertScaleAbs(shade, alpha=1 - _SHADOW), cv2.COLOR_GRAY2RGB)
    return cv2.multiply(background, kept, scale=1 / 255)


def _through_lens(picture: np.ndarray, look: Look, rng: np.random.Generator) -> np.ndarray:
    import cv2

    blur, gain, down, across = rng.random(4)
    if blur > 0.5:
        picture = cv2.GaussianBlur(picture, (3, 3), 0.3 + 0.8 * (blur - 0.5))
    low, high = look.contrast
    gain = low + gain * (high - low)
    picture = cv2.convertScaleAbs(picture, alpha=gain, beta=max(0.0, 110 * (1 - gain)))
    brighter, darker = _grain(look.grain, len(picture))
    room = len(brighter) - len(picture) + 1
    rows, columns = (slice(k, k + len(picture)) for k in (int(down * room), int(across * room)))
    return cv2.subtract(cv2.add(picture, brighter[rows, columns]), darker[rows, columns])


@functools.lru_cache(maxsize=8)
def _grain(deviation: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns what noise adds and takes away on a large tile, of which pictures show parts."""
    side = max(_GRAIN_SIDE, 2 * size)
    noise = np.random.default_rng(_GRAIN_SEED).standard_normal((side, side, 3), np.float32)
    noise = np.round(deviation * noise)
    return tuple(np.clip(part, 0, 255).astype(np.uint8) for part in (noise, -noise))


def _cut(picture: np.ndarray, silhouette: np.ndarray, limits: np.ndarray) -> None:
    """Blackens what the image does not hold."""
    (left, top), (right, bottom) = np.round(limits + 0.5).astype(int)
    for array in (picture, silhouette):
        array[:top] = array[bottom:] = 0
        array[:, :left] = array[:, right:] = 0


def _coarse_depth(seen: Seen, size: int) -> np.ndarray:
    fine = np.full(FINER * size * FINER * size, np.nan)
    fine[seen.pixels] = 1 / seen.inverse_depth
    return fine.reshape(FINER * size, FINER * size)[::FINER, ::FINER]
