"""MobileNetV3 and EfficientNetV2 of keras.applications, with this package's cells and batch norm.

The architecture is theirs; what is changed while it is copied: the last convolution of stride 2
pads at the near end (see `grid`), convolutions behind the wanted output stride are dilated
instead, batch normalisation may be in parts, filters may have a largest norm, and start weights
are drawn from a seed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from ..ghost_batch_norm import GhostBatchNormalization
from .keras_weights import load_keras_weights, with_imagenet_weights
from .max_norm import DEPTHWISE_AXES, FilterMaxNorm
from .near_padding import NearPaddedConv2D, NearPaddedDepthwiseConv2D

#: Name -> constructor in keras.applications. All begin with a layer that scales [0, 255] to about
#: [-1, 1]: x / 127.5 - 1, and in EfficientNetV2 x / 128 - 1, as its weights were trained (the
#: published pose networks took x / 127.5 - 1).
PUBLISHED = {
    "mobilenet_v3_small": "MobileNetV3Small",
    "mobilenet_v3_large": "MobileNetV3Large",
    "efficientnet_v2_s": "EfficientNetV2S",
    "efficientnet_v2_m": "EfficientNetV2M",
    "efficientnet_v2_l": "EfficientNetV2L",
}
_NEAR_PADDED = {
    layers.Conv2D: NearPaddedConv2D,
    layers.DepthwiseConv2D: NearPaddedDepthwiseConv2D,
}
_SQUEEZE_EXCITE = "_se_"  # in the names of EfficientNetV2's layers


def published_cnn(
    kind: str,
    crop: int,
    *,
    output_stride: int = 32,
    part_sizes: Sequence[int] | None = None,
    seed: int = 0,
    weights: str | None = None,
    max_norm: float | None = None,
    is_centred: bool = True,
) -> keras.Model:
    """Builds one of `PUBLISHED` without its classifier, for images `(B, crop, crop, 3)` in [0, 1].

    Args:
      kind: name in `PUBLISHED`.
      crop: side of the crop in px.
      output_stride: 32, or 16 or 8 by dilation.
      part_sizes: of ghost batch normalisation; None for the normal one.
      seed: of the start weights and of stochastic depth.
      weights: path of a weights file of the keras.applications model without top; `"imagenet"` to
        have Keras download it; None to start from random ones.
      max_norm: of the filters of all convolutions but those of squeeze and excitation; None for no
        limit. EfficientNetV2 only.
      is_centred: False: pads as the original does.
    """
    build = functools.partial(
        getattr(keras.applications, PUBLISHED[kind]),
        include_top=False,
        input_shape=(crop, crop, 3),
    )
    if weights == "imagenet":
        original = with_imagenet_weights(build, kind)
    else:
        original = build(weights=None)  # the default is a download
        if weights is not None:
            load_keras_weights(original, weights)
    if not kind.startswith("efficientnet"):
        max_norm = None
    copy = _Copy(original, output_stride, part_sizes, seed, max_norm, is_centred)
    network = keras.models.clone_model(original, clone_function=copy.layer)
    if weights is not None:
        network.set_weights(original.get_weights())
    return keras.Model(network.input, network.output, name=kind)


class _Copy:
    """Decides what becomes of each layer."""

    def __init__(self, original, output_stride: int, part_sizes, seed: int, max_norm, is_centred):
        self.part_sizes, self.seed, self.max_norm, self.count = part_sizes, seed, max_norm, 0
        strided = [x for x in original.layers if _is_spatial(x) and tuple(x.strides) == (2, 2)]
        kept = output_stride.bit_length() - 1
        self.centred = strided[kept - 1].name if is_centred else None
        self.dilated: dict[str, int] = {}
        self.unstrided = {x.name for x in strided[kept:]}
        rate = 1
        for layer in original.layers:
            if _is_spatial(layer):
                self.dilated[layer.name] = rate
                rate *= 2 if layer.name in self.unstrided else 1

    def layer(self, layer):
        """Returns the copy of a layer."""
        if isinstance(layer, layers.Rescaling):
            return layers.Rescaling(255 * layer.scale, layer.offset, name="preprocessing")
        config = layer.get_config()
        kind = type(layer)
        self.count += 1
        self._set_seeds(config)
        if isinstance(layer, layers.BatchNormalization) and self.part_sizes is not None:
            return GhostBatchNormalization(**config, part_sizes=self.part_sizes)
        if isinstance(layer, layers.ZeroPadding2D):
            config["padding"] = self._padding(layer)
        elif _is_spatial(layer):
            config["dilation_rate"] = self.dilated[layer.name]
            if layer.name in self.unstrided:
                config["strides"] = 1
            elif layer.name == self.centred and layer.padding == "same":
                kind = _NEAR_PADDED[kind]
        self._limit_norm(layer, config)
        return kind.from_config(config)

    def _padding(self, layer):
        """Explicit padding in front of a strided depth-wise convolution of the same name."""
        convolution = layer.name.removesuffix("_pad")
        if convolution in self.unstrided:
            return max(layer.padding[0]) * self.dilated[convolution]
        is_moved = convolution == self.centred
        return [pair[::-1] for pair in layer.padding] if is_moved else layer.padding

    def _limit_norm(self, layer, config: dict) -> None:
        if self.max_norm is None or _SQUEEZE_EXCITE in layer.name:
            return
        if isinstance(layer, layers.DepthwiseConv2D):
            config["depthwise_constraint"] = FilterMaxNorm(self.max_norm, DEPTHWISE_AXES)
        elif isinstance(layer, layers.Conv2D):
            config["kernel_constraint"] = FilterMaxNorm(self.max_norm)

    def _set_seeds(self, config: dict) -> None:
        seed = self.seed * 1000 + self.count
        if "seed" in config:
            config["seed"] = seed
        for key, value in config.items():
            if key.endswith("_initializer") and "seed" in value.get("config", {}):
                value["config"]["seed"] = seed


def _is_spatial(layer) -> bool:
    """A convolution that looks at neighbours."""
    return isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)) and max(layer.kernel_size) > 1
