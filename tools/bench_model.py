"""What head, reconstruction and losses cost beside the backbone, in one run, taken in turns.

    python tools/bench_model.py [--crop 96] [--batch 32] [--joints 72 555]

A full training step of the small model (forward, losses, backward, Adam) against the same step of
the same backbone with a 1x1 convolution to as many channels and a mean squared error. Also against
a convolution to one 2D heatmap per joint, the least that predicts anything. The figures are ratios
of medians; `--rounds` pairs of steps are taken in turns.
"""

import argparse
import os
import platform
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

LIMIT = 1.25


def scene(batch, joints, crop):
    """A batch as the data pipeline hands it over: three quarters with 3D labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    poses = rng.normal([0, 0, 4500], [350, 600, 250], (batch, joints, 3))
    is_3d = np.arange(batch) < batch * 3 // 4
    labelled = rng.random((batch, joints)) < 0.25
    middle = (crop - 1) / 2
    k = [[1.7 * crop, 0, middle], [0, 1.7 * crop, middle], [0, 0, 1]]
    return {
        "image": rng.random((batch, crop, crop, 3), np.float32),
        "K": np.tile(np.float32(k), (batch, 1, 1)),
        "joints3d": np.float32(poses),
        "mask3d": labelled & is_3d[:, None],
        "joints2d": np.float32(middle + 1.7 * crop * poses[..., :2] / poses[..., 2:]),
        "mask2d": labelled,
        "is_3d": is_3d,
    }


def training_step(model, loss):
    """A compiled step: forward, `loss(model)`, backward, Adam."""
    import keras
    import tensorflow as tf

    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(inputs):
        with tf.GradientTape() as tape:
            value = loss(inputs)
        variables = model.trainable_variables
        gradients = tape.gradient(value, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return value

    return step


def ours(arguments, joints, *, until="losses"):
    """The model of this package, with all its losses on, or trained on what an inner part says."""
    import numpy as np
    import tensorflow as tf

    from skelbridge.nn import MetricPoseModel
    from skelbridge.training.objectives import PoseLosses, separate_heads

    model = MetricPoseModel(
        joints,
        crop=arguments.crop,
        backbone=arguments.backbone,
        side_mm=2500,
        part_sizes=arguments.ghost,
    )
    part = np.arange(joints) % 24  # formats of 24 joints, 17 of which 2D datasets label
    averages = (part[:, None] == part) * (part < 17)[:, None]
    losses = PoseLosses(model.grid, averages / np.maximum(averages.sum(axis=1, keepdims=True), 1))
    mix = tf.constant(np.random.default_rng(1).random(arguments.batch, np.float32))

    def loss(batch):
        out = model(batch, training=True, mix=mix)
        if until == "heatmaps":
            return tf.reduce_mean(out["joints2d"]) + tf.reduce_mean(out["joints3d_rel"])
        if until == "reconstruction":
            return tf.reduce_mean(out["joints3d"])
        return separate_heads(out["joints3d"], batch, losses, step=tf.constant(9999))["total"]

    return training_step(model, loss)


def plain(arguments, channels):
    """The same backbone, a 1x1 convolution and a mean squared error."""
    import keras
    import tensorflow as tf

    from skelbridge.nn import build_backbone

    backbone = build_backbone(arguments.backbone, arguments.crop, part_sizes=arguments.ghost)
    maps = keras.layers.Conv2D(channels, 1)(backbone.network.output)
    model = keras.Model(backbone.network.input, maps)
    target = tf.random.stateless_uniform((arguments.batch, *model.output_shape[1:]), (0, 0))

    def loss(batch):
        return tf.reduce_mean(tf.square(model(batch["image"], training=True) - target))

    return training_step(model, loss)


def times(steps, inputs, rounds):
    """(rounds, steps) seconds, taken in turns: a busy spell of the machine hits all."""
    import numpy as np

    for step in steps:
        for _ in range(3):
            step(inputs)
    found = np.zeros((rounds, len(steps)))
    for row in found:
        for i, step in enumerate(steps):
            start = time.perf_counter()
            float(step(inputs))
            row[i] = time.perf_counter() - start
    return found


def main():
    """Prints one line per number of joints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", default="small")
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--joints", type=int, nargs="+", default=[72, 555, 1000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ghost", type=int, nargs="+", help="part sizes of ghost batch norm")
    arguments = parser.parse_args()
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(arguments.threads)
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
        f"{arguments.threads} thread(s), TensorFlow {tf.__version__}, Keras {keras.__version__}; "
        f"{arguments.backbone} at {arguments.crop} px, batch {arguments.batch}"
    )
    for joints in arguments.joints:
        batch = scene(arguments.batch, joints, arguments.crop)
        inputs = {name: tf.constant(value) for name, value in batch.items()}
        steps = (
            ours(arguments, joints),
            plain(arguments, 9 * joints),
            plain(arguments, joints),
            ours(arguments, joints, until="heatmaps"),
            ours(arguments, joints, until="reconstruction"),
        )
        found = times(steps, inputs, arguments.rounds)
        own, full, flat, heatmaps, absolute = np.median(found, axis=0) * 1e3
        ratios = np.median(found[:, :1] / found[:, 1:], axis=0)
        print(
            f"{joints} joints: {own:.1f} ms ({arguments.batch / own * 1e3:.0f} images/s); "
            f"1x1 convolution to {9 * joints} channels and MSE {full:.1f} ms, ratio "
            f"{ratios[0]:.3f} (at most {LIMIT:g}); to {joints} channels {flat:.1f} ms, ratio "
            f"{ratios[1]:.3f}; with heatmaps {heatmaps:.1f}, reconstruction {absolute:.1f} ms"
        )


if __name__ == "__main__":
    main()
