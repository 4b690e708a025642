"""How many examples of which dataset come into a batch, in which order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError
from skeleton_defs.names import suggestions

Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Composition:
    """Datasets with their number of examples in every batch; the order is that in the batch.

    Attributes:
      three_d: (dataset, count) of the examples with 3D labels, which come first.
      two_d: (dataset, count) of those with 2D labels.
    """

    three_d: Counts
    two_d: Counts = ()

    def __post_init__(self):
        for name in ("three_d", "two_d"):
            given = getattr(self, name)
            pairs = given.items() if isinstance(given, Mapping) else given
            counts = tuple((str(dataset), count) for dataset, count in pairs)
            object.__setattr__(self, name, counts)
            names = [dataset for dataset, _ in counts]
            for dataset, count in counts:
                if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                    raise UserError(
                        f"composition: the count of '{dataset}' must be a whole number from 1 on. "
                        f"Received {count!r}"
                    )
                if names.count(dataset) > 1:
                    raise UserError(f"composition: '{dataset}' is given twice in {name}")
        if not self.three_d and not self.two_d:
            raise UserError("composition: it must name a dataset. Received none")

    @property
    def n_3d(self) -> int:
        """Examples with 3D labels in a batch."""
        return sum(count for _, count in self.three_d)

    @property
    def n_2d(self) -> int:
        """Examples with 2D labels in a batch."""
        return sum(count for _, count in self.two_d)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names in the order of the batch; the place here is a batch's `dataset` number."""
        return tuple(name for name, _ in (*self.three_d, *self.two_d))

    def share(self, number: int, of: int) -> np.ndarray:
        """Returns the places in a batch of one of several equal shares: 3D, then 2D examples.

        Raises:
          UserError: a part cannot be shared equally.
        """
        places = []
        for part, first, size in (("3D", 0, self.n_3d), ("2D", self.n_3d, self.n_2d)):
            if size % of:
                raise UserError(
                    f"the {size} {part} examples of a batch cannot be shared equally among {of} "
                    "replicas or pieces; change the composition or that number"
                )
            share = size // of
            places.append(first + number * share + np.arange(share))
        return np.concatenate(places)

    def restricted(self, available: Collection[str]) -> Composition:
        """Returns the composition of the available datasets, with as many examples in a batch.

        What the missing ones had is shared in proportion (largest remainder; of equal ones the
        first).

        Raises:
          UserError: no dataset is left of a part.
        """
        return Composition(
            _shared("3D", self.three_d, available), _shared("2D", self.two_d, available)
        )


def _shared(part: str, counts: Counts, available: Collection[str]) -> Counts:
    left = [(name, count) for name, count in counts if name in available]
    if len(left) == len(counts):
        return counts
    if not left:
        raise UserError(
            f"composition: none of the {part} datasets ({', '.join(n for n, _ in counts)}) is in "
            f"the store; prepare one, or give a composition without {part} datasets"
        )
    total, rest = sum(count for _, count in counts), sum(count for _, count in left)
    floors = [count * total // rest for _, count in left]
    remainders = [count * total % rest for _, count in left]
    by_size = sorted(range(len(left)), key=lambda i: (-remainders[i], i))
    for i in by_size[: total - sum(floors)]:
        floors[i] += 1
    return tuple((name, floor) for (name, _), floor in zip(left, floors, strict=True))


def composition(name: str) -> Composition:
    """Returns a preset: `small`, `medium` or `full`.

    Raises:
      UserError: no preset has that name.
    """
    if name not in PRESETS:
        raise UserError(
            f"no batch composition is named '{name}'.{suggestions(name, list(PRESETS))} "
            f"There are: {', '.join(PRESETS)}"
        )
    return PRESETS[name]


#: Table S1 of the supplement of arXiv 2212.14474, datasets by the names of their adapters, in the
#: order of the published code: (dataset, counts in small, medium, full).
_TABLE_S1 = (
    ("h36m", 32, 9, 4), ("muco", 32, 9, 6), ("humbi", 0, 7, 5), ("3doh50k", 0, 0, 3),
    ("agora", 0, 5, 3), ("surreal", 32, 8, 5), ("panoptic", 0, 9, 7), ("aist", 0, 9, 6),
    ("aspset", 0, 0, 4), ("gpa", 0, 0, 4), ("3dpeople", 0, 6, 4), ("sailvos", 0, 7, 5),
    ("bmlmovi", 0, 0, 5), ("mads", 0, 0, 2), ("umpm", 0, 0, 2), ("berkeley_mhad", 0, 0, 3),
    ("mpi_inf_3dhp", 0, 5, 3), ("totalcapture", 0, 5, 3), ("jta", 0, 5, 3), ("ikea_asm", 0, 0, 2),
    ("human4d", 0, 0, 1), ("behave", 0, 0, 3), ("rich", 0, 7, 4), ("spec", 0, 0, 2),
    ("fit3d", 0, 0, 2), ("chi3d", 0, 0, 1), ("humansc3d", 0, 0, 1), ("hspace", 0, 5, 3),
)  # fmt: skip
_TWO_D = (("mpii", 8), ("coco", 8), ("jrdb", 8), ("posetrack", 8))

PRESETS = {
    level: Composition(tuple((row[0], row[i]) for row in _TABLE_S1 if row[i]), _TWO_D)
    for i, level in enumerate(("small", "medium", "full"), start=1)
}
"""96 examples with 3D and 32 with 2D labels each."""
