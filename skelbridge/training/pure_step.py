"""The training step as a pure function of arrays, for JAX (KERAS_BACKEND=jax).

It computes what `step.TrainingStep` does with TensorFlow, which is not needed here:

    config = load_config("config.yaml")
    registry = config.data.registry()
    model = build_model(config, registry, None)
    state, step = make_pure_step(config, registry, model)
    for number, batch in enumerate(feed.batches(0, config.steps)):
        state, losses = step(state, batch, number)
    step.assign(state)
    save_checkpoint(checkpoint_path(folder, config.steps), step.variables, {})

Several devices: between `keras.distribution.set_distribution(keras.distribution.DataParallel())`
and the end, the loop stays as it is (the model must be built after that line): weights are on all
devices, the examples of a batch are divided among them. Means, parts of ghost batch normalisation
and moving statistics are those of the whole batch, which every process makes. With a mesh of one's
own, place state and batch (`jax.device_put`) before the first step.

A loop of one's own compiles the step itself, e.g. to let it reuse the old state's memory:

    first = jax.jit(functools.partial(step, uses_stored_statistics=False), donate_argnums=0)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp

from skeleton_defs import JointRegistry, UserError

from ..acae.matrices import Acae
from ..nn import MetricPoseModel
from .config import TrainConfig
from .losses import per_example_errors
from .network import INPUTS, MIXING
from .optimizing import UPDATES_UNTIL_DOUBLED, Optimization
from .traced_uniforms import traced_uniforms
from .variants import objective_of

#: Role -> arrays: `trainable` and `non_trainable` of the model (moving statistics and states of
#: random generators too), `optimization`.
State = dict[str, list[jax.Array]]


def make_pure_step(
    config: TrainConfig,
    registry: JointRegistry,
    model: MetricPoseModel,
    acae: Acae | None = None,
) -> tuple[State, PureStep]:
    """Returns the state that training begins with, and the step.

    Args:
      config: of the run.
      registry: its joint vector.
      model: the network with its start weights, which training leaves as they are.
      acae: the fitted autoencoder, where the variant needs one.

    Raises:
      UserError: Keras runs on another backend.
    """
    step = PureStep(config, registry, model, acae)
    return step.state(), step


def state_to_model(state: State, model: MetricPoseModel) -> None:
    """Sets a model's weights and statistics to those of a state."""
    _assign(model.trainable_variables, state["trainable"])
    _assign(model.non_trainable_variables, state["non_trainable"])


