"""MobileNetV3 and EfficientNetV2-S of keras.applications, with this package's cells and batch norm.

The architecture is theirs; what is changed while it is copied: the last convolution of stride 2
pads at the near end (see `grid`), convolutions behind the wanted output stride are dilated
instead, batch normalisation may be in parts, and start weights are drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from .ghost_batch_norm import GhostBatchNormalization
from .near_padding import NearPaddedConv2D, NearPaddedDepthwiseConv2D

#: Name -> constructor in keras.applications. All expect [-1, 1] without their preprocessing.
PUBLISHED = {
    "mobilenetv3_small": "MobileNetV3Small",
    "mobilenetv3_large": "MobileNetV3Large",
    "efficientnetv2_s": "EfficientNetV2S",
}
_NEAR_PADDED = {
    layers.Conv2D: NearPaddedConv2D,
    layers.DepthwiseConv2D: NearPaddedDepthwiseConv2D,
}


def published_cnn(
    kind: str,
    crop: int,
    *,
    output_stride: int = 32,
    part_sizes: Sequence[int] | None = None,
    seed: int = 0,
    weights: str | None = None,
) -> keras.Model:
    """Builds one of `PUBLISHED` without its classifier, for images `(B, crop, crop, 3)` in [0, 1].

    Args:
      kind: name in `PUBLISHED`.
      crop: side of the crop in px.
      output_stride: 32, or 16 or 8 by dilation.
      part_sizes: of ghost batch normalisation; None for the normal one.
      seed: of the start weights and of stochastic depth.
      weights: path of a weights file of the keras.applications model without top; None to start
        from random ones. Nothing is ever downloaded.
    """
    original = getattr(keras.applications, PUBLISHED[kind])(
        include_top=False,
        include_preprocessing=False,
        input_shape=(crop, crop, 3),
        weights=weights,
    )
    copy = _Copy(original, output_stride, part_sizes, seed)
    network = keras.models.clone_model(original, clone_function=copy.layer)
    if weights is not None:
        network.set_weights(original.get_weights())
    image = keras.Input((crop, crop, 3), name="image")
    features = network(layers.Rescaling(2.0, -1.0, name="preprocessing")(image))
    return keras.Model(image, features, name=kind)


class _Copy:
    """Decides what becomes of each layer."""

    def __init__(self, original, output_stride: int, part_sizes, seed: int):
        self.part_sizes, self.seed, self.count = part_sizes, seed, 0
        strided = [x for x in original.layers if _is_spatial(x) and tuple(x.strides) == (2, 2)]
        kept = output_stride.bit_length() - 1
        self.last = strided[kept - 1].name
        self.dilated: dict[str, int] = {}
        self.unstrided = {x.name for x in strided[kept:]}
        rate = 1
        for layer in original.layers:
            if _is_spatial(layer):
                self.dilated[layer.name] = rate
                rate *= 2 if layer.name in self.unstrided else 1

    def layer(self, layer):
        """Returns the copy of a layer."""
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
            elif layer.name == self.last and layer.padding == "same":
                kind = _NEAR_PADDED[kind]
        return kind.from_config(config)

    def _padding(self, layer):
        """Explicit padding in front of a strided depth-wise convolution of the same name."""
        convolution = layer.name.removesuffix("_pad")
        if convolution in self.unstrided:
            return max(layer.padding[0]) * self.dilated[convolution]
        return [pair[::-1] for pair in layer.padding] if convolution == self.last else layer.padding

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
