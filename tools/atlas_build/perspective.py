"""What a map costs on 2D poses, where perspective breaks the affine relation that it rests on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import skeleton_defs
from skelbridge.atlas import AtlasOptions, Moments
from skelbridge.atlas.by_atlas import AtlasPair

from .evaluation import PAIRS, PlacedSamples

#: Distances of the camera from the body in mm; None is infinitely far (orthographic).
DISTANCES_MM = (None, 6000.0, 3000.0)


def project(poses: np.ndarray, distance_mm: float | None, *, seed: int = 0) -> np.ndarray:
    """Sees poses (N, J, 3) in mm, y up, from random sides; returns (N, J, 2) in mm at their depth.

    The camera looks horizontally at the mean of the joints, so 1 mm of image is 1 mm there.
    """
    yaw = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(poses))
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.zeros((len(poses), 3, 3))
    turn[:, 0, 0], turn[:, 0, 2], turn[:, 2, 0], turn[:, 2, 2] = cos, sin, -sin, cos
    turn[:, 1, 1] = 1
    seen = poses @ turn.swapaxes(1, 2)
    if distance_mm is None:
        return seen[..., :2]
    return seen[..., :2] * (distance_mm / (seen[..., 2:] + distance_mm))


def perspective_errors(
    moments: Moments, unseen: PlacedSamples, source: str, target: str
) -> dict[float | None, float]:
    """Returns the mean 2D error in mm at the body's depth, by distance of the camera."""
    given, truth = unseen.of(source), unseen.of(target)
    both = np.concatenate([given, truth], axis=1)
    # The body is centred before it is seen: the camera is aimed at it.
    both = both - both.mean(axis=1, keepdims=True)
    weights = (
        AtlasPair(
            skeleton_defs.get(source),
            skeleton_defs.get(target),
            options=AtlasOptions(max_error_mm=1e6),
            moments=moments,
        )
        .affine_map()
        .weights
    )
    errors = {}
    for distance in DISTANCES_MM:
        flat = project(both, distance)
        given_2d, truth_2d = flat[:, : given.shape[1]], flat[:, given.shape[1] :]
        errors[distance] = float(np.linalg.norm(weights @ given_2d - truth_2d, axis=-1).mean())
    return errors


def report_perspective(
    moments: Moments, unseen: PlacedSamples, *, show: Callable[[str], None] = print
) -> None:
    """Prints the 2D errors of all pairs and what perspective adds to them."""
    show("\n2D poses, mm at the body's depth: from infinitely far, and from 6 m and 3 m")
    for source, target, *_ in PAIRS:
        far, six, three = perspective_errors(moments, unseen, source, target).values()
        show(f"{f'{source} -> {target}':28}{far:6.1f}{six:8.1f} (+{six - far:.1f})"
             f"{three:8.1f} (+{three - far:.1f})")  # fmt: skip
