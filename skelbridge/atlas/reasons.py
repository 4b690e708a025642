"""Why a joint cannot be known better: what of its motion no source joint shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .moments import Moments

#: Joints whose unexplained motions correlate by at least this move together.
_TOGETHER = 0.7
#: ... as far as their unexplained motion is at least this share of the joint's own.
_COMPARABLE = 0.5
_NAMED = 3


def unknown_because(
    moments: Moments,
    weights: np.ndarray,
    *,
    sources: np.ndarray,
    targets: np.ndarray,
    source_names: Sequence[str],
    target_names: Sequence[str],
    placement_mm: np.ndarray,
) -> list[str]:
    """Returns one line per target joint on what limits its accuracy.

    What the weights leave unexplained is compared between the target joints: those that share it
    (nose, eyes and ears, where the source has no face) hang on one motion that the source does not
    show, such as the turn of the head.

    Args:
      moments: the atlas.
      weights: (T, S) of the targets.
      sources, targets: (S,) and (T,) point numbers.
      source_names, target_names: what to call them.
      placement_mm: (T,) placement errors.
    """
    everything = moments.covariance(
        np.concatenate([targets, sources]), np.concatenate([targets, sources])
    )
    count = len(targets)
    # The error of a target as a combination of all points: itself minus its prediction.
    error_weights = np.concatenate([np.eye(count), -weights], axis=1)
    unexplained = error_weights @ everything @ error_weights.T
    size = np.sqrt(np.maximum(np.diag(unexplained), 1e-12))
    correlation = unexplained / np.outer(size, size)
    own = np.diag(everything)
    squared = own[:count, None] + own[count:] - 2 * everything[:count, count:]
    distance_mm = 1000 * np.sqrt(3 * np.maximum(squared, 0))
    reasons = []
    for row in range(count):
        if placement_mm[row] > 1000 * np.sqrt(3) * size[row]:
            reasons.append("where it lies on the body is not known better")
            continue
        shared = (correlation[row] >= _TOGETHER) & (size >= _COMPARABLE * size[row])
        partners = [target_names[i] for i in np.flatnonzero(shared) if i != row]
        nearest = int(distance_mm[row].argmin())
        reasons.append(
            f"nothing in the source tells how it moves{_listed(partners)}; nearest source joint: "
            f"{source_names[nearest]}, {distance_mm[row, nearest]:.0f} mm"
        )
    return reasons


def _listed(partners: list[str]) -> str:
    if not partners:
        return ""
    more = f" and {len(partners) - _NAMED} more" if len(partners) > _NAMED else ""
    return f" (together with {', '.join(partners[:_NAMED])}{more})"
