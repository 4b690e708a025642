"""What people do in the pictures: ranges of joint angles per activity.

Ranges are in degrees (`foot_flat` is a share). A limb's name without a side stands for both sides.
The ranges are our own judgement of what healthy adults do, checked by eye on rendered pictures.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np

from .angles import ANGLES, LEFT, RIGHT

_Ranges = dict[str, tuple[float, float]]

_AT_EASE: _Ranges = {
    "lean": (-6, 9), "tilt": (-5, 5), "spine_bend": (-8, 22), "spine_side": (-12, 12),
    "spine_twist": (-22, 22), "neck_bend": (-8, 12), "head_bend": (-10, 16),
    "head_turn": (-38, 38), "head_side": (-10, 10),
    "hip_bend": (-8, 12), "hip_spread": (1, 12), "hip_twist": (-4, 18), "knee": (2, 14),
    "ankle": (-4, 4), "foot_out": (0, 12), "foot_flat": (0.85, 1),
    "arm_raise": (10, 50), "arm_forward": (-25, 65), "arm_twist": (-25, 45), "elbow": (8, 80),
    "pronation": (-30, 50), "wrist_bend": (-15, 30), "wrist_side": (-10, 10),
}  # fmt: skip


@dataclass(frozen=True)
class Activity:
    """One thing that people do.

    Attributes:
      ranges: angle -> lowest and highest degrees, where they differ from standing at ease.
      legs_alike, arms_alike: 1 moves both sides alike, 0 each on its own.
    """

    ranges: _Ranges = field(default_factory=dict)
    legs_alike: float = 0.4
    arms_alike: float = 0.2


ACTIVITIES: dict[str, Activity] = {
    "stand": Activity(),
    "walk": Activity({
        "lean": (-2, 12), "left_hip_bend": (15, 42), "right_hip_bend": (-25, -4),
        "left_knee": (4, 35), "right_knee": (8, 55), "foot_flat": (0.3, 0.8),
        "hip_spread": (-1, 6), "left_arm_raise": (8, 40), "left_arm_forward": (-95, -40),
        "right_arm_raise": (12, 50), "right_arm_forward": (45, 95), "elbow": (12, 95),
    }, legs_alike=0, arms_alike=0),
    "reach": Activity({
        "arm_raise": (65, 165), "arm_forward": (-15, 88), "arm_twist": (-80, 30),
        "elbow": (2, 75), "spine_bend": (-12, 15), "spine_side": (-18, 18),
    }),
    "sit": Activity({
        "lean": (-8, 14), "hip_bend": (78, 104), "knee": (68, 108), "hip_spread": (2, 24),
        "spine_bend": (0, 32), "arm_raise": (12, 65), "arm_forward": (15, 95), "elbow": (25, 115),
    }, legs_alike=0.6),
    "crouch": Activity({
        "lean": (14, 42), "hip_bend": (92, 122), "knee": (95, 138), "hip_spread": (8, 30),
        "hip_twist": (0, 22), "spine_bend": (5, 38), "neck_bend": (-22, 2), "head_bend": (-18, 8),
        "arm_raise": (20, 95), "arm_forward": (15, 95), "elbow": (8, 95), "foot_flat": (0.6, 1),
    }, legs_alike=0.75),
    "half_crouch": Activity({
        "lean": (10, 34), "hip_bend": (42, 80), "knee": (45, 90), "hip_spread": (5, 26),
        "spine_bend": (0, 30), "neck_bend": (-18, 4), "arm_raise": (15, 110),
        "arm_forward": (-10, 92), "elbow": (8, 100),
    }, legs_alike=0.7),
    "bend_over": Activity({
        "lean": (22, 48), "hip_bend": (25, 52), "knee": (4, 32), "spine_bend": (15, 48),
        "neck_bend": (-20, 4), "arm_raise": (30, 105), "arm_forward": (45, 95), "elbow": (4, 75),
    }, legs_alike=0.85),
    "lunge": Activity({
        "lean": (0, 18), "left_hip_bend": (60, 95), "left_knee": (58, 100),
        "right_hip_bend": (-24, 0), "right_knee": (18, 70), "right_foot_flat": (0.2, 0.6),
        "arm_raise": (12, 110), "arm_forward": (-30, 90), "elbow": (5, 100),
    }, legs_alike=0),
    "kneel": Activity({
        "lean": (-4, 14), "left_hip_bend": (78, 102), "left_knee": (82, 105),
        "right_hip_bend": (-12, 12), "right_knee": (84, 108), "right_foot_flat": (0, 0.1),
        "right_ankle": (10, 45), "arm_raise": (12, 90), "arm_forward": (0, 92), "elbow": (8, 100),
    }, legs_alike=0),
    "wide": Activity({
        "hip_spread": (14, 38), "hip_bend": (-5, 38), "knee": (2, 40), "spine_side": (-26, 26),
        "arm_raise": (50, 135), "arm_forward": (-22, 45), "arm_twist": (-75, 30), "elbow": (2, 70),
    }),
    "one_leg": Activity({
        "left_hip_bend": (38, 95), "left_knee": (5, 95), "left_hip_spread": (0, 28),
        "left_foot_flat": (0, 0.3), "right_hip_bend": (-6, 6), "right_knee": (2, 16),
        "arm_raise": (25, 125), "arm_forward": (-20, 70), "elbow": (4, 80),
    }, legs_alike=0),
    "anything": Activity({
        "lean": (-12, 28), "tilt": (-12, 12), "spine_bend": (-10, 42), "spine_side": (-24, 24),
        "spine_twist": (-34, 34), "hip_bend": (-20, 97), "hip_spread": (-3, 36), "knee": (2, 115),
        "foot_flat": (0.3, 1), "arm_raise": (8, 160), "arm_forward": (-35, 95),
        "arm_twist": (-75, 50), "elbow": (4, 125),
    }, legs_alike=0.2),
}  # fmt: skip


@functools.lru_cache(maxsize=64)
def bounds(activity: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lowest and the highest value (37,) of each angle, in radians."""
    given = ACTIVITIES[activity].ranges
    table = []
    for angle in ANGLES:
        both_sides = angle.removeprefix("left_").removeprefix("right_")
        low_high = given.get(angle) or given.get(both_sides) or _AT_EASE[both_sides]
        table.append(low_high if both_sides == "foot_flat" else np.radians(low_high))
    low, high = np.array(table, float).T
    return low, high


def angles_of(activity: str, chances: np.ndarray) -> np.ndarray:
    """Returns poses.

    Args:
      activity: a key of `ACTIVITIES`.
      chances: `(N, 37)` numbers from 0 to 1.

    Returns:
      `(N, 37)` radians.
    """
    how = ACTIVITIES[activity]
    low, high = bounds(activity)
    chances = chances.copy()
    alike = np.full(len(LEFT), how.legs_alike)
    alike[7:] = how.arms_alike
    chances[:, RIGHT] = alike * chances[:, LEFT] + (1 - alike) * chances[:, RIGHT]
    return low + chances * (high - low)
