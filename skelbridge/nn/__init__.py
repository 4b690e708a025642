"""Layers and networks in Keras 3, for TensorFlow, JAX and PyTorch (`KERAS_BACKEND`).

* `MetricPoseModel`: image and camera to absolute poses of all formats.
* `build_backbone`, `BACKBONES`: networks by name, with the place of their output's cells.
* `MetricHeatmapHead`, `HeatmapGrid`, `soft_argmax`: 2D and metric 3D heatmaps.
* `reconstruct_absolute`: 2D joints and a relative pose to an absolute one.
* `GhostBatchNormalization`: batch norm by parts of the batch.

Importing this loads Keras and its backend; `import skelbridge` does not.
"""

from .backbones import (
    BACKBONES,
    Backbone,
    NearPaddedConv2D,
    NearPaddedDepthwiseConv2D,
    build_backbone,
)
from .camera import project, rays
from .ghost_batch_norm import GhostBatchNormalization
from .grid import HeatmapGrid
from .head import MetricHeatmapHead
from .model import MetricPoseModel
from .reconstruction import reconstruct_absolute
from .soft_argmax import soft_argmax

__all__ = [
    "BACKBONES",
    "Backbone",
    "GhostBatchNormalization",
    "HeatmapGrid",
    "MetricHeatmapHead",
    "MetricPoseModel",
    "NearPaddedConv2D",
    "NearPaddedDepthwiseConv2D",
    "build_backbone",
    "project",
    "rays",
    "reconstruct_absolute",
    "soft_argmax",
]
