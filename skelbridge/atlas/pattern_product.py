"""One pattern's weights, ready to multiply many poses with."""

from __future__ import annotations

import numpy as np

from ..conversion.apply import apply_weights
from .products import MAX_SMALL_PRODUCT, multiply_blocks

# As in apply_weights: up to this many numbers per pose, x, y and z go through one product.
MAX_TOGETHER = 256
# A smaller weight cannot matter. Where it is zero, the numbers that stand for missing joints
# either do not count at all or cannot be overlooked.
_SMALLEST_WEIGHT = 1e-12

#: How many rows behind the last one `multiply_run` may use.
SPARE_ROWS = 128


class PatternProduct:
    """Weights that are applied again and again to poses without anything missing.

    Args:
      weights: (J_target, J_source); a row of NaN gives NaN joints.
      lacking: what names the pattern, where it lacks joints that the data has; else None.
    """

    def __init__(self, weights: np.ndarray, *, lacking: bytes | None = None):
        self.weights = weights
        self.lacking = lacking
        self.unavailable = np.flatnonzero(np.isnan(weights).any(axis=1))
        self._factors: dict[tuple[int, str], tuple[np.ndarray, int]] = {}

    @property
    def n_bytes(self) -> int:
        """About how much memory this takes: the weights, and their product with I_3."""
        return self.weights.nbytes * (10 if 3 * self.weights.shape[1] <= MAX_TOGETHER else 1)

    def multiply(self, poses: np.ndarray, result: np.ndarray) -> None:
        """Writes the product for (N, J_source, D) poses into (N, J_target, D).

        Unavailable joints are of no meaning here and in `multiply_run`: the caller hides them.
        """
        count, dims = poses.shape[1:]
        if count * dims > MAX_TOGETHER or poses.dtype != result.dtype:
            result[...] = apply_weights(self.weights, poses)
            return
        rows, out = poses.reshape(len(poses), -1), result.reshape(len(poses), -1)
        factor, size = self._factor(dims, poses.dtype)
        whole = len(rows) // size * size
        multiply_blocks(rows[:whole], factor, out[:whole], size)
        np.matmul(rows[whole:], factor, out=out[whole:])

    def multiply_run(self, rows: np.ndarray, out: np.ndarray, *, start: int, end: int, dims: int):
        """Writes the product of rows start..end of (M, J_source D) into those of (M, J_target D).

        Up to `SPARE_ROWS` rows behind `end` are overwritten as well, which makes it one call.
        """
        factor, most = self._factor(dims, rows.dtype)
        if end - start <= most:
            np.matmul(rows[start:end], factor, out=out[start:end])
            return
        blocks = -((start - end) // most)
        size = -((start - end) // blocks)
        stop = start + blocks * size
        multiply_blocks(rows[start:stop], factor, out[start:stop], size)

    def _factor(self, dims: int, dtype: np.dtype) -> tuple[np.ndarray, int]:
        """The (J_source D, J_target D) weights for numbers as they lie in memory; block size."""
        found = self._factors.get((dims, dtype.char))
        if found is None:
            weights = np.where(np.abs(self.weights) >= _SMALLEST_WEIGHT, self.weights, 0)
            factor = np.kron(weights.T, np.eye(dims)).astype(dtype)
            most = min(SPARE_ROWS, max(1, MAX_SMALL_PRODUCT // max(1, factor.size)))
            found = self._factors[dims, dtype.char] = (factor, most)
        return found
