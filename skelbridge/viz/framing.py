"""Where to look from, which way is up and how far the axes reach."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from skeleton_defs.errors import UserError

if TYPE_CHECKING:
    from skelbridge.viz.scene import Layer

_TOP = re.compile("head|nose|neck", re.IGNORECASE)
_BOTTOM = re.compile("ankle|foot|toe|heel", re.IGNORECASE)

#: A joint farther from the middle of its pose than so many typical radii is a stray one.
_STRAY_RADII = 5.0


def parse_up(up: str) -> str:
    """Returns a checked upward axis (`"x"`, `"y"`, `"z"`, `"-x"`, `"-y"` or `"-z"`).

    Raises:
      UserError: where it is none of these.
    """
    if up not in ("x", "y", "z", "-x", "-y", "-z"):
        raise UserError(f"the up axis must be x, y or z, with a - where it points down. "
                        f"Received {up!r}")  # fmt: skip
    return up


def up_vector(up: str) -> np.ndarray:
    """Returns the `(3,)` unit vector of an upward axis."""
    vector = np.zeros(3)
    vector["xyz".index(up[-1])] = -1.0 if up.startswith("-") else 1.0
    return vector


def guess_up(layers: Sequence[Layer]) -> tuple[str, str]:
    """Assumes an upward axis among y, z and -y (camera frame), and says in a sentence why.

    Heads above feet decide, where joints are named so; else the longer extent of the poses: along
    z it is taken as up, along y as the down of a camera frame.
    """
    rises = [rise for layer in layers if (rise := _feet_to_head(layer)) is not None]
    if rises:
        rise = np.mean(rises, axis=0)
        axis = "yz"[int(np.argmax(np.abs(rise[1:])))]
        up = axis if rise["xyz".index(axis)] > 0 else "-" + axis
        return up, f"Up axis not stated: {up} assumed, as heads are above feet that way."
    extents = [_median_extent(layer.positions) for layer in layers]
    extent = np.max(extents, axis=0)
    if extent[2] > extent[1]:
        return "z", "Up axis not stated: z assumed, the poses being longer along z than along y."
    return "-y", "Up axis not stated: -y assumed (camera frame: x right, y down, z forward)."


def view_axes(layers: Sequence[Layer], up: str, *, turn_deg: float, rise_deg: float) -> np.ndarray:
    """Returns the rows (right, upwards, towards the viewer) of a view on 3D poses, `(3, 3)`.

    The people are seen from the front, as far as left and right joints tell it, else so that x
    (for an upward x, y) points right. The matrix is a rotation: nothing is mirrored.

    Args:
      layers: 3D layers.
      up: the upward axis.
      turn_deg: how far the viewer walks around the people, in degrees.
      rise_deg: how far the viewer is raised above the horizon, in degrees.
    """
    upwards = up_vector(up)
    front = _mean_facing(layers, upwards)
    if front is None:
        right = np.array([0.0, 1.0, 0.0]) if up[-1] == "x" else np.array([1.0, 0.0, 0.0])
        front = np.cross(right, upwards)
    right = np.cross(upwards, front)
    turn, rise = np.radians(turn_deg), np.radians(rise_deg)
    level = np.cos(turn) * front + np.sin(turn) * right
    towards = np.cos(rise) * level + np.sin(rise) * upwards
    right = np.cross(upwards, level)
    return np.stack([right, np.cross(towards, right), towards])


def axis_limits(layers: Sequence[Layer]) -> tuple[np.ndarray, int]:
    """Finds how far the axes must reach in all frames, leaving out stray joints.

    Returns:
      `(2, D)` lowest and highest coordinates of the joints (no margin added; 0 to 1 where there are
      none), and how many joint positions are left out.
    """
    kept, n_all = [], 0
    for layer in layers:
        n_joints, n_dims = layer.positions.shape[-2:]
        poses = layer.positions.reshape(-1, n_joints, n_dims)
        poses = poses[~np.isnan(poses[..., 0]).all(axis=1)]
        n_all += int((~np.isnan(poses[..., 0])).sum())
        if len(poses):
            kept.append(_without_strays(poses))
    points = np.concatenate(kept) if kept else np.zeros((0, n_dims))
    if not len(points):
        return np.stack([np.zeros(n_dims), np.ones(n_dims)]), n_all
    return np.stack([points.min(axis=0), points.max(axis=0)]), n_all - len(points)


def padded_limits(limits: np.ndarray, *, margin: float = 0.06, slimmest: float = 0.25):
    """Widens limits by a share of the longest side, and no side below a share of the longest."""
    lower, upper = limits
    longest = float((upper - lower).max())
    largest = float(np.abs(limits).max())
    if longest <= max(1e-9 * largest, 1e-30):  # a single point
        longest = max(1e-3 * largest, 1.0)
    half = np.maximum((upper - lower) / 2 + margin * longest, slimmest * longest / 2)
    return np.stack([(lower + upper) / 2 - half, (lower + upper) / 2 + half])


def round_step(length: float, n_steps: int = 5) -> float:
    """Returns 1, 2 or 5 times a power of ten that divides a length in about `n_steps`."""
    magnitude = 10.0 ** np.floor(np.log10(length / n_steps))
    return float(magnitude * next(k for k in (1, 2, 5, 10) if k * magnitude * n_steps >= length))


def mirror_pairs(joint_names: Sequence[str]) -> list[tuple[int, int]]:
    """Returns the (left, right) joint index pairs that the names tell.

    A name is a left one if there is another which differs from it in `right` for `left`, or in one
    `r` for an `l` (`L_Hip`, `hip_l`, `lhip`).
    """
    index = {name: joint for joint, name in enumerate(joint_names)}
    swap = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
    pairs = []
    for joint, name in enumerate(joint_names):
        for found in re.finditer("left|Left|LEFT|l|L", name):
            mirrored = name[: found.start()] + swap[found.group()] + name[found.end() :]
            if mirrored in index:
                pairs.append((joint, index[mirrored]))
                break
    return pairs


def _feet_to_head(layer: Layer) -> np.ndarray | None:
    """Returns the median offset from the feet to the head of all poses, None where not named."""
    top = [j for j, name in enumerate(layer.joint_names) if _TOP.search(name)]
    bottom = [j for j, name in enumerate(layer.joint_names) if _BOTTOM.search(name)]
    top, bottom = layer.positions[:, :, top], layer.positions[:, :, bottom]
    seen = ~np.isnan(top[..., 0]).all(axis=2) & ~np.isnan(bottom[..., 0]).all(axis=2)
    if not seen.any():
        return None
    return np.median(np.nanmean(top[seen], axis=1) - np.nanmean(bottom[seen], axis=1), axis=0)


def _median_extent(positions: np.ndarray) -> np.ndarray:
    """Returns the `(D,)` median size of the poses `(T, P, J, D)`, zeros where there are none."""
    poses = positions[~np.isnan(positions[..., 0]).all(axis=2)]
    if not len(poses):
        return np.zeros(positions.shape[-1])
    return np.median(np.nanmax(poses, axis=1) - np.nanmin(poses, axis=1), axis=0)


def _mean_facing(layers: Sequence[Layer], upwards: np.ndarray) -> np.ndarray | None:
    """Returns the level unit vector that the people face on average, None where it is not clear."""
    facings = []
    for layer in layers:
        pairs = mirror_pairs(layer.joint_names)
        left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        across = layer.positions[:, :, right] - layer.positions[:, :, left]
        across = across[~np.isnan(across[..., 0]).all(axis=2)]
        if len(across):
            facings.append(np.cross(upwards, np.nanmean(across, axis=1)))
    if not facings:
        return None
    facings = np.concatenate(facings)
    lengths = np.linalg.norm(facings, axis=1, keepdims=True)
    mean = (facings / np.where(lengths > 0, lengths, 1.0)).mean(axis=0)
    # Someone who turns all the way round has no front: below this the average is chance.
    return mean / np.linalg.norm(mean) if np.linalg.norm(mean) > 0.3 else None


def _without_strays(poses: np.ndarray) -> np.ndarray:
    """Returns the joints `(N, D)` of poses `(M, J, D)` that lie where people plausibly are."""
    centres = np.nanmedian(poses, axis=1)
    distances = np.abs(poses - centres[:, np.newaxis]).max(axis=-1)
    # Not the largest distance of a pose: that one may be the stray joint.
    radius = np.median(np.nanquantile(distances, 0.9, axis=1, method="lower"))
    low, high = np.quantile(centres, [0.02, 0.98], axis=0, method="nearest")
    reach = 3 * (high - low).max() + 2 * _STRAY_RADII * radius
    near = ((centres >= low - reach) & (centres <= high + reach)).all(axis=-1)
    return poses[(distances <= _STRAY_RADII * radius) & near[:, np.newaxis]]
