"""Bones that cannot be: an annotation error, told by the mean bone of the whole training set.

PosePile's rule: an example goes when one of its bones is shorter than a tenth or longer than three
times the training mean, and differs from it by more than 150 mm. Bones that touch a missing joint
do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import skeleton_defs

#: Datasets that are taken as they are: synthetic bodies have no annotation errors (PosePile).
EXEMPT = frozenset({"surreal"})
MIN_JOINTS_IN_BOX = 4
MIN_RATIO, MAX_RATIO = 0.1, 3.0
MIN_DIFFERENCE_MM = 150.0


def bone_lengths(skeleton: str, joints: np.ndarray, validity: np.ndarray) -> np.ndarray:
    """Returns the lengths (N, bones) mm of joints (N, J, 3); NaN for bones with a missing end."""
    edges = np.array(skeleton_defs.get(skeleton).edges, int).reshape(-1, 2)
    start, end = edges.T
    lengths = np.linalg.norm(joints[:, start] - joints[:, end], axis=-1)
    lengths[~(validity[:, start] & validity[:, end])] = np.nan
    return lengths


@dataclass
class BoneSums:
    """Sums that give the mean bones of any number of shards.

    Attributes:
      total: (bones,) mm.
      count: (bones,) how many lengths were summed.
    """

    total: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, skeleton: str, joints: np.ndarray, validity: np.ndarray) -> BoneSums:
        """Returns the sums of joints (N, J, 3) mm."""
        lengths = bone_lengths(skeleton, joints, validity)
        return cls(np.nansum(lengths, axis=0), (~np.isnan(lengths)).sum(0))

    def __add__(self, other: BoneSums) -> BoneSums:
        return BoneSums(self.total + other.total, self.count + other.count)

    @property
    def mean(self) -> np.ndarray:
        """(bones,) mm; NaN where no length is known."""
        return np.divide(
            self.total, self.count, out=np.full(len(self.total), np.nan), where=self.count > 0
        )

    def to_json(self) -> dict[str, list]:
        """Returns plain lists."""
        return {"total": self.total.tolist(), "count": self.count.tolist()}

    @classmethod
    def from_json(cls, tree: dict[str, list]) -> BoneSums:
        """Returns the sums that `to_json` described."""
        return cls(np.array(tree["total"], float), np.array(tree["count"], np.int64))


def plausible(lengths: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Returns whether the bones (N, bones) mm of each example are possible: (N,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = lengths / mean
        odd = (ratio < MIN_RATIO) | (ratio > MAX_RATIO)
        odd &= np.abs(lengths - mean) > MIN_DIFFERENCE_MM
    return ~odd.any(-1)