class PureStep:
    """Computes the next state from a state, a batch and its number.

    Neither model nor arguments are changed: the same arguments give the same results. Random
    numbers, rates and phases follow from the number.

    Args:
      config, registry, model, acae: see `make_pure_step`.

    Attributes:
      variables: of model and optimisation, for `load_checkpoint` (then `state`) and, after
        `assign`, for `save_checkpoint`.
    """

    def __init__(
        self,
        config: TrainConfig,
        registry: JointRegistry,
        model: MetricPoseModel,
        acae: Acae | None = None,
    ):
        if keras.config.backend() != "jax":
            raise UserError(
                "the pure step needs Keras on JAX. Received the backend "
                f"'{keras.config.backend()}'; set KERAS_BACKEND=jax before Keras is imported"
            )
        self._config, self._model = config, model
        self._optimization = Optimization(config, model)
        self._objective = objective_of(config, registry, model.grid, acae)
        batch, pieces = config.data.composition(), config.optimizer.accumulate
        self._pieces = (
            np.stack([batch.share(i, pieces) for i in range(pieces)]) if pieces > 1 else None
        )
        places = {id(v): i for i, v in enumerate(model.trainable_variables)}
        self._trained = [places[id(v)] for v in self._optimization.trained]
        self._compiled = jax.jit(self._traced, static_argnames="training")

    @property
    def variables(self) -> list[keras.Variable]:
        """Those of the model, then those of the optimisation."""
        return [*self._model.variables, *self._optimization.variables]

    def state(self) -> State:
        """Returns copies of what the variables hold."""
        return {
            name: [jnp.copy(v.value) for v in variables]
            for name, variables in self._variables().items()
        }

    def assign(self, state: State) -> None:
        """Sets the variables to a state."""
        for name, variables in self._variables().items():
            _assign(variables, state[name])

    def rates(self, number) -> dict[str, jax.Array]:
        """Returns the learning rates of head and backbone in a step, whose number may be traced."""
        rates, total = self._config.rates, self._config.steps
        number = jnp.asarray(number, jnp.float32)

        def decayed(rate, first, last):
            return rate * rates.decay ** -((number - first) / (last - first))

        def with_drop(share):
            drop_at = share * total
            return jnp.where(
                number < drop_at,
                decayed(rates.base, 0, drop_at),
                decayed(rates.base / rates.drop, drop_at, total),
            )

        if self._config.fine_tuning is None:
            rate = with_drop(rates.drop_at)
            return {"head": rate, "backbone": rate}
        return {
            "head": with_drop(rates.fine_tuning_drop_at),
            "backbone": decayed(rates.base / rates.backbone_drop, 0, total),
        }

    def __call__(
        self,
        state: State,
        batch: Mapping[str, Any],
        number,
        *,
        uses_stored_statistics: bool | None = None,
    ) -> tuple[State, dict[str, jax.Array]]:
        """Returns the next state and the losses.

        Args:
          state: from `make_pure_step` or a step.
          batch: of `skelbridge.data.BatchFeed`.
          number: of the step, from 0.
          uses_stored_statistics: whether the step is one of the last ones, that normalise by stored
            statistics; None: as the number says, which must be known then (compiled by the caller,
            it is not).

        Returns:
          The state, and the losses by name with `per_example` `(B,)`, mean-relative, in metres.
        """
        if uses_stored_statistics is None:
            if isinstance(number, jax.core.Tracer):
                raise UserError(
                    "uses_stored_statistics must be True or False where the number of the step is "
                    "traced: the two kinds of steps are compiled one by one"
                )
            config = self._config
            uses_stored_statistics = config.phases.uses_stored_statistics(int(number), config.steps)
        inputs = {name: _divided(batch[name]) for name in INPUTS}
        number = jnp.asarray(number, jnp.int32)
        return self._compiled(state, inputs, number, training=not uses_stored_statistics)

    def _variables(self) -> dict[str, list[keras.Variable]]:
        return {
            "trainable": self._model.trainable_variables,
            "non_trainable": self._model.non_trainable_variables,
            "optimization": self._optimization.variables,
        }

    def _traced(self, state: State, inputs, number, *, training: bool):
        mix = traced_uniforms(self._config.seed, number, len(inputs["image"]), MIXING)
        inputs = inputs | {"mix": mix}

        def differentiated(non_trainable, inputs):
            values = state | {"non_trainable": non_trainable}
            (_, (found, after)), gradients = jax.value_and_grad(self._loss, has_aux=True)(
                state["trainable"], values, inputs, number, training
            )
            return after, gradients, found

        if self._pieces is None:
            after, gradients, found = differentiated(state["non_trainable"], inputs)
        else:
            after, gradients, found = self._in_pieces(state, inputs, differentiated)
        trainable, optimization = self._updated(state, gradients, number)
        new = {"trainable": trainable, "non_trainable": after, "optimization": optimization}
        return new, found

    def _loss(self, trainable, state: State, inputs, number, training: bool):
        """Returns the scaled loss, and all losses with the non-trainable variables."""
        batch = inputs | {"image": inputs["image"].astype("float32") / 255}
        predicted, after = self._model.stateless_call(
            trainable, state["non_trainable"], batch,
            training=training, mix=batch.pop("mix"),
            is_full_perspective=number >= self._config.phases.full_perspective_from,
        )  # fmt: skip
        terms, poses = self._objective(predicted["joints3d"], batch, number)
        with self._holding(state):
            loss = self._optimization.scaled(terms["total"])
        return loss, (terms | {"per_example": per_example_errors(poses, batch)}, after)

    def _in_pieces(self, state: State, inputs, differentiated):
        """Goes through the network in pieces; means of their losses and gradients."""

        def add(before, piece):
            after, gradients, found = differentiated(before[0], piece)
            return (after, [a + b for a, b in zip(before[1], gradients, strict=True)]), found

        cut = {name: value[self._pieces] for name, value in inputs.items()}
        zeros = [jnp.zeros_like(v) for v in state["trainable"]]
        (after, gradients), found = jax.lax.scan(add, (state["non_trainable"], zeros), cut)
        errors = found.pop("per_example")
        per_example = jnp.zeros(errors.size).at[self._pieces.ravel()].set(errors.ravel())
        means = {name: jnp.mean(values) for name, values in found.items()}
        return (
            after,
            [g / len(self._pieces) for g in gradients],
            means | {"per_example": per_example},
        )

    def _updated(self, state: State, gradients, number):
        """Returns the weights and the optimisation's variables after an update."""
        optimization, trained = self._optimization, self._model.trainable_variables
        with self._holding(state) as scope:
            gradients = optimization.unscaled([gradients[i] for i in self._trained])
            optimization.set_rates(self.rates(number))
            optimization.apply(gradients)
        weights = [scope.get_current_value(v) for v in trained]
        others = [scope.get_current_value(v) for v in optimization.variables]
        if optimization.is_checked:
            finite = jnp.all(jnp.stack([jnp.isfinite(g).all() for g in gradients]))
            *others, _, _ = others
            *before, scale, since = state["optimization"]
            weights = _chosen(finite, weights, state["trainable"])
            others = [*_chosen(finite, others, before), *_next_scale(finite, scale, since)]
        return weights, others

    def _holding(self, state: State) -> keras.StatelessScope:
        """Lets the variables of model and optimisation hold a state, inside of a `with` block."""
        held = self._variables()
        return keras.StatelessScope(
            [pair for name in held for pair in zip(held[name], state[name], strict=True)]
        )


def _next_scale(is_finite, scale, since) -> list[jax.Array]:
    """The dynamic loss scale, and the updates since it overflowed or was doubled."""
    since = jnp.where(is_finite, since + 1, 0.0)
    is_doubled = since == UPDATES_UNTIL_DOUBLED
    smaller = jnp.maximum(1.0, scale / 2)
    scale = jnp.where(is_finite, jnp.where(is_doubled, scale * 2, scale), smaller)
    return [scale, jnp.where(is_doubled, 0.0, since)]


def _chosen(condition, arrays: Sequence, others: Sequence) -> list[jax.Array]:
    return [jnp.where(condition, a, b) for a, b in zip(arrays, others, strict=True)]


def _assign(variables: Sequence[keras.Variable], values: Sequence) -> None:
    for variable, value in zip(variables, values, strict=True):
        # A copy: the state's memory may be given to a later step.
        variable.assign(jnp.copy(value))


def _divided(array):
    """An array whose first axis is divided among devices as `keras.distribution` says."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return array
    layout = distribution.get_data_layout(np.shape(array))
    return keras.distribution.distribute_tensor(array, layout)
