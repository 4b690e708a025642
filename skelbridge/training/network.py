"""The network of a configuration, and what a training step hands to it; on any backend of Keras."""

from __future__ import annotations

from skeleton_defs import JointRegistry

from ..acae.matrices import Acae
from ..nn import MetricPoseModel
from .config import TrainConfig
from .distribution import OneReplica

#: What a step needs of a batch.
INPUTS = ("image", "K", "joints3d", "mask3d", "joints2d", "mask2d", "is_3d")
#: Purpose of the random numbers that mix the two reconstructions of a pose.
MIXING = 1000


def build_model(
    config: TrainConfig,
    registry: JointRegistry,
    acae: Acae | None,
    *,
    replicas: OneReplica | None = None,
) -> MetricPoseModel:
    """Builds the network of a configuration, with its start weights."""
    replicas = replicas or OneReplica()
    variant = config.fine_tuning.variant if config.fine_tuning else "control"
    points = {"latent": lambda: acae.latents, "hybrid": lambda: [acae.latents, len(registry)]}
    return MetricPoseModel(
        points.get(variant, lambda: len(registry))(),
        crop=config.data.crop,
        backbone=config.model.backbone,
        output_stride=config.model.output_stride,
        depth=config.model.depth,
        side_mm=config.model.side_mm,
        part_sizes=replicas.part_sizes(config),
        precision=config.model.precision,
        seed=config.seed % (1 << 20),
        weights=None if config.fine_tuning else config.model.weights,
        max_norm=config.model.max_norm,
        recompute=config.model.recompute,
    )
