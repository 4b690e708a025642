"""Which example stands at which place of which batch: computed, not stored.

Every dataset has an endless queue: all its examples in an order of their own per epoch. The queues
are interleaved in fixed order, by the composition's counts, and the row is cut into batches. Since
a batch holds each dataset's count exactly once, the place in the batch tells the dataset, and the
step tells how far its queue is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

from ..store import Store
from .compositions import Composition, composition
from .randomness import Purpose, hashed, number_of_text
from .shuffling import permuted


@dataclass(frozen=True, eq=False)
class PlannedExamples:
    """Some places of a batch, in order.

    Attributes:
      step: of the batch.
      slots: (N,) places in the whole batch.
      dataset: (N,) int32 index into `BatchPlan.datasets`.
      is_3d: (N,) bool: drawn for its 3D labels.
      epoch: (N,) how often all its dataset's examples were drawn before.
      place: (N,) which of its dataset's examples it is.
      example: (N,) int64 index in the store.
    """

    step: int
    slots: np.ndarray
    dataset: np.ndarray
    is_3d: np.ndarray
    epoch: np.ndarray
    place: np.ndarray
    example: np.ndarray

    def __len__(self) -> int:
        return len(self.slots)


class BatchPlan:
    """Maps (step, slot) to (dataset, epoch, example) in constant time.

    Args:
      examples: dataset -> ranges of its examples in the store; see `BatchPlan.of_store`.
      composition: or the name of a preset.
      seed: of the order.
      allow_missing: share the places of datasets that are not there among the others.

    Attributes:
      composition: as it is in effect.
      datasets: names in the order of the batch.
      remarks: lines that tell what differs from the composition that was asked for.

    Raises:
      UserError: datasets are missing and `allow_missing` is not set, or all are missing.
    """

    def __init__(
        self,
        examples: Mapping[str, Sequence[range]],
        composition: Composition | str,
        *,
        seed: int,
        allow_missing: bool = False,
    ):
        asked = _composition(composition)
        examples = {name: ranges for name, ranges in examples.items() if any(map(len, ranges))}
        missing = [name for name in asked.datasets if name not in examples]
        if missing and not allow_missing:
            raise UserError(
                f"{len(missing)} of the {len(asked.datasets)} datasets of this batch composition "
                f"are not in the store: {', '.join(missing)}; prepare them, or allow missing ones "
                "(--allow-missing), which shares their places among the others"
            )
        self.composition = asked.restricted(examples) if missing else asked
        self.seed = seed
        self.datasets = self.composition.datasets
        self.remarks = _remarks(asked, self.composition, missing)
        queues = [*self.composition.three_d, *self.composition.two_d]
        counts = np.array([count for _, count in queues])
        self.sizes = np.array([sum(map(len, examples[name])) for name, _ in queues])
        self._queue = np.repeat(np.arange(len(queues)), counts)
        starts = np.cumsum(counts) - counts
        self._turn = np.arange(counts.sum()) - starts[self._queue]
        self._counts = counts
        # A dataset may stand in both parts: its two queues have orders of their own.
        n_3d = len(self.composition.three_d)
        parts = ["3D" if i < n_3d else "2D" for i in range(len(queues))]
        keys = [number_of_text(f"{p} {n}") for p, (n, _) in zip(parts, queues, strict=True)]
        self._keys = np.array(keys, np.uint64)
        self._places = [_Places(examples[name]) for name, _ in queues]

    @classmethod
    def of_store(
        cls,
        store: Store,
        composition: Composition | str,
        *,
        seed: int,
        split: str = "train",
        skeletons: Iterable[str] | None = None,
        allow_missing: bool = False,
    ) -> BatchPlan:
        """Returns the plan over one split of a store's datasets.

        Args:
          skeletons: only examples labelled in these skeleton formats; None: all.
        """
        wanted = None if skeletons is None else set(skeletons)
        examples: dict[str, list[range]] = {}
        for group, places in store.groups.items():
            if group.split == split and (wanted is None or group.skeleton in wanted):
                examples.setdefault(group.dataset, []).append(places)
        return cls(examples, composition, seed=seed, allow_missing=allow_missing)

    @property
    def batch_size(self) -> int:
        """Examples in a batch."""
        return len(self._queue)

    @property
    def n_3d(self) -> int:
        """Of these, the first ones have 3D labels."""
        return self.composition.n_3d

    def at(self, step: int, slots: np.ndarray | None = None) -> PlannedExamples:
        """Returns what stands in the batch of a step, or at some slots (N,) of it."""
        slots = np.arange(self.batch_size) if slots is None else np.asarray(slots, np.int64)
        queue = self._queue[slots]
        position = step * self._counts[queue] + self._turn[slots]
        sizes = self.sizes[queue]
        epoch = position // sizes
        keys = hashed(self.seed, Purpose.ORDER, self._keys[queue], epoch)
        place = permuted(position - epoch * sizes, sizes, keys)
        example = np.empty(len(slots), np.int64)
        for number in np.unique(queue):
            chosen = queue == number
            example[chosen] = self._places[number].in_store(place[chosen])
        is_3d = slots < self.n_3d
        return PlannedExamples(step, slots, queue.astype(np.int32), is_3d, epoch, place, example)

    def fingerprint(self, n_steps: int = 100, *, first: int = 0) -> str:
        """Returns the SHA-256 of what the plan says of some steps (datasets by name)."""
        digest = hashlib.sha256("\n".join(self.datasets).encode())
        for step in range(first, first + n_steps):
            planned = self.at(step)
            rows = np.stack([planned.dataset, planned.epoch, planned.place])
            digest.update(rows.astype("<i8").tobytes())
        return digest.hexdigest()

    def describe(self, n_steps: int = 100) -> str:
        """Returns the composition as text, with a hash of the first steps (`--show-batches`)."""
        lines = [
            f"{self.batch_size} examples a batch: {self.n_3d} with 3D labels, "
            f"then {self.batch_size - self.n_3d} with 2D labels; seed {self.seed}",
            f"  {'slots':>9}  {'dataset':20}{'labels':>6}{'count':>7}{'examples':>12}"
            f"{'steps/epoch':>13}",
        ]
        first, n_3d = 0, len(self.composition.three_d)
        for i, (name, count, size) in enumerate(
            zip(self.datasets, self._counts, self.sizes, strict=True)
        ):
            lines.append(
                f"  {f'{first}-{first + count - 1}':>9}  {name:20}{'3D' if i < n_3d else '2D':>6}"
                f"{count:7}{size:12,}{size / count:13,.1f}"
            )
            first += count
        lines += [f"note: {remark}" for remark in self.remarks]
        lines.append(f"steps 0-{n_steps - 1}: sha256 {self.fingerprint(n_steps)}")
        return "\n".join(lines)


class _Places:
    """Ranges of a store one after the other."""

    def __init__(self, ranges: Sequence[range]):
        ranges = [r for r in ranges if len(r)]
        self._first = np.array([r.start for r in ranges], np.int64)
        self._starts = np.cumsum([0, *(len(r) for r in ranges)])[:-1]

    def in_store(self, places: np.ndarray) -> np.ndarray:
        which = np.searchsorted(self._starts, places, side="right") - 1
        return self._first[which] + places - self._starts[which]


def _composition(given: Composition | str) -> Composition:
    return composition(given) if isinstance(given, str) else given


def _remarks(asked: Composition, used: Composition, missing: list[str]) -> tuple[str, ...]:
    if not missing:
        return ()
    before = dict(asked.three_d), dict(asked.two_d)
    after = dict(used.three_d), dict(used.two_d)
    changes = [
        f"{name} {old[name]} -> {count}"
        for old, new in zip(before, after, strict=True)
        for name, count in new.items()
        if old[name] != count
    ]
    return (
        f"{len(missing)} datasets are not in the store: {', '.join(missing)}; "
        f"their places went to the others: {', '.join(changes)}",
    )
