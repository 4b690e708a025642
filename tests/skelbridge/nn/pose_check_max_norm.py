"""The largest norm of filters: by numbers, and after an update that exceeds it."""

import keras
import numpy as np
from keras import layers, ops
from keras_numbers import close, numpy_of, raises

from skelbridge.nn.backbones.max_norm import DEPTHWISE_AXES, FilterMaxNorm

RNG = np.random.default_rng(0)


def check_filters_beyond_the_limit():
    kernel = np.float32(RNG.normal(size=(3, 3, 4, 5)))
    kernel[..., 1] *= 10
    kernel[..., 3] = 0
    norms = np.sqrt(np.square(kernel.astype(float)).sum(axis=(0, 1, 2)))
    assert (norms > 20).tolist() == [False, True, False, False, False]
    limit = FilterMaxNorm(20)
    found = numpy_of(limit(ops.convert_to_tensor(kernel)))
    within = [0, 2, 3, 4]
    assert np.array_equal(found[..., within], kernel[..., within])  # not merely nearly
    close(found[..., 1], kernel[..., 1] * 20 / norms[1], 1e-6)
    again = FilterMaxNorm.from_config(limit.get_config())
    assert (again.limit, again.axes) == (20.0, (0, 1, 2))
    raises("more than 0", FilterMaxNorm, 0)


def check_depthwise_filters():
    kernel = np.float32(RNG.normal(size=(3, 3, 4, 1)))
    kernel[:, :, 2] *= 10
    found = numpy_of(FilterMaxNorm(20, DEPTHWISE_AXES)(ops.convert_to_tensor(kernel)))
    others = [0, 1, 3]
    assert np.array_equal(found[:, :, others], kernel[:, :, others])
    close(np.sqrt(np.square(found[:, :, 2].astype(float)).sum()), 20.0, 1e-6)


def check_optimisers_enforce_it():
    """Under mixed precision too: it is the float32 variable that is limited."""
    layer = layers.Conv2D(2, 3, kernel_constraint=FilterMaxNorm(20), dtype="mixed_float16")
    layer.build((None, 8, 8, 3))
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[0, 0, 0] = [19.5, 1.0]
    layer.set_weights([kernel, np.zeros(2, np.float32)])
    gradient = np.zeros_like(kernel)
    gradient[0, 0, 0], gradient[2, 2, 2] = [-1.0, -1.0], [-3.0, 0.0]
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(layer.trainable_variables)
    gradients = [ops.convert_to_tensor(g) for g in (gradient, np.zeros(2, np.float32))]
    optimizer.apply(gradients, layer.trainable_variables)
    expected = kernel - gradient
    norm = np.hypot(20.5, 3.0)
    assert norm > 20
    expected[..., 0] *= 20 / norm
    close(layer.kernel, expected, 1e-6)
    assert numpy_of(layer.kernel)[0, 0, 0, 1] == 2.0
