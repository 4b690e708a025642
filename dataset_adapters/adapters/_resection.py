"""Where a camera stood, from points whose places in space and in its image are known.

Many cameras at once, each from its own points: Levenberg-Marquardt on the reprojection error from
several starts. A start is the scaled orthographic camera that fits best, found in closed form: once
as if the points filled space, and twice (they are ambiguous) as if they lay in a plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..body_models.rotations import matrix_from_axis_angle

#: Fewer points than this leave more than one answer.
MIN_POINTS = 6
#: The starts are tried on so many of the points.
_START_POINTS = 40
_START_STEPS = 8
_MAX_STEPS = 80
#: So many problems at once stay in the processor's cache.
_AT_ONCE = 128
#: A step that changes no angle, direction or logarithm by more than this is the last one.
_LAST_STEP = 1e-10
_LEAST_GAIN = 1e-9


@dataclass(frozen=True, eq=False)
class Resection:
    """Cameras that were found; NaN where there are too few points.

    Attributes:
      R: (N, 3, 3), t: (N, 3): x_cam = R x_world + t, in the unit of the points.
      focal_factor: (N,) the focal length in units of the given one; 1 where it was not sought.
      rms: (N,) root mean square distance of projected and given points in units of the focal
        length that was given: times it, px.
    """

    R: np.ndarray
    t: np.ndarray
    focal_factor: np.ndarray
    rms: np.ndarray


def find_cameras(
    points: np.ndarray, ideal: np.ndarray, *, focal_bounds: tuple[float, float] | None = None
) -> Resection:
    """Finds the poses (and focal lengths) of N cameras.

    Args:
      points: (N, P, 3) in world coordinates, NaN for missing ones.
      ideal: (N, P, 2) image points as (x / z, y / z): pixels times the inverse of the intrinsic
        matrix; NaN for missing ones.
      focal_bounds: seek the focal length too, as a factor between these two.
    """
    n = len(points)
    found = Resection(
        np.full((n, 3, 3), np.nan), np.full((n, 3), np.nan), np.full(n, np.nan), np.full(n, np.nan)
    )
    given = np.isfinite(points).all(-1) & np.isfinite(ideal).all(-1)
    enough = np.flatnonzero(given.sum(1) >= MIN_POINTS)
    columns = found.R, found.t, found.focal_factor, found.rms
    for start in range(0, len(enough), _AT_ONCE):
        rows = enough[start : start + _AT_ONCE]
        parts = _solved(points[rows], ideal[rows], given[rows], focal_bounds)
        for column, values in zip(columns, parts, strict=True):
            column[rows] = values
    return found


def _solved(points, ideal, given, focal_bounds):
    """Returns R, t, focal factor and rms of problems with enough points."""
    weight = given.astype(float)
    points = np.where(given[..., None], points, 0.0)
    count = weight.sum(1)
    mean = points.sum(1) / count[:, None]
    centred = (points - mean[:, None]) * weight[..., None]
    scale = np.maximum(np.sqrt((centred**2).sum((1, 2)) / count), 1e-12)
    # Coordinates first and points last: every step then runs along whole rows of memory.
    shape = np.ascontiguousarray((centred / scale[:, None, None]).transpose(0, 2, 1))
    image = np.where(given[..., None], ideal, 0.0).transpose(0, 2, 1).copy()
    rows = np.argsort(~given, axis=1, kind="stable")
    picks = np.linspace(0, count - 1, min(_START_POINTS, given.shape[1])).astype(int).T
    picks = np.take_along_axis(rows, picks, axis=1)
    few = [np.take_along_axis(a, picks[:, None], axis=2) for a in (shape, image)]
    few.append(np.take_along_axis(weight, picks, axis=1))
    state = _Fit(*few, focal_bounds).started()
    R, place, log_depth, log_focal, cost = _Fit(shape, image, weight, focal_bounds).improved(state)
    t = np.exp(log_depth)[:, None] * np.concatenate([place, np.ones((len(place), 1))], 1)
    t = scale[:, None] * t - np.einsum("nij,nj->ni", R, mean)
    return R, t, np.exp(log_focal), np.sqrt(cost / count)


class _Fit:
    """N problems: shapes (N, 3, P) of unit size around the origin and their images (N, 2, P).

    A state is the rotations, the place of the origin in the image, and the logarithms of its depth
    and of the focal length. It has the (N, ...) arrays R, place, log_depth, log_focal, cost.
    """

    def __init__(self, shape, image, weight, focal_bounds):
        self.shape, self.image, self.weight = shape, image, weight
        self.bounds = None if focal_bounds is None else np.log(focal_bounds)

    def started(self) -> list[np.ndarray]:
        """Returns the best state that a few steps from several starts lead to."""
        state = self._best(self._starts())
        # The other pose in which a flat shape looks the same: its depths are turned around.
        R, place = state[:2]
        view = np.concatenate([place, np.ones((len(place), 1))], 1)
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        turned = _mirror(view) @ R @ _mirror(self._axes()[1][..., 0])
        twice = [np.concatenate([part, part]) for part in state]
        twice[0][len(R) :] = turned
        return self._best(twice)

    def _best(self, state: list[np.ndarray]) -> list[np.ndarray]:
        """Improves several states per problem and keeps the best of each."""
        n = len(self.shape)
        state = self.improved(state, _START_STEPS)
        chosen = np.argmin(state[-1].reshape(-1, n), axis=0) * n + np.arange(n)
        return [part[chosen] for part in state]

    def _axes(self):
        return np.linalg.eigh(self.shape @ self.shape.transpose(0, 2, 1))

    def _starts(self) -> list[np.ndarray]:
        """Returns three starts of all problems, one after the other."""
        place = self.image.sum(2) / self.weight.sum(1)[:, None]
        centred = (self.image - place[..., None]) * self.weight[:, None]
        size, axes = self._axes()
        # Columns belong to the axes of the shape, the thinnest first.
        affine = centred @ self.shape.transpose(0, 2, 1) @ axes
        affine = affine / np.maximum(size, 1e-9 * size[:, 2:] + 1e-300)[:, None]
        value, direction = np.linalg.eigh(affine[..., 1:] @ affine[..., 1:].transpose(0, 2, 1))
        lift = np.sqrt(np.maximum(value[:, 1] - value[:, 0], 0))[:, None] * direction[..., 0]
        rotations, depths = [], []
        for thin in (affine[..., 0], lift, -lift):
            matrix = np.concatenate([thin[..., None], affine[..., 1:]], 2) @ axes.transpose(0, 2, 1)
            u, stretch, v = np.linalg.svd(matrix, full_matrices=False)
            rows = u @ v
            rotations.append(
                np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
            )
            depths.append(-np.log(np.maximum(stretch.mean(1), 1e-9)))
        depth, places = np.concatenate(depths), np.concatenate([place] * len(depths))
        return [
            np.concatenate(rotations),
            places,
            depth,
            np.zeros_like(depth),
            np.zeros_like(depth),
        ]

    def improved(self, state: list[np.ndarray], max_steps: int = _MAX_STEPS) -> list[np.ndarray]:
        """Returns a state after some steps; it may hold several rows per problem."""
        rows = np.arange(len(state[0])) % len(self.shape)
        state = [part.copy() for part in state]
        state[-1] = self._cost(rows, *state[:-1])
        damping = np.full(len(rows), 1e-3)
        active = np.arange(len(rows))
        for _ in range(max_steps):
            now = [part[active] for part in state]
            step = self._step(rows[active], *now[:-1], damping[active])
            new = self._moved(now, step)
            cost = self._cost(rows[active], *new)
            is_better = cost < now[-1]
            for part, values in zip(state, (*new, cost), strict=True):
                part[active[is_better]] = values[is_better]
            damping[active] *= np.where(is_better, 0.2, 8.0)
            is_done = np.abs(step).max(1) < _LAST_STEP
            is_done |= is_better & (now[-1] - cost < _LEAST_GAIN * now[-1])
            active = active[~is_done]
            if not len(active):
                break
        return state

    def _moved(self, now: list[np.ndarray], step: np.ndarray):
        R, place, log_depth, log_focal, _ = now
        turn = matrix_from_axis_angle(np.clip(step[:, :3], -1, 1))
        new_focal = log_focal
        if self.bounds is not None:
            new_focal = np.clip(log_focal + np.clip(step[:, 6], -0.5, 0.5), *self.bounds)
        return [
            turn @ R,
            place + step[:, 3:5],
            log_depth + np.clip(step[:, 5], -0.7, 0.7),
            new_focal,
        ]

    def _residuals(self, rows, R, place, log_depth, log_focal):
        """Returns reprojection errors (x, y), and what their derivatives are made of."""
        turned = (R @ self.shape[rows]).transpose(1, 0, 2)
        depth = np.exp(log_depth)[:, None]
        # Relative to the depth of the origin; points at or behind the camera count as just before.
        z = np.maximum(1 + turned[2] / depth, 1e-3)
        x = (place[:, :1] + turned[0] / depth) / z
        y = (place[:, 1:] + turned[1] / depth) / z
        weight = self.weight[rows]
        scale = weight * np.exp(log_focal)[:, None]
        image = self.image[rows]
        errors = scale * x - weight * image[:, 0], scale * y - weight * image[:, 1]
        return errors, turned, depth * z, x, y, scale, z

    def _cost(self, rows, *state) -> np.ndarray:
        (x, y), *_ = self._residuals(rows, *state)
        return (x**2).sum(1) + (y**2).sum(1)

    def _step(self, rows, R, place, log_depth, log_focal, damping) -> np.ndarray:
        """Returns the step (n, 6 or 7): a rotation vector, place, log depth, log focal length."""
        errors, (X, Y, Z), distance, x, y, scale, z = self._residuals(
            rows, R, place, log_depth, log_focal
        )
        turn, shift, none = scale / distance, scale / z, np.zeros_like(x)
        by_x = [-turn * x * Y, turn * (Z + x * X), -turn * Y, shift, none]
        by_y = [-turn * (Z + y * Y), turn * y * X, turn * X, none, shift]
        # With the logarithm of its depth the origin moves along its own ray.
        by_x.append(shift * (place[:, :1] - x))
        by_y.append(shift * (place[:, 1:] - y))
        if self.bounds is not None:
            is_free = (log_focal > self.bounds[0]) & (log_focal < self.bounds[1])
            by_x.append(is_free[:, None] * scale * x)
            by_y.append(is_free[:, None] * scale * y)
        jacobian = np.concatenate([np.stack(by_x, 1), np.stack(by_y, 1)], axis=2)
        gradient = jacobian @ np.concatenate(errors, axis=1)[..., None]
        hessian = jacobian @ jacobian.transpose(0, 2, 1)
        diagonal = np.einsum("nii->ni", hessian)
        least = 1e-12 * diagonal.max(1, keepdims=True) + 1e-30
        hessian += (diagonal * damping[:, None] + least)[:, :, None] * np.eye(hessian.shape[1])
        return -np.linalg.solve(hessian, gradient)[..., 0]


def _mirror(normals: np.ndarray) -> np.ndarray:
    """Returns the reflections (n, 3, 3) at planes with these unit normals (n, 3)."""
    return np.eye(3) - 2 * normals[:, :, None] * normals[:, None]
