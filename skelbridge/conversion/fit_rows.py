"""From fitted weights to the rows of a map: errors, statuses and what is told about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeleton_defs import Skeleton

from .affine_map import AffineMap
from .fit_pairs import MIN_POSES, PairedPoses

# Between formats of a whole body, the median joint can be told to 10 to 30 mm.
_MISMATCH_MM = 100.0
# By so much the fit must beat a copy that is right by definition, beyond the stated noise.
_COPY_MARGIN_MM = 1.0


def residuals_of(pairs: PairedPoses, weights_per_fold) -> np.ndarray:
    """(N, D, T) predicted minus true joints in mm, NaN where the true one is missing."""
    residuals = np.empty(pairs.target.shape)
    for fold, weights in zip(pairs.folds, weights_per_fold, strict=True):
        np.matmul(pairs.source[fold], weights.T, out=residuals[fold])
    residuals -= pairs.target
    residuals[np.broadcast_to(~pairs.present[:, None], residuals.shape)] = np.nan
    return residuals


@dataclass(frozen=True, eq=False)
class JointErrors:
    """Errors per target joint (T,), mirror partners together.

    Attributes:
      mean, p95: mean and 95th percentile of the distance in mm; NaN where unknown.
      poses: how many poses have the joint.
      informed: how many have it or, mirrored, its partner.
    """

    mean: np.ndarray
    p95: np.ndarray
    poses: np.ndarray
    informed: np.ndarray

    @classmethod
    def measure(cls, pairs: PairedPoses, kept: np.ndarray, residuals: np.ndarray) -> JointErrors:
        """Measures on poses whose source is complete, where there are enough of them."""
        distances = np.linalg.norm(residuals[kept], axis=1)
        whole = distances[pairs.complete[kept]]
        mean, p95 = np.full((2, distances.shape[1]), np.nan)
        poses = pairs.present[kept].sum(axis=0)
        informed = poses
        if pairs.target_flip is not None:
            central = pairs.target_flip == np.arange(len(poses))
            informed = np.where(central, poses, poses + poses[pairs.target_flip])
        for joint in range(len(mean)):
            sample = pairs.pooled(whole, joint)
            if len(sample) < MIN_POSES:
                sample = pairs.pooled(distances, joint)
            if len(sample):
                mean[joint], p95[joint] = sample.mean(), np.percentile(sample, 95)
        return cls(mean, p95, poses, informed)


class MapRows:
    """The rows of the map, each copied, combined or unavailable.

    Args:
      weights: (T, J') fitted weights.
      used: (J',) the source joints that they are of.
      prior: the prior, or None.
      errors, of_prior: held-out errors of the fit, errors of the prior.
      noise_mm: how far a copy that is right by definition may be off in the data.

    Attributes:
      weights: (T, J); mean, p95: (T,) in mm; status, notes: of each row.
      contradicted: rows that are copies by definition, but not in the data.
    """

    def __init__(
        self,
        weights: np.ndarray,
        used: np.ndarray,
        n_source: int,
        prior: AffineMap | None,
        errors: JointErrors,
        of_prior: JointErrors,
        *,
        noise_mm: float,
    ):
        self.weights = np.full((len(weights), n_source), np.nan)
        self.mean, self.p95 = np.full((2, len(weights)), np.nan)
        self.status: list[str] = []
        self.notes: list[str] = []
        self.contradicted: list[int] = []
        for row, fitted in enumerate(weights):
            known = errors.informed[row] >= MIN_POSES
            prior_mm, fit_mm = of_prior.mean[row], errors.mean[row]
            if prior is not None and prior.status[row] == "copied":
                # A definition needs no data. Where data contradict it, the pairs are not of the
                # points that the formats define.
                if not known or np.isnan(prior_mm):
                    error = prior.expected_error_mm[row], np.nan
                    self._copy(row, prior, "not measured in the pairs", error)
                    continue
                if prior_mm <= max(noise_mm, fit_mm + _COPY_MARGIN_MM):
                    note = f"{prior_mm:.1f} mm off in {errors.poses[row]} poses"
                    self._copy(row, prior, note, (prior_mm, of_prior.p95[row]))
                    continue
                self.contradicted.append(row)
            if not known:
                self.status.append("unavailable")
                self.notes.append(
                    f"{errors.poses[row]} of the pairs have this joint, at least {MIN_POSES} are "
                    "needed"
                )
                continue
            self.status.append("combined")
            self.weights[row] = 0
            self.weights[row, used] = fitted
            self.mean[row], self.p95[row] = fit_mm, errors.p95[row]
            compared = "" if np.isnan(prior_mm) else f"; the prior is {prior_mm:.0f} mm off"
            self.notes.append(
                f"learned from {errors.poses[row]} poses, "
                f"95 % within {errors.p95[row]:.0f} mm{compared}"
            )

    def _copy(self, row: int, prior: AffineMap, note: str, error: tuple[float, float]) -> None:
        self.status.append("copied")
        self.weights[row] = prior.weights[row]
        self.mean[row], self.p95[row] = error
        self.notes.append(f"{prior.notes[row]}; {note}" if prior.notes[row] else note)

    def remarks(self, target: Skeleton, of_prior: JointErrors) -> tuple[str, ...]:
        """What the user should be told about the rows as a whole."""
        notes: tuple[str, ...] = ()
        if self.contradicted:
            first = [
                f"{target.joints[i]} ({of_prior.mean[i]:.0f} mm)" for i in self.contradicted[:6]
            ]
            rest = len(self.contradicted) - len(first)
            notes += (
                "by definition the same points in both formats, but not in these pairs, so they "
                f"were learned: {', '.join(first)}{f' and {rest} more' if rest else ''}",
            )
        known = self.mean[np.isfinite(self.mean)]
        if len(known) and np.median(known) > _MISMATCH_MM:
            notes += (
                f"half of the joints are more than {np.median(known):.0f} mm off: check that the "
                "pairs are of the same people and moments, and the formats the right ones",
            )
        return notes
