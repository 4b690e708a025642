"""A few steps with TensorFlow's `TrainingStep` or JAX's pure step, to be compared."""

import functools

import keras
import numpy as np
from small_runs import BASE, FORMATS

from skelbridge.acae import Acae
from skelbridge.nn import MetricPoseModel
from skelbridge.training.config_file import config_of
from skeleton_defs import JointRegistry

REGISTRY = JointRegistry(FORMATS)


def config(variant=None, **changes):
    """That of the small runs without a store; dots in keys are written `__`."""
    lines = [f"{key.replace('__', '.')}={value}" for key, value in changes.items()]
    if variant:
        names = {"variant": variant, "run": "none", "acae": "none"}
        lines += [f"fine_tuning.{key}={value}" for key, value in names.items()]
    return config_of(BASE | {"store": "none"}, changes=lines)


@functools.cache
def acae():
    rng = np.random.default_rng(0)
    w1, w2 = rng.uniform(size=(len(REGISTRY), 6)), rng.uniform(size=(6, len(REGISTRY)))
    return Acae(w1 / w1.sum(0), w2 / w2.sum(0), joint_names=REGISTRY.names)


@functools.cache
def batch(number):
    """People in front of noise."""
    rng = np.random.default_rng([1, number])
    size, joints, side = 8, len(REGISTRY), 64
    k = np.tile(np.float32([[120, 0, 31.5], [0, 120, 31.5], [0, 0, 1]]), (size, 1, 1))
    poses = rng.normal([0, 0, 4000], [300, 500, 200], (size, joints, 3)).astype(np.float32)
    is_3d = np.arange(size) < 6
    return {
        "image": rng.integers(0, 256, (size, side, side, 3), dtype=np.uint8),
        "K": k,
        "joints3d": poses,
        "mask3d": (rng.random((size, joints)) < 0.8) & is_3d[:, None],
        "joints2d": np.float32(31.5 + 120 * poses[..., :2] / poses[..., 2:]),
        "mask2d": np.ones((size, joints), bool),
        "is_3d": is_3d,
        "dataset": np.zeros(size, np.int32),  # passed over
    }


def model(settings):
    """The network of a configuration; start weights are the same on all backends."""
    variant = settings.fine_tuning.variant if settings.fine_tuning else "control"
    points = {"latent": 6, "hybrid": [6, len(REGISTRY)]}.get(variant, len(REGISTRY))
    composition, pieces = settings.data.composition(), settings.optimizer.accumulate
    network = MetricPoseModel(
        points,
        crop=settings.data.crop,
        part_sizes=settings.model.part_sizes(
            composition.n_3d // pieces, composition.n_2d // pieces
        ),
        precision=settings.model.precision,
    )
    rng = np.random.default_rng(2)
    for variable in network.trainable_variables:
        if len(variable.shape) > 1:
            deviation = np.sqrt(2 / np.prod(variable.shape[:-1]))
            variable.assign(rng.normal(0, deviation, variable.shape))
    return network


@functools.cache
def prepared(*arguments, **changes):
    """A state, the pure step and its network for a configuration; compiled once."""
    from skelbridge.training.pure_step import make_pure_step

    settings = config(*arguments, **changes)
    network = model(settings)
    return *make_pure_step(settings, REGISTRY, network, acae()), network


def trained(steps, *arguments, **changes):
    """Losses by step, what a checkpoint would hold, and the `numbers_of` the network."""
    found = []
    if keras.config.backend() == "jax":
        state, step, network = prepared(*arguments, **changes)
        start = state
        for number in range(steps):
            state, losses = step(state, batch(number), number)
            found.append(losses)
        step.assign(state)
    else:
        from skelbridge.training.step import TrainingStep

        settings = config(*arguments, **changes)
        network = model(settings)
        step = TrainingStep(settings, REGISTRY, network, acae())
        found = [step(batch(number), number) for number in range(steps)]
    losses = [{name: np.asarray(x).tolist() for name, x in terms.items()} for terms in found]
    shapes = [list(v.shape) for v in step.variables]
    numbers = {"losses": losses, "shapes": shapes} | numbers_of(network)
    if keras.config.backend() == "jax":
        step.assign(start)
    return numbers


@functools.cache
def forward(network):
    """A function of trainable and other variables and inputs, compiled where that is quicker."""
    if keras.config.backend() != "jax":
        return lambda _, __, inputs: network(inputs, training=False)["joints3d"]
    import jax

    return jax.jit(lambda *values: network.stateless_call(*values, training=False)[0]["joints3d"])


def predicted(network):
    some = batch(99)
    inputs = {"image": np.float32(some["image"]) / 255, "K": some["K"]}
    values = (network.trainable_variables, network.non_trainable_variables)
    found = forward(network)(*([v.value for v in part] for part in values), inputs)
    return np.asarray(keras.ops.convert_to_numpy(found))


def numbers_of(network):
    """What its training led to."""

    def arrays(variables):
        return [np.asarray(keras.ops.convert_to_numpy(v), float) for v in variables]

    statistics = [v for v in network.non_trainable_variables if "moving" in v.path]
    return {
        "statistics": [float(np.abs(array).mean()) for array in arrays(statistics)],
        "weights": [array.ravel()[:50].tolist() for array in arrays(network.trainable_variables)],
        "predicted": predicted(network).tolist(),
    }


def check_separate_heads():
    """Through all phases: weak perspective, without absolute loss, with stored statistics."""
    return trained(8)
