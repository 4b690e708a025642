"""Why a joint cannot be known better: what of its motion no source joint shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .moments import Moments

if TYPE_CHECKING:
    from .by_atlas import AtlasPair, PairRows

#: Joints whose unexplained motions correlate by at least this move together.
_TOGETHER = 0.7
#: ... as far as their unexplained motion is at least this share of the joint's own.
_COMPARABLE = 0.5
_NAMED = 3
#: Sums of absolute weights beyond this pass the sources' noise on several times; the note says so.
_LARGE_WEIGHTS = 3.0


def map_notes(pair: AtlasPair, rows: PairRows) -> tuple[str, ...]:
    """Returns one line per target joint on where it comes from, or why it cannot be had."""
    notes = list(rows.names.notes)
    reasons = limits_of(pair, rows)
    for row, status in enumerate(rows.status):
        if rows.solution is not None and pair.target_points[row] < 0:
            notes[row] += "; it has no place in the atlas"
        elif status == "unavailable" and row in reasons:
            notes[row] = f"would be off by {rows.would_be_mm[row]:.0f} mm: {reasons[row]}"
        elif status == "combined":
            notes[row] = (
                f"atlas: statistics {rows.statistical_mm[row]:.0f} mm, "
                f"placement {rows.placement_mm[row]:.0f} mm"
            )
            if (total := np.abs(rows.weights[row]).sum()) > _LARGE_WEIGHTS:
                notes[row] += f"; absolute weights add up to {total:.1f}"
    return tuple(notes)


def limits_of(pair: AtlasPair, rows: PairRows) -> dict[int, str]:
    """Returns what limits the accuracy of each target joint that was solved, by its number."""
    if rows.solution is None:
        return {}
    placed = np.flatnonzero(pair.target_points >= 0)
    found = unknown_because(
        pair.moments,
        rows.solution.weights,
        sources=pair.source_points[rows.seen],
        targets=pair.target_points[placed],
        source_names=[pair.source.joints[i] for i in rows.seen],
        target_names=[pair.target.joints[i] for i in placed],
        placement_mm=rows.placement_mm[placed],
    )
    solved = ~np.isnan(rows.would_be_mm)
    return {row: why for row, why in zip(placed.tolist(), found, strict=True) if solved[row]}


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
