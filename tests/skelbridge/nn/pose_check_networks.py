"""Backbones and the whole model."""

from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
from keras import layers, ops
from keras_numbers import BACKEND, close, numpy_of, raises, value_and_gradient
from people_in_crops import intrinsics

from skelbridge import nn
from skelbridge.nn.backbones import small_cnn


def leaves(model):
    for layer in model.layers:
        yield from leaves(layer) if hasattr(layer, "layers") else [layer]


def made_transparent(network):
    """Weights that let a cell be traced back to its pixels.

    Convolutions of stride 2 take all their taps alike, the others (symmetric) only the middle one,
    so that a cell sees few pixels; gates are constant.
    """
    for layer in leaves(network):
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            weights = [np.zeros_like(w) for w in layer.get_weights()]
            if "squeeze_excite" not in layer.name:
                kernel = weights[0]
                taps = slice(None) if max(layer.strides) == 2 else kernel.shape[0] // 2
                kernel[taps, taps] = 1
                inputs = 1 if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[2]
                weights[0] = kernel / (kernel[:, :, 0, 0].sum() * inputs)
            layer.set_weights(weights)


def seen_pixels(backbone):
    """(cells, 2) first and last row of pixels that a cell of the diagonal depends on.

    Brightness rises in one picture and falls in the other: the largest of several pixels is the
    last of them here and the first there.
    """
    crop, found = backbone.crop, []
    ramp = np.arange(crop, dtype=np.float32) / crop
    rising = 0.7 + 0.1 * (ramp[:, None] + ramp) + np.zeros((3, 1, 1), np.float32)
    images = np.stack([rising, rising[:, ::-1, ::-1]]).transpose(0, 2, 3, 1).copy()
    cells = crop // backbone.stride
    middle = cells // 2
    for cell in (middle - 1, middle):
        _, gradient = value_and_gradient(
            lambda x, c=cell: ops.sum(backbone.network(x)[:, c, c]), images
        )
        mass = np.abs(gradient).sum(axis=(0, 3))
        rows, columns = np.flatnonzero(mass.sum(1)), np.flatnonzero(mass.sum(0))
        assert np.array_equal(rows, columns)
        assert rows[0] > 0 and rows[-1] < crop - 1, "the crop is too small for this test"
        found.append((cell, rows[0], rows[-1]))
    return found


def check_small_network():
    backbone = nn.build_backbone("small", 96)
    assert backbone.network.output_shape == (None, 6, 6, 48)
    blocks = small_cnn.STAGES[-1][1]
    kernels = 432 + 4608 + 18432 + 73728 + blocks * 2 * 147456 + 6144
    channels = 16 + 32 + 64 + (1 + 2 * blocks) * 128 + 48
    assert backbone.network.count_params() == kernels + 4 * channels
    images = np.float32(np.random.default_rng(0).random((2, 96, 96, 3)))
    out = numpy_of(backbone.network(images))
    assert out.min() >= 0 and 0.05 < out.std() < 5
    again = numpy_of(nn.build_backbone("small", 96).network(images))
    other = numpy_of(nn.build_backbone("small", 96, seed=1).network(images))
    assert np.array_equal(out, again) and not np.allclose(out, other, atol=0.1)
    kernels = [w for w in backbone.network.trainable_weights if w.path.endswith("kernel")]
    starts = [numpy_of(k).ravel()[:50].tobytes() for k in kernels]
    assert len(set(starts)) == len(kernels)  # no two layers start alike
    assert nn.build_backbone("small", 160).network.output_shape == (None, 10, 10, 48)


def check_cells_lie_where_stated():
    """The pixels that a cell sees are symmetric about its stated centre."""
    for stride in (16, 8):
        backbone = nn.build_backbone("small", 128, output_stride=stride)
        made_transparent(backbone.network)
        for cell, first, last in seen_pixels(backbone):
            assert (first + last) / 2 == backbone.first_cell + stride * cell, (stride, cell)
        assert backbone.network.output_shape[1] == 128 // stride


def check_cells_of_published_networks():
    if BACKEND != "tensorflow":  # slow to build elsewhere, and nothing differs
        return
    for stride in (32, 8):
        backbone = nn.build_backbone("mobilenet_v3_small", 256, output_stride=stride)
        made_transparent(backbone.network)
        assert backbone.network.output_shape[1] == 256 // stride
        for cell, first, last in seen_pixels(backbone):
            assert (first + last) / 2 == backbone.first_cell + stride * cell, (stride, cell)


