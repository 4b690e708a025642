"""Scores per joint and per body part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from skeleton_defs import UserError

from .averages import mean_over
from .correctness import pck


class JointScore(NamedTuple):
    """One row of a table, in the unit of the errors.

    Attributes:
      name: the joint or the body part.
      count: errors that count.
      mean, median: NaN where none counts.
      pck: share of errors below the table's threshold.
    """

    name: str
    count: int
    mean: float
    median: float
    pck: float


def per_joint_table(
    errors: np.ndarray, joint_names: Sequence[str], *, pck_threshold: float = 150.0
) -> list[JointScore]:
    """Returns one row per joint.

    Args:
      errors: (..., J), NaN where a joint does not count.
      joint_names: J names, e.g. `Skeleton.joints`.
      pck_threshold: in the unit of the errors.
    """
    errors = _checked_errors(errors, len(joint_names))
    names = enumerate(joint_names)
    return [_row(name, errors[:, [joint]], pck_threshold) for joint, name in names]


def per_group_table(
    errors: np.ndarray,
    joint_names: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    *,
    pck_threshold: float = 150.0,
) -> list[JointScore]:
    """Returns one row per group of joints; the errors of its joints are pooled.

    Args:
      errors: (..., J), NaN where a joint does not count.
      joint_names: J names.
      groups: name of the row -> the joints' names.
      pck_threshold: in the unit of the errors.
    """
    errors = _checked_errors(errors, len(joint_names))
    place = {name: joint for joint, name in enumerate(joint_names)}
    rows = []
    for group, members in groups.items():
        unknown = [name for name in members if name not in place]
        if unknown:
            raise UserError(f"group '{group}' names a joint that is not there: '{unknown[0]}'")
        rows.append(_row(group, errors[:, [place[name] for name in members]], pck_threshold))
    return rows


def _row(name: str, errors: np.ndarray, pck_threshold: float) -> JointScore:
    counted = errors[~np.isnan(errors)]
    median = float(np.median(counted)) if len(counted) else np.nan
    share = float(pck(counted, pck_threshold))
    return JointScore(name, len(counted), float(mean_over(counted)), median, share)


def _checked_errors(errors: np.ndarray, joints: int) -> np.ndarray:
    errors = np.asarray(errors, dtype=np.float64)
    if errors.ndim < 1 or errors.shape[-1] != joints:
        raise UserError(
            f"errors must have shape (..., {joints}) for {joints} joint names. "
            f"Received {errors.shape}"
        )
    return errors.reshape(-1, joints)
