"""Layers and means on two replicas against one process."""

from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
from two_devices import STRATEGY, on_both

from skelbridge.acae.nn import ConsistencyLoss
from skelbridge.nn import GhostBatchNormalization
from skelbridge.nn.replicas import ReplicaParts, vary_by_replica
from skelbridge.training.losses import masked_mean

RNG = np.random.default_rng(0)
#: Far from 0, so that variances as differences of squares would be lost.
IMAGES = np.float32(RNG.normal(30, 2, (12, 3, 4, 5)) * [1, 5, 0.1, 1, 1])
UPSTREAM = np.float32(RNG.normal(size=IMAGES.shape))
WEIGHTS = [np.float32(RNG.uniform(0.5, 2, 5)) for _ in range(4)]
WEIGHTS[2] = IMAGES.mean((0, 1, 2)) * np.float32(0.99)


def ghost(part_sizes):
    layer = GhostBatchNormalization(part_sizes, momentum=0.9)
    layer.build((None, 3, 4, 5))
    layer.set_weights(WEIGHTS)
    return layer


def in_one_process(part_sizes):
    layer = ghost(part_sizes)
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        out = layer(x, training=True)
        loss = tf.reduce_sum(out * UPSTREAM)
    gradients = tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])
    return out.numpy(), [g.numpy() for g in gradients], [w.numpy() for w in layer.weights]


def compare(part_sizes, parts, slots):
    with STRATEGY.scope():
        layer = ghost(part_sizes)
    layer.replica_parts = parts

    def trace(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            out = layer(x, training=True)
            loss = tf.reduce_sum(out * upstream)
        gradients = tape.gradient(loss, [x, *[v.value for v in layer.trainable_variables]])
        return (out, *gradients)

    shares = [[array[slots[i]] for i in range(2)] for array in (IMAGES, UPSTREAM)]
    both = on_both(trace, *shares)
    out, (by_input, *by_weights), weights = in_one_process(part_sizes)
    for i, (found, found_by_input, *found_by_weights) in enumerate(both):
        # Means of 30 with deviations of 0.2: five digits are left of float32's seven.
        np.testing.assert_allclose(found, out[slots[i]], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found_by_input, by_input[slots[i]], rtol=1e-3, atol=1e-4)
        both[i] = found_by_weights
    for found, expected in zip(map(sum, zip(*both, strict=True)), by_weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    for variable, expected in zip(layer.weights, weights, strict=True):
        one, other = (v.numpy() for v in STRATEGY.experimental_local_results(variable.value))
        assert np.array_equal(one, other), variable.path
        np.testing.assert_allclose(one, expected, rtol=3e-6)
    assert not np.allclose(weights[2], WEIGHTS[2])


def check_parts_that_lie_on_one_replica():
    sizes = [2, 1, 2, 1, 3, 3]
    slots = np.array([[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]])
    compare(sizes, ReplicaParts.whole(sizes, 6, 2), slots)


def check_parts_that_are_spread_over_replicas():
    slots = np.array([[0, 1, 2, 3, 8, 9], [4, 5, 6, 7, 10, 11]])
    compare([8, 4], ReplicaParts.spread([8, 4], 2), slots)


def check_one_part_of_all():
    """As of the normal batch normalisation."""
    slots = np.array([[0, 1, 2, 3, 8, 9], [4, 5, 6, 7, 10, 11]])
    compare([12], ReplicaParts.spread([12], 2), slots)


def check_stored_statistics_need_no_others():
    with STRATEGY.scope():
        layer = ghost([8, 4])
    layer.replica_parts = ReplicaParts.spread([8, 4], 2)
    both = on_both(lambda x: layer(x, training=False), [IMAGES[:5], IMAGES[5:10]])
    expected = ghost([12])(IMAGES[:10], training=False).numpy()
    np.testing.assert_allclose(np.concatenate(both), expected, rtol=1e-5)


def check_masked_mean_counts_what_all_have():
    values = np.float32(RNG.normal(size=(2, 4, 6, 3)))
    mask = np.stack([RNG.random((4, 6)) < 0.9, RNG.random((4, 6)) < 0.1])
    assert mask[0].sum() > 3 * mask[1].sum() > 0
    both = on_both(masked_mean, values, mask)
    assert abs(sum(both) - values[mask].mean()) < 1e-7
    both = on_both(masked_mean, values, np.zeros_like(mask))
    assert both == [0, 0]


def check_consistency_counts_what_all_have():
    matrices = SimpleNamespace(w1=np.full((4, 2), 1 / 4), w2=np.full((2, 4), 1 / 2))
    loss = ConsistencyLoss(matrices)
    poses = np.float32(RNG.normal(0, 300, (2, 5, 4, 3)))
    mask = np.array([[True] * 5, [True] + [False] * 4])
    both = on_both(loss, poses, mask)
    expected = float(loss(poses.reshape(10, 4, 3), mask.reshape(10)))
    np.testing.assert_allclose(sum(both), expected, rtol=1e-6)
    assert (
        abs(np.mean([loss(p, m) for p, m in zip(poses, mask, strict=True)]) / expected - 1) > 0.01
    )


def check_random_numbers_are_others_on_every_replica():
    with STRATEGY.scope():
        layer = keras.layers.Dropout(0.5, seed=7)
    vary_by_replica(layer.seed_generator)
    ones = np.ones((2, 64), np.float32)
    first, second = on_both(lambda x: layer(x, training=True), ones)
    assert 10 < (first != second).sum() < 54
    again, _ = on_both(lambda x: layer(x, training=True), ones)
    assert not np.array_equal(first, again)
    # The first replica drops what one process does; the state is the same on both.
    alone = keras.layers.Dropout(0.5, seed=7)
    assert np.array_equal(first, alone(ones[0], training=True))
    one, other = STRATEGY.experimental_local_results(layer.seed_generator.state.value)
    assert np.array_equal(one.numpy(), other.numpy())
