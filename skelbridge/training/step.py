"""One training step as a compiled function: forward, losses, backward, two optimisers.

TensorFlow; `pure_step` is the same for JAX. What is minimised (`variants`) runs on any backend of
Keras.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from skeleton_defs import JointRegistry

from ..acae.matrices import Acae
from ..data.randomness import uniforms
from ..nn import MetricPoseModel
from ..nn.replicas import replica_count, sum_over_replicas
from .config import TrainConfig
from .distribution import OneReplica
from .losses import per_example_errors
from .network import INPUTS, MIXING
from .optimizing import Optimization
from .variants import objective_of


class TrainingStep:
    """Trains a model by one batch at a time.

    All that a step depends on is the configuration, the weights and optimisers' variables, and its
    number: random numbers and rates are functions of that.

    Args:
      config: of the run.
      registry: its joint vector.
      model: the network.
      acae: the fitted autoencoder, where the variant needs one.
      replicas: that train together; None: this process alone.

    Attributes:
      model: the network.
      optimization: what updates it.
      variables: everything that changes in training: network, statistics, optimisers.
    """

    def __init__(
        self,
        config: TrainConfig,
        registry: JointRegistry,
        model: MetricPoseModel,
        acae: Acae | None = None,
        *,
        replicas: OneReplica | None = None,
    ):
        self.config, self.model = config, model
        self.optimization = Optimization(config, model)
        self._objective = objective_of(config, registry, model.grid, acae)
        self._replicas = replicas = replicas or OneReplica()
        self._batch_size = sum(len(piece.slots) for piece in replicas.pieces(config))
        self._slots, self._pieces = replicas.slots(config), replicas.pieces(config)
        self._train = replicas.compiled(self._trained)
        self._differentiate = replicas.compiled(self._summed)
        self._apply = replicas.compiled(self._applied)

    @property
    def variables(self) -> list[keras.Variable]:
        """Network (with moving statistics and random states), then those of the optimisation."""
        return [*self.model.variables, *self.optimization.variables]

    def __call__(self, batch: Mapping[str, np.ndarray], step: int) -> dict[str, np.ndarray]:
        """Trains by the batch of a step.

        Returns:
          The losses by name, and `per_example` (B,), mean-relative losses in metres.
        """
        config, phases = self.config, self.config.phases
        self.optimization.set_rates(config.rates_at(step))
        mix = uniforms(config.seed, step, self._slots, MIXING, 1)[:, 0].astype(np.float32)
        inputs = {name: batch[name] for name in INPUTS} | {"mix": mix}
        more = (
            tf.constant(step, tf.int64),
            tf.constant(phases.is_full_perspective(step)),
        )
        training = not phases.uses_stored_statistics(step, config.steps)
        if len(self._pieces) == 1 and not self.optimization.is_checked:
            inputs = self._replicas.tensors(inputs | {"place": self._pieces[0].place})
            found = self._train(inputs, *more, training=training)
            return {name: value.numpy() for name, value in found.items()}
        found, gradients = self._in_pieces(inputs, more, training)
        if self.optimization.is_checked:
            is_finite = all(bool(tf.reduce_all(tf.math.is_finite(g))) for g in gradients)
            self.optimization.update_scale(is_finite=is_finite)
            if not is_finite:
                return found
        self._apply(gradients)
        return found

    def _in_pieces(self, inputs, more, training):
        """Returns losses and gradients of a batch, means over its pieces."""
        per_example, found, gradients = np.empty(self._batch_size, np.float32), [], None
        for piece in self._pieces:
            cut = {name: array[piece.own] for name, array in inputs.items()}
            cut = self._replicas.tensors(cut | {"place": piece.place})
            terms, own = self._differentiate(cut, *more, training=training)
            terms = {name: value.numpy() for name, value in terms.items()}
            per_example[piece.slots] = terms.pop("per_example")
            found.append(terms)
            gradients = (
                own if gradients is None else [a + b for a, b in zip(gradients, own, strict=True)]
            )
        means = {name: np.mean([terms[name] for terms in found]) for name in found[0]}
        return means | {"per_example": per_example}, [g / len(found) for g in gradients]

    def _trained(self, inputs, step, is_full_perspective, *, training: bool):
        found, gradients = self._differentiated(
            inputs, step, is_full_perspective, training=training
        )
        self.optimization.apply(gradients)
        return found

    def _summed(self, inputs, step, is_full_perspective, *, training: bool):
        found, gradients = self._differentiated(
            inputs, step, is_full_perspective, training=training
        )
        return found, sum_over_replicas(gradients)

    def _applied(self, gradients):
        """Applies gradients of all replicas, which Keras sums over them once more."""
        n = replica_count()
        self.optimization.apply(gradients if n == 1 else [g / n for g in gradients])

    def _differentiated(self, inputs, step, is_full_perspective, *, training: bool):
        """Returns losses and gradients."""
        batch = inputs | {"image": tf.cast(inputs["image"], tf.float32) / 255}
        mix, place = batch.pop("mix"), batch.pop("place")
        trained = [v.value for v in self.optimization.trained]
        with tf.GradientTape() as tape:
            points = self.model(
                batch, training=training, mix=mix, is_full_perspective=is_full_perspective
            )["joints3d"]
            terms, poses = self._objective(points, batch, step)
            loss = self.optimization.scaled(terms["total"])
        gradients = self.optimization.unscaled(tape.gradient(loss, trained))
        found = self._replicas.gathered(terms, per_example_errors(poses, batch), batch, place)
        return found, gradients
