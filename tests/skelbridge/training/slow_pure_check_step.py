"""Checks of the pure step that take long; they need JAX."""

import functools

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from keras_numbers import raises
from pure_check_numbers import REGISTRY, batch, config, model, predicted, prepared
from pure_check_step import agree, arrays_of, data_parallel, losses_and_state, same

from skelbridge.training.pure_step import make_pure_step, state_to_model


def check_compiled_by_the_caller():
    """With a traced number, and the old state's memory given away."""
    state, step, network = prepared()
    own = jax.jit(functools.partial(step, uses_stored_statistics=False), donate_argnums=0)
    inputs = {name: value for name, value in batch(0).items() if name != "dataset"}
    expected, _ = step(state, inputs, 0)
    given = jax.tree.map(jnp.copy, state)
    found, _ = own(given, inputs, 0)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given["trainable"]))
    for a, b in zip(arrays_of(found), arrays_of(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    raises("uses_stored_statistics must be True or False", jax.jit(step), state, inputs, 0)
    before = [v.numpy() for v in network.variables]
    state_to_model(found, network)
    np.testing.assert_array_equal(network.backbone.weights[0].numpy(), found["trainable"][0])
    own(found, inputs, 1)
    assert np.isfinite(predicted(network)).all()  # the model has copies
    for variable, value in zip(network.variables, before, strict=True):
        variable.assign(value)


def check_two_devices_for_long():
    """A share is 4 examples; parts of ghost batch normalisation are 3, 3 and 2."""
    settings = config(steps=400, model__batch_norm="ghost", model__ghost_part=3)
    network = model(settings)
    state, step = make_pure_step(settings, REGISTRY, network)
    expected = losses_and_state(step, state, 20)
    mesh = Mesh(np.array(jax.devices()), ("replicas",))

    def placed(state, inputs):
        by_example = NamedSharding(mesh, PartitionSpec("replicas"))
        everywhere = NamedSharding(mesh, PartitionSpec())
        return jax.device_put(state, everywhere), jax.device_put(inputs, by_example)

    on_mesh = losses_and_state(step, state, 20, placed)
    by_keras = data_parallel(settings, 20)
    assert on_mesh[2] == by_keras[2] == [2, 2]
    return [agree(network, found, expected) for found in (on_mesh, by_keras)]


def check_mixed_precision():
    """float16 with a static scale learns as float32; a dynamic one is halved by an overflow."""
    settings = config(model__precision="mixed_float16")
    state, step = make_pure_step(settings, REGISTRY, model(settings))
    reference, plain, _ = prepared()
    for number in range(3):
        state, losses = step(state, batch(number), number)
        reference, expected = plain(reference, batch(number), number)
        np.testing.assert_allclose(losses["total"], expected["total"], rtol=0.02)
    assert all(v.dtype == jnp.float32 for v in state["trainable"])

    settings = config(
        model__precision="mixed_float16", optimizer__loss_scale="dynamic",
        losses__projection=3e38,
    )  # fmt: skip
    state, step = make_pure_step(settings, REGISTRY, model(settings))
    after, _ = step(state, batch(0), 0)
    assert [v.name for v in step.variables[-2:]] == ["loss_scale", "updates_since_overflow"]
    assert [float(v) for v in state["optimization"][-2:]] == [32768, 0]
    assert [float(v) for v in after["optimization"][-2:]] == [16384, 0]
    assert same(after["trainable"], state["trainable"])
    assert same(after["optimization"][:-2], state["optimization"][:-2])
