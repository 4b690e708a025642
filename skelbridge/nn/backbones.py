"""Backbones by name, with the stride and place of their output's cells stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from skeleton_defs import UserError, suggestions

from .published_cnns import PUBLISHED, published_cnn
from .small_cnn import small_cnn

#: Name -> strides of the output that can be had, the usual one first.
BACKBONES = {"small": (16, 8), **dict.fromkeys(PUBLISHED, (32, 16, 8))}


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
) -> Backbone:
    """Builds a backbone.

    Args:
      name: one of `BACKBONES`.
      crop: side of the crop in px, a multiple of the stride (32 for the published networks).
      output_stride: None for the backbone's usual one.
      part_sizes: of ghost batch normalisation in all its layers; None for the normal one.
      seed: of start weights and stochastic depth.
      weights: path of weights of the keras.applications model, without top.

    Raises:
      UserError: an unknown name, stride or size.
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
    options = {"output_stride": stride, "part_sizes": part_sizes, "seed": seed}
    if name in PUBLISHED:
        network = published_cnn(name, crop, weights=weights, **options)
    elif weights is not None:
        raise UserError(f"there are no published weights for the backbone '{name}'")
    else:
        network = small_cnn(crop, **options)
    return Backbone(network, crop, stride, stride / 2 - 1)
