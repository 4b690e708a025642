"""Matrix products that stay in the calling thread."""

from __future__ import annotations

import numpy as np

#: OpenBLAS computes products of up to this many multiplications in the calling thread. Larger ones
#: wake threads of its own, which wait for each other: on a busy machine that costs tens of times
#: the work (see `conversion.apply`).
MAX_SMALL_PRODUCT = 1 << 18


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns `left @ right` of two matrices, as many small products in one call."""
    out = np.empty((len(left), right.shape[1]), np.result_type(left, right))
    size = max(1, MAX_SMALL_PRODUCT // max(1, right.size))
    whole = len(left) // size * size
    multiply_blocks(left[:whole], right, out[:whole], size)
    np.matmul(left[whole:], right, out=out[whole:])
    return out


def multiply_blocks(left: np.ndarray, right: np.ndarray, out: np.ndarray, size: int) -> None:
    """Writes `left @ right` into `out`, `size` rows at a time; `len(left)` is a multiple of it."""
    blocks = left.reshape(-1, size, left.shape[1])
    np.matmul(blocks, right, out=out.reshape(-1, size, right.shape[1]))
