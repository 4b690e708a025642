"""Large networks, and the whole training step compiled by XLA. TensorFlow only."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras_numbers import numpy_of
from pose_check_networks import leaves, made_transparent, seen_pixels

from skelbridge import nn
from skelbridge.training import objectives


def check_efficientnet():
    for stride in (32, 16):
        backbone = nn.build_backbone(
            "efficientnetv2_s", 256, output_stride=stride, part_sizes=[2, 2]
        )
        assert backbone.network.output_shape == (None, 256 // stride, 256 // stride, 1280)
        assert backbone.network.count_params() == 20_331_360
        norms = [x for x in leaves(backbone.network) if isinstance(x, layers.BatchNormalization)]
        assert len(norms) == 110 and all(isinstance(x, nn.GhostBatchNormalization) for x in norms)
        made_transparent(backbone.network)
        for cell, first, last in seen_pixels(backbone):
            assert (first + last) / 2 == backbone.first_cell + stride * cell, (stride, cell)


def check_mobilenet_large():
    backbone = nn.build_backbone("mobilenetv3_large", 256, output_stride=16)
    assert backbone.network.output_shape == (None, 16, 16, 960)
    assert backbone.network.count_params() == 2_996_352


def check_step_compiled_by_xla_learns_and_repeats():
    rng = np.random.default_rng(0)
    poses = rng.normal([0, 0, 4500], [350, 600, 250], (8, 12, 3))
    batch = {
        "image": rng.random((8, 64, 64, 3), np.float32),
        "K": np.tile(np.float32([[110, 0, 31.5], [0, 110, 31.5], [0, 0, 1]]), (8, 1, 1)),
        "joints3d": np.float32(poses),
        "mask3d": np.repeat(np.arange(8) < 6, 12).reshape(8, 12),
        "joints2d": np.float32(31.5 + 110 * poses[..., :2] / poses[..., 2:]),
        "mask2d": np.ones((8, 12), bool),
        "is_3d": np.arange(8) < 6,
    }
    batch = {name: tf.constant(value) for name, value in batch.items()}

    def trained():
        model = nn.MetricPoseModel(12, crop=64, part_sizes=[6, 2], seed=1)
        losses = objectives.PoseLosses(model.grid, np.eye(12))
        optimizer = keras.optimizers.Adam(2e-3)
        optimizer.build(model.trainable_variables)

        @tf.function(jit_compile=True)
        def step(number):
            with tf.GradientTape() as tape:
                out = model(batch, training=True, is_full_perspective=number >= 5)
                loss = objectives.separate_heads(out["joints3d"], batch, losses, step=number + 4990)
            gradients = tape.gradient(loss["total"], model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss["total"]

        values = [float(step(tf.constant(number))) for number in range(30)]
        assert step.experimental_get_tracing_count() == 1
        return values, [numpy_of(w) for w in model.weights]

    values, weights = trained()
    again, same = trained()
    assert values == again
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))
    assert np.isfinite(values).all() and values[-1] < 0.4 * values[0]
