"""Weights of a torchvision state dict in a network whose layers are named after it."""

from __future__ import annotations

import os

import keras
import numpy as np
from keras import layers

from dataset_adapters.containers import FileError
from dataset_adapters.containers.safetensors import read_safetensors
from dataset_adapters.containers.torch_file import read_torch_tensors

#: What training wrappers put in front of names.
_PREFIXES = ("module.", "backbone.")
_CLASSIFIER = "fc."
_COUNTER = ".num_batches_tracked"
#: Kernels (out, in, h, w) -> (h, w, in, out).
_TO_KERAS = (2, 3, 1, 0)


def load_torch_weights(network: keras.Model, path: str | os.PathLike) -> None:
    """Loads a state dict: `.safetensors`, or what `torch.save` writes.

    Layer `a_b` takes `a.b.weight` and so on. `fc.*` and `num_batches_tracked` are passed over, and
    names may begin with `module.` or `backbone.`.

    Raises:
      FileError: an unreadable file; a tensor is missing, unknown, or of another shape.
    """
    read = read_safetensors if str(path).endswith(".safetensors") else read_torch_tensors
    found = _wanted(path, read(path))
    values = []
    for layer in network.layers:
        for tensor, variable in _tensors_of(layer):
            values.append((variable, _take(path, found, tensor, variable, network.name)))
    if found:
        raise FileError(
            path,
            f"expected the tensors of {network.name}, found {min(found)!r} beside them "
            f"({len(found)} that it does not have)",
        )
    for variable, value in values:
        variable.assign(value)


def _wanted(path, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for name, value in tensors.items():
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        if name.startswith(_CLASSIFIER) or name.endswith(_COUNTER):
            continue
        if name in found:
            raise FileError(path, f"expected one tensor {name!r}, found it with several prefixes")
        found[name] = value
    return found


def _tensors_of(layer):
    """Yields names in the state dict and variables of a layer."""
    prefix = layer.name.replace("_", ".")
    if isinstance(layer, layers.Conv2D):
        yield f"{prefix}.weight", layer.kernel
    elif isinstance(layer, layers.BatchNormalization):
        yield f"{prefix}.weight", layer.gamma
        yield f"{prefix}.bias", layer.beta
        yield f"{prefix}.running_mean", layer.moving_mean
        yield f"{prefix}.running_var", layer.moving_variance


def _take(path, found, name: str, variable, network: str) -> np.ndarray:
    value = found.pop(name, None)
    if value is None:
        raise FileError(path, f"expected the tensors of {network}, found none called {name!r}")
    if value.dtype.kind != "f":
        raise FileError(path, f"{name!r}: expected floating point numbers, found {value.dtype}")
    if value.ndim == 4:
        value = value.transpose(_TO_KERAS)
    if value.shape != tuple(variable.shape):
        expected = list(variable.shape)
        raise FileError(
            path,
            f"{name!r}: expected the shape {expected} (as h, w, in, out), found "
            f"{list(value.shape)}; is it another network than {network}?",
        )
    if not np.isfinite(value).all():
        raise FileError(path, f"{name!r}: expected finite numbers, found NaN or infinity")
    return value.astype(np.float32)
