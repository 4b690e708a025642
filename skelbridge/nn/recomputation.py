"""A network whose activations are computed again for the gradient instead of being kept.

The network is cut where one tensor carries everything (between residual blocks). Of each segment
the input is kept and its inside computed twice. A segment runs as a pure function of its input,
weights and state, so that the second time moving statistics stay as they are and stochastic depth
drops what it dropped the first time: values and gradients are those of the network itself.
"""

from __future__ import annotations

import inspect
import itertools
import math
from dataclasses import dataclass

import keras
from keras import ops

#: Passes of TensorFlow's graph optimiser that can undo recomputation: they fold away the addition
#: by which `tf.recompute_grad` waits for the upstream gradient. Without them a step of
#: EfficientNetV2-S takes what it should; without constant folding alone it does not.
_UNDOING_PASSES = ("constant_folding", "arithmetic_optimization", "dependency_optimization")
#: Sizes of the largest segment that are tried: the whole network's, divided by sqrt(2) each time.
_TRIALS = 24


@dataclass(frozen=True)
class _From:
    """The output of the call of a number; -1: the network's input."""

    number: int


@dataclass(frozen=True)
class _Call:
    """A layer or operation, its arguments with `_From` in place of tensors, its output's size."""

    operation: keras.Operation
    arguments: tuple
    options: dict
    inputs: frozenset[int]
    size: int


class RecomputedNetwork:
    """Calls a functional network of one input and one output, segment by segment.

    Args:
      network: each of its layers is called once; it is not changed and keeps its variables.

    Attributes:
      segments: numbers of the first layer and behind the last layer of each.
      kept, largest: numbers per example: inputs of segments, and inside of the largest segment.
    """

    def __init__(self, network: keras.Model):
        self._dtype = network.compute_dtype
        self._calls = _calls(network)
        self.segments, self.kept, self.largest = _segments(self._calls)

    def __call__(self, inputs, *, training: bool):
        """Returns the network's output; updates its state if training."""
        x = ops.cast(inputs, self._dtype)
        for first, end in self.segments:
            x = self._run(x, first, end, training)
        return x

    def _run(self, x, first: int, end: int, training: bool):
        operations = [call.operation for call in self._calls[first:end]]
        layers = [x for x in operations if isinstance(x, keras.Layer)]
        trained = [v for layer in layers for v in layer.trainable_variables]
        others = [v for layer in layers for v in layer.non_trainable_variables]
        state = [ops.copy(v) for v in others]  # the variables themselves change before the gradient

        def forward(x, weights):
            values = [*weights, *state]
            with keras.StatelessScope(zip([*trained, *others], values, strict=True)) as scope:
                y = self._called(x, first, end, training)
            return y, [scope.get_current_value(v) for v in others]

        weights = [ops.convert_to_tensor(v) for v in trained]
        y, state_after = _recomputed(forward, x, weights)
        if training:
            for variable, value in zip(others, state_after, strict=True):
                variable.assign(value)
        return y

    def _called(self, x, first: int, end: int, training: bool):
        tensors = {first - 1: x}
        for number, call in enumerate(self._calls[first:end], first):
            arguments, options = keras.tree.map_structure(
                lambda value: tensors[value.number] if isinstance(value, _From) else value,
                (call.arguments, call.options),
            )
            if "training" in inspect.signature(call.operation.call).parameters:
                options["training"] = training
            tensors[number] = call.operation(*arguments, **options)
        return tensors[end - 1]


def keep_recomputation() -> None:
    """Makes TensorFlow leave recomputation in the functions that this process compiles from now on.

    The passes are off for other functions, too. Other backends need nothing.
    """
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options(dict.fromkeys(_UNDOING_PASSES, False))


def _recomputed(forward, x, weights):
    if keras.config.backend() != "tensorflow":
        return keras.remat(forward)(x, weights)
    states = []  # beside the function: TensorFlow wants gradients of all that it returns

    def output(x, *weights):
        y, state = forward(x, weights)
        states.append(state)
        return y

    return keras.remat(output)(x, *weights), states[0]


def _calls(network: keras.Model) -> list[_Call]:
    """What the network calls, in an order in which it can be."""
    numbers, calls = {id(network.input): -1}, []
    for operation in network.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        # The only public way to a layer's inputs, `layer.input`, leaves out constants.
        call = operation._inbound_nodes[0].arguments
        arguments, options = keras.tree.map_structure(
            lambda value: (
                _From(numbers[id(value)]) if isinstance(value, keras.KerasTensor) else value
            ),
            (call.args, call.kwargs),
        )
        found = keras.tree.flatten((arguments, options))
        inputs = frozenset(value.number for value in found if isinstance(value, _From))
        numbers[id(operation.output)] = len(calls)
        size = math.prod(operation.output.shape[1:])
        calls.append(_Call(operation, arguments, options, inputs, size))
    return calls


def _segments(calls: list[_Call]) -> tuple[list[tuple[int, int]], int, int]:
    """The cuts for which what is kept and the largest segment's inside take least together."""
    last_use = {i: number for number, call in enumerate(calls) for i in call.inputs}
    ends, open_until = [], last_use[-1]
    for number in range(len(calls)):
        if open_until <= number:  # nothing earlier is used behind this layer
            ends.append(number + 1)
        open_until = max(open_until, last_use.get(number, number))
    total = [0, *itertools.accumulate(call.size for call in calls)]
    best = None
    for trial in range(_TRIALS):
        found = _cheapest(ends, total, calls, limit=total[-1] / 2 ** (trial / 2))
        if found is None:
            break
        kept, segments = found
        largest = max(total[end - 1] - total[first] for first, end in segments)
        if best is None or kept + largest < best[1] + best[2]:
            best = segments, kept, largest
    return best


def _cheapest(ends, total, calls, *, limit):
    """Cuts that keep least, with no more than `limit` numbers inside of a segment; None: none."""
    found = {0: (0, [])}
    for end in ends:
        options = [
            (found[first][0], found[first][1], first)
            for first in found
            if total[end - 1] - total[first] <= limit
        ]
        if options:
            kept, segments, first = min(options, key=lambda option: option[0])
            found[end] = kept + calls[end - 1].size, [*segments, (first, end)]
    return found.get(len(calls))
