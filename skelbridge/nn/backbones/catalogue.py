"""Backbones by name, with the stride and place of their output's cells stated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from skeleton_defs import UserError, suggestions

from .published_cnns import PUBLISHED, published_cnn
from .resnets import RESNETS, resnet
from .small_cnn import small_cnn

#: Name -> strides of the output that can be had, the usual one first.
BACKBONES = {"small": (16, 8), **dict.fromkeys([*PUBLISHED, *RESNETS], (32, 16, 8))}
#: Largest norm of a filter of EfficientNetV2, as published.
MAX_NORM = 20.0


@dataclass(frozen=True)
class Backbone:
    """A network from images to a feature map.

    Attributes:
      network: images (B, crop, crop, 3) in [0, 1], RGB, to features (B, n, n, C); preprocessing is
        inside.
      crop: side of the crop in px.
      stride: px between neighbouring cells.
      first_cell: px of the first cell's centre, see `grid`.
    """

    network: keras.Model
    crop: int
    stride: int
    first_cell: float


def build_backbone(
    name: str,
    crop: int,
    *,
    output_stride: int | None = None,
    part_sizes: Sequence[int] | None = None,
    seed: int = 0,
    weights: str | None = None,
    max_norm: float | None = MAX_NORM,
    is_centred: bool = True,
) -> Backbone:
    """Builds a backbone.

    Args:
      name: one of `BACKBONES`.
      crop: side of the crop in px, a multiple of the largest stride (32; 16 for `small`).
      output_stride: None for the backbone's usual one.
      part_sizes: of ghost batch normalisation in all its layers; None for the normal one.
      seed: of start weights and stochastic depth.
      weights: None to start from random ones. A path: of a file of keras.applications without top
        (`.h5`) for EfficientNetV2 and MobileNetV3, of a torchvision state dict (`.safetensors`,
        `.pth`, `.pt`) for ResNets. `"imagenet"`: what keras.applications downloads.
      max_norm: of each filter of EfficientNetV2, enforced by optimisers after each update; None:
        no limit. Other backbones have none.
      is_centred: cells lie symmetrically in the crop. False: as in the network that the weights
        were published with, to compare with it.

    Raises:
      UserError: an unknown name, stride or size; weights that cannot be read or do not fit.
    """
    if name not in BACKBONES:
        hint = suggestions(name, list(BACKBONES))
        raise UserError(f"backbone must be one of {', '.join(BACKBONES)}. Received {name!r}.{hint}")
    strides = BACKBONES[name]
    stride = strides[0] if output_stride is None else int(output_stride)
    if stride not in strides:
        raise UserError(
            f"the output stride of '{name}' must be one of {strides}. Received {stride}"
        )
    if crop < 2 * strides[0] or crop % strides[0]:
        raise UserError(
            f"the side of the crop must be a multiple of {strides[0]} px, at least "
            f"{2 * strides[0]}, for the backbone '{name}'. Received {crop}"
        )
    if max_norm is not None and not (math.isfinite(max_norm) and max_norm > 0):
        raise UserError(f"max_norm must be a number, more than 0, or none. Received {max_norm}")
    options = {
        "output_stride": stride,
        "part_sizes": part_sizes,
        "seed": seed,
        "is_centred": is_centred,
    }
    if name in RESNETS:
        network = resnet(name, crop, weights=weights, **options)
        # All stride-2 layers pad symmetrically; the centred one moves cells by half a stride.
        return Backbone(network, crop, stride, stride / 2 if is_centred else 0.0)
    if name in PUBLISHED:
        network = published_cnn(name, crop, weights=weights, max_norm=max_norm, **options)
    elif weights is not None:
        raise UserError(f"there are no published weights for the backbone '{name}'")
    else:
        network = small_cnn(crop, **options)
    # All stride-2 layers pad at the far end; the centred one moves cells back by half a stride.
    return Backbone(network, crop, stride, stride / 2 - 1 if is_centred else stride - 1.0)
