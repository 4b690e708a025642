"""Matrix products and inverses that stay in the calling thread."""

from __future__ import annotations

import numpy as np

#: OpenBLAS computes products of up to this many multiplications in the calling thread. Larger ones
#: wake threads of its own, which wait for each other: on a busy machine that costs tens of times
#: the work (see `conversion.apply`).
MAX_SMALL_PRODUCT = 1 << 18
# Factors of up to this many rows stay in the calling thread, too.
_MAX_SMALL_FACTOR = 64


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


def positive_inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverts a symmetric positive definite matrix; the result is exactly symmetric."""
    root = _inverse_root(matrix)
    inverse = product(root.T, root)
    return (inverse + inverse.T) / 2


def _inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Returns the inverse of the Cholesky factor L of a matrix L L'."""
    if len(matrix) <= _MAX_SMALL_FACTOR:
        return np.linalg.inv(np.linalg.cholesky(matrix))
    # By blocks [[A, B], [B', C]]: the second factor is that of C - B' A^-1 B.
    half = len(matrix) // 2
    first = _inverse_root(matrix[:half, :half])
    below = product(first, matrix[:half, half:])
    second = _inverse_root(matrix[half:, half:] - product(below.T, below))
    corner = -product(product(second, below.T), first)
    return np.block([[first, np.zeros((half, len(second)))], [corner, second]])
