"""Joints at the ends of bones that jump: marker swaps and jitter, told by the body's usual bones.

PosePile treats UMPM so: a joint is taken for missing, its frame stays. `BoneLimits` is the rule.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import skeleton_defs
from dataset_adapters.examples import ExampleBlock
from dataset_adapters.frame_rules import BoneLimits

from .plausibility import bone_lengths


def joints_of_wrong_bones(block: ExampleBlock, limits: BoneLimits) -> np.ndarray:
    """Returns which joints (N, J) are an end of a bone that is out of its limits.

    Args:
      block: its rows are compared with the same person's in it.
      limits: the dataset's rule.
    """
    lengths = bone_lengths(block.skeleton, block.joints3d, block.validity)
    usual = np.empty_like(lengths)
    for rows in _rows_of_people(block):
        usual[rows] = _medians(lengths[rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = lengths / usual
        wrong = (ratio < limits.min_ratio) | (ratio > limits.max_ratio)
        wrong &= np.abs(lengths - usual) > limits.difference_mm
    joints = np.zeros(block.validity.shape, bool)
    for bone, ends in enumerate(skeleton_defs.get(block.skeleton).edges):
        joints[:, list(ends)] |= wrong[:, bone, None]
    return joints


def without_joints(block: ExampleBlock, joints: np.ndarray) -> ExampleBlock:
    """Returns the block with these joints (N, J) missing."""
    gone = joints[..., None]
    changes = {
        name: np.where(gone, np.nan, values)
        for name in ("joints3d", "joints2d")
        if (values := getattr(block, name)) is not None
    }
    return replace(block, validity=block.validity & ~joints, **changes)


def note_of(limits: BoneLimits) -> str:
    """Returns what the manifest says of the joints."""
    return (
        f"joints taken for missing: a bone of theirs is less than {limits.min_ratio:g} or more "
        f"than {limits.max_ratio:g} times as long as usual, and {limits.difference_mm:g} mm off"
    )


def _medians(lengths: np.ndarray) -> np.ndarray:
    """Returns the median (bones,) of lengths (N, bones), NaN for bones that are never there."""
    usual = np.full(lengths.shape[1], np.nan)
    known = ~np.isnan(lengths).all(axis=0)
    usual[known] = np.nanmedian(lengths[:, known], axis=0)
    return usual


def _rows_of_people(block: ExampleBlock) -> list[np.ndarray]:
    rows: dict[tuple, list[int]] = {}
    for row in range(len(block)):
        who = tuple(block.value(name, row) for name in ("subject", "sequence", "person"))
        rows.setdefault(who, []).append(row)
    return [np.array(part) for part in rows.values()]
