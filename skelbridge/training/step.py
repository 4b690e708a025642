"""One training step as a compiled function: forward, losses, backward, two optimisers.

TensorFlow; the functions that are minimised (`objectives`) run on any backend of Keras.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from skeleton_defs import JointRegistry

from ..acae.matrices import Acae
from ..acae.nn import ConsistencyLoss, split_latents
from ..data.randomness import uniforms
from ..nn import MetricPoseModel
from .body_parts import body_part_averages
from .config import TrainConfig
from .losses import per_example_errors
from .objectives import (
    PoseLosses,
    hybrid,
    latents_decoded,
    output_regularized,
    separate_heads,
)
from .schedules import backbone_rate, head_rate, rate_with_drop, weight_decay

#: Purpose of the random numbers that mix the two reconstructions of a pose.
MIXING = 1000
_INPUTS = ("image", "K", "joints3d", "mask3d", "joints2d", "mask2d", "is_3d")


def build_model(config: TrainConfig, registry: JointRegistry, acae: Acae | None) -> MetricPoseModel:
    """Builds the network of a configuration, with its start weights."""
    variant = config.fine_tuning.variant if config.fine_tuning else "control"
    points = {"latent": lambda: acae.latents, "hybrid": lambda: [acae.latents, len(registry)]}
    batch = config.data.composition()
    return MetricPoseModel(
        points.get(variant, lambda: len(registry))(),
        crop=config.data.crop,
        backbone=config.model.backbone,
        output_stride=config.model.output_stride,
        depth=config.model.depth,
        side_mm=config.model.side_mm,
        part_sizes=config.model.part_sizes(batch),
        precision=config.model.precision,
        seed=config.seed % (1 << 20),
        weights=None if config.fine_tuning else config.model.weights,
    )


class TrainingStep:
    """Trains a model by one batch at a time.

    All that a step depends on is the configuration, the weights and optimisers' variables, and its
    number: random numbers and rates are functions of that.

    Args:
      config: of the run.
      registry: its joint vector.
      model: the network.
      acae: the fitted autoencoder, where the variant needs one.

    Attributes:
      variables: everything that changes in training: network, statistics, optimisers.
    """

    def __init__(
        self,
        config: TrainConfig,
        registry: JointRegistry,
        model: MetricPoseModel,
        acae: Acae | None = None,
    ):
        self.config, self.model = config, model
        decay = config.rates.weight_decay
        if decay is None:
            decay = weight_decay(config.steps, base=config.rates.base)
        self._optimizers, self._trained = [], []
        for name, part in (("head", model.head), ("backbone", model.backbone)):
            optimizer = keras.optimizers.Adam(
                config.rates.base, weight_decay=decay or None, name=f"adam_{name}"
            )
            optimizer.build(part.trainable_variables)
            self._optimizers.append(optimizer)
            self._trained.append(part.trainable_variables)
        averages = body_part_averages(registry, rule=config.data.body_parts)
        self._losses = PoseLosses(
            model.grid, averages, config.losses, absolute_after=config.phases.absolute_after
        )
        self._acae = acae
        self._consistency = (
            None if acae is None else ConsistencyLoss(acae, weight=config.losses.consistency)
        )
        self._step = tf.function(self._trace)

    @property
    def variables(self) -> list[keras.Variable]:
        """Network (with moving statistics and random states), then optimisers."""
        optimizers = [v for optimizer in self._optimizers for v in optimizer.variables]
        return [*self.model.variables, *optimizers]

    def rates(self, step: int) -> dict[str, float]:
        """Returns the learning rates of a step, of head and backbone."""
        rates, total = self.config.rates, self.config.steps
        shape = {"base": rates.base, "decay": rates.decay}
        if self.config.fine_tuning is None:
            rate = rate_with_drop(step, total, drop=rates.drop, drop_at=rates.drop_at, **shape)
            return {"head": rate, "backbone": rate}
        at = rates.fine_tuning_drop_at
        return {
            "head": head_rate(step, total, drop=rates.drop, drop_at=at, **shape),
            "backbone": backbone_rate(step, total, drop=rates.backbone_drop, **shape),
        }

    def __call__(self, batch: Mapping[str, np.ndarray], step: int) -> dict[str, np.ndarray]:
        """Trains by the batch of a step.

        Returns:
          The losses by name, and `per_example` (B,), mean-relative losses in metres.
        """
        config, phases = self.config, self.config.phases
        for optimizer, rate in zip(self._optimizers, self.rates(step).values(), strict=True):
            optimizer.learning_rate.assign(rate)
        slots = np.arange(len(batch["image"]))
        mix = uniforms(config.seed, step, slots, MIXING, 1)[:, 0].astype(np.float32)
        found = self._step(
            {name: tf.convert_to_tensor(batch[name]) for name in _INPUTS},
            tf.constant(mix),
            tf.constant(step, tf.int64),
            tf.constant(phases.is_full_perspective(step)),
            training=not phases.uses_stored_statistics(step, config.steps),
        )
        return {name: value.numpy() for name, value in found.items()}

    def _trace(self, batch, mix, step, is_full_perspective, *, training: bool):
        batch = batch | {"image": tf.cast(batch["image"], tf.float32) / 255}
        with tf.GradientTape() as tape:
            points = self.model(
                batch, training=training, mix=mix, is_full_perspective=is_full_perspective
            )["joints3d"]
            terms, poses = self._objective(points, batch, step)
        variables = [v for part in self._trained for v in part]
        gradients = tape.gradient(terms["total"], [v.value for v in variables])
        head = len(self._trained[0])
        for optimizer, part, own in zip(
            self._optimizers, (gradients[:head], gradients[head:]), self._trained, strict=True
        ):
            optimizer.apply(part, own)
        return terms | {"per_example": per_example_errors(poses, batch)}

    def _objective(self, points, batch, step):
        """Returns the terms and the poses that labels are compared with."""
        variant = self.config.fine_tuning.variant if self.config.fine_tuning else "control"
        losses, consistency = self._losses, self._consistency
        if variant == "output":
            return output_regularized(points, batch, losses, consistency, step=step), points
        if variant == "latent":
            terms = latents_decoded(points, batch, losses, consistency.acae, step=step)
            return terms, consistency.acae.decode(points)
        if variant == "hybrid":
            latents, poses = split_latents(points, self._acae.latents)
            after = self.config.phases.teacher_after
            terms = hybrid(
                latents, poses, batch, losses, consistency, step=step, teacher_after=after
            )
            return terms, consistency.acae.decode(latents)
        return separate_heads(points, batch, losses, step=step), points
