"""What a configuration's network costs: weights, operations, memory, and seconds on this machine.

TensorFlow. Nothing here depends on data, and no weights are read from files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from .config import TrainConfig
from .graph_costs import flops_of, memory_of, needed_operations
from .network import build_model
from .trainer import prepared_step

#: So many examples are measured at once at most, and so many operations a second are assumed to
#: choose fewer. Graphs of more parts of ghost batch normalisation take minutes to build.
_MOST = {"CPU": 16, "GPU": 128}
_ASSUMED = {"CPU": 1e10, "GPU": 5e12}
_COMPILED_BELOW = 2e9


@dataclass(frozen=True)
class NetworkCosts:
    """What the network of a configuration costs.

    Attributes:
      stride: of the backbone's output, px.
      backbone_parameters, head_parameters: numbers of weights that are trained.
      weight_bytes: of all weights, moving statistics included.
      optimizer_bytes: of Adam's two moments, and of running averages.
      examples: that go through the network at once.
      kept_bytes: of these, what the forward pass leaves for the backward pass.
      working_bytes: the most that both passes need at any time: what is kept, gradients and what is
        being computed. Without the workspace of convolutions.
      flops: operations of both passes, two per multiplication.
    """

    stride: int
    backbone_parameters: int
    head_parameters: int
    weight_bytes: int
    optimizer_bytes: int
    examples: int
    kept_bytes: int
    working_bytes: int
    flops: int

    @property
    def memory(self) -> int:
        """Bytes that a step needs."""
        return self.weight_bytes + self.optimizer_bytes + self.working_bytes


def network_costs(config: TrainConfig) -> NetworkCosts:
    """Builds the network and the graph of its gradients, and returns what they cost."""
    composition = config.data.composition()
    examples = (composition.n_3d + composition.n_2d) // config.optimizer.accumulate
    # Parts of the batch change nothing here but the time that this takes.
    whole = dataclasses.replace(config.model, ghost_part=examples)
    config = with_batch(config.replaced(model=whole), examples)
    model = build_model(config, config.data.registry(), None)
    graph, backward = _gradient_graph(model, config.data.crop, examples)
    operations = needed_operations(graph)
    turn = next(i for i, op in enumerate(operations) if op in backward)
    after, most = memory_of(operations, kept=graph.outputs)
    trained = [_count(part.trainable_weights) for part in (model.backbone, model.head)]
    copies = 2 if config.optimizer.average is None else 3
    return NetworkCosts(
        stride=model.grid.stride,
        backbone_parameters=trained[0],
        head_parameters=trained[1],
        weight_bytes=4 * _count(model.weights),
        optimizer_bytes=4 * copies * sum(trained),
        examples=examples,
        kept_bytes=after[turn - 1],
        working_bytes=most,
        flops=flops_of(operations),
    )


def with_batch(config: TrainConfig, examples: int) -> TrainConfig:
    """Returns a configuration of other data: so many examples at once, a quarter with 2D labels."""
    two_d = examples // 4
    data = dataclasses.replace(
        config.data,
        batch=None,
        three_d={"measured": examples - two_d},
        two_d={"measured": two_d} if two_d else {},
    )
    return config.replaced(
        data=data,
        model=dataclasses.replace(config.model, weights=None),
        optimizer=dataclasses.replace(config.optimizer, accumulate=1),
        fine_tuning=None,
    )


def synthetic_batch(config: TrainConfig) -> dict[str, np.ndarray]:
    """Returns arrays like a batch of a configuration's data: noise, people in front of a camera."""
    composition, joints = config.data.composition(), len(config.data.registry())
    n, side = composition.n_3d + composition.n_2d, config.data.crop
    random = np.random.default_rng(0)
    is_3d = np.arange(n) < composition.n_3d
    K = np.array([[2.0 * side, 0, side / 2], [0, 2.0 * side, side / 2], [0, 0, 1]], np.float32)
    joints3d = random.normal([0, 0, 4000], 300, (n, joints, 3)).astype(np.float32)
    seen = joints3d @ K.T
    is_labelled = random.random((n, joints)) < 0.1
    return {
        "image": random.integers(0, 256, (n, side, side, 3), np.uint8),
        "K": np.broadcast_to(K, (n, 3, 3)).copy(),
        "joints3d": joints3d,
        "mask3d": is_labelled & is_3d[:, None],
        "joints2d": seen[..., :2] / seen[..., 2:],
        "mask2d": is_labelled,
        "is_3d": is_3d,
    }


@dataclass(frozen=True)
class MeasuredStep:
    """Seconds of training steps on this machine.

    Attributes:
      examples: of the batches that were measured.
      seconds: the fastest of some steps.
      device: what TensorFlow ran on.
    """

    examples: int
    seconds: float
    device: str


def measured_step(
    config: TrainConfig, costs: NetworkCosts, *, seconds: float = 30.0
) -> MeasuredStep:
    """Trains with made-up arrays for a while.

    Args:
      config: of the run.
      costs: of its network.
      seconds: about the time to take, beside that for building the graph.
    """
    device = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    affordable = _ASSUMED[device] * seconds / 3 / (costs.flops / costs.examples)
    examples = max(2, min(costs.examples, _MOST[device], int(affordable)))
    measured = with_batch(config, examples)
    step = prepared_step(measured, measured.data.registry(), start_weights=False)
    arrays = synthetic_batch(measured)
    # Compiling a large network takes longer than its steps, which hardly gain.
    is_compiled = device == "GPU" or costs.flops < _COMPILED_BELOW * costs.examples
    found, end = [], time.perf_counter() + seconds
    with contextlib.nullcontext() if is_compiled else _uncompiled():
        for number in range(5):
            start = time.perf_counter()
            step(arrays, number)
            tf.test.experimental.sync_devices()
            found.append(time.perf_counter() - start)
            if time.perf_counter() > end and number:
                break
    return MeasuredStep(examples, min(found[1:]), device)


@contextlib.contextmanager
def _uncompiled() -> Iterator[None]:
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def _gradient_graph(
    model: keras.Model, side: int, examples: int
) -> tuple[tf.Graph, frozenset[tf.Operation]]:
    """Builds a forward and a backward pass; returns the graph and what in it is backward."""
    trained = [w.value for w in model.trainable_weights]
    forward: list[tf.Operation] = []

    def gradients(inputs: Mapping):
        with tf.GradientTape() as tape:
            images = tf.cast(inputs["image"], tf.float32) / 255
            poses = model(inputs | {"image": images}, training=True)["joints3d"]
            size = tf.reduce_mean(poses)
        forward[:] = tf.compat.v1.get_default_graph().get_operations()
        return tape.gradient(size, trained)

    inputs = {
        "image": tf.TensorSpec((examples, side, side, 3), tf.uint8),
        "K": tf.TensorSpec((examples, 3, 3), tf.float32),
    }
    graph = tf.function(gradients, autograph=False).get_concrete_function(inputs).graph
    return graph, frozenset(graph.get_operations()) - frozenset(forward)


def _count(weights: Sequence[keras.Variable]) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)
