"""Learning an affine map between two formats from paired poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skeleton_defs import Skeleton, UserError

from .affine_map import AffineMap
from .fit_alignment import translation_note
from .fit_gaps import source_moments
from .fit_outliers import outliers, source_excess, target_excess
from .fit_pairs import PairedPoses, prepare_pairs, variety_note
from .fit_rows import JointErrors, MapRows, residuals_of
from .fit_validation import CrossValidated, cross_validate
from .map_with_gaps import MapWithGaps

#: Noise that is allowed for by default beyond that in the pairs, mm. It is half of the atlas's, as
#: pairs show what noise their sources have. Learned from exact poses, a map then is 5 % worse on
#: exact poses than it could be, and 7 % on poses with 10 mm of noise; with 8 mm, 20 and 1 %.
DEFAULT_NOISE_MM = 4.0
_MAX_ROUNDS = 8
# Joints of a body are never exact, even in rendered data.
_MIN_SOURCE_NOISE_MM = 4.0


@dataclass(frozen=True, eq=False)
class FittedMap:
    """A learned map and how good it is.

    Attributes:
      affine_map: its expected error is `held_out_mm`; for poses that lack joints see `MapWithGaps`.
      held_out_mm, held_out_p95_mm: (T,) mean and 95th percentile of the distance from the true
        joint on held-out poses; mirror partners share theirs. NaN where nothing could be measured.
      prior_mm: (T,) mean distance of the prior's joints on the same poses, NaN where it has none.
      prior_ridge_mm: (T,) how strongly the prior was held to, see `RidgeProblem`: 0 not at all,
        infinity altogether; NaN where there is none.
      poses: (T,) used poses that have the joint.
      poses_given, poses_used, poses_dropped: all poses; those that the fit rests on; those left out
        as outliers. The rest lack too many joints.
      folds: number of held-out parts.
      notes: remarks for the user.
    """

    affine_map: MapWithGaps
    held_out_mm: np.ndarray
    held_out_p95_mm: np.ndarray
    prior_mm: np.ndarray
    prior_ridge_mm: np.ndarray
    poses: np.ndarray
    poses_given: int
    poses_used: int
    poses_dropped: int
    folds: int
    notes: tuple[str, ...]


def fit_affine_map(
    source_poses: np.ndarray,
    target_poses: np.ndarray,
    source: Skeleton,
    target: Skeleton,
    *,
    prior: AffineMap | None = None,
    prior_moments: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    noise_mm: float = DEFAULT_NOISE_MM,
    l1: float = 0.0,
) -> FittedMap:
    """Learns a map from poses of the same people at the same moments in two formats.

    Per target joint, least squares weights over the source joints that sum to one, drawn towards
    the prior as far as that predicts held-out poses better (`cross_validate`): with a few poses the
    prior decides, with many it is forgotten. Where both formats have a mirror permutation, every
    pose counts mirrored too, and the map is symmetric. Poses with a joint far off are left out and
    the fit is repeated. Rows that the prior copies by construction stay, unless the data
    contradict them.

    Args:
      source_poses: (N, J, D) in mm, NaN where missing, consecutive poses next to each other.
      target_poses: (N, T, D) in the same coordinates (see `check_frames_of_reference`).
      source, target: the formats.
      prior: a map between them; None for none (weights are then drawn towards each other).
      prior_moments: (J, J) second moments of the source joints in mm^2 to start from, where poses
        lack joints: see `source_moments`. NaN at joints that it does not know.
      groups: (N,) ids of takes or people; poses of one id are held out together. By default blocks
        of consecutive poses are, since neighbours are nearly copies of each other.
      noise_mm: noise of source joints to allow for beyond that in the data.
      l1: penalty on absolute weights in mm^2 for few nonzero weights (`sparse_weights`); 0 for
        none.

    Raises:
      UserError: shapes do not fit, numbers are out of range, or there are too few poses.
    """
    check_strengths(noise_mm, l1)
    if prior is not None and (prior.source, prior.target) != (source, target):
        raise UserError(
            f"the prior must convert {source.name} -> {target.name}. It converts "
            f"{prior.source.name} -> {prior.target.name}"
        )
    pairs, used, notes = prepare_pairs(
        source_poses, target_poses, source, target, groups=groups, noise_mm=noise_mm
    )
    centre, informed = _prior_rows(prior, source, used, pairs)
    kept, fit, outlier_notes = _fit_without_outliers(
        pairs, centre, informed, noise_mm=noise_mm, l1=l1
    )
    residuals = residuals_of(pairs, fit.held_out)
    errors = JointErrors.measure(pairs, kept, residuals)
    of_prior = JointErrors.measure(pairs, kept, residuals_of(pairs, [centre] * len(fit.held_out)))
    of_prior.mean[~informed] = np.nan
    rows = MapRows(fit.weights, used, len(source), prior, errors, of_prior, noise_mm=noise_mm)
    affine_map = AffineMap(
        rows.weights, source, target, tuple(rows.status), rows.mean, tuple(rows.notes), "fit"
    )
    if prior_moments is not None:
        prior_moments = prior_moments[np.ix_(used, used)]
        prior_moments = prior_moments if np.isfinite(prior_moments).all() else None
    moments = source_moments(pairs, kept, used, noise_mm=noise_mm, prior=prior_moments)
    return FittedMap(
        affine_map=MapWithGaps.of(affine_map, moments),
        held_out_mm=rows.mean,
        held_out_p95_mm=rows.p95,
        prior_mm=of_prior.mean,
        prior_ridge_mm=np.where(informed, fit.ridge_mm, np.nan),
        poses=errors.poses,
        poses_given=len(source_poses),
        poses_used=int(kept.sum()),
        poses_dropped=int((~kept).sum()),
        folds=len(pairs.folds),
        notes=notes
        + outlier_notes
        + variety_note(pairs, kept)
        + translation_note(residuals[kept & pairs.complete])
        + rows.remarks(target, of_prior),
    )


def check_strengths(noise_mm: float, l1: float) -> None:
    """Raises `UserError` where one is negative, not a number or absurd."""
    for name, value in (("noise-mm", noise_mm), ("l1", l1)):
        if not (np.isfinite(value) and 0 <= value < 1e6):
            raise UserError(f"--{name} must be a number from 0 to a million. Received {value:g}")


def _prior_rows(
    prior: AffineMap | None, source: Skeleton, used: np.ndarray, pairs: PairedPoses
) -> tuple[np.ndarray, np.ndarray]:
    """(T, J) rows that sum to one, and which of them are the prior's; the others are uniform."""
    rows = np.full((pairs.target.shape[-1], len(used)), np.nan)
    if prior is not None:
        rows = prior.restrict([source.joints[i] for i in used]).weights[:, used]
    if pairs.target_flip is not None:
        both = np.stack([rows, rows[pairs.target_flip][:, pairs.source_flip]])
        there = np.isfinite(both).all(axis=-1, keepdims=True)
        rows = np.where(there, both, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        rows = np.where(there.any(axis=0), rows, np.nan)
    informed = np.isfinite(rows).all(axis=1)
    return np.where(informed[:, None], rows, 1 / len(used)), informed


def _fit_without_outliers(
    pairs: PairedPoses, prior: np.ndarray, informed: np.ndarray, *, noise_mm: float, l1: float
) -> tuple[np.ndarray, CrossValidated, tuple[str, ...]]:
    """Fits, drops poses that are far off, and fits again until the same poses are dropped.

    A pose is judged by weights that it had no part in, and may come back in a later round.

    Returns:
      ((N,) which poses were kept, the fit to them, notes).
    """
    odd = source_excess(pairs, noise_mm=max(noise_mm, _MIN_SOURCE_NOISE_MM))
    far, notes = outliers(odd)
    for _ in range(_MAX_ROUNDS):
        kept = ~far
        fit = cross_validate(pairs, kept, prior, noise_mm=noise_mm, informed=informed, nested=False)
        far, notes = outliers(np.maximum(odd, target_excess(pairs, fit.held_out)))
        if (far == ~kept).all():
            break
    fit = cross_validate(pairs, kept, prior, noise_mm=noise_mm, informed=informed, l1=l1)
    return kept, fit, notes
