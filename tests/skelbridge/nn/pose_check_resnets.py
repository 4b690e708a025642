"""ResNets v1.5: places of cells, parameters, and weights of torchvision's layout."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch_files
from keras import layers
from keras_numbers import BACKEND, close, numpy_of, raises
from pose_check_networks import made_transparent, seen_pixels

from skelbridge import nn

IMAGES = np.float32(np.random.default_rng(0).random((2, 64, 64, 3)))


def features(**options):
    return numpy_of(nn.build_backbone("resnet_18", 64, seed=3, **options).network(IMAGES))


def check_parameters_of_resnet_18():
    network = nn.build_backbone("resnet_18", 64, part_sizes=[3, 2]).network
    assert network.count_params() == 11_186_112 and network.output_shape == (None, 2, 2, 512)
    norms = [x for x in network.layers if isinstance(x, layers.BatchNormalization)]
    assert all(isinstance(x, nn.GhostBatchNormalization) and x.part_sizes == [3, 2] for x in norms)
    assert len(norms) == 20 and {(x.momentum, x.epsilon) for x in norms} == {(0.9, 1e-5)}


def check_images_are_normalised_inside():
    scale = nn.build_backbone("resnet_18", 64).network.get_layer("preprocessing")
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    found = numpy_of(scale(IMAGES))
    assert np.abs(found - (IMAGES - mean) / deviation).max() < 1e-5


def check_strides_agree_where_their_cells_coincide():
    """Dilation leaves values as they are; the centred stride takes those half a stride on."""
    plain = features(is_centred=False)
    finer = features(is_centred=False, output_stride=16)
    close(finer[:, ::2, ::2], plain, 1e-5)
    close(finer[:, 1::2, 1::2], features(), 1e-5)
    finest = features(is_centred=False, output_stride=8)
    close(finest[:, ::4, ::4], plain, 1e-5)
    close(finest[:, 1::2, 1::2], features(output_stride=16), 1e-5)
    assert np.abs(finer[:, ::2, ::2] - features()).max() > 0.1 * np.abs(plain).max()


def check_cells_of_resnets():
    if BACKEND != "tensorflow":
        return
    for stride, is_centred in ((32, True), (32, False), (8, True)):
        backbone = nn.build_backbone("resnet_18", 256, output_stride=stride, is_centred=is_centred)
        assert backbone.first_cell == (stride / 2 if is_centred else 0)
        made_transparent(backbone.network)
        for cell, first, last in seen_pixels(backbone):
            assert (first + last) / 2 == backbone.first_cell + stride * cell, (stride, cell)


def torch_arrays(network, seed=0):
    """Random tensors of a state dict, by the naming rule of torchvision's ResNet."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for layer in network.layers:
        name = re.sub(r"_(?=\d|conv|bn|downsample)", ".", layer.name)
        if isinstance(layer, layers.Conv2D):
            height, width, inputs, outputs = layer.kernel.shape
            arrays[f"{name}.weight"] = rng.normal(size=(outputs, inputs, height, width)) * 0.05
        elif isinstance(layer, layers.BatchNormalization):
            count = layer.gamma.shape[0]
            for part in ("weight", "bias", "running_mean", "running_var"):
                arrays[f"{name}.{part}"] = rng.uniform(0.5, 1.5, count)
            arrays[f"{name}.num_batches_tracked"] = np.int64(3)
    arrays["fc.weight"], arrays["fc.bias"] = rng.normal(size=(1000, 512)), rng.normal(size=1000)
    return {k: np.asarray(v, "<i8" if v.dtype.kind == "i" else "<f4") for k, v in arrays.items()}


def check_weights_of_torchvision():
    if BACKEND != "tensorflow":
        return
    arrays = torch_arrays(nn.build_backbone("resnet_18", 64).network)
    assert "layer2.0.downsample.1.running_var" in arrays and "layer4.1.conv2.weight" in arrays

    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "some.pth")

        def load(changes, prefix=""):
            changed = {k: v for k, v in (arrays | changes).items() if v is not None}
            torch_files.write_tensors(path, {prefix + k: v for k, v in changed.items()})
            return nn.build_backbone("resnet_18", 64, weights=path).network

        first = load({})
        kernel = numpy_of(first.get_layer("layer3_1_conv2").kernel)
        assert np.array_equal(kernel[0, 2], arrays["layer3.1.conv2.weight"][:, :, 0, 2].T)
        norm = first.get_layer("layer2_0_downsample_1")
        for variable, part in (
            (norm.gamma, "weight"),
            (norm.beta, "bias"),
            (norm.moving_mean, "running_mean"),
            (norm.moving_variance, "running_var"),
        ):
            assert np.array_equal(numpy_of(variable), arrays[f"layer2.0.downsample.1.{part}"])
        again = load({"fc.weight": None, "fc.bias": None}, prefix="module.backbone.")
        for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
            assert np.array_equal(one, other)

        raises("found none called 'bn1.bias'", load, {"bn1.bias": None})
        raises("found 'layer5.0.x' beside them (1 ", load, {"layer5.0.x": arrays["bn1.bias"]})
        raises("'conv1.weight': expected the shape", load, {"conv1.weight": arrays["bn1.bias"]})
        raises("expected finite numbers", load, {"bn1.bias": arrays["bn1.bias"] * np.nan})
        raises("'bn1.bias': expected floating", load, {"bn1.bias": np.zeros(64, "<i8")})
        raises("with several prefixes", load, {"module.bn1.bias": arrays["bn1.bias"]})
        raises("No such file", nn.build_backbone, "resnet_18", 64, weights=path + "x")
    raises("torchvision.models.resnet18", nn.build_backbone, "resnet_18", 64, weights="imagenet")
