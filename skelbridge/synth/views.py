"""Cameras that see a person in a square: turned to the visible part, at a random distance.

The person stands on the floor y = 0; y is up. A camera's rotation has the rows right, down and
forward; the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..atlas.body_parts import unit

#: The camera's lens is at least so high above the floor, m.
_LOWEST_M = 0.15
#: Sides of the image that can cut a person off: axis, whether at the far end, and how often.
SIDES = ((1, True), (0, False), (0, True), (1, False))
SIDE_SHARES = (0.5, 0.2, 0.2, 0.1)
#: How much of the body may be cut off at each of `SIDES`: less at the top, where the head is.
MOST_CUT = (0.45, 0.4, 0.4, 0.2)
_LEAST_CUT = 0.08
_TURNS = 3


@dataclass(frozen=True)
class ViewChoice:
    """What is drawn by lot for one view.

    Attributes:
      distance: of the camera from the person's middle, m.
      pitch: radians by which the camera looks down.
      roll: radians.
      fill: share of the picture's side that the larger side of the person's box takes.
      shift: `(2,)` of the box from the middle, shares of the picture's side.
      cut_side: index of `SIDES` where the image ends, or None.
      cut: share of the body's surface that is cut off there.
      is_black: whether pixels beyond are shown, in black; else the picture ends there.
    """

    distance: float
    pitch: float
    roll: float
    fill: float
    shift: np.ndarray
    cut_side: int | None = None
    cut: float = 0.0
    is_black: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """One camera.

    Attributes:
      R: `(3, 3)`; center: `(3,)` metres; K: `(3, 3)` px.
      box: `(4,)` left, top, width, height px of the part of the person that the image holds.
      limits: `(2, 2)` px, the edges between which the image has content: low, high of x, y.
    """

    R: np.ndarray
    center: np.ndarray
    K: np.ndarray
    box: np.ndarray
    limits: np.ndarray

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns pixels `(..., 2)` and depths `(...)` m of points `(..., 3)` m."""
        seen = (points - self.center) @ self.R.T
        depth = seen[..., 2]
        scale = self.K[0, 0] / depth
        return seen[..., :2] * scale[..., None] + self.K[:2, 2], depth


def choose_view(rng: np.random.Generator, look, *, cut_share: float) -> ViewChoice:
    """Draws a view in the way of a look."""
    pitch = np.radians(rng.uniform(*look.pitch))
    roll = np.radians(rng.uniform(-look.roll, look.roll))
    distance, fill = rng.uniform(*look.distance), rng.uniform(0.74, 0.88)
    shift = rng.uniform(-0.04, 0.04, 2)
    cuts, side, share, is_black = rng.random(4)
    if cuts >= cut_share:
        return ViewChoice(distance, pitch, roll, fill, shift)
    side = int(np.searchsorted(np.cumsum(SIDE_SHARES[:-1]), side, side="right"))
    cut = _LEAST_CUT + share * (MOST_CUT[side] - _LEAST_CUT)
    return ViewChoice(distance, pitch, roll, fill, shift, side, cut, is_black < 0.5)


def view_of(vertices: np.ndarray, areas: np.ndarray, choice: ViewChoice, size: int) -> View:
    """Points a camera at a person.

    Args:
      vertices: `(V, 3)` m, y up, standing on y = 0, facing somewhere around +z.
      areas: `(V,)` how much of the body's surface each vertex stands for.
      size: px of the square picture.
    """
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    lowest = np.arcsin(np.clip((_LOWEST_M - middle[1]) / choice.distance, -1, 1))
    pitch = max(choice.pitch, lowest)
    forward = -np.array([0.0, np.sin(pitch), np.cos(pitch)])
    center = middle - choice.distance * forward
    R = _facing(forward, np.array([0.0, -1.0, 0.0]), choice.roll)
    for turn in range(_TURNS):
        low, high = _visible(R @ (vertices - center).T, areas, choice)
        if turn < _TURNS - 1:
            R = _facing(np.append((low + high) / 2, 1.0) @ R, R[1], 0.0)
    return _framed(R, center, low, high, choice, size)


def _visible(seen: np.ndarray, areas: np.ndarray, choice: ViewChoice):
    """Returns the corners (2,) of the visible part of points (3, V), at a distance of 1."""
    flat = seen[:2] / seen[2]
    low, high = flat.min(axis=1), flat.max(axis=1)
    if choice.cut_side is not None:
        axis, at_far_end = SIDES[choice.cut_side]
        order = np.argsort(flat[axis], kind="stable")
        share = np.cumsum(areas[order])
        wanted = (1 - choice.cut if at_far_end else choice.cut) * share[-1]
        edge = flat[axis, order[np.searchsorted(share, wanted)]]
        (high if at_far_end else low)[axis] = edge
    return low, high


def _framed(R, center, low, high, choice: ViewChoice, size: int) -> View:
    focal = choice.fill * size / (high - low).max()
    principal = (size - 1) / 2 + choice.shift * size - focal * (low + high) / 2
    limits = np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]])
    if choice.cut_side is not None:
        axis, at_far_end = SIDES[choice.cut_side]
        end = int(at_far_end)
        edge = (high if at_far_end else low)[axis]
        if choice.is_black:
            # The image's last row or column of pixels is a whole one.
            limits[end, axis] = np.round(focal * edge + principal[axis] + 0.5) - 0.5
        else:
            principal[axis] = limits[end, axis] - focal * edge
    K = np.array([[focal, 0, principal[0]], [0, focal, principal[1]], [0, 0, 1]])
    corners = np.stack([low, high]) * focal + principal
    corners = np.clip(corners, limits[0], limits[1])
    return View(R, center, K, np.concatenate([corners[0], corners[1] - corners[0]]), limits)


def _facing(forward: np.ndarray, down: np.ndarray, roll: float) -> np.ndarray:
    """Returns the rotation with a forward and, as far as that allows, a downward direction."""
    forward = unit(forward)
    right = unit(_cross(down, forward))
    down = _cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward])


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the product of two vectors (3,); numpy's is made for many, and slow for one."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
