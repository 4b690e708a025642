"""What people wear: one colour per triangle of the body, by region."""

from __future__ import annotations

import colorsys
import functools
from dataclasses import dataclass

import numpy as np

from ..atlas.body_parts import LOW_POLY_PARTS
from ..atlas.low_poly import LowPolyBody

#: Skin from light to dark, hair from black to fair; RGB. Our own choice.
SKIN = np.array([(241, 207, 183), (226, 184, 152), (203, 156, 120), (172, 122, 86), (128, 86, 58),
                 (92, 60, 42)], float)  # fmt: skip
HAIR = np.array([(28, 24, 22), (52, 36, 26), (92, 62, 38), (150, 108, 60), (196, 164, 104),
                 (128, 122, 118), (118, 56, 30)], float)  # fmt: skip
_EYE, _RED = np.array((44.0, 34.0, 30.0)), np.array((168.0, 44.0, 48.0))
_SPECK_COLORS = 16
#: Face landmarks (of 68) that lie around the eyes, on the brows, and around the lips.
_EYES, _BROWS, _LIPS = range(36, 48), range(17, 27), range(48, 68)
_NEAR_M = {"eyes": 0.013, "brows": 0.011, "lips": 0.012}


@dataclass(frozen=True)
class Palette:
    """How clothes of a look are coloured.

    Attributes:
      saturation, value: from and to, of HSV.
      striped: share of shirts with stripes.
      speckled: share of triangles that are bright specks.
    """

    saturation: tuple[float, float] = (0.1, 0.9)
    value: tuple[float, float] = (0.15, 0.95)
    striped: float = 0.15
    speckled: float = 0.0


@dataclass(frozen=True, eq=False)
class _Regions:
    """Where the triangles (F,) lie on the body; metres in the T-pose of the mean adult."""

    across: np.ndarray
    height: np.ndarray
    front: np.ndarray
    along_shirt: np.ndarray
    is_chest: np.ndarray
    is_arm: np.ndarray
    is_belly: np.ndarray
    is_leg: np.ndarray
    is_foot: np.ndarray
    is_hair: np.ndarray
    is_nape: np.ndarray
    eyes: np.ndarray
    brows: np.ndarray
    lips: np.ndarray


def dressed(body: LowPolyBody, rng: np.random.Generator, palette: Palette) -> np.ndarray:
    """Draws an outfit: (F, 3) float32 RGB from 0 to 255."""
    at = _regions(body)
    chances = rng.random(12)
    skin, hair = _mixed(SKIN, chances[0]), _mixed(HAIR, chances[8])
    shirt, trousers, shoes, second = (_cloth(rng, palette) for _ in range(4))
    lips = 0.62 * skin + 0.38 * _RED
    brows = 0.5 * skin + 0.5 * np.minimum(hair, 110)
    colors = [skin, shirt, second, trousers, shoes, hair, lips, brows, _EYE]
    worn = _worn(at, chances, is_striped=chances[2] < palette.striped)
    if palette.speckled:
        specks = np.flatnonzero(rng.random(len(worn)) < palette.speckled)
        worn[specks] = len(colors) + np.arange(len(specks)) % _SPECK_COLORS
        colors += list(150 + 105 * rng.random((_SPECK_COLORS, 3)))
    return np.array(colors, np.float32).take(worn, axis=0)


def _worn(at: _Regions, chances: np.ndarray, *, is_striped: bool) -> np.ndarray:
    """Returns for each triangle (F,) the number of its colour: skin, shirt, second, ..."""
    x, y, z = at.across, at.height, at.front
    worn = np.zeros(len(x), np.int64)
    sleeve = (0.2, 0.33, 0.6, 0.67)[int(4 * chances[1])]
    is_shirt = at.is_chest | (at.is_arm & (x < sleeve))
    worn[is_shirt] = 1
    if is_striped:
        period = 0.06 + 0.08 * chances[3]
        worn[is_shirt & (at.along_shirt % period < period / 2)] = 2
    waist = -0.02 + 0.12 * chances[4]
    hem = -0.86 if chances[5] < 0.65 else -0.5 + 0.2 * chances[6]
    worn[(at.is_leg & (y > hem)) | (at.is_belly & (y < waist))] = 3
    if chances[7] < 0.85:
        worn[at.is_foot] = 4
    if chances[9] > 0.07:
        worn[at.is_hair] = 5
        if chances[9] < 0.3:
            worn[at.is_nape & (z < 0.01)] = 5
    worn[at.lips], worn[at.brows], worn[at.eyes] = 6, 7, 8
    return worn


def _cloth(rng: np.random.Generator, palette: Palette) -> np.ndarray:
    hue = rng.random()
    saturation, value = rng.uniform(*palette.saturation), rng.uniform(*palette.value)
    return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _mixed(colors: np.ndarray, chance: float) -> np.ndarray:
    at = chance * (len(colors) - 1)
    below = min(int(at), len(colors) - 2)
    return colors[below] + (at - below) * (colors[below + 1] - colors[below])


@functools.lru_cache(maxsize=4)
def _regions(body: LowPolyBody) -> _Regions:
    vertices = body.vertices
    shares = np.zeros((len(vertices), len(LOW_POLY_PARTS)))
    np.put_along_axis(shares, body.skin_parts, body.skin_weights, axis=1)
    part = shares[body.faces].sum(axis=1).argmax(axis=1)
    centers = vertices[body.faces].mean(axis=1)
    _, points = body.posed(np.tile(np.eye(3), (20, 1, 1)), np.zeros(len(body.vertex_shapes)))
    at = {name: place for name, place in zip(body.points, points, strict=True)}

    def near(name: str, numbers) -> np.ndarray:
        marks = np.stack([at[f"coco:face68_{k:02d}"] for k in numbers])
        apart = np.linalg.norm(centers[:, None] - marks, axis=-1).min(axis=1)
        return apart < _NEAR_M[name]

    eyes, lips = near("eyes", _EYES), near("lips", _LIPS)
    kinds = np.array([
        name.removeprefix("left_").removeprefix("right_").rstrip("123") for name in LOW_POLY_PARTS
    ])[part]  # fmt: skip
    x, y, z = np.abs(centers[:, 0]), centers[:, 1], centers[:, 2]
    is_head = kinds == "head"
    hairline = np.clip(0.655 + 0.95 * (z - 0.02), 0.6, 0.752)
    is_ear = (x > 0.083) & (y < 0.71)
    return _Regions(
        across=x, height=y, front=z, along_shirt=y + 0.3 * np.where(x > 0.2, x, 0.0),
        is_chest=np.isin(kinds, ["pelvis", "spine", "collar", "shoulder"]) & (y < 0.545),
        is_arm=np.isin(kinds, ["upper_arm", "forearm"]),
        is_belly=np.isin(kinds, ["pelvis", "spine"]), is_leg=np.isin(kinds, ["thigh", "shank"]),
        is_foot=kinds == "foot", is_hair=is_head & (y > hairline) & ~is_ear,
        is_nape=(is_head | (kinds == "neck")) & (y > 0.53),
        eyes=eyes, brows=near("brows", _BROWS) & ~eyes, lips=lips,
    )  # fmt: skip