def check_published_networks():
    if BACKEND != "tensorflow":
        return
    backbone = nn.build_backbone("mobilenet_v3_small", 128, part_sizes=[3, 2])
    assert backbone.network.output_shape == (None, 4, 4, 576)
    assert backbone.network.count_params() == 939_120
    norms = [x for x in leaves(backbone.network) if isinstance(x, layers.BatchNormalization)]
    assert len(norms) == 34
    assert all(isinstance(x, nn.GhostBatchNormalization) and x.part_sizes == [3, 2] for x in norms)
    assert {x.momentum for x in norms} == {0.999}
    images = np.float32(np.random.default_rng(0).random((5, 128, 128, 3)))
    before = numpy_of(norms[0].moving_mean).copy()
    numpy_of(backbone.network(images, training=True))
    assert not np.array_equal(before, numpy_of(norms[0].moving_mean))
    again = nn.build_backbone("mobilenet_v3_small", 128)
    assert np.array_equal(
        numpy_of(again.network(images)),
        numpy_of(nn.build_backbone("mobilenet_v3_small", 128).network(images)),
    )


def check_weights_from_a_file():
    """A weights file of keras.applications goes in, and without the centred stride comes out."""
    if BACKEND != "tensorflow":
        return
    original = keras.applications.MobileNetV3Small(
        include_top=False, input_shape=(128, 128, 3), weights=None
    )
    images = np.float32(np.random.default_rng(0).random((2, 128, 128, 3)))
    expected = numpy_of(original(images * 255))

    def build(path, **options):
        return nn.build_backbone("mobilenet_v3_small", 128, weights=str(path), **options).network

    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.weights.h5"
        original.save_weights(path)
        network, plain = build(path), build(path, is_centred=False)
        keras.applications.MobileNetV3Large(
            include_top=False, input_shape=(64, 64, 3), weights=None
        ).save_weights(Path(folder) / "large.weights.h5")
        raises("found others (", build, Path(folder) / "large.weights.h5")
        raises("found no file", build, Path(folder) / "none.h5")
        raises("(.h5)", build, Path(folder) / "some.npz")
        path.write_bytes(path.read_bytes()[:5000])
        raises("found others (", build, path)
    for one, other in zip(original.get_weights(), network.get_weights(), strict=True):
        assert np.array_equal(one, other)
    close(plain(images), expected, 1e-5)
    assert np.abs(numpy_of(network(images)) - expected).max() > 1e-3 * np.abs(expected).max()


def check_imagenet_weights_without_internet():
    def refuse(*_, **options):
        assert options["weights"] == "imagenet"
        raise Exception("URL fetch failure on\n somewhere")

    before, keras.applications.MobileNetV3Small = keras.applications.MobileNetV3Small, refuse
    try:
        for fragment in ("(URL fetch failure on somewhere)", "_small_224_1.0_float_no_top_v2.h5"):
            raises(fragment, nn.build_backbone, "mobilenet_v3_small", 64, weights="imagenet")
    finally:
        keras.applications.MobileNetV3Small = before


def check_shifted_images_move_features():
    """By a stride: by one cell, wherever the border is not seen."""
    size, margin = 384, 8
    backbone = nn.build_backbone("small", size)
    rng, stride = np.random.default_rng(0), backbone.stride
    scene = np.float32(rng.random((1, size + stride, size + stride, 3)))
    here, there = (
        numpy_of(backbone.network(scene[:, at : at + size, at : at + size])) for at in (0, stride)
    )
    inside = here[:, margin + 1 : -margin + 1, margin + 1 : -margin + 1]
    close(there[:, margin:-margin, margin:-margin], inside, 1e-5)
    assert np.abs(there - here).max() > 0.1 * np.abs(here).max()


def check_backbone_errors():
    raises("Did you mean small?", nn.build_backbone, "smal", 96)
    raises("multiple of 16 px", nn.build_backbone, "small", 100)
    raises("multiple of 32 px", nn.build_backbone, "mobilenet_v3_large", 48)
    raises("must be one of (16, 8)", nn.build_backbone, "small", 96, output_stride=4)
    raises("Did you mean mobilenet_v3_small", nn.build_backbone, "mobilenetv3_small", 64)
    for limit in (0, -1, float("nan"), float("inf")):
        raises("max_norm must be", nn.build_backbone, "small", 96, max_norm=limit)
    raises("no published weights", nn.build_backbone, "small", 96, weights="x")


