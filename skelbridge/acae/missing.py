"""Poses with missing joints: filled before the fit, never re-normalised.

An encoder re-normalised over what a pose has is off by decimetres (its latents lose their joints).
So missing joints are taken from the nearest observed joint first, then a few times from the
likeliest latents of a short fit; the loss counts observed joints only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeleton_defs import UserError

# Enough poses for mean distances between joints.
_POSES_FOR_DISTANCES = 1500
_STEPPING_STONES = 5
_PIECE = 256
# How far from its observed joints' mean a body's mean may be.
_PLACE_MM = 1000.0


def observed(poses: np.ndarray) -> np.ndarray:
    """Returns the (N, J) mask of joints with finite coordinates."""
    return np.isfinite(poses).all(axis=-1)


def parts_never_together(mask: np.ndarray, flip: np.ndarray | None) -> list[np.ndarray]:
    """Returns sets of joints between which no pose, and no chain of poses, makes a link.

    One set where everything is linked. Joints that no pose has are in none.

    Args:
      mask: (N, J) observed joints.
      flip: (J,) permutation; the mirror image of a pose counts as a pose.
    """
    patterns = np.unique(np.packbits(mask, axis=1), axis=0)
    patterns = np.unpackbits(patterns, axis=1, count=mask.shape[1]).astype(np.float32)
    together = patterns.T @ patterns > 0
    if flip is not None:
        together |= together[np.ix_(flip, flip)]
    unseen = np.diagonal(together).copy()
    parts = []
    while unseen.any():
        reached = np.zeros(len(unseen), bool)
        front = reached.copy()
        front[np.argmax(unseen)] = True
        while front.any():
            reached |= front
            front = together[front].any(axis=0) & ~reached
        parts.append(np.flatnonzero(reached))
        unseen &= ~reached
    return parts


def check_linked(
    mask: np.ndarray, flip: np.ndarray | None, joint_names: Sequence[str] | None
) -> None:
    """Raises `UserError`, naming the parts, where formats are never observed together.

    Nothing in poses of one format and poses of another says where the joints of one lie relative to
    those of the other.
    """
    parts = parts_never_together(mask, flip)
    if len(parts) < 2:
        return
    told = "; ".join(f"({i + 1}) {_part_name(p, joint_names)}" for i, p in enumerate(parts[:4]))
    more = f"; and {len(parts) - 4} more" if len(parts) > 4 else ""
    raise UserError(
        f"the poses fall into {len(parts)} groups of joints that are never observed together: "
        f"{told}{more}. Add poses that have joints of both, or fit each group alone"
    )


def _part_name(part: np.ndarray, joint_names: Sequence[str] | None) -> str:
    if joint_names is None:
        return f"{len(part)} joints from joint {part[0]} on"
    families = list(dict.fromkeys(joint_names[i].split(":")[0] for i in part))
    shown = ", ".join(families[:5]) + (", ..." if len(families) > 5 else "")
    return f"{shown} ({len(part)} joints)"


def fill_from_nearest(poses: np.ndarray, mask: np.ndarray, flip: np.ndarray | None) -> np.ndarray:
    """Returns poses in which a missing joint is where the nearest observed joint of the pose is.

    Args:
      poses: (N, J, 3), NaN where missing; every joint (or its mirror partner) in some pose, every
        pose with at least one joint.
      mask: (N, J) what is observed.
    """
    distances = _distances(poses, mask, flip)
    filled = poses.copy()
    patterns, which = np.unique(np.packbits(mask, axis=1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(patterns) + 1))
    for i in range(len(patterns)):
        rows = order[bounds[i] : bounds[i + 1]]
        have = np.flatnonzero(mask[rows[0]])
        lack = np.flatnonzero(~mask[rows[0]])
        if len(lack) == 0:
            continue
        nearest = have[np.argmin(distances[np.ix_(lack, have)], axis=1)]
        filled[np.ix_(rows, lack)] = poses[np.ix_(rows, nearest)]
    return filled


def fill_from_latents(
    poses: np.ndarray,
    mask: np.ndarray,
    w2: np.ndarray,
    spread: np.ndarray,
    noise: np.ndarray,
) -> None:
    """Replaces missing joints by those of the likeliest latents, in place.

    Joints are taken as mixtures of latents plus noise, latents as normally distributed around the
    body's place, which may be anywhere: every pose then has one best set of latents.

    Args:
      poses: (N, J, 3) mm, missing joints filled somehow.
      mask: (N, J) what is observed.
      w2: (L, J) decoder.
      spread: (L, L) second moments of the latents, mm^2.
      noise: (J,) mean squared errors of the joints per axis, mm^2.
    """
    latents = len(w2)
    prior = spread + _PLACE_MM**2 + 1e-6 * np.trace(spread) * np.eye(latents) / latents
    prior = np.linalg.inv(prior)
    weighted = (w2 / np.maximum(noise, 1e-3 * noise.mean() + 1e-9)).T
    outer = np.einsum("jl,mj->jlm", weighted, w2).reshape(-1, latents**2).astype(np.float32)
    for start in range(0, len(poses), _PIECE):
        piece = slice(start, start + _PIECE)
        have = mask[piece]
        lacking = np.flatnonzero(~have.all(axis=1))
        have, rows = have[lacking], np.arange(len(poses))[piece][lacking]
        counted = have / np.maximum(have.sum(axis=1), 1)[:, None]
        middle = np.einsum("nj,njc->nc", counted, poses[rows].astype(np.float64))
        known = (poses[rows] - middle[:, None]) * have[..., None]
        gram = (have.astype(np.float32) @ outer).reshape(-1, latents, latents) + prior
        pulls = np.einsum("njc,jl->nlc", known, weighted, optimize=True)
        best = np.linalg.solve(gram, pulls)
        rebuilt = np.einsum("nlc,lj->njc", best, w2, optimize=True) + middle[:, None]
        poses[rows] = np.where(have[..., None], poses[rows], rebuilt)


def _distances(poses: np.ndarray, mask: np.ndarray, flip: np.ndarray | None) -> np.ndarray:
    """(J, J) root mean square distances of joints in poses that have both, or by way of others."""
    poses, mask = poses[:_POSES_FOR_DISTANCES], mask[:_POSES_FOR_DISTANCES]
    present = mask.astype(np.float32)
    counts = present.T @ present
    squares = np.zeros(counts.shape)
    known = np.where(mask[..., None], poses, 0).astype(np.float64)
    middle = known.sum(axis=1) / np.maximum(mask.sum(axis=1), 1)[:, None]
    for axis in range(3):
        values = ((known[..., axis] - middle[:, axis, None]) * mask).astype(np.float32)
        own = (values * values).T @ present
        squares += own + own.T - 2 * (values.T @ values)
    if flip is not None:
        counts = counts + counts[np.ix_(flip, flip)]
        squares = squares + squares[np.ix_(flip, flip)]
    distances = np.full(counts.shape, np.inf)
    known_pairs = counts > 0
    distances[known_pairs] = np.sqrt(np.maximum(squares[known_pairs], 0) / counts[known_pairs])
    np.fill_diagonal(distances, np.inf)
    while True:
        before = int(np.isfinite(distances).sum())
        if before >= distances.size - len(distances):
            return distances
        _step_over(distances)
        if int(np.isfinite(distances).sum()) == before:
            return distances


def _step_over(distances: np.ndarray) -> None:
    """Fills unknown distances with the shortest way over one of the nearest joints."""
    count = min(_STEPPING_STONES, len(distances))
    # One stone at least per row must lead on: the nearest, and one that reaches the farthest.
    stones = np.argpartition(distances, count - 1, axis=1)[:, :count]
    reach = np.isfinite(distances).sum(axis=1)
    linked = np.isfinite(distances)
    best = np.argmax(np.where(linked, reach, -1), axis=1)
    unknown = ~linked
    rows = np.arange(len(distances))
    way = np.full(distances.shape, np.inf)
    for stone in (*stones.T, best):
        way = np.minimum(way, distances[rows, stone][:, None] + distances[stone])
    way = np.minimum(way, way.T)
    distances[unknown] = way[unknown]
    np.fill_diagonal(distances, np.inf)
