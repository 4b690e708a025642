"""A network whose activations are computed again gives the numbers of the network itself."""

import keras
import numpy as np
from keras import ops
from keras_numbers import BACKEND, numpy_of
from people_in_crops import intrinsics

from skelbridge import nn
from skelbridge.nn.recomputation import RecomputedNetwork


def with_stochastic_depth(crop=32, blocks=3):
    """A network with everything that has state: ghost batch norm and a random drop."""
    make = nn.backbones.small_cnn._Maker([3, 1], 7)
    image = keras.Input((crop, crop, 3))
    x = make.convolution(image, 8, "a", halves=True)
    for block in range(blocks):
        y = make.convolution(x, 8, f"block{block}")
        y = keras.layers.Dropout(0.5, noise_shape=(None, 1, 1, 1), seed=block)(y)
        x = keras.layers.Add()([x, y])
    x = make.convolution(x, 16, "b", halves=True, pads_near=True)
    return keras.Model(image, x * 0.5 + 0.25)


IMAGES = np.float32(np.random.default_rng(0).random((4, 32, 32, 3)))


def steps(network, call, training):
    """Outputs, gradients and state of two calls one after the other."""
    weights = np.float32(np.random.default_rng(1).normal(size=(4, *network.output_shape[1:])))
    found = []
    for _ in range(2):
        found += [numpy_of(x) for x in one_step(network, call, training, weights)]
        found += [numpy_of(v).copy() for v in network.non_trainable_variables]
    return found


def one_step(network, call, training, weights):
    trained = network.trainable_variables
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=False)
        def step(images):
            with tf.GradientTape() as tape:
                y = call(images, training=training)
                loss = tf.reduce_sum(y * weights)
            return y, tape.gradient(loss, [v.value for v in trained])

        y, gradients = step(IMAGES)
        return [y, *gradients]
    if BACKEND == "jax":
        import jax

        def loss_of(values, state):
            mapping = zip(
                [*trained, *network.non_trainable_variables], [*values, *state], strict=True
            )
            with keras.StatelessScope(list(mapping)) as scope:
                y = call(IMAGES, training=training)
            after = [scope.get_current_value(v) for v in network.non_trainable_variables]
            return ops.sum(y * weights), (y, after)

        gradients, (y, after) = jax.jit(jax.grad(loss_of, has_aux=True))(
            [v.value for v in trained], [v.value for v in network.non_trainable_variables]
        )
        for variable, value in zip(network.non_trainable_variables, after, strict=True):
            variable.assign(value)
        return [y, *gradients]
    import torch

    values = [v.value for v in trained]
    y = call(IMAGES, training=training)
    gradients = torch.autograd.grad(ops.sum(y * ops.convert_to_tensor(weights)), values)
    return [y.detach(), *gradients]


def check_numbers_are_those_of_the_network():
    for training in (True, False):
        plain, other = with_stochastic_depth(), with_stochastic_depth()
        recomputed = RecomputedNetwork(other)
        assert len(recomputed.segments) > 2
        expected = steps(plain, plain, training)
        found = steps(other, recomputed, training)
        start = [numpy_of(v) for v in with_stochastic_depth().non_trainable_variables]
        moved = [
            not np.array_equal(a, b) for a, b in zip(start, expected[-len(start) :], strict=True)
        ]
        assert all(moved) if training else not any(moved)
        for one, two in zip(expected, found, strict=True):
            assert np.abs(one - two).max() <= 2e-6 * max(np.abs(one).max(), 1e-3)


def check_segments():
    """Cuts lie between blocks, and less is kept than the whole network has."""
    network = with_stochastic_depth()
    recomputed = RecomputedNetwork(network)
    ends = [end for _, end in recomputed.segments]
    assert [first for first, _ in recomputed.segments] == [0, *ends[:-1]]
    operations = [x for x in network.operations if not isinstance(x, keras.layers.InputLayer)]
    assert ends[-1] == len(operations)
    sizes = [np.prod(x.output.shape[1:]) for x in operations]
    assert recomputed.kept == sum(sizes[end - 1] for end in ends)
    assert recomputed.kept + recomputed.largest < sum(sizes) / 2
    blocks = [i for i, x in enumerate(operations) if isinstance(x, keras.layers.Add)][:3]
    inside = {k for i in blocks for k in range(i - 3, i)}  # norm, ReLU and dropout beside `x`
    assert not inside & {end - 1 for end in ends}


def check_model_that_recomputes():
    batch = {"image": IMAGES, "K": np.float32(intrinsics(4))}
    options = {"crop": 32, "part_sizes": [2, 2], "seed": 4, "precision": "mixed_float16"}
    plain = nn.MetricPoseModel(7, **options)
    model = nn.MetricPoseModel(7, recompute=True, **options)
    assert [w.path for w in model.weights] == [w.path for w in plain.weights]
    for training in (True, False):
        one, other = (numpy_of(m(batch, training=training)["joints3d"]) for m in (plain, model))
        assert np.array_equal(one, other)
    for one, other in zip(plain.weights, model.weights, strict=True):
        assert np.array_equal(numpy_of(one), numpy_of(other)), one.path
    assert nn.MetricPoseModel.from_config(model.get_config()).get_config()["recompute"] is True


def check_less_is_kept():
    """Bytes that JAX and PyTorch keep for the gradient; TensorFlow's memory is a slow check."""
    if BACKEND == "tensorflow":
        return None
    images = ops.ones((4, 64, 64, 3))
    found = {}
    for name in ("plain", "recomputed"):
        network = with_stochastic_depth(crop=64, blocks=8)
        call = RecomputedNetwork(network) if name == "recomputed" else network
        found[name] = bytes_kept(network, lambda call=call: ops.sum(call(images, training=True)))
    assert found["recomputed"] < 0.3 * found["plain"], found
    return found


def bytes_kept(network, function):
    if BACKEND == "jax":
        import jax

        def stateless(values):
            variables = [*network.trainable_variables, *network.non_trainable_variables]
            values = [*values, *(v.value for v in network.non_trainable_variables)]
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return function()

        _, gradient = jax.vjp(stateless, [v.value for v in network.trainable_variables])
        return sum(x.nbytes for x in jax.tree.leaves(gradient))
    import torch

    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = function()
    assert held.requires_grad
    return sum(kept.values())
