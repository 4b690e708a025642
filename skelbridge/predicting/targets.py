"""The formats that are asked for: predicted ones, or made from one of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeleton_defs import JointRegistry, Skeleton, UserError, get

from ..conversion import AffineMap


@dataclass(frozen=True, eq=False)
class TargetFormat:
    """Where the joints of a format come from.

    Attributes:
      skeleton: the format.
      channels: of the network's joint vector: those of this format, or of the one that it is made
        from.
      made_by: the map that makes it; None where the network predicts it.
    """

    skeleton: Skeleton
    channels: np.ndarray
    made_by: AffineMap | None = None

    @property
    def name(self) -> str:
        """The format's name."""
        return self.skeleton.name

    def take(self, poses: np.ndarray) -> np.ndarray:
        """Returns (..., J_target, 3) of the network's poses (..., J, 3); NaN: unavailable."""
        own = poses[..., self.channels, :]
        return own if self.made_by is None else self.made_by.apply(own)

    def summary(self) -> str:
        """Returns some words for people."""
        if self.made_by is None:
            return f"{self.name} (predicted)"
        error = self.made_by.mean_error_mm
        adds = "an unknown error" if error is None else f"an expected {error:.0f} mm of error"
        return f"{self.name} (made from {self.made_by.source.name}, adds {adds})"

    def to_dict(self) -> dict:
        """Returns plain JSON values; expected errors come on top of the network's own."""
        facts = {"joint_names": list(self.skeleton.joints), "is_predicted": self.made_by is None}
        if self.made_by is None:
            return facts
        errors = self.made_by.expected_error_mm.tolist()
        return facts | {
            "made_from": self.made_by.source.name,
            "method": self.made_by.method,
            "status": list(self.made_by.status),
            "expected_error_mm": [None if np.isnan(e) else round(e, 1) for e in errors],
            "mean_expected_error_mm": self.made_by.mean_error_mm,
        }


def target_formats(
    registry: JointRegistry, formats: Sequence[str | Skeleton]
) -> tuple[TargetFormat, ...]:
    """Finds out how to get formats from a network's joint vector.

    Args:
      registry: the joint vector.
      formats: names or aliases, repeated ones count once; empty for all that are predicted.

    Raises:
      UserError: a format is unknown, or none of its joints can be had.
    """
    skeletons = dict.fromkeys(get(f) for f in formats) if formats else registry.skeletons
    return tuple(_target(registry, skeleton) for skeleton in skeletons)


def _target(registry: JointRegistry, skeleton: Skeleton) -> TargetFormat:
    channel_of = {point: i for i, point in enumerate(registry.points)}
    channels = [channel_of.get(skeleton.point_of(joint)) for joint in skeleton.joints]
    if None not in channels:
        return TargetFormat(skeleton, np.array(channels))
    maps = [AffineMap.between(source, skeleton) for source in registry.skeletons]
    best = min(maps, key=_badness)
    if len(best.unavailable) == len(skeleton):
        predicted = ", ".join(s.name for s in registry.skeletons)
        raise UserError(f"'{skeleton.name}' cannot be made from what is predicted: {predicted}")
    return TargetFormat(skeleton, registry.indices(best.source), best)


def _badness(made_by: AffineMap) -> tuple[int, float]:
    error = made_by.mean_error_mm
    return len(made_by.unavailable), np.inf if error is None else error
