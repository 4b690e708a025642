"""Batch normalisation of the parts of a batch, each by its own statistics."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from skeleton_defs import UserError

from .replicas import ReplicaParts, replica_count, replica_number, sum_over_replicas


@keras.saving.register_keras_serializable("skelbridge")
class GhostBatchNormalization(keras.layers.BatchNormalization):
    """Normalises every part of the batch as `keras.layers.BatchNormalization` would by itself.

    With the fixed order of a batch plan the parts are (nearly) of one dataset each. In training the
    moving statistics are updated once per part, in order; otherwise (`training=False`, also for the
    last steps of training, or `trainable=False`) the stored statistics normalise all examples
    alike, in batches of any size.

    With several replicas (`replica_parts`) the moving statistics become on all of them what they
    would in one process, whichever replica a part lies on.

    Args:
      part_sizes: numbers of examples of the parts, e.g. `[16] * 8` or `[96, 32]`.
      **options: of `keras.layers.BatchNormalization`.

    Attributes:
      replica_parts: where the parts lie when replicas share the batch; not part of the config.

    Raises:
      UserError: sizes are no positive integers; in training, a batch of another size.
    """

    def __init__(self, part_sizes: Sequence[int], **options):
        super().__init__(**options)
        self.part_sizes = [int(size) for size in part_sizes]
        if not self.part_sizes or min(self.part_sizes) < 1:
            raise UserError(f"part_sizes must be positive integers. Received {list(part_sizes)}")
        self.replica_parts: ReplicaParts | None = None

    def call(self, inputs, training=None, mask=None):
        """Normalises `(B, ..., C)`."""
        if not (training and self.trainable):
            return super().call(inputs, training=False, mask=mask)
        if replica_count() > 1:
            return self._call_on_replica(inputs, mask)
        if inputs.shape[0] != sum(self.part_sizes):
            raise UserError(
                f"ghost batch normalisation in parts {self.part_sizes} is trained with batches of "
                f"{sum(self.part_sizes)} examples. Received {inputs.shape[0]} (None: make batches "
                "of a fixed size, e.g. with drop_remainder=True)"
            )
        parts = _split(inputs, self.part_sizes)
        masks = [None] * len(parts) if mask is None else _split(mask, self.part_sizes)
        return ops.concatenate(
            [
                super(GhostBatchNormalization, self).call(part, training=True, mask=part_mask)
                for part, part_mask in zip(parts, masks, strict=True)
            ],
            axis=0,
        )

    def _call_on_replica(self, inputs, mask):
        """Normalises a replica's share of a batch."""
        where = self.replica_parts
        if where is None or mask is not None or self.renorm:
            raise UserError(
                "ghost batch normalisation on several replicas needs replica_parts, and neither "
                "masks nor renorm"
            )
        if inputs.shape[0] != sum(where.sizes):
            raise UserError(
                f"a replica's share in parts {list(where.sizes)} must have {sum(where.sizes)} "
                f"examples. Received {inputs.shape[0]}"
            )
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        parts = _split(ops.cast(inputs, dtype), where.sizes)
        moments = [ops.moments(part, self._axes(part)) for part in parts]
        means, variances = (ops.stack(found) for found in zip(*moments, strict=True))
        if where.numbers is None:
            means, variances = self._of_all_replicas(means, variances)
        self._move(means, variances)
        outputs = [
            ops.batch_normalization(
                part,
                mean,
                variance,
                self.axis,
                offset=ops.cast(self.beta, dtype) if self.center else None,
                scale=ops.cast(self.gamma, dtype) if self.scale else None,
                epsilon=self.epsilon,
            )
            for part, mean, variance in zip(
                parts, ops.unstack(means), ops.unstack(variances), strict=True
            )
        ]
        return ops.cast(ops.concatenate(outputs, axis=0), self.compute_dtype)

    def _axes(self, inputs) -> list[int]:
        axis = self.axis % len(inputs.shape)
        return [i for i in range(len(inputs.shape)) if i != axis]

    def _of_all_replicas(self, means, variances):
        """Merges statistics (P, C) of equal shares of every part."""
        # About a common point near the means: their squares would cancel.
        about = ops.cast(self.moving_mean, means.dtype)
        away = means - about
        sums = sum_over_replicas(ops.stack([away, variances + ops.square(away)]))
        away, square = ops.unstack(sums / replica_count())
        return away + about, ops.maximum(square - ops.square(away), 0.0)

    def _move(self, means, variances) -> None:
        """Updates the moving statistics as one process would, part after part.

        a^G old + sum over parts g of (1 - a) a^(G - 1 - g) new_g: every replica adds its parts.
        """
        where, a = self.replica_parts, self.momentum
        weights = np.float32((1.0 - a) * a ** np.arange(where.total - 1.0, -1.0, -1.0))
        weights = ops.convert_to_tensor(weights)
        if where.numbers is not None:
            own = ops.take(ops.convert_to_tensor(np.int32(where.numbers)), replica_number(), axis=0)
            weights = ops.take(weights, own)
        new = ops.stop_gradient(ops.stack([means, variances]))
        new = ops.sum(new * ops.cast(weights, new.dtype)[:, None], axis=1)
        if where.numbers is not None:
            new = sum_over_replicas(new)
        # All replicas assign the same: Keras' variables here are not aggregated on assignment.
        for moving, value in zip(
            (self.moving_mean, self.moving_variance), ops.unstack(new), strict=True
        ):
            moving.assign(ops.cast(moving, new.dtype) * a**where.total + value)

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {"part_sizes": self.part_sizes}


def _split(values, sizes: Sequence[int]) -> list:
    """Parts of a tensor. Not slices, which would pad and add up in the gradient."""
    if len(sizes) == 1:
        return [values]
    return ops.split(values, list(itertools.accumulate(sizes))[:-1])


def batch_norm(
    *, momentum: float, epsilon: float = 1e-3, part_sizes: Sequence[int] | None = None, **options
):
    """Returns a layer that normalises the whole batch, or its parts where sizes are given."""
    options |= {"momentum": momentum, "epsilon": epsilon}
    if part_sizes is None:
        return keras.layers.BatchNormalization(**options)
    return GhostBatchNormalization(part_sizes, **options)
