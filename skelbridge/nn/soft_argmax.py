"""Expected positions under heatmaps, 2D and 3D, in one pass over the logits.

Logits (B, H, W, (1 + D) J): the first J channels are 2D heatmaps, then D slices of J channels each
are the 3D heatmaps (depth outermost, as published). With m the largest logit of a channel,

    T(channel) = sum over cells of exp(logit - m) * (1, x, y)

is one product with a (3, H W) matrix. 2D: T's quotients. 3D: the D slices of a joint are added with
the factors exp(m - max over slices of m). The large tensor is read for its maximum, its exponential
and the product only; nothing is transposed and no probability map is ever written.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

FLOAT32 = "float32"


def soft_argmax(logits, joints: int, *, bias=None):
    """Returns expected positions in cells, counted from 0.

    Always computed in float32. Where the hardware rounds factors of products (TF32), positions are
    still exact, being small integers, and every weight is rounded alike in all its sums.

    Args:
      logits: `(B, H, W, (1 + D) * joints)`, H, W known.
      joints: number of joints J.
      bias: `((1 + D) * joints,)` float32 added to all logits of a channel; None for 0. It weighs
        the slices of a 3D heatmap against each other and cancels everywhere else, so the large
        tensor is spared the sum, and its gradient the reduction.

    Returns:
      2D positions `(B, 2, J)` as (x, y) and 3D positions `(B, 3, J)` as (x, y, z).
    """
    logits = ops.cast(logits, FLOAT32)
    height, width, channels = logits.shape[1:]
    depth = channels // joints - 1
    largest = ops.stop_gradient(
        ops.max_pool(logits, (height, width), strides=1, padding="valid",
                     data_format="channels_last")
    )  # fmt: skip
    weights = ops.reshape(ops.exp(logits - largest), (-1, height * width, channels))
    sums = _matmul(ops.convert_to_tensor(_positions(height, width)), weights)
    flat = sums[:, :, :joints]
    solid = ops.reshape(sums[:, :, joints:], (-1, 3, depth, joints))
    if bias is not None:
        largest = largest + bias
    largest = ops.reshape(largest[..., joints:], (-1, 1, depth, joints))
    highest = ops.stop_gradient(ops.max(largest, axis=2, keepdims=True))
    solid = solid * ops.exp(largest - highest)
    slices = ops.convert_to_tensor(np.arange(depth, dtype=np.float32)[:, None])
    z = ops.sum(solid[:, 0] * slices, axis=1)
    solid = ops.sum(solid, axis=2)
    total = solid[:, :1]
    plane = flat[:, 1:] / flat[:, :1]
    return plane, ops.concatenate([solid[:, 1:] / total, z[:, None] / total], axis=1)


def _positions(height: int, width: int) -> np.ndarray:
    """(1, 3, H W) rows of ones, x and y of the cells."""
    y, x = np.indices((height, width), dtype=np.float32).reshape(2, -1)
    return np.stack([np.ones_like(x), x, y])[None]


def _matmul(positions, weights):
    if keras.config.backend() == "jax":
        import jax

        with jax.default_matmul_precision("highest"):
            return ops.matmul(positions, weights)
    return ops.matmul(positions, weights)
