"""What a fitted ACAE looks like in numbers: dead and duplicate latents, sparsity, negative mass."""

from __future__ import annotations

from typing import Any

import numpy as np

from .matrices import Acae

#: A latent whose largest decoder weight is below this is dead.
DEAD_WEIGHT = 0.05
#: Two latents nearer to each other than this on average are duplicates, mm.
DUPLICATE_MM = 20.0
_POSES = 200


def weights_summary(acae: Acae, poses: np.ndarray) -> dict[str, Any]:
    """Returns facts about the weights, as JSON values.

    Args:
      poses: (N, J, 3) complete, mm.
    """
    distances = latent_distances(acae, poses[:_POSES])
    close = np.argwhere(np.triu(distances < DUPLICATE_MM, 1))
    nearest = distances[~np.eye(acae.latents, dtype=bool)]
    return {
        "dead_latents": np.flatnonzero(acae.w2.max(axis=1) < DEAD_WEIGHT).tolist(),
        "duplicate_latents": close.tolist(),
        "smallest_latent_distance_mm": float(nearest.min()) if nearest.size else None,
        "decoder_weights_per_joint": float((np.abs(acae.w2) > 0.01).sum(axis=0).mean()),
        "largest_decoder_weight": float(acae.w2.max(axis=0).mean()),
        "negative_mass_encoder": negative_mass(acae.w1),
        "negative_mass_decoder": negative_mass(acae.w2),
    }


def negative_mass(matrix: np.ndarray) -> float:
    """Returns the mean over columns of the sum of absolute negative weights."""
    return float(np.abs(np.minimum(matrix, 0)).sum(axis=0).mean())


def latent_distances(acae: Acae, poses: np.ndarray) -> np.ndarray:
    """Returns the (L, L) mean distances between latents over poses (N, J, 3)."""
    latents = acae.encode(np.asarray(poses, dtype=np.float64))
    total = np.zeros((acae.latents, acae.latents))
    for points in latents:
        total += np.linalg.norm(points[:, None] - points, axis=-1)
    return total / max(len(latents), 1)
