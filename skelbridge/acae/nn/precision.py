"""Products of points and weights that stay in full float32 precision whatever the settings around.

Poses are some metres from the camera in millimetres and their residuals a few millimetres: ten bits
of significand (float16, TF32) lose them. Mixed precision reaches a product by four ways, and each
is closed here: a float16 compute dtype (layers are pinned to float32), `torch.autocast` and TF32 in
PyTorch or TensorFlow (products are taken in float64, which neither touches; the matrices are small,
so this costs little), and JAX's default matmul precision (asked for explicitly).
"""

from __future__ import annotations

import contextlib

import keras
import numpy as np
from keras import ops

from skeleton_defs import UserError

FLOAT32 = "float32"
#: Metres per unit of length.
METRES = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}


def metres_per(unit: str) -> float:
    """Returns the factor that turns `unit` into metres."""
    if unit not in METRES:
        raise UserError(f"unit must be one of {', '.join(METRES)}. Received {unit!r}")
    return METRES[unit]


def pinned(layer_name: str, options: dict) -> dict:
    """Returns layer options with the dtype pinned to float32, whatever the global policy is."""
    dtype = options.pop("dtype", None)
    if dtype is not None and keras.dtype_policies.get(dtype).name != FLOAT32:
        raise UserError(
            f"{layer_name} always computes in float32 (float16 is too coarse for poses). "
            f"Received dtype {keras.dtype_policies.get(dtype).name!r}; leave dtype out"
        )
    return {**options, "dtype": FLOAT32}


def combine(points, weights):
    """Combines points: `(..., J, D)` times `(J, L)` gives `(..., L, D)`.

    Args:
      points: tensor `(..., J, D)`, float32 or float64; the result has its dtype.
      weights: tensor or numpy array `(J, L)`.
    """
    dtype = keras.backend.standardize_dtype(points.dtype)
    wide = _widest_dtype(points)
    if isinstance(weights, np.ndarray):
        weights = ops.convert_to_tensor(weights.astype(wide))
    with _full_precision():
        # Keras' matmul (TensorFlow) and tensordot (PyTorch) turn float64 into float32; einsum does
        # not.
        product = ops.einsum("...jd,jl->...ld", ops.cast(points, wide), ops.cast(weights, wide))
    return ops.cast(product, dtype)


def _widest_dtype(points) -> str:
    """float64 where the backend has it: neither TF32 nor autocast changes float64 products."""
    backend = keras.config.backend()
    if backend == "jax" or (backend == "torch" and points.device.type == "mps"):
        return FLOAT32
    return "float64"


def _full_precision():
    """Asks JAX, which has no float64 unless told so, for full float32 products."""
    if keras.config.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.default_matmul_precision("highest")
