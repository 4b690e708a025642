"""Learning what missing source joints can be predicted by, from the source poses of pairs."""

from __future__ import annotations

import numpy as np

from .fit_pairs import PairedPoses
from .fit_solving import sum_to_zero_basis
from .fit_validation import most_cautious
from .gaps import SourceMoments, least_noise_mm

# Tried shares of the prior in the moments; the last is the prior itself.
_PRIOR_SHARES = (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
# The other joints are never exact, even in rendered data.
_MIN_NOISE_MM = 4.0
_MAX_CALIBRATION = 5.0


def source_moments(
    pairs: PairedPoses,
    kept: np.ndarray,
    used: np.ndarray,
    *,
    noise_mm: float,
    prior: np.ndarray | None = None,
) -> SourceMoments:
    """Measures how the source joints move together, with the atlas's bodies as a prior.

    The prior's share is chosen by predicting each joint of held-out poses from the others
    (`most_cautious`), so that a few frames of one movement do not decide.

    Args:
      pairs: the poses.
      kept: (N,) which of them to use.
      used: (J',) the numbers of their source joints in the format.
      noise_mm: noise of the joints to predict from.
      prior: (J', J') second moments in mm^2 to start from; None for none.
    """
    folds, count = _fold_moments(pairs, kept)
    total = np.tensordot(count, folds, axes=1)
    noise_mm = max(noise_mm, _MIN_NOISE_MM, least_noise_mm(folds))
    without = (total - count[:, None, None] * folds) / (count.sum() - count)[:, None, None]
    shares = (0.0,) if prior is None else _PRIOR_SHARES
    priors = np.zeros_like(total) if prior is None else prior
    score = np.empty((len(shares), len(count), 1))
    told = np.empty((len(shares), len(count)))
    for option, share in enumerate(shares):
        for fold, moment in enumerate((1 - share) * without + share * priors):
            left_out = _left_out(moment, noise_mm)
            score[option, fold] = count[fold] * _squares(left_out, folds[fold])
            told[option, fold] = count[fold] * _squares(left_out, moment)
    chosen = int(most_cautious(score)[0])
    ratio = np.sqrt(score[chosen].sum() / max(told[chosen].sum(), 1e-12))
    return SourceMoments(
        used,
        (1 - shares[chosen]) * total / count.sum() + shares[chosen] * priors,
        noise_mm,
        float(np.clip(ratio, 1.0, _MAX_CALIBRATION)),
        pairs.source.shape[1],
    )


def _fold_moments(pairs: PairedPoses, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the (K, J, J) mean moments of the folds that have poses, and how many they have."""
    moments, counts = [], []
    for fold in pairs.folds:
        poses, doubt = (array[fold][kept[fold]] for array in (pairs.source, pairs.doubt))
        if not len(poses):
            continue
        rows = poses.reshape(-1, poses.shape[-1])
        # What was filled in is less varied than what was missing.
        moment = rows.T @ rows / len(rows) + np.diag((doubt**2).mean(axis=0))
        if (flip := pairs.source_flip) is not None:
            moment = (moment + moment[np.ix_(flip, flip)]) / 2
        moments.append(moment)
        counts.append(len(poses))
    return np.stack(moments), np.array(counts, dtype=np.float64)


def _left_out(moment: np.ndarray, noise_mm: float) -> np.ndarray:
    """(J, J) rows that give each joint minus its prediction from all others."""
    basis = sum_to_zero_basis(len(moment))
    inner = basis.T @ (moment + noise_mm**2 * np.eye(len(moment))) @ basis
    precision = basis @ np.linalg.solve(inner, basis.T)
    return precision / np.diag(precision)[:, None]


def _squares(rows: np.ndarray, moment: np.ndarray) -> float:
    return float(((rows @ moment) * rows).sum())
