"""Affine weights from second moments: ridge towards a prior, and a sparse variant."""

from __future__ import annotations

import numpy as np

# Directions of less variance than this share of the largest are not told by the data.
_RELATIVE_FLOOR = 1e-12
_ADMM_ROUNDS = 1500
_ADMM_ROUNDS_PER_STEP = 25
_ADMM_TOLERANCE = 1e-5
_OVER_RELAXATION = 1.6


class RidgeProblem:
    """Weights w that sum to one and minimise, per row,

        mean (y - w x)^2 + noise^2 |w|^2 + ridge^2 |w - prior|^2

    where the mean is over poses and coordinate axes. `noise` is what a detector adds to each source
    joint beyond what the pairs show: it bounds large weights however many pairs there are. `ridge`
    charges departures from the prior as if they carried so many mm of noise. (With n poses of D
    axes, a prior of width tau on each weight is ridge = noise / (tau sqrt(n D)).)

    The matrices are decomposed once; every further ridge costs two small products.

    Args:
      source: (..., J, J) mean second moment of the source joints, mm^2.
      cross: (..., T, J) mean second moment between target and source joints.
      prior: (T, J), rows that sum to one.
      noise_mm: see above.
    """

    def __init__(self, source: np.ndarray, cross: np.ndarray, prior: np.ndarray, *, noise_mm):
        count = source.shape[-1]
        basis = sum_to_zero_basis(count)
        values, vectors = np.linalg.eigh(basis.T @ source @ basis)
        self._uniform = 1 / count
        self._vectors = basis @ vectors
        self._stiffness = np.maximum(values, 0)[..., None, :] + noise_mm**2
        self._floor = _RELATIVE_FLOOR * values.max(initial=0)
        pull = cross - source.mean(axis=-1)[..., None, :]
        self._pull = pull @ self._vectors
        self._prior = prior @ self._vectors

    def weights(self, ridge_mm: float | np.ndarray) -> np.ndarray:
        """Returns (..., T, J) weights.

        Args:
          ridge_mm: a number, or an array that broadcasts to (..., T); infinity gives the prior.
        """
        ridge = np.asarray(ridge_mm, dtype=np.float64)[..., None]
        square = np.where(np.isinf(ridge), 0, ridge) ** 2
        stiffness = self._stiffness + square
        undetermined = np.isinf(ridge) | (stiffness <= self._floor)
        data = (self._pull + square * self._prior) / np.where(undetermined, 1, stiffness)
        deviation = np.where(undetermined, self._prior, data)
        return deviation @ np.swapaxes(self._vectors, -1, -2) + self._uniform


def sparse_weights(
    source: np.ndarray,
    cross: np.ndarray,
    prior: np.ndarray,
    *,
    noise_mm: float,
    ridge_mm: np.ndarray,
    l1: float,
) -> np.ndarray:
    """Returns (T, J) weights of few nonzero entries that sum to one.

    The penalty `l1 * sum |w|` (l1 in mm^2) on top of `RidgeProblem`'s objective chooses the joints
    (by ADMM: Boyd et al. 2011, section 6.4); on those, the weights are solved without it, so that
    they are not shrunk.

    Args:
      source, cross, prior, noise_mm: see `RidgeProblem`; `source` is (J, J).
      ridge_mm: (T,), finite.
      l1: in mm^2.
    """
    count = len(source)
    # The floor keeps the problem strictly convex where the poses do not vary in some direction.
    floor = 1e-9 * max(np.trace(source) / count, 1.0)
    square = np.asarray(ridge_mm, dtype=np.float64)[:, None] ** 2
    charge = np.maximum(noise_mm**2 + square, floor)
    linear = cross + square * prior
    chosen = _admm(source, charge, linear, l1) != 0
    weights = np.zeros_like(linear)
    for row, joints in enumerate(chosen):
        used = np.flatnonzero(joints | ~joints.any())
        inner = source[np.ix_(used, used)] + charge[row] * np.eye(len(used))
        both = np.stack([linear[row, used], np.ones(len(used))], axis=1)
        free, shift = np.linalg.solve(inner, both).T
        weights[row, used] = free + shift * (1 - free.sum()) / shift.sum()
    return weights


def _admm(source: np.ndarray, charge: np.ndarray, linear: np.ndarray, l1: float) -> np.ndarray:
    """Minimises w S w + charge |w|^2 - 2 linear w + l1 |w|_1, rows summing to one; exact zeros."""
    values, vectors = np.linalg.eigh(source)
    stiffness = 2 * (np.maximum(values, 0) + charge)
    # At least l1, so that no threshold exceeds the weights' own size.
    step = max(np.sqrt(stiffness.min() * stiffness.max()), l1)
    sparse = np.zeros_like(linear)
    dual = np.zeros_like(linear)
    gap = drift = 1.0
    for turn in range(_ADMM_ROUNDS):
        if turn % _ADMM_ROUNDS_PER_STEP == 0:
            # Balanced residuals (Boyd et al. 2011, section 3.4.1): ten times fewer rounds.
            change = np.clip(np.sqrt(gap / max(drift, 1e-12)), 0.2, 5)
            step, dual = step * change, dual / change
            shift = _solve(vectors, stiffness + step, np.ones_like(linear))
            shift /= shift.sum(axis=-1, keepdims=True)
        dense = _solve(vectors, stiffness + step, 2 * linear + step * (sparse - dual))
        dense += shift * (1 - dense.sum(axis=-1, keepdims=True))
        before = sparse
        moved = _OVER_RELAXATION * dense + (1 - _OVER_RELAXATION) * sparse + dual
        sparse = np.sign(moved) * np.maximum(np.abs(moved) - l1 / step, 0)
        dual = moved - sparse
        gap, drift = np.abs(dense - sparse).max(), np.abs(sparse - before).max()
        if max(gap, drift) < _ADMM_TOLERANCE:
            break
    return sparse


def _solve(vectors: np.ndarray, values: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solves each row's system, given by the eigenvectors of all and the row's eigenvalues."""
    return (right @ vectors / values) @ vectors.T


def sum_to_zero_basis(count: int) -> np.ndarray:
    """(count, count - 1) orthonormal columns that each sum to zero."""
    columns = np.column_stack([np.ones(count), np.eye(count)[:, : count - 1]])
    return np.linalg.qr(columns)[0][:, 1:]
