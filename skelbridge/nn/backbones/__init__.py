"""Backbones: networks from images to feature maps, by name, all of one convention about cells.

`BACKBONES` lists them; `build_backbone` builds one: with a choice of output stride, ghost batch
normalisation, start weights from a seed or a file, and where its output's cells lie stated.
"""

from .catalogue import BACKBONES, MAX_NORM, Backbone, build_backbone
from .near_padding import NearPaddedConv2D, NearPaddedDepthwiseConv2D

__all__ = [
    "BACKBONES",
    "MAX_NORM",
    "Backbone",
    "NearPaddedConv2D",
    "NearPaddedDepthwiseConv2D",
    "build_backbone",
]
