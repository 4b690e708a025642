"""The pictures of one person: everything that is drawn by lot, in a fixed order per picture."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from dataset_adapters.camera import Camera

from ..atlas.body_parts import with_girdles
from ..atlas.low_poly import LowPolyBody, ShapedBody
from . import backgrounds
from .activities import angles_of
from .angles import ANGLES, mirrored_angles, part_rotations
from .clothes import dressed
from .contacts import depth_of_contact
from .drawing import draw
from .looks import Look
from .occluders import occlude
from .people import shape_of
from .views import choose_view, view_of

#: Pictures of one person, one after the other; tests want many people.
PER_PERSON = {"train": 8, "valid": 4, "test": 4}
#: So many poses are drawn, and the first is taken whose limbs keep clear of each other.
_CANDIDATES = 8
_MOST_CONTACT_M = 0.015
#: A joint counts as seen where the surface is at most so far in front of it.
_SEEN_WITHIN_M = 0.2
_PERSON, _PICTURE = 0, 1


@dataclass(frozen=True)
class Chances:
    """How often something happens in pictures of all looks.

    Attributes:
      occluded: something stands before a person whom the image holds whole: a quarter of all.
      cut_off: the image ends within the person.
      facing_degrees: people face the camera within this angle.
    """

    occluded: float = 0.29
    cut_off: float = 0.15
    facing_degrees: float = 75.0


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture and what is true in it.

    Attributes:
      picture: `(S, S, 3)` uint8 RGB.
      silhouette: `(S, S)` bool, of what is visible of the person.
      camera: of the picture; mm, world y up.
      box: `(4,)` px.
      points: `(P, 3)` mm in the world.
      seen: `(P,)` bool: the point is in the image, and nothing stands before that part of the body.
      activity: what the person does.
    """

    picture: np.ndarray
    silhouette: np.ndarray
    camera: Camera
    box: np.ndarray
    points: np.ndarray
    seen: np.ndarray
    activity: str


class Photographer:
    """Takes pictures in the way of a look.

    Args:
      body: all bodies.
      look: the pseudo-dataset.
      seed: of the whole store.
      split: number of the split.
      size: px of a picture's side.
      points: numbers of the body's points that are wanted.
      chances: see there.
      images: folder and names of the user's backgrounds, or None.
    """

    def __init__(self, body: LowPolyBody, look: Look, *, seed: int, split: int, size: int,
                 points: np.ndarray, chances: Chances, images=None):  # fmt: skip
        self._body, self._look, self._seed = body, look, (seed, look.number, split)
        self._size, self._points, self._chances = size, points, chances
        self._images = images

    def person(self, number: int) -> ShapedBody:
        """Returns a person; their pictures are those from `PER_PERSON * number` on."""
        rng = self._generator(_PERSON, number)
        stature, build = rng.uniform(*self._look.stature), rng.uniform(*self._look.build)
        shape = shape_of(self._body, rng, stature=stature, build=build)
        return self._body.shaped(shape, points=self._points)

    def shots(self, person: ShapedBody, indices: range) -> list[Shot]:
        """Takes some pictures of one person; each is the same whichever others are taken."""
        rngs = [self._generator(_PICTURE, index) for index in indices]
        chosen = [self._poses(rng) for rng in rngs]
        angles = np.concatenate([angles for _, angles, _ in chosen])
        yaw = np.repeat([yaw for *_, yaw in chosen], _CANDIDATES)
        rotations = part_rotations(angles, yaw)
        turns = with_girdles(rotations)
        contact = depth_of_contact(turns, person.places(turns)).reshape(-1, _CANDIDATES)
        # Where none keeps clear, the least contact is taken.
        cost = np.where(contact <= _MOST_CONTACT_M, np.arange(_CANDIDATES) - 1e3, contact)
        picked = np.arange(len(cost)) * _CANDIDATES + cost.argmin(axis=1)
        vertices, points = person.posed(rotations[picked])
        shots = []
        for k, rng in enumerate(rngs):
            floor = np.array([0.0, vertices[k, :, 1].min(), 0.0])
            shots.append(self._shot(rng, vertices[k] - floor, points[k] - floor, chosen[k][0]))
        return shots

    def _generator(self, purpose: int, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([*self._seed, purpose, number]))

    def _poses(self, rng: np.random.Generator) -> tuple[str, np.ndarray, float]:
        names = list(self._look.activities)
        shares = np.cumsum([self._look.activities[name] for name in names])
        at = np.searchsorted(shares[:-1], rng.random() * shares[-1], side="right")
        angles = angles_of(names[at], rng.random((_CANDIDATES, len(ANGLES))))
        if rng.random() < 0.5:
            angles = mirrored_angles(angles)
        limit = np.radians(self._chances.facing_degrees)
        return names[at], angles, rng.uniform(-limit, limit)

    def _shot(self, rng, vertices: np.ndarray, points: np.ndarray, activity: str) -> Shot:
        choice = choose_view(rng, self._look, cut_share=self._chances.cut_off)
        view = view_of(vertices, _areas(self._body), choice, self._size)
        colors = dressed(self._body, rng, self._look.palette)
        drawing = draw(self._body, vertices, colors, self._background(rng), view, self._look, rng)
        picture, free = drawing.picture, drawing.silhouette
        if choice.cut_side is None and rng.random() < self._chances.occluded:
            picture, free = occlude(picture, free, rng)
        pixels, depth = view.project(points)
        camera = Camera(
            R=view.R, t=-1000 * view.R @ view.center, K=view.K, world_up=np.array([0.0, 1.0, 0.0]),
            image_size=(self._size, self._size),
        )  # fmt: skip
        return Shot(
            picture, free, camera, view.box, 1000 * points,
            _seen(pixels, depth, drawing.depth, free), activity,
        )  # fmt: skip

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        if self._images is not None:
            return backgrounds.cut_out(rng, self._size, *self._images)
        return backgrounds.DRAWN[self._look.background](rng, self._size)


@functools.lru_cache(maxsize=4)
def _areas(body: LowPolyBody) -> np.ndarray:
    """Returns how much of the surface each vertex (V,) stands for, m2."""
    a, b, c = (body.vertices[body.faces[:, k]] for k in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(body.faces.ravel(), np.repeat(third, 3), minlength=len(body.vertices))


def _seen(pixels, depth, surface: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Returns which points (P,) are seen: through a free pixel, just behind the surface there."""
    size = len(free)
    column, row = np.round(pixels).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < size) & (row < size)
    column, row = np.where(inside, column, 0), np.where(inside, row, 0)
    in_front = depth - surface[row, column]
    with np.errstate(invalid="ignore"):
        return inside & free[row, column] & (in_front < _SEEN_WITHIN_M)
