"""What replicas of a network tell each other: sums, and who they are.

Under `tf.distribute` several devices or machines share a batch, each with a replica of the network.
A function that a replica runs sees its own examples only; what is meant for the whole batch is
summed here. Elsewhere (one replica, other backends) everything here leaves values as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from skeleton_defs import UserError


def replica_count() -> int:
    """Returns how many replicas share the batch that is being worked on: 1 outside of them."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def replica_number():
    """Returns the number of this replica, counted from 0: an integer or a scalar tensor."""
    context = _context()
    return 0 if context is None else context.replica_id_in_sync_group


def sum_over_replicas(values):
    """Returns the sum over all replicas of a tensor, or of each one of a list; gradients too."""
    if replica_count() == 1:
        return values
    return _context().all_reduce("sum", values)


def _context():
    """The context of the replica that this thread runs for, None outside of any."""
    if keras.config.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()


@dataclass(frozen=True, eq=False)
class ReplicaParts:
    """How the parts of a batch, for batch normalisation, lie on replicas.

    Attributes:
      sizes: numbers of examples of the parts in one replica's share of the batch.
      numbers: (R, P) which parts of the batch a replica's parts are; None: every part is spread
        over all replicas equally, and has one mean and variance there.
      total: number of parts of the batch.
    """

    sizes: tuple[int, ...]
    numbers: np.ndarray | None
    total: int

    @classmethod
    def spread(cls, part_sizes: Sequence[int], replicas: int) -> ReplicaParts:
        """Returns what holds where all replicas have a share of every part.

        Raises:
          UserError: a part cannot be shared equally.
        """
        for size in part_sizes:
            if size % replicas:
                raise UserError(
                    f"{size} examples of a batch cannot be shared equally among {replicas} "
                    "replicas; change the composition or the number of replicas"
                )
        return cls(tuple(size // replicas for size in part_sizes), None, len(part_sizes))

    @classmethod
    def whole(cls, part_sizes: Sequence[int], n_3d: int, replicas: int) -> ReplicaParts:
        """Returns what holds where every part lies on one replica.

        A replica has its share of the first `n_3d` examples, then its share of the others.

        Raises:
          UserError: a part would lie on two replicas; it names the numbers of replicas that fit.
        """
        found = _whole_parts(part_sizes, n_3d, replicas)
        if found is None:
            fitting = [
                n for n in range(1, len(part_sizes) + 1) if _whole_parts(part_sizes, n_3d, n)
            ]
            raise UserError(
                f"ghost batch normalisation in parts of {', '.join(map(str, part_sizes))} examples "
                f"needs whole parts on every replica: {' or '.join(map(str, fitting))} replicas "
                f"fit, not {replicas}; change their number, model.ghost_part, or model.batch_norm "
                "(normal and 3d2d fit any number that shares the batch)"
            )
        return found


def _whole_parts(part_sizes: Sequence[int], n_3d: int, replicas: int) -> ReplicaParts | None:
    ends = np.cumsum(part_sizes)
    half = int(np.searchsorted(ends, n_3d, side="right")) if n_3d else 0
    shares = []
    for first, numbers in ((0, range(half)), (half, range(half, len(part_sizes)))):
        if len(numbers) % replicas:
            return None
        shares.append(first + np.arange(len(numbers)).reshape(replicas, -1))
    numbers = np.concatenate(shares, axis=1)
    sizes = {tuple(int(part_sizes[i]) for i in row) for row in numbers}
    if len(sizes) > 1:
        return None
    return ReplicaParts(sizes.pop(), numbers, len(part_sizes))


def vary_by_replica(generator: keras.random.SeedGenerator) -> None:
    """Makes a layer's random numbers others on every replica; those of the first stay.

    Without this all replicas drop the same places of their shares.
    """
    of_all = generator.next

    def of_this(*arguments, **options):
        seed = of_all(*arguments, **options)
        if replica_count() == 1:
            return seed
        number = ops.cast(replica_number(), seed.dtype)
        return seed + ops.stack([number, ops.zeros_like(number)])

    generator.next = of_this
