"""The small residual network of the miniature: a million parameters at stride 16."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from ..ghost_batch_norm import batch_norm
from .near_padding import NearPaddedConv2D

#: Share of the old value in the moving statistics: half of what is stored is of the last 35 steps.
MOMENTUM = 0.98
#: Channels and residual blocks after each halving of the resolution.
STAGES = ((16, 0), (32, 0), (64, 0), (128, 3))
#: So few that all heads must read the same features: with many, a head takes those that only the
#: images of its own dataset have, and its format goes astray on the others.
OUTPUT_CHANNELS = 48


def small_cnn(
    crop: int,
    *,
    output_stride: int = 16,
    part_sizes: Sequence[int] | None = None,
    seed: int = 0,
    is_centred: bool = True,
    name: str = "small",
) -> keras.Model:
    """Builds the network: images `(B, crop, crop, 3)` in [0, 1] to `(B, n, n, 48)`, n = crop / 16.

    3x3 convolutions of stride 2 to 16, 32, 64 and 128 channels, three residual blocks of two 3x3
    convolutions, a 1x1 convolution to 48. A block takes as many operations at any resolution.

    Args:
      crop: side of the crop in px.
      output_stride: 16, or 8: the last convolution of stride 2 is dilated instead.
      part_sizes: of ghost batch normalisation; None for the normal one.
      seed: of the start weights.
      is_centred: False: the last convolution of stride 2 pads as the others do.
      name: of the model.
    """
    make = _Maker(part_sizes, seed)
    image = keras.Input((crop, crop, 3), name="image")
    x = layers.Rescaling(2.0, -1.0, name="preprocessing")(image)
    stride = 1
    for number, (channels, blocks) in enumerate(STAGES):
        halves = stride < output_stride
        stride *= 2 if halves else 1
        is_moved = halves and stride == output_stride and is_centred
        x = make.convolution(x, channels, f"stage{number}", halves=halves, pads_near=is_moved)
        dilation = 1 if halves else 2
        for block in range(blocks):
            x = make.residual(x, channels, f"stage{number}_block{block}", dilation=dilation)
    x = make.convolution(x, OUTPUT_CHANNELS, "top", kernel=1)
    return keras.Model(image, x, name=name)


class _Maker:
    """Adds layers with seeds of their own."""

    def __init__(self, part_sizes: Sequence[int] | None, seed: int):
        self.part_sizes, self.seed, self.count = part_sizes, seed, 0

    def convolution(
        self, x, channels, name, *, kernel=3, halves=False, pads_near=False, dilation=1, relu=True
    ):
        """Adds convolution, batch norm and ReLU."""
        self.count += 1
        start = keras.initializers.HeNormal(seed=self.seed * 1000 + self.count)
        kind = NearPaddedConv2D if pads_near else layers.Conv2D
        x = kind(
            channels,
            kernel,
            strides=2 if halves else 1,
            dilation_rate=dilation,
            padding="same",
            use_bias=False,
            kernel_initializer=start,
            name=f"{name}_conv",
        )(x)
        x = batch_norm(momentum=MOMENTUM, part_sizes=self.part_sizes, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def residual(self, x, channels, name, *, dilation):
        """Adds two convolutions and the way around them."""
        y = self.convolution(x, channels, f"{name}_a", dilation=dilation)
        y = self.convolution(y, channels, f"{name}_b", dilation=dilation, relu=False)
        return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
