"""Batch normalisation of the parts of a batch, each by its own statistics."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
from keras import ops

from skeleton_defs import UserError


@keras.saving.register_keras_serializable("skelbridge")
class GhostBatchNormalization(keras.layers.BatchNormalization):
    """Normalises every part of the batch as `keras.layers.BatchNormalization` would by itself.

    With the fixed order of a batch plan the parts are (nearly) of one dataset each. In training the
    moving statistics are updated once per part, in order; otherwise (`training=False`, also for the
    last steps of training, or `trainable=False`) the stored statistics normalise all examples
    alike, in batches of any size.

    Args:
      part_sizes: numbers of examples of the parts, e.g. `[16] * 8` or `[96, 32]`. With several
        replicas: of one replica's share of the batch.
      **options: of `keras.layers.BatchNormalization`.

    Raises:
      UserError: sizes are no positive integers; in training, a batch of another size.
    """

    def __init__(self, part_sizes: Sequence[int], **options):
        super().__init__(**options)
        self.part_sizes = [int(size) for size in part_sizes]
        if not self.part_sizes or min(self.part_sizes) < 1:
            raise UserError(f"part_sizes must be positive integers. Received {list(part_sizes)}")

    def call(self, inputs, training=None, mask=None):
        """Normalises `(B, ..., C)`."""
        if not (training and self.trainable):
            return super().call(inputs, training=False, mask=mask)
        if inputs.shape[0] != sum(self.part_sizes):
            raise UserError(
                f"ghost batch normalisation in parts {self.part_sizes} is trained with batches of "
                f"{sum(self.part_sizes)} examples. Received {inputs.shape[0]} (None: make batches "
                "of a fixed size, e.g. with drop_remainder=True)"
            )
        ends = list(itertools.accumulate(self.part_sizes))[:-1]
        parts = ops.split(inputs, ends)  # slices would pad and add up in the gradient
        masks = [None] * len(parts) if mask is None else ops.split(mask, ends)
        return ops.concatenate(
            [
                super(GhostBatchNormalization, self).call(part, training=True, mask=part_mask)
                for part, part_mask in zip(parts, masks, strict=True)
            ],
            axis=0,
        )

    def get_config(self):
        """Returns the arguments."""
        return super().get_config() | {"part_sizes": self.part_sizes}


def batch_norm(
    *, momentum: float, epsilon: float = 1e-3, part_sizes: Sequence[int] | None = None, **options
):
    """Returns a layer that normalises the whole batch, or its parts where sizes are given."""
    options |= {"momentum": momentum, "epsilon": epsilon}
    if part_sizes is None:
        return keras.layers.BatchNormalization(**options)
    return GhostBatchNormalization(part_sizes, **options)
