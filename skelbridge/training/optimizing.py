"""From gradients to new weights: two Adam optimisers, the scale of the loss, averaged weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from .config import TrainConfig
from .schedules import weight_decay

#: Of the dynamic loss scale: first value, and updates without overflow until it is doubled.
FIRST_SCALE, UPDATES_UNTIL_DOUBLED = 32768.0, 2000


def adam_optimizers(config: TrainConfig, model) -> list[tuple[keras.optimizers.Adam, list]]:
    """Returns the optimisers of head and backbone, in this order, with their variables.

    Weight decay is decoupled and leaves nothing out: batch normalisation and biases decay, too.

    Args:
      config: of the run.
      model: a `MetricPoseModel`.
    """
    decay = config.rates.weight_decay
    if decay is None:
        decay = weight_decay(config.steps, base=config.rates.base)
    found = []
    for name, part in (("head", model.head), ("backbone", model.backbone)):
        optimizer = keras.optimizers.Adam(
            config.rates.base,
            epsilon=config.optimizer.epsilon,
            weight_decay=decay or None,
            name=f"adam_{name}",
        )
        optimizer.build(part.trainable_variables)
        found.append((optimizer, part.trainable_variables))
    return found


def static_scale(config: TrainConfig) -> float | None:
    """Returns the constant factor of the loss; None where it changes with the gradients."""
    if config.model.precision != "mixed_float16":
        return 1.0
    scale = config.optimizer.loss_scale
    return None if scale == "dynamic" else float(scale)


class Optimization:
    """Updates the weights of a model.

    Args:
      config: of the run.
      model: a `MetricPoseModel`.

    Attributes:
      trained: the weights that gradients are for: the head's, then the backbone's.
      averages: running averages of these, or nothing.
      is_checked: whether `update_scale` must decide about every update.
    """

    def __init__(self, config: TrainConfig, model):
        self._parts = adam_optimizers(config, model)
        self._decay = config.optimizer.average
        self.trained = trained_variables(model)
        self.averages = [] if self._decay is None else averages_of(self.trained)
        scale = static_scale(config)
        self.is_checked = scale is None
        self._scale, self._since = scale, None
        if self.is_checked:
            self._scale = _variable(np.float32(FIRST_SCALE), "loss_scale")
            self._since = _variable(np.float32(0), "updates_since_overflow")

    @property
    def variables(self) -> list[keras.Variable]:
        """Averages first (`run_folder` reads them), then what only training needs."""
        own = [v for optimizer, _ in self._parts for v in optimizer.variables]
        return [*self.averages, *own, *([self._scale, self._since] if self.is_checked else [])]

    def set_rates(self, rates: Mapping[str, float]) -> None:
        """Sets the learning rates of `head` and `backbone`."""
        for (optimizer, _), name in zip(self._parts, ("head", "backbone"), strict=True):
            optimizer.learning_rate.assign(rates[name])

    def scaled(self, loss):
        """Returns the loss that gradients are to be taken of."""
        return loss if self._has_no_scale else loss * self._scale

    def unscaled(self, gradients: Sequence) -> list:
        """Returns the gradients of the loss itself."""
        if self._has_no_scale:
            return list(gradients)
        return [gradient / self._scale for gradient in gradients]

    def apply(self, gradients: Sequence) -> None:
        """Updates weights and averages by gradients in the order of `trained`."""
        first = 0
        for optimizer, variables in self._parts:
            optimizer.apply(gradients[first : first + len(variables)], variables)
            first += len(variables)
        if self.averages:
            for average, variable in zip(self.averages, self.trained, strict=True):
                average.assign(self._decay * average + (1 - self._decay) * variable)

    def update_scale(self, *, is_finite: bool) -> None:
        """Adapts the dynamic loss scale to whether all gradients were finite."""
        since = float(self._since.numpy()) + 1
        if not is_finite:
            self._scale.assign(max(1.0, float(self._scale.numpy()) / 2))
            since = 0.0
        elif since == UPDATES_UNTIL_DOUBLED:
            self._scale.assign(float(self._scale.numpy()) * 2)
            since = 0.0
        self._since.assign(since)

    @property
    def _has_no_scale(self) -> bool:
        return not self.is_checked and self._scale == 1.0


def trained_variables(model) -> list[keras.Variable]:
    """Returns the weights that are trained: the head's, then the backbone's."""
    return [*model.head.trainable_variables, *model.backbone.trainable_variables]


def averages_of(variables: Sequence[keras.Variable]) -> list[keras.Variable]:
    """Returns variables for the running averages of others, which begin at their values."""
    return [
        _variable(keras.ops.convert_to_numpy(v), f"average_{i:05d}")
        for i, v in enumerate(variables)
    ]


def _variable(value: np.ndarray, name: str) -> keras.Variable:
    return keras.Variable(value, trainable=False, dtype="float32", name=name)
