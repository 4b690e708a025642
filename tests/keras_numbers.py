"""Values and gradients on the backend that KERAS_BACKEND names, for `keras_backends`."""

import keras
import numpy as np
from keras import ops

BACKEND = keras.config.backend()


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


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


def close(found, expected, tolerance):
    """Largest difference over the largest expected number."""
    found, expected = np.asarray(numpy_of(found), float), np.asarray(expected, float)
    assert found.shape == expected.shape, f"{found.shape} is not {expected.shape}"
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
