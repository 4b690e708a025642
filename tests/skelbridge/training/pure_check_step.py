"""Checks of the pure step, which need JAX; see `keras_backends`."""

import os
import sys

# Two devices out of one processor; read when JAX is used first.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)

import jax
import keras
import numpy as np
from pure_check_numbers import REGISTRY, batch, config, model, predicted, prepared
from small_runs import folder

from skelbridge.data.randomness import uniforms
from skelbridge.training.checkpoints import load_checkpoint, save_checkpoint
from skelbridge.training.pure_step import make_pure_step, state_to_model
from skelbridge.training.traced_uniforms import traced_uniforms


def arrays_of(tree):
    return [np.array(leaf) for leaf in jax.tree.leaves(tree)]


def same(tree, other):
    pairs = list(zip(arrays_of(tree), arrays_of(other), strict=True))
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


def check_pure():
    """The same arguments give the same results, bitwise; arguments and model stay."""
    state, step, network = prepared()
    before = arrays_of([state, batch(0)]), [v.numpy() for v in network.variables]
    first, losses = step(state, batch(0), 0)
    second, other = step(first, batch(1), 1)
    assert same(step(state, batch(0), 0), (first, losses))
    assert same(step(first, batch(1), 1), (second, other))
    assert same(before[0], [state, batch(0)])
    assert same(before[1], [v.numpy() for v in network.variables])
    assert not same(first["trainable"], state["trainable"])
    assert not same(first["non_trainable"], state["non_trainable"])
    assert losses["per_example"].shape == (8,) and (losses["per_example"][6:] == 0).all()
    # The number decides: weak perspective in steps 0 and 1 only.
    assert not same(step(first, batch(1), 2), (second, other))
    # Statistics stay in the last steps of the run.
    last, _ = step(first, batch(5), 5)
    assert same(last["non_trainable"], first["non_trainable"])
    assert not same(last["trainable"], first["trainable"])


def check_uniforms():
    for seed in (0, 3, 2**63 - 1):
        for number in (0, 1, 399_999):
            expected = uniforms(seed, number, np.arange(40), 1000, 1)[:, 0]
            found = jax.jit(lambda n, seed=seed: traced_uniforms(seed, n, 40, 1000))(number)
            np.testing.assert_allclose(found, expected, atol=1e-7)


def check_rates():
    long = {"steps": 1000, "phases__stored_statistics_last": 0}
    for settings in (config(**long), config("output", **long, rates__backbone_drop=4)):
        _, step = make_pure_step(settings, REGISTRY, model(settings))
        numbers = np.arange(1000)
        found = jax.vmap(step.rates)(numbers)
        for name in ("head", "backbone"):
            expected = [settings.rates_at(number)[name] for number in range(1000)]
            np.testing.assert_allclose(found[name], expected, rtol=2e-6)


def check_gone_on_from_a_checkpoint():
    start, step, _ = prepared()
    state, _ = step(start, batch(0), 0)
    expected, _ = step(state, batch(1), 1)
    path, held = folder() / "step_000000001.npz", step.state()
    step.assign(state)
    save_checkpoint(path, step.variables, {"step": 1})
    step.assign(held)
    assert same(step.state(), start)
    load_checkpoint(path, step.variables)
    assert same(step.state(), state)
    assert same(step(step.state(), batch(1), 1)[0], expected)
    step.assign(held)


def losses_and_state(step, state, steps, place=lambda state, inputs: (state, inputs)):
    """What so many steps find and lead to, and on how many devices weights and losses are."""
    found = []
    for number in range(steps):
        inputs = {name: value for name, value in batch(number).items() if name != "dataset"}
        state, losses = step(*place(state, inputs), number)
        found.append({name: np.asarray(value) for name, value in losses.items()})
    devices = [len(x.sharding.device_set) for x in (state["trainable"][0], losses["per_example"])]
    return found, jax.tree.map(np.asarray, state), devices


def data_parallel(settings, steps):
    """`losses_and_state` with the devices of `keras.distribution`."""
    try:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        state, step = make_pure_step(settings, REGISTRY, model(settings))
        return losses_and_state(step, state, steps)
    finally:
        keras.distribution.set_distribution(None)


def agree(network, found, expected):
    """Losses and what a network predicts afterwards; returns the largest differences."""
    ratios, poses = [], []
    for losses, others in zip(found[0], expected[0], strict=True):
        for name, value in losses.items():
            np.testing.assert_allclose(value, others[name], rtol=1e-5, atol=1e-7)
        ratios.append(abs(losses["total"] / others["total"] - 1))
    before = [v.numpy() for v in network.variables]
    for _, state, _ in (found, expected):
        state_to_model(state, network)
        poses.append(predicted(network))
    for variable, value in zip(network.variables, before, strict=True):
        variable.assign(value)
    np.testing.assert_allclose(*poses, rtol=1e-5, atol=0.05)  # mm
    return float(max(ratios)), float(np.abs(poses[0] - poses[1]).max())


def check_two_devices_of_keras():
    """A share is 4 examples; parts of ghost batch normalisation are 6 and 2."""
    assert jax.device_count() == 2
    state, step, network = prepared()
    expected = losses_and_state(step, state, 4)
    assert expected[2] == [1, 1]
    found = data_parallel(config(), 4)
    assert found[2] == [2, 2]
    return agree(network, found, expected)


def check_no_tensorflow():
    assert "tensorflow" not in sys.modules
