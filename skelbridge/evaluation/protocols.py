"""The rules of 3D benchmarks, where a dataset has its own; `mupots` has a module of its own.

Poses are camera coordinates in mm, in the joint order that each function names. What a benchmark
selects (frames, subjects, valid flags) is the adapter's business: these functions score what they
are given. Shares (PCK, AUC, CPS) are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from skeleton_defs import UserError

from .alignment import Root
from .averages import Axis, mean_over
from .correctness import auc_3dhp, cps, pck
from .errors import procrustes_errors, root_aligned_errors

#: MPI-INF-3DHP and MuPoTS-3D, order of `mpi_inf_3dhp_17`: the pelvis, and what PCK counts.
TDHP_ROOT = 14
TDHP_PCK_JOINTS = slice(0, 14)
#: The 12 joints of `smpl_24` that the PCK of the 3DPW challenge counts: hips, knees, ankles,
#: shoulders, elbows, wrists.
THREEDPW_PCK_JOINTS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)


class MultiFormatScores(NamedTuple):
    """The four columns of the multi-format paper's tables: mm, mm, share, share."""

    mpjpe: float
    pmpjpe: float
    pck100: float
    cps200: float


class ActionScores(NamedTuple):
    """mm: the unweighted mean over actions, and per action the mean over its poses."""

    mean: float
    per_action: dict[Hashable, float]


class TdhpScores(NamedTuple):
    """Share, share, mm."""

    pck150: float
    auc: float
    mpjpe: float


class ThreedpwScores(NamedTuple):
    """mm, mm, share."""

    mpjpe: float
    pmpjpe: float
    pck50: float


def multi_format_scores(
    predicted: np.ndarray, true: np.ndarray, *, root: Root, mask: np.ndarray | None = None
) -> MultiFormatScores:
    """Scores poses as the tables of Sárándi et al. (WACV 2023) do.

    All joints of all poses pooled, metric scale, aligned at the root; PCK at 100 mm, CPS at 200 mm.
    For MuPoTS-3D they are the matched poses, for 3DPW its three splits with 24 SMPL joints, for
    MPI-INF-3DHP all 17 joints and metric labels, for Human3.6M every 64th frame with 17 joints.

    Args:
      predicted, true: (..., J, 3) mm. A joint without a prediction does not count.
      root: the pelvis.
      mask: bool, broadcasting to (..., J).
    """
    errors = root_aligned_errors(predicted, true, root=root, mask=mask)
    aligned = procrustes_errors(predicted, true, mask=mask)
    return MultiFormatScores(
        mpjpe=float(mean_over(errors)),
        pmpjpe=float(mean_over(aligned)),
        pck100=float(pck(errors, 100)),
        cps200=float(cps(errors, 200)),
    )


def h36m_protocol1(
    predicted: np.ndarray,
    true: np.ndarray,
    actions: Sequence[Hashable],
    *,
    root: Root = 0,
    mask: np.ndarray | None = None,
) -> ActionScores:
    """MPJPE on Human3.6M as in the lifting literature: root-aligned, per action, mean of actions.

    Every frame of S9 and S11, all four cameras, 15 actions. (Papers on images have other protocols
    of the same numbers, and the multi-format paper pools every 64th frame: `multi_format_scores`.)

    Args:
      predicted, true: (N, J, 3) mm.
      actions: (N,) action of each pose; both takes of an action carry one label.
      root: the pelvis, 0 in `h36m_17`; None for poses that are relative to it already, where the
        predicted root's own error is to count.
      mask: bool, broadcasting to (N, J).
    """
    return _per_action(root_aligned_errors(predicted, true, root=root, mask=mask), actions)


def h36m_protocol2(
    predicted: np.ndarray,
    true: np.ndarray,
    actions: Sequence[Hashable],
    *,
    mask: np.ndarray | None = None,
) -> ActionScores:
    """PMPJPE on Human3.6M as in the lifting literature: per action, mean of actions.

    Args: as for `h36m_protocol1`.
    """
    return _per_action(procrustes_errors(predicted, true, mask=mask), actions)


