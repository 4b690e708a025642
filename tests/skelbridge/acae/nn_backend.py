"""What checks of skelbridge.acae.nn need on the backend that KERAS_BACKEND names."""

import keras
import nn_reference as reference
import numpy as np
from keras import ops

BACKEND = keras.config.backend()
ACAE = reference.planted()
POSES = reference.clear_poses(ACAE, 8)


def value_and_gradient(function, array):
    """Value and gradient of a scalar function of one tensor, by the backend's own means."""
    array = np.asarray(array)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tensor = tf.constant(array)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            value = function(tensor)
        return float(value), tape.gradient(value, tensor, unconnected_gradients="zero").numpy()
    if BACKEND == "jax":
        import jax

        value, gradient = jax.jit(jax.value_and_grad(function))(array)
        return float(value), np.asarray(gradient)
    import torch

    tensor = torch.tensor(array, requires_grad=True)
    value = function(tensor)
    if not value.requires_grad:
        return float(value), np.zeros_like(array)
    value.backward()
    return float(value.detach()), tensor.grad.numpy()


def gradients_by_variables(model, poses, loss):
    """Gradients of `loss(model(poses))` and the model's own losses by its trainable variables."""
    variables = model.trainable_variables
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(model(poses)) + sum(model.losses)
        gradients = tape.gradient(value, [v.value for v in variables])
        assert all(isinstance(g, tf.Tensor) for g in gradients), "a gradient is sparse"
    elif BACKEND == "jax":
        import jax

        def stateless(values):
            output, _, losses = model.stateless_call(values, [], poses, return_losses=True)
            return loss(output) + sum(losses)

        value, gradients = jax.jit(jax.value_and_grad(stateless))([v.value for v in variables])
    else:
        value = loss(model(poses)) + sum(model.losses)
        value.backward()
        gradients = [v.value.grad for v in variables]
    return numpy_of(value), [numpy_of(g) for g in gradients]


def close(found, expected, tolerance):
    """Largest difference over the largest expected number."""
    found, expected = np.asarray(numpy_of(found), float), np.asarray(expected, float)
    error = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-300)
    assert error <= tolerance, f"{error:.3g} > {tolerance:g}"
    return float(error)


def raises(fragment, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except ValueError as error:
        assert fragment in str(error), f"{fragment!r} is not in {error}"
    else:
        raise AssertionError(f"no error about {fragment!r}")


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def matrix_of(layer):
    weights = numpy_of(layer.affine_weights()).astype(float)
    assert np.abs(weights.sum(axis=0) - 1).max() < 1e-5
    return weights


def losses_of(model):
    return [float(numpy_of(loss)) for loss in model.losses]
