"""Predicting missing source joints of a map from those that are there."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

from ..atlas.products import positive_inverse, product
from .fit_solving import sum_to_zero_basis

# Mean per root mean square distance, as in the atlas.
_MEAN_PER_RMS = 0.9
_MAX_MOMENT_MM2 = 1e12
# Of the largest moment: what rounding may make of a zero, and the square of the least noise, which
# keeps the inverse well above that.
_ROUNDING = 1e-10
_LEAST_NOISE_SHARE = 1e-8


@dataclass(frozen=True, eq=False)
class SourceMoments:
    """How the source joints that a map uses move together.

    The best affine predictor of a missing joint from those that are there follows from second
    moments; so do the map that does without it (the same map, applied to predictions) and the error
    that this adds, which is independent of the error with all joints.

    Attributes:
      used: (U,) numbers of these source joints, ascending.
      moment: (U, U) mean products of coordinates in mm^2, about any common centre.
      noise_mm: noise of the joints to predict from, the ridge.
      calibration: how many times larger held-out prediction errors were than the moments say.
      dims: 2 or 3, of the poses.

    Raises:
      UserError: values break these rules.
    """

    used: np.ndarray
    moment: np.ndarray
    noise_mm: float
    calibration: float
    dims: int

    def __post_init__(self):
        used = np.asarray(self.used)
        if (
            used.ndim != 1
            or len(used) < 2
            or used.dtype.kind not in "iu"
            or (np.diff(used.astype(np.int64)) <= 0).any()
        ):
            raise UserError("the joints of source moments must be two or more ascending numbers")
        kinds = (int, float)
        _check_number("noise", self.noise_mm, kinds, 1e-3, 1e6)
        _check_number("calibration", self.calibration, kinds, 1.0, 100.0)
        _check_number("number of dimensions", self.dims, int, 2, 3)
        moment = _checked_moment(self.moment, len(used))
        if self.noise_mm**2 < _LEAST_NOISE_SHARE * np.abs(moment).max():
            raise UserError(
                f"the noise of source moments must be {_LEAST_NOISE_SHARE**0.5:g} of the joints' "
                f"distances at least. Received {self.noise_mm:g} mm"
            )
        object.__setattr__(self, "used", used.astype(np.intp))
        object.__setattr__(self, "moment", moment)

    def without_missing(
        self, weights: np.ndarray, seen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Solves for patterns of missing joints.

        Args:
          weights: (T, U) for poses that have all joints; rows sum to one.
          seen: (P, U) which joints each pattern has.

        Returns:
          (P, T, U) weights that do without the missing joints, NaN where none is seen, and (P, T)
          expected distances in mm between their results and those of complete poses.
        """
        result = np.repeat(weights[None], len(seen), axis=0)
        variance = np.zeros((len(seen), len(weights)))
        for pattern, there in enumerate(seen):
            gone = np.flatnonzero(~there)
            if len(gone) == len(there):
                result[pattern], variance[pattern] = np.nan, np.inf
            elif len(gone):
                predictor, missed = self._prediction(gone, there)
                needed = weights[:, gone]
                result[pattern] += product(needed, predictor)
                result[pattern][:, gone] = 0
                variance[pattern] = (product(needed, missed) * needed).sum(axis=1)
        rms = np.sqrt(self.dims * np.maximum(variance, 0))
        return result, _MEAN_PER_RMS * self.calibration * rms

    def missing_error_mm(self) -> np.ndarray:
        """Returns (U,) how far off each joint is expected to be, predicted from all others, mm."""
        alone = ~np.eye(len(self.used), dtype=bool)
        return np.diag(self.without_missing(np.eye(len(self.used)), alone)[1]).copy()

    def _prediction(self, gone: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(G, U) weights that predict missing joints, and the (G, G) covariance of what they miss.

        The rows sum to one: those of the precision matrix sum to zero.
        """
        with_noise = positive_inverse(self._precision[np.ix_(gone, gone)])
        predictor = -product(with_noise, self._precision[gone])
        predictor[:, gone] = 0
        passed_on = np.eye(len(gone)) + product(predictor, predictor.T)
        return predictor, with_noise - self.noise_mm**2 * passed_on

    @functools.cached_property
    def _precision(self) -> np.ndarray:
        """(U, U) inverse second moment, noise included, of joints about their common shift."""
        basis = sum_to_zero_basis(len(self.used))
        noisy = self.moment + self.noise_mm**2 * np.eye(len(self.used))
        inner = positive_inverse(product(product(basis.T, noisy), basis))
        return product(product(basis, inner), basis.T)


def least_noise_mm(moment: np.ndarray) -> float:
    """Returns the smallest noise with which moments can be solved exactly enough."""
    return float(np.sqrt(2 * _LEAST_NOISE_SHARE * np.abs(moment).max()))


def _check_number(name: str, value: object, kinds: object, low: float, high: float) -> None:
    if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
        raise UserError(
            f"the {name} of source moments must be {low:g} to {high:g}. Received {value!r}"
        )


def _checked_moment(moment: np.ndarray, count: int) -> np.ndarray:
    """Returns (U, U) symmetric moments."""
    moment = np.asarray(moment)
    if moment.dtype.kind not in "iuf":
        raise UserError(f"source moments must be real numbers. Received dtype {moment.dtype}")
    if moment.shape != (count, count):
        raise UserError(
            f"source moments of {count} joints must have shape ({count}, {count}). "
            f"Received {moment.shape}"
        )
    # A comparison that NaN fails, too.
    if not (np.abs(moment) <= _MAX_MOMENT_MM2).all():
        raise UserError(f"source moments must be numbers up to {_MAX_MOMENT_MM2:g}")
    symmetric = (moment + moment.T).astype(np.float64) / 2
    rounding = _ROUNDING * np.abs(symmetric).max()
    if (np.abs(moment - symmetric) > rounding).any() or (
        np.linalg.eigvalsh(symmetric)[0] < -rounding
    ):
        raise UserError("source moments must be symmetric and positive, as those of poses are")
    return symmetric