def mpi_inf_3dhp_scores(
    predicted: np.ndarray, true: np.ndarray, *, mask: np.ndarray | None = None
) -> TdhpScores:
    """Scores MPI-INF-3DHP by its official rule: PCK150 and grid AUC of 14 joints, MPJPE of 17.

    Aligned at the pelvis. The official reference is `univ_annot3`. Call it per sequence or activity
    for the official table; scenes weigh their sequences by the number of valid frames, which is the
    score of their poses pooled.

    Args:
      predicted, true: (..., 17, 3) mm in the order of `mpi_inf_3dhp_17`. A joint without a
        prediction is wrong for PCK and AUC and does not count for MPJPE.
      mask: bool, broadcasting to (..., 17).
    """
    _check_joints(predicted, 17, "MPI-INF-3DHP")
    errors = root_aligned_errors(predicted, true, root=TDHP_ROOT, mask=mask, unpredicted=np.inf)
    evaluated = errors[..., TDHP_PCK_JOINTS]
    return TdhpScores(
        pck150=float(pck(evaluated, 150)),
        auc=float(auc_3dhp(evaluated)),
        mpjpe=float(mean_over(_found(errors))),
    )


def threedpw_challenge_scores(
    predicted: np.ndarray, true: np.ndarray, *, mask: np.ndarray | None = None
) -> ThreedpwScores:
    """MPJPE, PA-MPJPE and PCK50 as the tool of the 3DPW challenge (2020) has them.

    24 joints aligned at joint 0, all three splits; PCK counts 12 major joints within (at most)
    50 mm. The tool's other numbers (its AUC, joint angles) are not reproduced here.

    Args:
      predicted, true: (..., 24, 3) mm in the order of `smpl_24`. A joint without a prediction is
        wrong for PCK and does not count for the other two.
      mask: bool, broadcasting to (..., 24).
    """
    _check_joints(predicted, 24, "3DPW")
    errors = root_aligned_errors(predicted, true, root=0, mask=mask, unpredicted=np.inf)
    return ThreedpwScores(
        mpjpe=float(mean_over(_found(errors))),
        pmpjpe=float(mean_over(procrustes_errors(predicted, true, mask=mask))),
        pck50=float(pck(errors[..., list(THREEDPW_PCK_JOINTS)], 50, inclusive=True)),
    )


def auc_3dpw_posepile(errors_mm: np.ndarray, *, axis: Axis = None) -> np.ndarray:
    """Returns the AUC that PosePile reports for 3DPW: `max(0, 1 - (floor(50 e / 199) + 0.5) / 50)`.

    The trapezoidal integral of the strict PCK over 51 thresholds from 0 to 199 mm, divided by 199;
    for root-aligned errors of the 24 SMPL joints. A perfect prediction has 0.99.
    """
    steps = np.floor(np.asarray(errors_mm, dtype=np.float64) / 199 * 50)
    return mean_over(np.maximum(0, 1 - (steps + 0.5) / 50), axis)


def _found(errors: np.ndarray) -> np.ndarray:
    """Errors where joints without a prediction do not count."""
    return np.where(np.isinf(errors), np.nan, errors)


def _per_action(errors: np.ndarray, actions: Sequence[Hashable]) -> ActionScores:
    actions = list(actions)
    if errors.ndim != 2 or len(actions) != len(errors):
        raise UserError(
            "poses must have shape (N, J, 3) with N actions. "
            f"Received {errors.shape[:-1]} poses and {len(actions)} actions"
        )
    rows: dict[Hashable, list[int]] = {}
    for row, action in enumerate(actions):
        rows.setdefault(action, []).append(row)
    per_action = {action: float(mean_over(errors[chosen])) for action, chosen in rows.items()}
    return ActionScores(float(mean_over(list(per_action.values()))), per_action)


def _check_joints(poses: np.ndarray, joints: int, dataset: str) -> None:
    shape = np.shape(poses)
    if shape[-2:] != (joints, 3):
        raise UserError(f"{dataset} poses must have shape (..., {joints}, 3). Received {shape}")
