"""Convolutions of stride 2 that pad at the near end (top and left).

Keras' "same" pads even sizes at the far end, which moves the cells of the output to the bottom
right at every such convolution; one that pads at the near end moves them back by half a stride of
its output. See `grid`.
"""

from __future__ import annotations

import keras
from keras import ops

from skeleton_defs import UserError


class _NearPadding:
    """Pads so that output cell i is centred on input cell 2i, then convolves."""

    def __init__(self, *arguments, **options):
        options.pop("padding", None)
        super().__init__(*arguments, padding="valid", **options)
        if self.data_format != "channels_last":
            raise UserError("near padding needs images with channels last")

    def call(self, inputs):
        """Convolves `(B, H, W, C)`, H and W even."""
        return super().call(ops.pad(inputs, [(0, 0), *self._widths(), (0, 0)]))

    def compute_output_shape(self, input_shape):
        """Returns the shape with H and W divided by the stride."""
        padded = [
            size and size + sum(w) for size, w in zip(input_shape[1:3], self._widths(), strict=True)
        ]
        return super().compute_output_shape((input_shape[0], *padded, input_shape[3]))

    def _widths(self):
        return [
            (k // 2, k - k // 2 - s) for k, s in zip(self.kernel_size, self.strides, strict=True)
        ]


@keras.saving.register_keras_serializable("skelbridge")
class NearPaddedConv2D(_NearPadding, keras.layers.Conv2D):
    """`Conv2D` of stride 2 and odd kernel that pads at the near end."""


@keras.saving.register_keras_serializable("skelbridge")
class NearPaddedDepthwiseConv2D(_NearPadding, keras.layers.DepthwiseConv2D):
    """`DepthwiseConv2D` of stride 2 and odd kernel that pads at the near end."""
