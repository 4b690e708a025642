"""Filling in source joints that some of the paired poses lack."""

from __future__ import annotations

import numpy as np

# Each set of missing joints costs a solve; with more sets than this, for so many joints, the poses
# of the rarest sets are left out.
_MAX_PATTERNS = 5000
_MAX_SOLVE_WORK = 5000 * 40**3
_MIN_PATTERNS = 500
_PATTERNS_AT_ONCE = 64
_MAX_ROUNDS = 6
_SETTLED = 2e-3


def fill_missing(
    poses: np.ndarray, *, noise_mm: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicts missing joints from the present joints of the same pose.

    Why: moments of pairs of joints, each over the poses that have both, differ by more than the
    millimetres that matter, because they are over different poses. And keeping complete poses alone
    loses nearly all where every joint is now and then missing. The conditional mean of missing
    source joints, given the present ones, is a substitute under which the least squares weights
    stay right: what it misses is uncorrelated with what it uses.

    The prediction is the sum-to-one least squares one from the complete poses or, where these are
    few, from all poses by expectation maximisation.

    Args:
      poses: (N, D, J), NaN where a joint is missing.
      noise_mm: ridge of the prediction, above 0.

    Returns:
      filled: (N, D, J) without NaN.
      doubt: (N, J) expected root mean square error per axis of what was filled in, mm; 0 for joints
        that are there.
      usable: (N,) False where over half of the joints are missing, or the set of missing joints is
        one too many; the other arrays hold zeros there.
    """
    missing = np.isnan(poses).any(axis=1)
    usable = missing.mean(axis=1) <= 0.5
    doubt = np.zeros(missing.shape)
    # Zeros where a joint is missing, so that no weight matters there.
    present = np.where(missing[:, None], 0, poses)
    if not missing[usable].any():
        present[~usable] = 0
        return present, doubt, usable
    patterns, members = _patterns(missing, usable)
    present[~usable] = 0
    complete = usable & ~missing.any(axis=1)
    filled = present.copy()
    few = complete.sum() < 10 * poses.shape[-1]
    if few:
        for gone, rows in zip(patterns, members, strict=True):
            middle = present[rows].sum(axis=-1, keepdims=True) / (~gone).sum()
            filled[rows] = np.where(gone, middle, present[rows])
    moment = _moment(filled[usable if few else complete])
    for _ in range(_MAX_ROUNDS if few else 1):
        unknown = np.zeros_like(moment)
        for start in range(0, len(patterns), _PATTERNS_AT_ONCE):
            some = slice(start, start + _PATTERNS_AT_ONCE)
            weights = _predictors(moment, patterns[some], noise_mm)
            error = np.eye(len(moment)) - weights
            missed = error @ moment @ error.swapaxes(1, 2)
            for rows, w, m in zip(members[some], weights, missed, strict=True):
                filled[rows] = present[rows] @ w.T
                doubt[rows] = np.sqrt(np.maximum(np.diag(m), 0))
                unknown += len(rows) * m
        before, moment = moment, _moment(filled[usable]) + unknown / usable.sum()
        if np.abs(moment - before).max() <= _SETTLED * np.abs(moment).max():
            break
    return filled, doubt, usable


def _patterns(missing: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns (P, J) sets of missing joints, but for the empty one, and the poses of each.

    Poses of sets beyond the most that are solved for are set False in `usable`.
    """
    incomplete = np.flatnonzero(usable & missing.any(axis=1))
    patterns, pattern_of, sizes = np.unique(
        missing[incomplete], axis=0, return_inverse=True, return_counts=True
    )
    most = np.clip(_MAX_SOLVE_WORK // missing.shape[1] ** 3, _MIN_PATTERNS, _MAX_PATTERNS)
    order = np.argsort(pattern_of.reshape(-1), kind="stable")
    members = np.split(incomplete[order], np.cumsum(sizes)[:-1])
    ranking = np.argsort(-sizes, kind="stable")
    for rare in ranking[most:]:
        usable[members[rare]] = False
    return patterns[ranking[:most]], [members[i] for i in ranking[:most]]


def _predictors(moment: np.ndarray, gone: np.ndarray, noise_mm: float) -> np.ndarray:
    """(P, J, J) weights: present joints stay, missing ones are predicted by rows that sum to one.

    Args:
      moment: (J, J) second moment of the joints.
      gone: (P, J) which joints are missing.
      noise_mm: ridge.
    """
    joints = len(moment)
    seen = (~gone).astype(np.float64)
    system = np.zeros((len(gone), joints + 1, joints + 1))
    system[:, :-1, :-1] = (moment + noise_mm**2 * np.eye(joints)) * seen[:, :, None] * seen[:, None]
    diagonal = np.arange(joints)
    system[:, diagonal, diagonal] += gone
    # The Lagrange multiplier of "weights sum to one", in the matrix's own scale.
    scale = np.sqrt(np.trace(moment) / joints + noise_mm**2)
    system[:, :-1, -1] = system[:, -1, :-1] = scale * seen
    right = np.full((len(gone), joints + 1, joints), scale)
    right[:, :-1] = moment * seen[:, :, None]
    solved = np.linalg.solve(system, right)[:, :-1].swapaxes(1, 2)
    return np.where(gone[:, :, None], solved, np.eye(joints))


def _moment(poses: np.ndarray) -> np.ndarray:
    """(J, J) mean second moment about each pose's own centre."""
    rows = (poses - poses.mean(axis=-1, keepdims=True)).reshape(-1, poses.shape[-1])
    return rows.T @ rows / len(rows)
