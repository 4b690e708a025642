"""The union of several skeleton formats as one joint vector."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from .errors import UserError
from .formats import get
from .skeleton import Skeleton


class JointRegistry:
    """All joints of a list of formats as one vector, each physical point once.

    Joints of formats of one family that are the same point by construction share a channel (all
    24-joint SMPL datasets, or H36M's 17, 25 and 32); joints of different families never do, even
    where their names agree.

    Args:
      formats: format names, aliases or `Skeleton`s. Joints are numbered in this order.

    Attributes:
      skeletons: the formats.
      points: (family, key) per channel.
      names: unique text per channel, `family:key`.
    """

    def __init__(self, formats: Sequence[str | Skeleton]):
        self.skeletons = tuple(get(f) for f in formats)
        repeated = {s.name for s in self.skeletons if self.skeletons.count(s) > 1}
        if repeated:
            raise UserError(f"joint registry: formats are given twice: {sorted(repeated)}")
        channel: dict[tuple[str, str], int] = {}
        self._indices: dict[str, np.ndarray] = {}
        for skeleton in self.skeletons:
            rows = [channel.setdefault(skeleton.point_of(j), len(channel)) for j in skeleton.joints]
            self._indices[skeleton.name] = np.array(rows, dtype=np.intp)
            self._indices[skeleton.name].setflags(write=False)
        self.points = tuple(channel)
        self._channel = channel

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return f"JointRegistry({len(self.skeletons)} formats, {len(self)} joints)"

    @property
    def names(self) -> tuple[str, ...]:
        """`family:key` per channel."""
        return tuple(f"{family}:{key}" for family, key in self.points)

    def indices(self, skeleton: str | Skeleton) -> np.ndarray:
        """Returns the (J,) channels that hold the joints of one of the formats, in its order."""
        name = get(skeleton).name
        if name not in self._indices:
            raise UserError(
                f"'{name}' is not in this joint registry. It holds: {', '.join(self._indices)}"
            )
        return self._indices[name]

    def channel(self, family: str, key: str) -> int:
        """Returns the channel of a point."""
        try:
            return self._channel[family, key]
        except KeyError:
            raise UserError(f"the joint registry has no point '{family}:{key}'") from None

    def formats_of(self, channel: int) -> list[str]:
        """Returns the names of the formats that hold a channel."""
        return [name for name, rows in self._indices.items() if channel in rows]

    @functools.cached_property
    def family_counts(self) -> dict[str, int]:
        """Number of channels per family, in order of first appearance."""
        counts: dict[str, int] = {}
        for family, _ in self.points:
            counts[family] = counts.get(family, 0) + 1
        return counts

    @functools.cached_property
    def flip(self) -> np.ndarray:
        """(J,) permutation that swaps left and right.

        Raises:
          UserError: a format mirrors two channels in another way than an earlier one, or holds one
            side only.
        """
        flip = np.full(len(self), -1, dtype=np.intp)
        for skeleton in self.skeletons:
            if skeleton.flip is None:
                raise UserError(f"'{skeleton.name}' holds one side of the body only: no flip")
            rows = self._indices[skeleton.name]
            partners = rows[list(skeleton.flip)]
            clash = (flip[rows] != -1) & (flip[rows] != partners)
            if clash.any():
                at = int(np.flatnonzero(clash)[0])
                raise UserError(
                    f"'{skeleton.name}' mirrors joint '{skeleton.joints[at]}' to "
                    f"'{self.names[partners[at]]}', another format to "
                    f"'{self.names[flip[rows[at]]]}'"
                )
            flip[rows] = partners
        flip.setflags(write=False)
        return flip

    @functools.cached_property
    def sides(self) -> tuple[str, ...]:
        """`"left"`, `"right"` or `"centre"` per channel."""
        sides: dict[int, str] = {}
        for skeleton in self.skeletons:
            for row, side in zip(self._indices[skeleton.name], skeleton.sides, strict=True):
                sides.setdefault(int(row), side)
        return tuple(sides[i] for i in range(len(self)))

    @functools.cached_property
    def chiral_order(self) -> np.ndarray:
        """(J,) channels as [left | right | centre], partners at equal places (for the ACAE)."""
        left = [i for i, side in enumerate(self.sides) if side == "left"]
        centre = [i for i, side in enumerate(self.sides) if side == "centre"]
        order = np.array([*left, *self.flip[left], *centre], dtype=np.intp)
        order.setflags(write=False)
        return order

    @property
    def side_counts(self) -> tuple[int, int, int]:
        """Numbers of (left, right, centre) channels."""
        return tuple(self.sides.count(side) for side in ("left", "right", "centre"))
