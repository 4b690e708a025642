"""What checks of skelbridge.acae.nn need on the backend that KERAS_BACKEND names."""

import nn_reference as reference
import numpy as np
from keras_numbers import BACKEND, close, numpy_of, raises, value_and_gradient

__all__ = [
    "ACAE", "BACKEND", "POSES", "close", "gradients_by_variables", "losses_of", "matrix_of",
    "numpy_of", "raises", "value_and_gradient",
]  # fmt: skip
ACAE = reference.planted()
POSES = reference.clear_poses(ACAE, 8)


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


def matrix_of(layer):
    weights = numpy_of(layer.affine_weights()).astype(float)
    assert np.abs(weights.sum(axis=0) - 1).max() < 1e-5
    return weights


def losses_of(model):
    return [float(numpy_of(loss)) for loss in model.losses]
