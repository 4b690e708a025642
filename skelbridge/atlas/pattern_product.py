"""One pattern's weights, ready to multiply many poses with."""

from __future__ import annotations

import numpy as np

from ..conversion.apply import apply_weights
from .products import MAX_SMALL_PRODUCT, multiply_blocks

# As in apply_weights: up to this many numbers per pose, x, y and z go through one product.
_MAX_TOGETHER = 256
_MAX_ROWS = 128
_MIN_ROWS = 8


class PatternProduct:
    """Weights that are applied again and again to poses without anything missing.

    Args:
      weights: (J_target, J_source); a row of NaN gives NaN joints.
      lacking: what names the pattern, where it lacks joints that the data has; else None.
    """

    def __init__(self, weights: np.ndarray, *, lacking: bytes | None = None):
        self.weights = weights
        self.lacking = lacking
        self._factors: dict[tuple[int, str], np.ndarray] = {}

    @property
    def n_bytes(self) -> int:
        """About how much memory this takes: the weights, and their product with I_3."""
        return self.weights.nbytes * (1 if self.is_wide(3) else 10)

    def rows_at_once(self, dims: int) -> int:
        """How many poses BLAS multiplies without waking threads of its own."""
        return min(_MAX_ROWS, MAX_SMALL_PRODUCT // max(1, self.weights.size * dims**2))

    def is_wide(self, dims: int) -> bool:
        """Whether each coordinate is better multiplied on its own."""
        return self.weights.shape[1] * dims > _MAX_TOGETHER or self.rows_at_once(dims) < _MIN_ROWS

    def multiply(self, poses: np.ndarray, result: np.ndarray) -> None:
        """Writes the product for (N, J_source, D) poses into (N, J_target, D), both contiguous."""
        dims = poses.shape[2]
        if self.is_wide(dims) or poses.dtype != result.dtype:
            result[...] = apply_weights(self.weights, poses)
            return
        factor, size = self.factor(dims, poses.dtype), self.rows_at_once(dims)
        rows, out = poses.reshape(len(poses), -1), result.reshape(len(poses), -1)
        whole = len(rows) // size * size
        multiply_blocks(rows[:whole], factor, out[:whole], size)
        np.matmul(rows[whole:], factor, out=out[whole:])

    def factor(self, dims: int, dtype: np.dtype) -> np.ndarray:
        """The (J_source D, J_target D) weights for numbers as they lie in memory."""
        found = self._factors.get((dims, dtype.char))
        if found is None:
            found = np.kron(np.nan_to_num(self.weights).T, np.eye(dims)).astype(dtype)
            found[:, np.repeat(np.isnan(self.weights).any(axis=1), dims)] = np.nan
            self._factors[dims, dtype.char] = found
        return found
