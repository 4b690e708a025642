"""Converting poses by the atlas, each from the joints that it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeleton_defs import Skeleton

from .by_atlas import AtlasPair
from .pattern_weights import PatternWeights
from .patterns import PatternMaps


class AtlasConverter:
    """Applies the atlas like an `AffineMap`, but solves anew where joints are missing.

    Args:
      pair: the maps between two formats.
      observed: the source joints that the data has at all; all by default.

    Attributes:
      affine_map: the map for poses that have all of these.
      patterns: what it did for others.
    """

    def __init__(self, pair: AtlasPair, *, observed: Sequence[str] | None = None):
        trust = pair.trust_of(pair.source.joints if observed is None else observed)
        self.affine_map = pair.affine_map(trust)
        self.patterns = PatternMaps(PatternWeights(pair), len(pair.source), usual=trust > 0)

    @property
    def target(self) -> Skeleton:
        """The format of the results."""
        return self.affine_map.target

    def apply(self, poses: np.ndarray, *, confidence: np.ndarray | None = None) -> np.ndarray:
        """Converts `(..., J_source, D)` to `(..., J_target, D)`; the dtype is kept.

        A joint that is NaN is left out of its pose: the target joints that use it are solved from
        the others, and are NaN where their expected error is then too large.

        Args:
          poses: of any unit and frame; integers are computed and returned as float64.
          confidence: see `PatternMaps.apply`.
        """
        return self.patterns.apply(self.affine_map.checked_poses(poses), confidence=confidence)

    def apply_confidence(self, confidence: np.ndarray) -> np.ndarray:
        """Carries `(..., J_source)` confidences over; see `PatternMaps.apply_confidence`."""
        return self.patterns.apply_confidence(np.asarray(confidence))

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of poses with missing joints, in words."""
        lacking = self.patterns.incomplete_frames
        if not lacking:
            return ()
        sets = self.patterns.patterns
        return (
            f"{lacking} of {self.patterns.frames} poses lack joints, in {sets} pattern"
            f"{'s' if sets > 1 else ''}: each was solved from the joints that it has",
        )
