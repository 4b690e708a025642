"""ResNet-50 against PyTorch: files of `torch.save` and safetensors, and the same outputs."""

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import torch
from keras_numbers import close, numpy_of
from torch.nn import functional

from skelbridge import nn

DEPTHS = (3, 4, 6, 3)
CROP = 96
IMAGES = np.float32(np.random.default_rng(0).random((2, CROP, CROP, 3)))


def random_state():
    """A state dict of torchvision's ResNet-50, numbers of a size that keeps features moderate."""
    rng = torch.Generator().manual_seed(0)
    state = {}

    def convolution(name, outputs, inputs, size):
        deviation = (inputs * size * size) ** -0.5
        weight = torch.randn((outputs, inputs, size, size), generator=rng) * deviation
        state[f"{name}.weight"] = weight

    def norm(name, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = 0.5 + torch.rand(channels, generator=rng)
        state[f"{name}.num_batches_tracked"] = torch.tensor(5)

    convolution("conv1", 64, 3, 7)
    norm("bn1", 64)
    inputs = 64
    for stage, count in enumerate(DEPTHS):
        middle = 64 * 2**stage
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            sizes = ((middle, inputs, 1), (middle, middle, 3), (4 * middle, middle, 1))
            for number, shape in enumerate(sizes, 1):
                convolution(f"{name}.conv{number}", *shape)
                norm(f"{name}.bn{number}", shape[0])
            if block == 0:
                convolution(f"{name}.downsample.0", 4 * middle, inputs, 1)
                norm(f"{name}.downsample.1", 4 * middle)
            inputs = 4 * middle
    state["fc.weight"], state["fc.bias"] = torch.zeros(1000, 2048), torch.zeros(1000)
    return state


def normalised():
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((torch.tensor(IMAGES) - mean) / deviation).permute(0, 3, 1, 2)


def forward(state, x):
    """ResNet-50 v1.5 as the paper and torchvision's note on version 1.5 describe it."""

    def convolved(x, name, stride=1):
        weight = state[f"{name}.weight"]
        return functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def norm(x, name):
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(state[f"{name}.{part}"] for part in parts), eps=1e-5)

    x = functional.relu(norm(convolved(x, "conv1", 2), "bn1"))
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, count in enumerate(DEPTHS):
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage and not block else 1
            y = functional.relu(norm(convolved(x, f"{name}.conv1"), f"{name}.bn1"))
            y = functional.relu(norm(convolved(y, f"{name}.conv2", stride), f"{name}.bn2"))
            y = norm(convolved(y, f"{name}.conv3"), f"{name}.bn3")
            if not block:
                x = norm(convolved(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = functional.relu(x + y)
    return x


def by_transformers(state, x):
    """The same of Hugging Face's implementation."""
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(
        embedding_size=64,
        hidden_sizes=[256, 512, 1024, 2048],
        depths=list(DEPTHS),
        layer_type="bottleneck",
        hidden_act="relu",
        downsample_in_first_stage=False,
        downsample_in_bottleneck=False,
    )
    model = ResNetModel(config).eval()
    places = {"conv1": "embedder.embedder.convolution", "bn1": "embedder.embedder.normalization"}
    for stage, count in enumerate(DEPTHS):
        for block in range(count):
            ours = f"layer{stage + 1}.{block}"
            theirs = f"encoder.stages.{stage}.layers.{block}"
            for number in range(3):
                places[f"{ours}.conv{number + 1}"] = f"{theirs}.layer.{number}.convolution"
                places[f"{ours}.bn{number + 1}"] = f"{theirs}.layer.{number}.normalization"
            places[f"{ours}.downsample.0"] = f"{theirs}.shortcut.convolution"
            places[f"{ours}.downsample.1"] = f"{theirs}.shortcut.normalization"
    named = {}
    for name, value in state.items():
        layer, _, part = name.rpartition(".")
        if layer != "fc":
            named[f"{places[layer]}.{part}"] = value
    model.load_state_dict(named)
    return model(x).last_hidden_state


def check_outputs_are_those_of_pytorch():
    state = random_state()
    with TemporaryDirectory() as folder, torch.no_grad():
        path = str(Path(folder) / "resnet50.pth")
        torch.save(state, path)
        network = nn.build_backbone("resnet_50", CROP, weights=path, is_centred=False).network
        expected = forward(state, normalised())
        assert 0.1 < expected.std() < 1e4
        expected = expected.permute(0, 2, 3, 1).numpy()
        found = close(network(IMAGES), expected, 1e-4)
        centred = nn.build_backbone("resnet_50", CROP, weights=path).network
        assert np.abs(numpy_of(centred(IMAGES)) - expected).max() > 0.01 * expected.max()
    return {"difference": found}


def check_outputs_are_those_of_transformers():
    if importlib.util.find_spec("transformers") is None:
        return
    from safetensors.torch import save_file

    state = random_state()
    with TemporaryDirectory() as folder, torch.no_grad():
        path = str(Path(folder) / "model.safetensors")
        save_file(state, path)
        network = nn.build_backbone("resnet_50", CROP, weights=path, is_centred=False).network
        expected = by_transformers(state, normalised()).permute(0, 2, 3, 1).numpy()
        close(network(IMAGES), expected, 1e-4)


def check_state_of_a_module():
    """What `state_dict()` returns: an ordered dictionary with attributes, views of storages."""
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = module.state_dict()
    state["transposed"] = torch.arange(6.0).reshape(2, 3).T
    state["bfloat16"] = torch.tensor([1.5, -2]).to(torch.bfloat16)
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    from dataset_adapters.containers.torch_file import read_torch_tensors

    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "x.pt")
        torch.save(state, path)
        found = read_torch_tensors(path)
        torch.save(state, path, _use_new_zipfile_serialization=False)
        try:
            read_torch_tensors(path)
        except ValueError as error:
            assert "old file format" in str(error)
        else:
            raise AssertionError("the old format was read")
    assert set(found) == set(state)
    for name, value in state.items():
        assert np.array_equal(found[name], value.detach().float().numpy()), name
    assert keras.config.backend() == "torch"
