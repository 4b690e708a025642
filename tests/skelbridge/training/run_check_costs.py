"""Checks of `graph_costs` and `network_costs` that need TensorFlow; see `keras_backends`."""

import tensorflow as tf
from small_runs import config

from skelbridge.training.graph_costs import flops_of, memory_of, needed_operations
from skelbridge.training.network_costs import measured_step, network_costs, synthetic_batch


def check_operations_and_memory_of_a_convolution():
    """Two pictures of 8 x 8 x 3, a 3 x 3 convolution to 4 channels, ReLU, sum."""
    kernel, turn = tf.Variable(tf.ones((3, 3, 3, 4))), []

    @tf.function
    def gradient(images):
        with tf.GradientTape() as tape:
            maps = tf.nn.relu(tf.nn.conv2d(images, kernel, strides=1, padding="VALID"))
            total = tf.reduce_sum(maps)
        turn.append(len(tf.compat.v1.get_default_graph().get_operations()))
        return tape.gradient(total, kernel)

    spec = tf.TensorSpec((2, 8, 8, 3), tf.float32)
    graph = gradient.get_concrete_function(spec).graph
    operations = needed_operations(graph)
    assert len(operations) < len(graph.get_operations())  # without the pictures' gradient
    turn = next(i for i, op in enumerate(operations) if op in graph.get_operations()[turn[-1] :])
    # 27 products for each of 2 x 6 x 6 x 4 outputs, and as many for the kernel's gradient.
    assert flops_of(operations) == 2 * (2 * 27 * 2 * 6 * 6 * 4)
    after, most = memory_of(operations, kept=graph.outputs)
    maps = 4 * 2 * 6 * 6 * 4
    # ReLU writes where the convolution did, and is kept for its gradient.
    assert after[turn - 1] == maps
    # Then the gradient of the sum, which is as large; the kernel's gradient is smaller.
    assert 2 * maps <= most < 2 * maps + 64
    assert after[-1] == 4 * 3 * 3 * 3 * 4


def check_operations_of_other_kinds():
    images, wide = tf.TensorSpec((2, 8, 8, 6), tf.float32), tf.TensorSpec((7, 5), tf.float32)
    per_channel = tf.Variable(tf.ones((3, 3, 6, 1)))

    @tf.function
    def depthwise(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            maps = tf.nn.depthwise_conv2d(images, per_channel, (1, 2, 2, 1), "SAME")
        return tape.gradient(maps, [images, per_channel])

    operations = depthwise.get_concrete_function(images).graph.get_operations()
    assert flops_of(operations) == 3 * (2 * 9 * 2 * 4 * 4 * 6)

    @tf.function
    def products(a):
        return tf.matmul(a, a, transpose_a=True), tf.matmul(a[None], a[None], transpose_b=True)

    operations = products.get_concrete_function(wide).graph.get_operations()
    assert flops_of(operations) == 2 * 5 * 5 * 7 + 2 * 7 * 7 * 5


def check_a_network():
    """Convolutions of stride 2 to 8 channels, 1 x 1 to 16 features, 9 heatmaps of 34 joints."""
    costs = network_costs(config())
    assert costs.stride == 16 and costs.examples == 8
    # Convolutions and two numbers of batch normalisation for each channel.
    backbone = 3 * 9 * 8 + 3 * (8 * 9 * 8) + 8 * 16 + 2 * (4 * 8 + 16)
    head = 16 * 9 * 34 + 9 * 34
    assert (costs.backbone_parameters, costs.head_parameters) == (backbone, head)
    statistics = 2 * (4 * 8 + 16)
    assert costs.weight_bytes == 4 * (backbone + head + statistics)
    assert costs.optimizer_bytes == 2 * 4 * (backbone + head)
    first = 32 * 32 * 8 * 27
    others = (16 * 16 + 8 * 8 + 4 * 4) * 8 * 72 + 4 * 4 * (8 * 16 + 16 * 9 * 34)
    # Both gradients of each; none for the pictures.
    expected = 2 * 8 * (2 * first + 3 * others)
    assert expected <= costs.flops < 1.05 * expected
    # Batch normalisation needs what convolutions found, these what it and ReLU made of it.
    maps = 4 * 8 * (32 * 32 * 8 + 16 * 16 * 8 + 8 * 8 * 8 + 4 * 4 * 8 + 4 * 4 * 16)
    assert 2 * maps < costs.kept_bytes < 5 * maps
    assert costs.kept_bytes < costs.working_bytes < 2 * costs.kept_bytes
    assert costs.memory == costs.weight_bytes + costs.optimizer_bytes + costs.working_bytes


def check_memory_follows_the_batch():
    one = network_costs(config())
    changes = {"data__three_d": {"synth_a": 6, "synth_b": 6}, "data__two_d": {"synth_2d": 4}}
    two = network_costs(config(**changes))
    assert 1.95 < two.kept_bytes / one.kept_bytes < 2.05
    assert 1.95 < two.flops / one.flops < 2.05
    halves = network_costs(config(**changes, optimizer__accumulate=2))
    assert halves == one
    averaged = network_costs(config(optimizer__average=0.99))
    assert averaged.optimizer_bytes == one.optimizer_bytes * 3 // 2


def check_measured():
    settings = config()
    measured = measured_step(settings, network_costs(settings), seconds=1)
    assert measured.examples == 8 and 0 < measured.seconds < 60 and measured.device == "CPU"
    assert not tf.config.functions_run_eagerly()
    batch = synthetic_batch(settings)
    assert batch["image"].shape == (8, 64, 64, 3) and batch["mask3d"].any()
    assert not batch["mask3d"][6:].any() and batch["mask2d"][6:].any()
