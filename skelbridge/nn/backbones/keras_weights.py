"""Weights files of keras.applications."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import keras

from dataset_adapters.containers import FileError
from skeleton_defs import UserError

#: Backbone -> the file without top that Keras' authors publish.
_FILES = {
    "mobilenet_v3_small": "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    "mobilenet_v3_large": "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    "efficientnet_v2_s": "efficientnetv2-s_notop.h5",
    "efficientnet_v2_m": "efficientnetv2-m_notop.h5",
    "efficientnet_v2_l": "efficientnetv2-l_notop.h5",
}
#: What Keras raises, by its source, where a file is damaged or of another model.
_MISFITS = (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, UserWarning)
_MAX_REASON = 240  # characters of somebody else's message


def with_imagenet_weights(build: Callable[..., keras.Model], kind: str) -> keras.Model:
    """Returns `build(weights="imagenet")`: Keras' download, or what of it is in its cache.

    Raises:
      UserError: there is neither; the message names the file that can be given instead.
    """
    try:
        return build(weights="imagenet")
    except Exception as error:  # Keras raises no narrower class where it cannot download
        raise UserError(
            f"the ImageNet weights of '{kind}' cannot be had ({_one_line(error)}); without a way "
            f"to the internet get Keras' {_FILES[kind]} on another machine and give its path as "
            "weights"
        ) from None


def load_keras_weights(model: keras.Model, path: str) -> None:
    """Loads an `.h5` (also `.weights.h5`) file into a model of the same architecture.

    Raises:
      FileError: there is no such file, or it is of another model.
    """
    if not str(path).endswith(".h5"):
        raise FileError(path, "expected a weights file of keras.applications (.h5)")
    if not Path(path).is_file():
        raise FileError(path, "expected a weights file of keras.applications, found no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # that layers are left as they were
            model.load_weights(path)
    except _MISFITS as error:
        raise FileError(
            path,
            f"expected weights of keras.applications' {model.name} without its classifier "
            f"('notop'), found others ({_one_line(error)})",
        ) from None


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:_MAX_REASON]
