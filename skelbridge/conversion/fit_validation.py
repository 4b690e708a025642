"""Choosing how far to trust the prior, by predicting poses that the fit has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .fit_pairs import PairedPoses
from .fit_solving import RidgeProblem, sparse_weights

#: Tried ridges towards the prior, mm; see `RidgeProblem`. Infinity is the prior itself.
RIDGES_MM = (0.0, *(2.0**power for power in range(-1, 10)), np.inf)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums of second moments per fold, for target joints that are present in the same poses.

    Attributes:
      rows: (R,) target joints.
      source: (K, J, J); cross: (K, R, J); target: (K, R); count: (K,) poses times axes.
    """

    rows: np.ndarray
    source: np.ndarray
    cross: np.ndarray
    target: np.ndarray
    count: np.ndarray

    def without(self, sets: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
        """Mean moments (S, J, J) and (S, R, J) over all folds but those of each set."""
        used = np.ones((len(sets), len(self.count)))
        for row, folds in enumerate(sets):
            used[row, list(folds)] = 0
        count = np.maximum(used @ self.count, 1)[:, None, None]
        return (
            np.tensordot(used, self.source, axes=1) / count,
            np.tensordot(used, self.cross, axes=1) / count,
        )

    def squared_error(self, weights: np.ndarray, fold: np.ndarray, noise_mm: float) -> np.ndarray:
        """(S, R) expected sums of squared errors of (S, R, J) weights on the poses of (S,) folds.

        The stated noise is part of it: else a ridge towards the prior would be chosen merely to
        undo what the noise ridge is for.
        """
        quadratic = ((weights @ self.source[fold]) * weights).sum(axis=-1)
        linear = (weights * self.cross[fold]).sum(axis=-1)
        noise = self.count[fold][:, None] * noise_mm**2 * (weights**2).sum(axis=-1)
        return quadratic - 2 * linear + self.target[fold] + noise


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """Weights from all poses, and those that each fold's poses had no part in.

    Attributes:
      weights: (T, J).
      ridge_mm: (T,) the ridge chosen for them.
      held_out: (K, T, J) weights of each fold from the other folds alone, their ridge included.
    """

    weights: np.ndarray
    ridge_mm: np.ndarray
    held_out: np.ndarray


def cross_validate(
    pairs: PairedPoses,
    kept: np.ndarray,
    prior: np.ndarray,
    *,
    noise_mm: float,
    informed: np.ndarray | None = None,
    l1: float = 0.0,
    nested: bool = True,
) -> CrossValidated:
    """Fits the weights of every target joint.

    The ridge towards the prior is chosen per joint (the same for mirror partners) by the squared
    error on held-out folds, and in doubt an informed prior is held to (`most_cautious`). For the
    held-out weights of a fold it is chosen anew among the others, so that errors measured with them
    are of a fit that knew nothing of the fold.

    Args:
      pairs: the poses.
      kept: (N,) which of them to use.
      prior: (T, J) rows that sum to one.
      noise_mm: see `RidgeProblem`.
      informed: (T,) which rows of the prior tell where the joint is; all by default.
      l1: see `sparse_weights`; 0 for none.
      nested: False to save time: held-out weights then share the ridge of all poses.
    """
    classes = _moments(pairs, kept)
    n_folds, flip = len(pairs.folds), pairs.target_flip
    # Of two folds, nothing would be left to choose by.
    nested = nested and n_folds > 2
    single = [(), *((k,) for k in range(n_folds))]
    sets = single + (list(combinations(range(n_folds), 2)) if nested else [])
    problems = [RidgeProblem(*c.without(sets), prior[c.rows], noise_mm=noise_mm) for c in classes]
    # Row 0 is chosen by all folds, row 1 + k by all folds but k.
    score = np.zeros((len(RIDGES_MM), 1 + n_folds, n_folds, len(prior)))
    for moments, problem in zip(classes, problems, strict=True):
        for i, ridge in enumerate(RIDGES_MM):
            score[i][..., moments.rows] = _scores(moments, problem.weights(ridge), noise_mm)
    if flip is not None:
        score = score + score[..., flip]
    if not nested:
        score[:] = score[:, :1]
    chosen = most_cautious(score)
    if informed is not None:
        best = np.nansum(score, axis=2).argmin(axis=0)
        chosen = np.where(informed, chosen, best)
    ridge = np.array(RIDGES_MM)[chosen]
    weights = np.zeros((1 + n_folds, *prior.shape))
    for moments, problem in zip(classes, problems, strict=True):
        rows = moments.rows
        if l1 > 0:
            weights[:, rows] = _sparse(moments, single, prior, ridge[:, rows], noise_mm, l1)
        else:
            # Sets of two folds have served their purpose.
            padded = np.zeros((len(sets), len(rows)))
            padded[: 1 + n_folds] = ridge[:, rows]
            weights[:, rows] = problem.weights(padded)[: 1 + n_folds]
    if flip is not None:
        # Rows are solved for one of two partners, or both: these differ by rounding only.
        solved = np.isin(np.arange(len(prior)), np.concatenate([c.rows for c in classes]))
        weights = weights + weights[:, flip][:, :, pairs.source_flip]
        weights /= (solved + solved[flip].astype(float))[:, None]
    return CrossValidated(weights[0], ridge[0], weights[1:])


def _sparse(moments, sets, prior, ridge, noise_mm, l1) -> np.ndarray:
    """(S, R, J) sparse weights without the poses of each set of folds."""
    # The prior itself is not sparse: the strongest finite ridge stands for it.
    ridge = np.minimum(ridge, RIDGES_MM[-2])
    return np.stack(
        [
            sparse_weights(source, cross, prior[moments.rows], noise_mm=noise_mm, ridge_mm=r, l1=l1)
            for source, cross, r in zip(*moments.without(sets), ridge, strict=True)
        ]
    )


def most_cautious(scores: np.ndarray) -> np.ndarray:
    """Returns the last of the options that are not clearly worse than the best one.

    The one-standard-error rule (Breiman et al. 1984, section 3.4.3), of the differences to the best
    option on the same folds. Neighbouring frames and one person's takes look like each other, so
    held-out folds flatter options that follow the data.

    Args:
      scores: (O, ..., K, R) squared errors of O options, the most cautious last, on each of K
        folds; NaN on folds that do not count.

    Returns:
      (..., R) numbers of options.
    """
    counts = ~np.isnan(scores[0])
    count = counts.sum(axis=-2)
    scores = np.where(counts, scores, 0)
    best = scores.sum(axis=-2).argmin(axis=0)
    difference = scores - np.take_along_axis(scores, best[None, ..., None, :], axis=0)
    total = difference.sum(axis=-2)
    variance = (difference**2).sum(axis=-2) - total**2 / count
    # Of a sum over `count` folds.
    deviation = np.sqrt(np.maximum(variance, 0) * count / np.maximum(count - 1, 1))
    fine = total <= deviation
    return len(scores) - 1 - fine[::-1].argmax(axis=0)


def _scores(moments: _Moments, weights: np.ndarray, noise_mm: float) -> np.ndarray:
    """(1 + K, K, R) squared errors on held-out folds: on all, and on those beside each fold.

    What a fold would be beside itself is NaN; so are all but the first where there are no weights
    without pairs of folds.
    """
    n_folds = len(moments.count)
    scores = np.full((1 + n_folds, n_folds, len(moments.rows)), np.nan)
    every = np.arange(n_folds)
    scores[0] = moments.squared_error(weights[1 : 1 + n_folds], every, noise_mm)
    if len(weights) == 1 + n_folds:
        return scores
    first, second = np.array(list(combinations(every, 2))).reshape(-1, 2).T
    of_pairs = weights[1 + n_folds :]
    scores[1 + second, first] = moments.squared_error(of_pairs, first, noise_mm)
    scores[1 + first, second] = moments.squared_error(of_pairs, second, noise_mm)
    return scores


def _moments(pairs: PairedPoses, kept: np.ndarray) -> list[_Moments]:
    """Sums moments fold by fold; a joint's include the mirrored poses of its partner.

    Of mirror partners that are present in different poses, only one is among the result.
    """
    joints, targets = pairs.source.shape[-1], pairs.target.shape[-1]
    patterns, group = np.unique(pairs.present[kept].T, axis=0, return_inverse=True)
    group = group.reshape(-1)
    dims, n_folds = pairs.source.shape[1], len(pairs.folds)
    source = np.zeros((len(patterns), n_folds, joints, joints))
    cross = np.zeros((n_folds, targets, joints))
    target = np.zeros((n_folds, targets))
    count = np.zeros((len(patterns), n_folds))
    position = np.cumsum(kept) - 1
    for k, fold in enumerate(pairs.folds):
        inside = np.flatnonzero(kept[fold]) + fold.start
        x = pairs.source[inside]
        rows_x = x.reshape(-1, joints)
        rows_y = pairs.target[inside].reshape(-1, targets)
        cross[k] = rows_y.T @ rows_x
        target[k] = np.einsum("nt,nt->t", rows_y, rows_y)
        everything = rows_x.T @ rows_x
        for g, pattern in enumerate(patterns):
            there = pattern[position[inside]]
            count[g, k] = there.sum() * dims
            mostly = 2 * there.sum() >= len(there)
            few = x[there != mostly].reshape(-1, joints)
            source[g, k] = everything - few.T @ few if mostly else few.T @ few
    flip, mirror = pairs.target_flip, pairs.source_flip
    if flip is None:
        classes = [(g, np.flatnonzero(group == g), None) for g in range(len(patterns))]
    else:
        both = set(zip(group.tolist(), group[flip].tolist(), strict=True))
        classes = [
            (g, np.flatnonzero((group == g) & (group[flip] == h)), h)
            for g, h in sorted(both)
            if g <= h
        ]
    result = []
    for g, rows, h in classes:
        sums = [source[g], cross[:, rows], target[:, rows], count[g]]
        if h is not None:
            sums[0] = sums[0] + source[h][:, mirror][:, :, mirror]
            sums[1] = sums[1] + cross[:, flip[rows]][:, :, mirror]
            sums[2] = sums[2] + target[:, flip[rows]]
            sums[3] = sums[3] + count[h]
        result.append(_Moments(rows, *sums))
    return result
