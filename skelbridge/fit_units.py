"""Bringing paired poses to millimetres, so that errors mean something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeleton_defs import UserError

from .coordinates import coordinate_change
from .posefiles import PoseData
from .posefiles.data import UNITS_PER_METRE

# How far joints lie from their mean (root mean square) on an adult: 385 to 582 mm in the real poses
# at hand, sitting to striding.
_BODY_SPREAD_MM = 450.0
_TYPICAL_EXTENT_M = 1.5
# From a hand to a giant.
_PLAUSIBLE_EXTENT_M = (0.05, 5.0)
_ROLES = ("source", "target")


def in_millimetres(
    arrays: Sequence[np.ndarray], poses: Sequence[PoseData], units: str | None
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Brings source and target to mm and to one upward axis.

    Args:
      arrays: (N, J, D) and (N, T, D).
      poses: what their files declare.
      units: m, cm or mm of both, or `SOURCE:TARGET`; overrules the files. A set without a unit has
        the other's; where nobody says any, the one that makes the bodies life-size is taken. 2D
        poses without a unit are scaled pose by pose.

    Returns:
      Both arrays, and remarks for the user.

    Raises:
      UserError: an unknown unit.
    """
    stated = _stated_units(units)
    if arrays[0].shape[-1] == 2 and units is None and not _declared(poses):
        return _life_size(arrays)
    declared = [p.units if p.units in UNITS_PER_METRE else None for p in poses]
    known = [s or d for s, d in zip(stated, declared, strict=True)]
    notes: tuple[str, ...] = ()
    if known == [None, None]:
        extent = _extent(arrays[0])
        guess = min(UNITS_PER_METRE, key=lambda u: _misfit(extent / UNITS_PER_METRE[u]))
        known = [guess, guess]
        notes += (
            f"the unit is not stated and was taken for {guess}, in which the bodies measure "
            f"{extent:.3g}: all errors rest on that; --units states it",
        )
    known = [k or other for k, other in zip(known, reversed(known), strict=True)]
    for name, s, d in zip(_ROLES, stated, declared, strict=True):
        if s and d and s != d:
            notes += (f"the {name} declares {d}, --units says {s}: --units is taken",)
    result = []
    for role, array, unit, pose in zip(_ROLES, arrays, known, poses, strict=True):
        up = None
        if poses[0].up and pose.up and pose.up != poses[0].up:
            up = f"{pose.up}:{poses[0].up}"
            notes += (f"the target was turned from {pose.up} up to the source's {poses[0].up} up",)
        if array.shape[-1] == 2:
            result.append(array * (1000 / UNITS_PER_METRE[unit]))
            continue
        flat = PoseData(array, units=unit, up=pose.up)
        change = coordinate_change(flat, units=f"{unit}:mm", up=up)
        notes += _implausible(role, _extent(array) / UNITS_PER_METRE[unit])
        result.append(change.apply(array))
    return result, notes


def _stated_units(units: str | None) -> tuple[str | None, str | None]:
    if units is None:
        return None, None
    first, colon, second = units.partition(":")
    pair = (first, second) if colon else (first, first)
    if not set(pair) <= set(UNITS_PER_METRE):
        raise UserError(
            f"--units must be one of {', '.join(UNITS_PER_METRE)}, or SOURCE:TARGET of them. "
            f"Received '{units}'"
        )
    return pair


def _declared(poses: Sequence[PoseData]) -> bool:
    return any(p.units in UNITS_PER_METRE for p in poses)


def _extent(poses: np.ndarray) -> float:
    """Median of the largest distance along an axis between joints of a pose."""
    there = np.isfinite(poses).all(axis=-1, keepdims=True)
    high = np.where(there, poses, -np.inf).max(axis=1)
    low = np.where(there, poses, np.inf).min(axis=1)
    extents = (high - low)[there.any(axis=(1, 2))].max(axis=-1)
    return float(np.median(extents)) if len(extents) else 0.0


def _implausible(role: str, extent_m: float) -> tuple[str, ...]:
    low, high = _PLAUSIBLE_EXTENT_M
    if extent_m == 0 or low <= extent_m <= high:
        return ()
    return (
        f"the {role} bodies measure {extent_m:.3g} m: all errors rest on the unit; --units states "
        "it",
    )


def _misfit(extent_m: float) -> float:
    return abs(np.log(max(extent_m, 1e-9) / _TYPICAL_EXTENT_M))


def _life_size(arrays) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Scales each pose so that its source joints spread as on a body: people's sizes differ."""
    source = arrays[0]
    there = np.isfinite(source).all(axis=-1, keepdims=True)
    count = there.sum(axis=1, keepdims=True)
    safe = np.where(there, source, 0)
    offset = np.where(there, safe - safe.sum(axis=1, keepdims=True) / np.maximum(count, 1), 0)
    square = (offset**2).sum(axis=(1, 2), keepdims=True) / np.maximum(count, 1)
    spread = np.where(square > 0, np.sqrt(square), np.nan)
    note = (
        "2D poses have no scale: each was brought to the size of an adult (joints "
        f"{_BODY_SPREAD_MM:.0f} mm from their mean), and errors in mm are as rough as that"
    )
    return [array * (_BODY_SPREAD_MM / spread) for array in arrays], (note,)
