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
    start_weights: bool = False,
) -> MetricPoseModel:
    """Builds the network of a configuration.

    Args:
      config, registry: of the run.
      acae: the fitted autoencoder, where the variant needs one.
      replicas: that train it; None: this process alone.
      start_weights: read the published weights that the configuration begins with, if any; False
        where a checkpoint follows.
    """
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
        weights=config.model.weights if start_weights and not config.fine_tuning else None,
        max_norm=config.model.max_norm,
        recompute=config.model.recompute,
    )
