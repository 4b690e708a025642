"""A pose as 37 joint angles, and the rotations of the body parts that they make.

Axes of a person: x to the left, y up, z forward. All angles are 0 in the reference T-pose except
those of the upper arms, which tell where the arm points.
"""

from __future__ import annotations

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle

from ..atlas.body_parts import PARTS, swing_vector

_TRUNK = (
    "lean", "tilt", "spine_bend", "spine_side", "spine_twist",
    "neck_bend", "head_bend", "head_turn", "head_side",
)  # fmt: skip
_LIMBS = (
    "hip_bend", "hip_spread", "hip_twist", "knee", "ankle", "foot_out", "foot_flat",
    "arm_raise", "arm_forward", "arm_twist", "elbow", "pronation", "wrist_bend", "wrist_side",
)  # fmt: skip
#: Names of the columns: the trunk's, then the left limbs', then the right ones' in the same order.
ANGLES = (*_TRUNK, *(f"left_{name}" for name in _LIMBS), *(f"right_{name}" for name in _LIMBS))
#: Columns of the left limbs, and of the right ones.
LEFT = np.arange(len(_TRUNK), len(_TRUNK) + len(_LIMBS))
RIGHT = LEFT + len(_LIMBS)
#: Columns of the trunk that change sign in a mirror.
SIDEWAYS = np.array([_TRUNK.index(name) for name in (
    "tilt", "spine_side", "spine_twist", "head_turn", "head_side")])  # fmt: skip
_REFLECTION = np.array([-1.0, 1.0, 1.0])
_X = np.array([1.0, 0.0, 0.0])
#: What an ankle can bend towards the shin, and away from it, to keep the foot flat; radians.
_ANKLE_RANGE = (-0.55, 0.75)


def mirrored_angles(angles: np.ndarray) -> np.ndarray:
    """Returns the poses `(N, 37)` as seen in a mirror."""
    result = angles.copy()
    result[:, LEFT], result[:, RIGHT] = angles[:, RIGHT], angles[:, LEFT]
    result[:, SIDEWAYS] *= -1
    return result


def part_rotations(angles: np.ndarray, yaw: np.ndarray) -> np.ndarray:
    """Turns angles into the rotations of the body parts.

    Args:
      angles: `(N, 37)` radians; `foot_flat` is a share from 0 to 1.
      yaw: `(N,)` where the pelvis faces, radians from +z towards +x.

    Returns:
      `(N, 20, 3, 3)` of `PARTS`, relative to the reference T-pose, in world axes.
    """
    column = dict(zip(_TRUNK, angles[:, : len(_TRUNK)].T, strict=True))
    part = {"pelvis": about("y", yaw) @ about("x", column["lean"]) @ about("z", column["tilt"])}
    third = (
        about("x", column["spine_bend"] / 3)
        @ about("z", column["spine_side"] / 3)
        @ about("y", column["spine_twist"] / 3)
    )
    for below, above in (("pelvis", "spine1"), ("spine1", "spine2"), ("spine2", "spine3")):
        part[above] = part[below] @ third
    half_turn = about("y", column["head_turn"] / 2)
    part["neck"] = part["spine3"] @ about("x", column["neck_bend"]) @ half_turn
    part["head"] = (
        part["neck"] @ about("x", column["head_bend"]) @ about("z", column["head_side"]) @ half_turn
    )
    for side, columns in (("left", LEFT), ("right", RIGHT)):
        limb = dict(zip(_LIMBS, angles[:, columns].T, strict=True))
        # A right limb is a left one in the mirror.
        seen = (lambda turn: turn) if side == "left" else reflected
        lean = column["lean"]
        for name, turn in _leg(limb, part["pelvis"], lean, seen).items():
            part[f"{side}_{name}"] = turn
        for name, turn in _arm(limb, part["spine3"], seen).items():
            part[f"{side}_{name}"] = turn
    return np.stack([part[name] for name in PARTS], axis=1)


def _leg(limb, pelvis, lean, seen) -> dict[str, np.ndarray]:
    thigh = about("x", -limb["hip_bend"]) @ about("z", limb["hip_spread"])
    thigh = pelvis @ seen(thigh @ about("y", limb["hip_twist"]))
    shank = thigh @ seen(about("x", limb["knee"]))
    level = np.clip(limb["hip_bend"] - lean - limb["knee"], *_ANKLE_RANGE)
    ankle = limb["ankle"] + limb["foot_flat"] * level
    foot = shank @ seen(about("y", limb["foot_out"]) @ about("x", ankle))
    return {"thigh": thigh, "shank": shank, "foot": foot}


def _arm(limb, chest, seen) -> dict[str, np.ndarray]:
    # The arm's direction on a globe: raised from hanging down, on a meridian towards the front.
    raised, forward = limb["arm_raise"], limb["arm_forward"]
    across = np.sin(raised)
    direction = np.stack(
        [across * np.cos(forward), -np.cos(raised), across * np.sin(forward)], axis=-1
    )
    swing = matrix_from_axis_angle(swing_vector(_X, direction))
    upper = chest @ seen(swing @ about("x", limb["arm_twist"]))
    forearm = upper @ seen(about("y", -limb["elbow"]))
    hand = about("x", limb["pronation"]) @ about("z", -limb["wrist_bend"])
    hand = forearm @ seen(hand @ about("y", limb["wrist_side"]))
    return {"collar": chest, "upper_arm": upper, "forearm": forearm, "hand": hand}


def about(axis: str, angle: np.ndarray) -> np.ndarray:
    """Returns rotations `(N, 3, 3)` about an axis, `x`, `y` or `z`, by `(N,)` radians."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    turns = np.zeros((len(angle), 3, 3))
    turns[:, "xyz".index(axis), "xyz".index(axis)] = 1
    turns[:, i, i] = turns[:, j, j] = np.cos(angle)
    turns[:, j, i] = np.sin(angle)
    turns[:, i, j] = -turns[:, j, i]
    return turns


def reflected(turns: np.ndarray) -> np.ndarray:
    """Returns rotations `(N, 3, 3)` as seen in the mirror x = 0."""
    return turns * _REFLECTION[:, None] * _REFLECTION