def batch(count=4, crop=96):
    rng = np.random.default_rng(0)
    return {
        "image": np.float32(rng.random((count, crop, crop, 3))),
        "K": np.float32(intrinsics(count)),
        "is_3d": np.ones(count, bool),
    }


def check_model():
    model = nn.MetricPoseModel([5, 7], crop=96, side_mm=2500, part_sizes=[2, 2], seed=4)
    inputs = batch()
    out = {name: numpy_of(value) for name, value in model(inputs).items()}
    assert {name: value.shape for name, value in out.items()} == {
        "joints2d": (4, 12, 2),
        "joints3d_rel": (4, 12, 3),
        "joints3d": (4, 12, 3),
    }
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in out.values())
    # Groups find their places on their own.
    alone = nn.reconstruct_absolute(
        out["joints2d"][:, 5:],
        out["joints3d_rel"][:, 5:],
        inputs["K"],
        crop=96,
        zone=model.grid.zone,
    )
    close(out["joints3d"][:, 5:], numpy_of(alone), 1e-6)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
    assert loaded.get_config() == model.get_config()
    assert np.array_equal(numpy_of(loaded(inputs)["joints3d"]), out["joints3d"])
    other = nn.MetricPoseModel(7, crop=96, seed=9)
    raises("points must be at least 1", nn.MetricPoseModel, 0, crop=96)
    other.copy_backbone(model)
    raises("does not fit", other.head.copy_points, model.head)
    wide = nn.MetricPoseModel([5, 7], crop=96, side_mm=2500, seed=6)
    wide.copy_backbone(model)
    wide.head.copy_points(other.head, at=5)
    joints = numpy_of(wide(inputs)["joints2d"])[:, 5:]
    close(joints, numpy_of(other(inputs)["joints2d"]), 1e-5)
    assert not np.array_equal(joints, out["joints2d"][:, 5:])


def check_model_under_mixed_precision():
    """Cameras and positions stay in float32 whatever the policy; it is left as it was."""
    model = nn.MetricPoseModel(7, crop=96, precision="mixed_float16", seed=4)
    assert keras.config.dtype_policy().name == "float32"
    convolutions = [x for x in leaves(model.backbone) if isinstance(x, layers.Conv2D)]
    assert {x.compute_dtype for x in convolutions} == {"float16"}
    inputs = batch()
    inputs["K"] *= np.float32([[1.00001], [1.00002], [1]])  # not a float16
    out = {name: numpy_of(value) for name, value in model(inputs).items()}
    assert all(value.dtype == np.float32 for value in out.values())
    alone = nn.reconstruct_absolute(
        out["joints2d"], out["joints3d_rel"], inputs["K"], crop=96, zone=model.grid.zone
    )
    close(out["joints3d"], numpy_of(alone), 1e-6)
    fine = nn.MetricPoseModel(7, crop=96, seed=4)
    assert np.abs(numpy_of(fine(inputs)["joints2d"]) - out["joints2d"]).max() < 1


def check_training_step_with_stored_statistics():
    """`training=False` inside the tape: weights learn, statistics stay."""
    if BACKEND != "tensorflow":
        return
    import tensorflow as tf

    model = nn.MetricPoseModel(7, crop=32, part_sizes=[2, 2])
    optimizer = keras.optimizers.Adam(1e-3)

    @tf.function(jit_compile=False)
    def step(inputs, training):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=training)["joints3d_rel"]))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    for training in (True, False):
        statistics = [v.numpy() for v in model.backbone.non_trainable_variables]
        weights = [v.numpy() for v in model.trainable_variables]
        step(batch(crop=32), training)
        moved = [
            not np.array_equal(a, b.numpy())
            for a, b in zip(statistics, model.backbone.non_trainable_variables, strict=True)
        ]
        assert all(moved) if training else not any(moved)
        learnt = [
            not np.array_equal(a, b.numpy())
            for a, b in zip(weights, model.trainable_variables, strict=True)
        ]
        assert np.mean(learnt) > 0.95
