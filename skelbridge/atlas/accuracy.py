"""How accurate a conversion is, joint by joint, and what it cannot know."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from skeleton_defs import Skeleton

from ..conversion.affine_map import AffineMap
from ..conversion.by_name import map_by_name
from .by_atlas import AtlasPair, PairRows
from .errors import P95_PER_MEAN
from .reasons import limits_of

#: From this statistical error on, a table says what it is that the source does not tell.
_WORTH_A_REASON_MM = 20.0


@dataclass(frozen=True)
class JointAccuracy:
    """What to expect of one target joint; distances in mm, None where they are not known.

    Attributes:
      joint, status: as in the map.
      names_mm: the error of taking the joint of the same name, where somebody measured it.
      names_joint: which source joint (or combination) that would be.
      expected_mm: the expected error; for an unavailable joint what it would be.
      statistical_mm, placement_mm: its parts.
      p95_mm: the distance that 95 of 100 poses stay below, about 1.9 times the expected error.
      absolute_weights: the sum of the weights' sizes; noise of the source is passed on with
        between this and its square root.
      limit: what the source does not tell, for joints that are unavailable or vague.
    """

    joint: str
    status: str
    names_mm: float | None
    names_joint: str | None
    expected_mm: float | None
    statistical_mm: float | None
    placement_mm: float | None
    p95_mm: float | None
    absolute_weights: float | None
    limit: str | None

    def to_dict(self) -> dict:
        """Returns plain JSON values, distances to a tenth of a mm."""
        return {k: round(v, 1) if isinstance(v, float) else v for k, v in asdict(self).items()}


def accuracy_of(pair: AtlasPair) -> list[JointAccuracy]:
    """Returns what to expect of every target joint of a conversion by the atlas."""
    found = pair.rows()
    return _table(pair.affine_map(), found, limits_of(pair, found))


def accuracy_by_name(source: Skeleton, target: Skeleton) -> list[JointAccuracy]:
    """Returns what to expect without an atlas."""
    return _table(map_by_name(source, target), None, {})


def _table(
    affine_map: AffineMap, found: PairRows | None, limits: dict[int, str]
) -> list[JointAccuracy]:
    names = map_by_name(affine_map.source, affine_map.target) if found is None else found.names
    rows = []
    for row, joint in enumerate(affine_map.target.joints):
        lost = affine_map.status[row] == "unavailable"
        errors = [affine_map.expected_error_mm, affine_map.statistical_error_mm,
                  affine_map.placement_error_mm]  # fmt: skip
        if found is not None and row in limits:
            errors = [found.would_be_mm, found.statistical_mm, found.placement_mm]
        expected, statistical, placement = (_known(error[row]) for error in errors)
        vague = lost or (statistical is not None and statistical >= _WORTH_A_REASON_MM)
        rows.append(
            JointAccuracy(
                joint=joint,
                status=affine_map.status[row],
                names_mm=_known(names.expected_error_mm[row]),
                names_joint=_used(names, row),
                expected_mm=expected,
                statistical_mm=statistical,
                placement_mm=placement,
                p95_mm=None if expected is None else P95_PER_MEAN * expected,
                absolute_weights=None if lost else float(np.abs(affine_map.weights[row]).sum()),
                limit=limits.get(row, affine_map.notes[row] if lost else None) if vague else None,
            )
        )
    return rows


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _used(names: AffineMap, row: int) -> str | None:
    if names.status[row] == "unavailable":
        return None
    return " + ".join(names.source.joints[i] for i in np.flatnonzero(names.weights[row]))
