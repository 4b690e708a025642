"""Shares of joints and poses that are right: PCK, AUC, CPS.

Functions of errors (..., J), as `errors` makes them: after which alignment, and in which unit, is
chosen there. NaN errors do not count; a share of nothing is NaN. Shares are between 0 and 1;
papers print them times 100. `axis` is that of a numpy mean over the errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeleton_defs import UserError

from .averages import Axis, mean_over, worst_over_joints

#: The official grid of MPI-INF-3DHP and MuPoTS-3D.
TDHP_THRESHOLDS_MM = np.arange(31) * 5.0


def pck(
    errors: np.ndarray, threshold: float, *, inclusive: bool = False, axis: Axis = None
) -> np.ndarray:
    """Returns the share of joints with an error below the threshold (PCK).

    Args:
      errors: (..., J).
      threshold: in the unit of the errors. PCK100 of the WACV 2023 tables: 100 mm.
      inclusive: an error equal to the threshold is right, as in the tools of 3DPW, ASPset and
        MPII; those of MPI-INF-3DHP and MuPoTS-3D have it wrong.
    """
    errors = np.asarray(errors, dtype=np.float64)
    (threshold,) = _thresholds([threshold])
    correct = errors <= threshold if inclusive else errors < threshold
    return mean_over(np.where(np.isnan(errors), np.nan, correct), axis)


def pck_curve(
    errors: np.ndarray,
    thresholds: Sequence[float],
    *,
    inclusive: bool = False,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the PCK at every threshold, on a new last axis."""
    shares = [pck(errors, t, inclusive=inclusive, axis=axis) for t in _thresholds(thresholds)]
    return np.stack(shares, axis=-1)


def auc(errors: np.ndarray, threshold: float, *, axis: Axis = None) -> np.ndarray:
    """Returns the area under the PCK curve from 0 to the threshold, divided by the threshold.

    The exact integral: mean of `max(0, 1 - error / threshold)`; no grid of thresholds is involved.
    The plain ("continuous") AUC of MeTRAbs. At 150 mm the official grid of 3DHP (`auc_3dhp`) gives
    other numbers, by up to 1 / 31 per joint.
    """
    errors = np.asarray(errors, dtype=np.float64)
    (threshold,) = _thresholds([threshold])
    if threshold == 0:
        raise UserError("AUC threshold must be above 0")
    return mean_over(np.maximum(0, 1 - errors / threshold), axis)


def grid_auc(
    errors: np.ndarray,
    thresholds: Sequence[float],
    *,
    inclusive: bool = False,
    axis: Axis = None,
) -> np.ndarray:
    """Returns the plain mean of the PCK over a grid of thresholds."""
    errors = np.asarray(errors, dtype=np.float64)
    grid = np.sort(_thresholds(thresholds))
    missed = np.searchsorted(grid, errors, side="left" if inclusive else "right")
    share = 1 - missed / len(grid)
    return mean_over(np.where(np.isnan(errors), np.nan, share), axis)


def auc_3dhp(errors_mm: np.ndarray, *, axis: Axis = None) -> np.ndarray:
    """Returns the official AUC of MPI-INF-3DHP and MuPoTS-3D.

    The mean PCK over the 31 thresholds 0, 5, .., 150 mm, strictly below:
    `max(0, 1 - floor(30 error / 150 + 1) / 31)` per joint. A perfect prediction has 30 / 31.
    """
    return grid_auc(errors_mm, TDHP_THRESHOLDS_MM, axis=axis)


def cps(errors: np.ndarray, threshold: float, *, axis: Axis = None) -> np.ndarray:
    """Returns the share of poses whose worst joint has an error below the threshold (CPS).

    CPS200 of the WACV 2023 tables: 200 mm, after root alignment, no Procrustes. (The NCPS of the
    3DPW challenge is another metric.)

    Args:
      errors: (..., J); of a pose with missing joints those that count decide.
      axis: over the poses (...).
    """
    worst = worst_over_joints(errors)
    (threshold,) = _thresholds([threshold])
    return mean_over(np.where(np.isnan(worst), np.nan, worst < threshold), axis)


def _thresholds(values: Sequence[float]) -> np.ndarray:
    try:
        thresholds = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        thresholds = np.zeros(0)
    if thresholds.ndim != 1 or not len(thresholds) or not (thresholds >= 0).all():
        raise UserError(f"thresholds must be numbers of at least 0. Received {values!r}")
    return thresholds
