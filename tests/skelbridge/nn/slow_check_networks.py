"""Large networks, and the whole training step compiled by XLA. TensorFlow only."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras_numbers import close, numpy_of
from pose_check_networks import leaves, made_transparent, seen_pixels

from skelbridge import nn
from skelbridge.training import objectives
from tools.bench_memory import changes_for, in_own_process

#: Parameters, those of them that are trained, channels: of keras.applications and torchvision.
COUNTS = {
    "mobilenet_v3_small": (939_120, 927_008, 576),
    "mobilenet_v3_large": (2_996_352, 2_971_952, 960),
    "efficientnet_v2_s": (20_331_360, 20_177_488, 1280),
    "efficientnet_v2_m": (53_150_388, 52_858_356, 1280),
    "efficientnet_v2_l": (117_746_848, 117_234_272, 1280),
    "resnet_18": (11_186_112, 11_176_512, 512),
    "resnet_34": (21_301_696, 21_284_672, 512),
    "resnet_50": (23_561_152, 23_508_032, 2048),
    "resnet_101": (42_605_504, 42_500_160, 2048),
    "resnet_152": (58_295_232, 58_143_808, 2048),
}


def size_of(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


def check_parameters_of_all_backbones():
    assert set(COUNTS) | {"small"} == set(nn.BACKBONES)
    for name, (total, trained, channels) in COUNTS.items():
        network = nn.build_backbone(name, 64).network
        assert network.output_shape == (None, 2, 2, channels), name
        assert size_of(network.trainable_weights) == trained, name
        assert size_of(network.non_trainable_weights) == total - trained, name
        keras.backend.clear_session()


def check_parts_of_resnet_50():
    network = nn.build_backbone("resnet_50", 256).network
    expected = {
        "": 9_536,
        "layer1": 215_808,
        "layer2": 1_219_584,
        "layer3": 7_098_368,
        "layer4": 14_964_736,
    }
    found = dict.fromkeys(expected, 0)
    operations = 0
    for layer in network.layers:
        part = layer.name.partition("_")[0]
        found[part if part in found else ""] += size_of(layer.trainable_weights)
        if isinstance(layer, layers.Conv2D):
            cells = layer.output.shape[1] * layer.output.shape[2]
            operations += int(np.prod(layer.kernel.shape)) * cells
    assert found == expected
    assert operations == 5_338_300_416
    kernels = [x.kernel for x in network.layers if isinstance(x, layers.Conv2D)]
    assert size_of(kernels) == 23_454_912


def check_cells_of_large_networks():
    for name, stride, is_centred in (
        ("efficientnet_v2_s", 32, True),
        ("efficientnet_v2_s", 16, True),
        ("efficientnet_v2_s", 32, False),
        ("resnet_50", 32, True),
        ("resnet_50", 16, True),
        ("mobilenet_v3_large", 16, True),
        ("mobilenet_v3_small", 32, False),
    ):
        crop = 320 if stride == 32 else 256
        backbone = nn.build_backbone(
            name, crop, output_stride=stride, part_sizes=[2, 2], is_centred=is_centred
        )
        cells = crop // stride
        assert backbone.network.output_shape == (None, cells, cells, COUNTS[name][2])
        norms = [x for x in leaves(backbone.network) if isinstance(x, layers.BatchNormalization)]
        assert all(isinstance(x, nn.GhostBatchNormalization) for x in norms)
        made_transparent(backbone.network)
        for cell, first, last in seen_pixels(backbone):
            assert (first + last) / 2 == backbone.first_cell + stride * cell, (name, stride, cell)
        keras.backend.clear_session()


def check_largest_norm_of_filters():
    """All convolutions but those of squeeze and excitation; of EfficientNetV2 only."""
    network = nn.build_backbone("efficientnet_v2_s", 64).network
    axes = {}
    for layer in network.layers:
        if isinstance(layer, (layers.DepthwiseConv2D, layers.Conv2D)):
            axes[layer.name] = getattr(layer.kernel.constraint, "axes", None)
    gates = {name for name in axes if name.endswith(("_se_reduce", "_se_expand"))}
    assert len(gates) == 60 and all(axes[name] is None for name in gates)
    depthwise = {name for name in axes if "dwconv" in name}
    assert len(depthwise) == 30 and all(axes[name] == (0, 1) for name in depthwise)
    others = set(axes) - gates - depthwise
    assert {"stem_conv", "top_conv", "block6a_expand_conv", "block1a_project_conv"} <= others
    assert all(axes[name] == (0, 1, 2) for name in others)

    stem = network.get_layer("stem_conv").kernel
    stem.assign(stem * 100)
    optimizer = keras.optimizers.Adam(1e-3)
    trained = network.trainable_variables
    optimizer.apply([tf.zeros_like(v.value) for v in trained], trained)
    norms = np.sqrt(np.square(numpy_of(stem).astype(float)).sum(axis=(0, 1, 2)))
    assert norms.max() <= 20.0001 and norms.max() > 19.99
    for name, options in (("efficientnet_v2_s", {"max_norm": None}), ("resnet_18", {})):
        network = nn.build_backbone(name, 64, **options).network
        assert all(v.constraint is None for v in network.trainable_variables)


def check_efficientnet_is_that_of_keras():
    """With its weights, before the stride is changed."""
    original = keras.applications.EfficientNetV2S(
        include_top=False, input_shape=(128, 128, 3), weights=None
    )
    rng = np.random.default_rng(0)
    for layer in original.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.float32(rng.uniform(0.5, 1.5, w.shape)) for w in layer.weights])
    images = np.float32(rng.random((2, 128, 128, 3)))
    expected = numpy_of(original(images * 255))
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "some.weights.h5")
        original.save_weights(path)
        plain = nn.build_backbone("efficientnet_v2_s", 128, weights=path, is_centred=False)
    close(plain.network(images), expected, 1e-5)


PEAK = """
import sys
import tensorflow as tf
from skelbridge import nn
from skelbridge.nn.recomputation import RecomputedNetwork
network = nn.build_backbone("resnet_50", 128).network
call = RecomputedNetwork(network) if sys.argv[1] == "recomputed" else network
images = tf.ones((16, 128, 128, 3))

@tf.function(jit_compile=False)
def step():
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(call(images, training=True))
    found = tape.gradient(loss, [v.value for v in network.trainable_variables])
    return tf.add_n([tf.reduce_sum(x) for x in found])

def peak():  # in KiB; what `resource` tells is the parent's where that is more
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])

before = peak()
step()
print("peak", peak() - before)
"""


def check_recomputation_takes_less_memory():
    """A step of ResNet-50 on 16 pictures of 128 px: 612 MB, and 368 MB when recomputed."""
    found = {}
    for name in ("plain", "recomputed"):
        run = subprocess.run(
            [sys.executable, "-c", PEAK, name], capture_output=True, text=True, check=True
        )
        found[name] = int(run.stdout.split("peak")[1]) / 1024
    assert found["recomputed"] < 0.75 * found["plain"], found
    return found


def check_a_recomputed_step_takes_what_is_estimated():
    """210 MB; 552 MB with the optimiser's passes that `keep_recomputation` turns off."""
    changes = changes_for("efficientnet_v2_s", 128, 16, "float32", recompute=True)
    found = in_own_process(changes, 1)
    assert found["measured"] < 1.5 * found["working"], found
    return found


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
