"""ResNet v1.5: stride on the 3x3 convolutions, no bias, as torchvision defines and trains it.

All convolutions of stride 2 pad at the near end, which for even sizes reads what symmetric padding
does: a 3x3 kernel with one pixel on either side never reaches the last of them. The last block with
stride 2 is the centred one: its 3x3 convolution pads at the far end instead, and the 1x1
convolution of its shortcut takes the pixels at the 3x3's centres, one further to the bottom right.

Layers are called as in torchvision's state dict, with `_` for `.`: `layer1_0_conv1`.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from skeleton_defs import UserError

from ..ghost_batch_norm import batch_norm
from .near_padding import NearPaddedConv2D
from .torch_weights import load_torch_weights

#: Name -> blocks of the four stages, and whether they are bottlenecks (1x1, 3x3, 1x1).
RESNETS = {
    "resnet_18": ((2, 2, 2, 2), False),
    "resnet_34": ((3, 4, 6, 3), False),
    "resnet_50": ((3, 4, 6, 3), True),
    "resnet_101": ((3, 4, 23, 3), True),
    "resnet_152": ((3, 8, 36, 3), True),
}
#: Of the images that torchvision's weights were trained with: RGB in [0, 1].
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
#: Share of the old value in the moving statistics: torchvision's, in Keras' meaning. The published
#: pose networks used 0.997.
MOMENTUM = 0.9
EPSILON = 1e-5
STEM_CHANNELS = 64
STEM_STRIDE = 4


def resnet(
    kind: str,
    crop: int,
    *,
    output_stride: int = 32,
    part_sizes: Sequence[int] | None = None,
    seed: int = 0,
    weights: str | None = None,
    is_centred: bool = True,
) -> keras.Model:
    """Builds one of `RESNETS` without its classifier, for images `(B, crop, crop, 3)` in [0, 1].

    Args:
      kind: name in `RESNETS`.
      crop: side of the crop in px, a multiple of 32.
      output_stride: 32, or 16 or 8 by dilation (which begins behind the first 3x3 convolution of a
        stage without stride, so that the values are those of stride 32 at every second place).
      part_sizes: of ghost batch normalisation; None for the normal one.
      seed: of the start weights.
      weights: path of a torchvision state dict; None to start from random ones.
      is_centred: False: pads as torchvision does.
    """
    if weights == "imagenet":
        raise UserError(
            f"there is no download for '{kind}': get torchvision's file "
            f"(torchvision.models.{kind.replace('_', '')}(weights='IMAGENET1K_V1') puts it into "
            "~/.cache/torch/hub/checkpoints) and give its path as weights"
        )
    blocks, has_bottlenecks = RESNETS[kind]
    make = _Maker(part_sizes, seed)
    image = keras.Input((crop, crop, 3), name="image")
    scale = [1 / d for d in DEVIATION]
    offset = [-m / d for m, d in zip(MEAN, DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset, name="preprocessing")(image)
    x = make.convolution(x, STEM_CHANNELS, "conv1", kernel=7, stride=2)
    x = make.norm(x, "bn1")
    x = layers.ZeroPadding2D(((1, 0), (1, 0)), name="maxpool_pad")(x)  # behind a ReLU: 0 is -inf
    x = layers.MaxPooling2D(3, strides=2, name="maxpool")(x)

    stride, dilation = STEM_STRIDE, 1
    block = make.bottleneck if has_bottlenecks else make.basic_block
    for stage, count in enumerate(blocks):
        halves = stage > 0 and stride < output_stride
        stride *= 2 if halves else 1
        for number in range(count):
            is_strided = number == 0 and halves
            before = dilation
            dilation *= 2 if number == 0 and stage > 0 and not halves else 1
            x = block(
                x,
                STEM_CHANNELS << stage,
                f"layer{stage + 1}_{number}",
                stride=2 if is_strided else 1,
                is_moved=is_strided and stride == output_stride and is_centred,
                dilations=(before, dilation),
            )
    network = keras.Model(image, x, name=kind)
    if weights is not None:
        load_torch_weights(network, weights)
    return network


class _Maker:
    """Adds layers with seeds of their own."""

    def __init__(self, part_sizes: Sequence[int] | None, seed: int):
        self.part_sizes, self.seed, self.count = part_sizes, seed, 0

    def convolution(self, x, channels, name, *, kernel=3, stride=1, is_moved=False, dilation=1):
        """Adds a convolution without bias; `is_moved`: with cells half a stride further on."""
        self.count += 1
        kind = layers.Conv2D
        if stride == 2 and not is_moved and kernel > 1:
            kind = NearPaddedConv2D
        if is_moved and kernel == 1:
            x = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop")(x)
        return kind(
            channels,
            kernel,
            strides=stride,
            dilation_rate=dilation,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal", seed=self.seed * 1000 + self.count
            ),
            name=name,
        )(x)

    def norm(self, x, name, *, relu=True):
        """Adds batch normalisation, and ReLU."""
        x = batch_norm(momentum=MOMENTUM, epsilon=EPSILON, part_sizes=self.part_sizes, name=name)(x)
        return layers.ReLU(name=f"{name}_relu")(x) if relu else x

    def basic_block(self, x, channels, name, *, stride, is_moved, dilations):
        """Adds two 3x3 convolutions and the way around them."""
        place = {"stride": stride, "is_moved": is_moved}
        y = self.convolution(x, channels, f"{name}_conv1", dilation=dilations[0], **place)
        y = self.norm(y, f"{name}_bn1")
        y = self.convolution(y, channels, f"{name}_conv2", dilation=dilations[1])
        y = self.norm(y, f"{name}_bn2", relu=False)
        return self._sum(x, y, name, **place)

    def bottleneck(self, x, channels, name, *, stride, is_moved, dilations):
        """Adds 1x1, 3x3 and 1x1 convolutions and the way around them."""
        place = {"stride": stride, "is_moved": is_moved}
        y = self.convolution(x, channels, f"{name}_conv1", kernel=1)
        y = self.norm(y, f"{name}_bn1")
        y = self.convolution(y, channels, f"{name}_conv2", dilation=dilations[0], **place)
        y = self.norm(y, f"{name}_bn2")
        y = self.convolution(y, 4 * channels, f"{name}_conv3", kernel=1)
        y = self.norm(y, f"{name}_bn3", relu=False)
        return self._sum(x, y, name, **place)

    def _sum(self, x, y, name, **place):
        if x.shape != y.shape:
            x = self.convolution(x, y.shape[-1], f"{name}_downsample_0", kernel=1, **place)
            x = self.norm(x, f"{name}_downsample_1", relu=False)
        x = layers.Add(name=f"{name}_add")([x, y])
        return layers.ReLU(name=f"{name}_relu")(x)
