"""A map that converts poses with missing joints from the joints that they have."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from .affine_map import AffineMap
from .gaps import SourceMoments

if TYPE_CHECKING:
    from ..atlas.patterns import PatternMaps

#: A joint that is farther off than this for want of source joints is unavailable (as in the atlas),
#: but for joints that are hardly better with all of them.
MAX_ERROR_MM = 60.0
_MAX_GROWTH = 1.5
# Nobody measures more: it keeps what a file says from overflowing.
_MAX_KNOWN_ERROR_MM = 1e9


@dataclass(frozen=True, eq=False, repr=False)
class MapWithGaps(AffineMap):
    """An `AffineMap` that is solved anew where source joints are missing.

    Target joints that use a missing joint are computed from a prediction of it, and are NaN where
    that makes them more than `MAX_ERROR_MM` off.

    Attributes:
      moments: what missing joints are predicted by.
      whole: the map for poses that have all joints, where this one is restricted to some.
      observed: (J_source,) bool, which joints it is restricted to; None for all.
    """

    moments: SourceMoments | None = None
    whole: AffineMap | None = None
    observed: np.ndarray | None = None

    @classmethod
    def of(cls, affine_map: AffineMap, moments: SourceMoments) -> MapWithGaps:
        """Adds moments to a map."""
        return cls(*_values(affine_map), moments=moments)

    @property
    def complete(self) -> AffineMap:
        """The map for poses that have all joints."""
        return self if self.whole is None else self.whole

    def apply(self, poses: np.ndarray) -> np.ndarray:
        """Converts `(..., J_source, D)` to `(..., J_target, D)`; the dtype is kept.

        A joint with a coordinate that is not finite is left out of its pose. Integers are computed
        and returned as float64.
        """
        return self._patterns.apply(self.checked_poses(poses))

    def apply_confidence(self, confidence: np.ndarray) -> np.ndarray:
        """Carries `(..., J_source)` confidences over; see `PatternMaps.apply_confidence`."""
        confidence = np.asarray(confidence)
        if confidence.shape[-1:] != (len(self.source),):
            return super().apply_confidence(confidence)
        return self._patterns.apply_confidence(confidence)

    def restrict(self, observed: Sequence[str | int]) -> AffineMap:
        """Returns the map for data that has only some source joints, solved from those."""
        names = self.source.joints
        seen = np.zeros(len(names), bool)
        seen[[names.index(j) if j in names else self.source.index(j) for j in observed]] = True
        if self.observed is not None:
            seen &= self.observed
        whole = self.complete
        weights, added = (found[0] for found in self._solved(seen[None]))
        lost = np.isnan(weights).any(axis=1)
        other = (np.nan_to_num(whole.weights)[:, ~seen] != 0).any(axis=1)
        error = np.where(other, np.hypot(self._known_error_mm, added), whole.expected_error_mm)
        return replace(
            self,
            weights=weights,
            status=tuple(
                "unavailable" if gone else "combined" if changed else status
                for gone, changed, status in zip(lost, other, whole.status, strict=True)
            ),
            expected_error_mm=np.where(lost, np.nan, error),
            statistical_error_mm=None,
            placement_error_mm=None,
            notes=tuple(
                _with_gaps(note, mm) if changed else note
                for changed, note, mm in zip(other, whole.notes, added, strict=True)
            ),
            whole=whole,
            observed=seen,
        )

    def flip(self) -> AffineMap:
        """Returns the map of the mirrored body, for poses without gaps."""
        return AffineMap(*_values(self)).flip()

    @property
    def gap_notes(self) -> tuple[str, ...]:
        """What became of the poses with missing joints that were converted, in words."""
        patterns = self._patterns
        lacking = patterns.incomplete_patterns
        if not len(lacking):
            return ()
        weights, added = self._solved(lacking)
        lost = np.isnan(weights).any(axis=2)
        error = np.hypot(self._known_error_mm, added)
        means = [row[~gone].mean() for row, gone in zip(error, lost, strict=True) if not gone.all()]
        told = f" (expected error {min(means):.0f} to {max(means):.0f} mm)" if means else ""
        gone = "; joints that would be too far off are NaN" if lost.any() else ""
        return (
            f"{patterns.incomplete_frames} of {patterns.frames} poses lack joints, in "
            f"{len(lacking)} pattern{'s' if len(lacking) > 1 else ''}: each was converted from the "
            f"joints that it has{told}{gone}",
        )

    @functools.cached_property
    def _patterns(self) -> PatternMaps:
        from ..atlas.patterns import PatternMaps

        def build(trusts: np.ndarray) -> np.ndarray:
            return self._solved(trusts > 0)[0]

        return PatternMaps(build, len(self.source), usual=self.observed)

    @functools.cached_property
    def _known_error_mm(self) -> np.ndarray:
        """(J_target,) the expected error with all joints, 0 where it is not known."""
        return np.clip(np.nan_to_num(self.complete.expected_error_mm), 0, _MAX_KNOWN_ERROR_MM)

    def _solved(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solves for patterns (P, J_source) of joints that are there.

        Returns:
          (P, J_target, J_source) weights, rows of NaN where unavailable, and (P, J_target) the
          errors in mm that missing joints add.
        """
        whole, used = self.complete.weights, self.moments.used
        weights = np.repeat(whole[None], len(seen), axis=0)
        known = np.nan_to_num(whole[:, used])
        weights[:, :, used], added = self.moments.without_missing(known, seen[:, used])
        limit = np.maximum(MAX_ERROR_MM, _MAX_GROWTH * self._known_error_mm)
        lost = (added > 0) & (np.hypot(self._known_error_mm, added) > limit)
        # Copies of joints that the moments do not know.
        beside = np.nan_to_num(whole) != 0
        beside[:, used] = False
        lost |= (~seen).astype(float) @ beside.T > 0
        weights[lost | np.isnan(whole).any(axis=1)] = np.nan
        return weights, added


def _values(affine_map: AffineMap) -> list:
    return [getattr(affine_map, field.name) for field in fields(AffineMap)]


def _with_gaps(note: str, added_mm: float) -> str:
    if not np.isfinite(added_mm):
        return "none of the source joints that it needs is observed"
    told = f"source joints that are not observed are predicted, which adds {added_mm:.0f} mm"
    return f"{note}; {told}" if note else told
