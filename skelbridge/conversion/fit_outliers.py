"""Poses of a pair that do not belong: swapped sides, other moments, joints that flew away."""

from __future__ import annotations

import numpy as np

from .fit_pairs import MIN_POSES, PairedPoses
from .fit_rows import residuals_of
from .fit_solving import sum_to_zero_basis

# A pose is an outlier where a joint is farther off than so many times what three quarters of the
# poses stay within, and than so many mm. (The median and its deviation say too little of the tail:
# ten deviations above it drop one pose in fourteen of real wrists predicted without forearms.)
_QUARTILES = 4.0
_FLOOR_MM = 50.0
# Other joints of a body tell less of a joint than a map that was fitted to it does.
_SOURCE_QUARTILES = 8.0
_SOURCE_FLOOR_MM = 100.0
_MAX_SHARE = 0.25
# How many times its expected error a filled-in source joint may excuse.
_EXCUSED_DOUBTS = 3.0


def source_excess(pairs: PairedPoses, *, noise_mm: float) -> np.ndarray:
    """(N,) how far source poses are beyond the limit (1) that a joint may be off from the others.

    Errors of the map alone do not show a source joint that sometimes flies away: least squares
    does without the joint instead. So each joint is predicted from the other source joints.
    """
    joints = pairs.source.shape[-1]
    basis = sum_to_zero_basis(joints)
    excess = np.zeros(len(pairs))
    for _ in range(2):
        rows = pairs.source[excess <= 1].reshape(-1, joints)
        # The precision of joints about their common shift, of which the poses are free.
        values, vectors = np.linalg.eigh(basis.T @ (rows.T @ rows / len(rows)) @ basis)
        vectors = basis @ vectors / np.sqrt(np.maximum(values, 0) + noise_mm**2)
        precision = vectors @ vectors.T
        left_out = precision / np.diag(precision)[:, None]
        blur = pairs.source.shape[1] * pairs.doubt**2 @ (left_out**2).T
        distances = np.linalg.norm(pairs.source @ left_out.T, axis=1)
        excess = _excess(
            pairs, distances, np.sqrt(blur), pairs.source_flip, _SOURCE_QUARTILES, _SOURCE_FLOOR_MM
        )
        if (excess > 1).mean() > _MAX_SHARE:
            # Not a few poses that are odd, but a body that this says nothing about.
            return np.zeros(len(pairs))
    return excess


def target_excess(pairs: PairedPoses, held_out: np.ndarray) -> np.ndarray:
    """(N,) how far poses are beyond the limit (1) that a joint may be off from the map's.

    Args:
      pairs: the poses.
      held_out: (K, T, J) weights for each fold that its poses had no part in.
    """
    distances = np.linalg.norm(residuals_of(pairs, held_out), axis=1)
    blur = np.zeros(distances.shape)
    if pairs.doubt.any():
        for fold, weights in zip(pairs.folds, held_out, strict=True):
            blur[fold] = pairs.source.shape[1] * pairs.doubt[fold] ** 2 @ (weights**2).T
    return _excess(pairs, distances, np.sqrt(blur), pairs.target_flip, _QUARTILES, _FLOOR_MM)


def outliers(excess: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """(N,) the poses beyond their limit, at most a quarter of all, the worst; and a remark."""
    far = excess > 1
    most = max(min(int(_MAX_SHARE * len(far)), len(far) - MIN_POSES), 0)
    found = int(far.sum())
    if found <= most:
        return far, ()
    far[np.argsort(-excess, kind="stable")[most:]] = False
    return far, (
        f"{found} of {len(far)} poses have a joint far off, of which the worst {most} were left "
        "out: check that the pairs are of the same people and moments",
    )


def _excess(
    pairs: PairedPoses,
    distances: np.ndarray,
    blur: np.ndarray,
    flip: np.ndarray | None,
    quartiles: float,
    floor_mm: float,
) -> np.ndarray:
    """(N,) the largest ratio of a joint's distance to its limit.

    Args:
      pairs: the poses.
      distances: (N, K) in mm, NaN where missing.
      blur: (N, K) what filled-in joints add to them.
      flip: (K,) mirror partners, which share a limit.
      quartiles, floor_mm: the limit is so many times what three quarters stay within, and at least
        the floor.
    """
    complete = pairs.complete
    typical = distances[complete] if complete.sum() >= MIN_POSES else distances
    limits = np.full(distances.shape[1], np.inf)
    for joint in range(len(limits)):
        columns = [joint] if flip is None else [joint, flip[joint]]
        sample = typical[:, columns]
        sample = sample[~np.isnan(sample)]
        if len(sample):
            limits[joint] = max(quartiles * np.percentile(sample, 75), floor_mm)
    return np.nan_to_num(distances / (limits + _EXCUSED_DOUBTS * blur)).max(axis=1)
