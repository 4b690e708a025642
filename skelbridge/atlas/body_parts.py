"""The parts of the body that poses turn, and the shoulders, which follow the arms.

Axes throughout: x is the person's left, y up, z forward. In the reference T-pose the person stands
upright facing +z, the arms straight out to the sides with the palms down, the legs straight down,
the feet parallel and flat.
"""

from __future__ import annotations

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle

_SIDED = ("collar", "upper_arm", "forearm", "hand", "thigh", "shank", "foot")

#: Body parts with one world rotation each, relative to the reference T-pose.
PARTS = (
    *("pelvis", "spine1", "spine2", "spine3", "neck", "head"),
    *(f"left_{part}" for part in _SIDED),
    *(f"right_{part}" for part in _SIDED),
)
PART_INDEX = {part: index for index, part in enumerate(PARTS)}

#: The part that each part hangs on.
PART_PARENTS = {
    "pelvis": None, "spine1": "pelvis", "spine2": "spine1", "spine3": "spine2", "neck": "spine3",
    "head": "neck",
    **{f"{side}_{part}": f"{side}_{parent}" if parent in _SIDED else parent
       for side in ("left", "right")
       for part, parent in (("collar", "spine3"), ("upper_arm", "collar"), ("forearm", "upper_arm"),
                            ("hand", "forearm"), ("thigh", "pelvis"), ("shank", "thigh"),
                            ("foot", "shank"))},
}  # fmt: skip

#: Share of the arm's swing away from the A-pose that the clavicle and the shoulder bone take over.
CLAVICLE_SHARE, SHOULDER_SHARE = 0.10, 0.30

#: Parts of the low-poly body, parents first.
LOW_POLY_PARTS = (*PARTS[:6], *(f"{side}_{part}" for side in ("left", "right") for part in (
    "collar", "shoulder", "upper_arm", "forearm", "hand", "thigh", "shank", "foot")))  # fmt: skip
LOW_POLY_PARENTS = tuple(
    -1 if (parent := {**PART_PARENTS, "left_shoulder": "left_collar",
                      "right_shoulder": "right_collar", "left_upper_arm": "left_shoulder",
                      "right_upper_arm": "right_shoulder"}[part]) is None
    else LOW_POLY_PARTS.index(parent)
    for part in LOW_POLY_PARTS
)  # fmt: skip


def unit(vectors: np.ndarray) -> np.ndarray:
    """Scale `(..., 3)` vectors to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


#: Along a left upper arm that does not move its shoulder: the mean adult's at rest.
_AT_EASE = unit(np.array([0.710, -0.704, 0.0]))


def swing_vector(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the rotation vector of the shortest turn between unit vectors.

    Args:
      start: `(..., 3)`.
      end: `(..., 3)`. Where it is opposite to `start`, no turn is the shortest, and one about an
        axis across `start` is returned.

    Returns:
      `(..., 3)` radians.
    """
    start, end = np.broadcast_arrays(start, end)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    cosine = np.sum(start * end, axis=-1, keepdims=True)
    across = np.cross(start, np.eye(3)[np.argmin(np.abs(start), axis=-1)])
    axis = np.where((sine < 1e-6) & (cosine < 0), across, axis)
    length = np.linalg.norm(axis, axis=-1, keepdims=True)
    return axis / np.where(length > 0, length, 1.0) * np.arctan2(sine, cosine)


def with_girdles(rotations: np.ndarray) -> np.ndarray:
    """Let the shoulders follow the arms.

    Args:
      rotations: `(..., 20, 3, 3)` of `PARTS`, relative to the reference T-pose; collars that do
        nothing of their own are turned like `spine3`.

    Returns:
      `(..., 22, 3, 3)` of `LOW_POLY_PARTS`.
    """
    part = {name: rotations[..., k, :, :] for k, name in enumerate(PARTS)}
    to_chest = np.swapaxes(part["spine3"], -1, -2)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        straight = np.array([sign, 0.0, 0.0])
        ease = _AT_EASE * (sign, 1, 1)
        direction = (to_chest @ part[f"{side}_upper_arm"] @ straight[:, None])[..., 0]
        raised, in_t_pose = swing_vector(ease, direction), swing_vector(ease, straight)
        collar = part[f"{side}_collar"]
        for name, share in (("collar", CLAVICLE_SHARE), ("shoulder", SHOULDER_SHARE)):
            part[f"{side}_{name}"] = (collar @ matrix_from_axis_angle(share * raised)
                                      @ matrix_from_axis_angle(-share * in_t_pose))  # fmt: skip
    return np.stack([part[name] for name in LOW_POLY_PARTS], axis=-3)
