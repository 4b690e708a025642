"""The atlas's weights for many patterns of missing joints at once.

One pattern alone costs some hundred microseconds, nearly all of it for calling numpy with matrices
of a few joints; so all patterns that turn up together are solved together.
"""

from __future__ import annotations

import numpy as np

from .by_atlas import AtlasPair
from .errors import placement_error_mm, statistical_error_mm
from .products import MAX_SMALL_PRODUCT
from .solver import noise_variance

# Few enough for products that stay in the calling thread, mostly.
_PATTERNS_AT_ONCE = 12
_MAX_SOURCES = 64


class PatternWeights:
    """Solves an `AtlasPair` for patterns of missing joints.

    Args:
      pair: the maps.
    """

    def __init__(self, pair: AtlasPair):
        self._pair = pair
        self._rows = rows = pair.rows()
        self._together = rows.solution is not None and not pair.options.sparse
        if not self._together:
            # Nor is the atlas read where names decide all.
            return
        self._sources = np.flatnonzero(pair.source_points >= 0)
        self._targets = np.flatnonzero(pair.target_points >= 0)
        # What names decide, and from which source joints: where one is missing, names decide anew.
        decided = (rows.status == "copied") | (pair.target_points < 0)
        self._decided_by = (np.nan_to_num(rows.weights[decided]) != 0).any(axis=0)
        count = len(self._sources)
        self._together = (
            count <= _MAX_SOURCES and len(self._targets) * count**2 <= MAX_SMALL_PRODUCT
        )

    def __call__(self, trusts: np.ndarray) -> np.ndarray:
        """Returns what `AtlasPair.weights` gives for each of (P, J_source) trusts, in one array."""
        result = np.tile(self._rows.weights, (len(trusts), 1, 1))
        together = np.zeros(len(trusts), bool)
        if self._together:
            missing = trusts <= 0
            together = ~missing[:, self._sources].all(axis=1)
            together &= ~missing[:, self._decided_by].any(axis=1)
        for number in np.flatnonzero(~together):
            result[number] = self._pair.weights(trusts[number])
        together = np.flatnonzero(together)
        for start in range(0, len(together), _PATTERNS_AT_ONCE):
            some = together[start : start + _PATTERNS_AT_ONCE]
            result[some] = self._solved(trusts[some], result[some])
        return result

    def _solved(self, trusts: np.ndarray, result: np.ndarray) -> np.ndarray:
        """Replaces the rows of (P, J_target, J_source) weights that the atlas decides."""
        pair = self._pair
        weights, variance = self._least_squares(trusts[:, self._sources])
        patterns, count = weights.shape[:2]
        sources, targets = (p[p >= 0] for p in (pair.source_points, pair.target_points))
        sigma, anchor_of = pair.moments.sigma_mm.astype(np.float64), pair.moments.anchor_of
        repeated = np.tile(targets, patterns)
        points = np.concatenate([repeated, sources])
        placement = placement_error_mm(
            weights.reshape(patterns * count, -1),
            sigma[repeated],
            sigma[sources],
            targets=repeated,
            sources=sources,
            anchor_of=None if anchor_of is None else anchor_of[points],
        )
        statistical = statistical_error_mm(variance, calibration=pair.moments.calibration)
        error = np.hypot(statistical, placement.reshape(patterns, count))
        weights[error > pair.options.max_error_mm] = np.nan
        # Unavailable rows are NaN altogether, also at joints without a place.
        full = np.zeros((patterns, count, result.shape[2]))
        full[:, :, self._sources] = weights
        full[np.isnan(weights[:, :, 0])] = np.nan
        solved = self._rows.status[self._targets] != "copied"
        result[:, self._targets[solved]] = full[:, solved]
        return result

    def _least_squares(self, trusts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solves like `solver.solve`; the weights (P, T, S) of missing joints are zero.

        Returns:
          weights, and (P, T) variances.
        """
        problem = self._pair.problem
        seen = (trusts > 0).astype(np.float64)
        noise_mm = self._pair.options.noise_mm / np.where(seen > 0, trusts, 1)
        noise = noise_variance(noise_mm.ravel(), noise_mm.size).reshape(noise_mm.shape)
        # A missing joint is cut out of the system: its row and column are those of the identity.
        system = problem.among_sources * seen[:, :, None] * seen[:, None]
        diagonal = np.arange(system.shape[1])
        system[:, diagonal, diagonal] += np.where(seen > 0, noise, 1)
        inverse = np.linalg.inv(system) * seen[:, :, None] * seen[:, None]
        inverse = (inverse + inverse.swapaxes(1, 2)) / 2
        ones = inverse.sum(axis=2)
        # One product per pattern, so that its weights do not depend on those beside it.
        multiplier = (ones[:, None] @ problem.to_targets)[:, 0] - 1
        multiplier /= ones.sum(axis=1, keepdims=True)
        weights = (problem.to_targets.T - multiplier[:, :, None]) @ inverse
        if problem.source_flip is not None:
            same = (trusts[:, problem.source_flip] == trusts).all(axis=1)
            flipped = weights[same][:, problem.target_flip][:, :, problem.source_flip]
            weights[same] = (weights[same] + flipped) / 2
        explained = (weights * problem.to_targets.T).sum(axis=2)
        noisy = problem.of_targets - explained - multiplier
        passed_on = (weights**2 * noise[:, None]).sum(axis=2)
        return weights, np.maximum(noisy - passed_on, 0)
