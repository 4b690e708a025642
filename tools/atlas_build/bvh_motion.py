"""Reader of BVH motion: part rotations out of files whose joints are known by name.

BVH states neither a rest pose nor hinges. The rest pose is read off the bones' offsets, hinges off
the motion.
"""

from __future__ import annotations

import os

import numpy as np

from dataset_adapters.containers.bvh import Bvh, parse_bvh
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.kinematics import (
    accumulate_rotations,
    accumulate_steps,
    euler_rotations,
    rotate,
)

from .motion_files import CMU_FPS, SIDES, PartMotion, part_motion, read_bytes
from .transfer import SourceBone, trunk_turns

_CMU_NAMES = {
    "pelvis": "Hips", "spine1": "LowerBack", "spine2": "Spine", "spine3": "Spine1", "neck": "Neck",
    "head": "Head", "left_collar": "LeftShoulder", "left_upper_arm": "LeftArm LeftForeArm",
    "left_forearm": "LeftForeArm LeftHand", "left_hand": "LeftFingerBase LeftHandIndex1",
    "left_thigh": "LeftUpLeg LeftLeg", "left_shank": "LeftLeg LeftFoot",
    "left_foot": "LeftFoot LeftToeBase_End",
}  # fmt: skip
#: Names of the left side: part -> the joint that turns it, and where its limb ends. Three
#: converters of CMU's data, and a rig of 23 joints.
_NAMES = (
    _CMU_NAMES,
    _CMU_NAMES | {"left_hand": "LeftFingerBase LFingers"},
    {"pelvis": "Hips", "spine1": "lowerback", "spine2": "Chest", "spine3": "Chest2",
     "neck": "lowerneck", "head": "Head", "left_collar": "LeftCollar",
     "left_upper_arm": "LeftShoulder LeftElbow", "left_forearm": "LeftElbow LeftWrist",
     "left_hand": "lhand LFingers", "left_thigh": "LeftHip LeftKnee",
     "left_shank": "LeftKnee LeftAnkle", "left_foot": "LeftAnkle LeftToe_End"},
    {"pelvis": "Hips", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest4", "neck": "Neck",
     "head": "Head", "left_collar": "LeftCollar", "left_upper_arm": "LeftShoulder LeftElbow",
     "left_forearm": "LeftElbow LeftWrist", "left_hand": "LeftWrist LeftWrist_End",
     "left_thigh": "LeftHip LeftKnee", "left_shank": "LeftKnee LeftAnkle",
     "left_foot": "LeftAnkle LeftToe_End"},
)  # fmt: skip
_RIGHT_NAMES = {"lhand": "rhand", "LFingers": "RFingers"}
_MIN_BEND = 1e-3


def read_bvh(path: str | os.PathLike) -> PartMotion:
    """Read a BVH motion of a known rig, whether it rests with the arms out or hanging.

    Hinges of elbows and knees are the axes that the lower bone was turned about relative to the
    upper one. The feet are flat at rest.

    Raises:
      FileError: the file is damaged, or its joints have other names.
    """
    bvh = parse_bvh(path, read_bytes(path))
    if not len(bvh.motion):
        raise FileError(path, "expected frames, found none")
    world = bvh_world_rotations(bvh)
    bones = _find_bones(bvh, path)
    for side, _ in SIDES:
        for upper, lower in (("upper_arm", "forearm"), ("thigh", "shank")):
            _set_hinges(bones, world, f"{side}_{upper}", f"{side}_{lower}")
        shank, foot = bones[f"{side}_shank"], bones[f"{side}_foot"]
        hinge = np.cross(foot.direction, shank.direction)
        forward = np.cross(shank.direction, hinge)
        bones[f"{side}_foot"] = SourceBone(foot.joint, forward, hinge)
    return part_motion(path, world, bones, bvh.fps or CMU_FPS)


def bvh_world_rotations(bvh: Bvh) -> np.ndarray:
    """Compute `(T, J, 3, 3)` world rotations of the joints relative to the rest pose."""
    local = np.broadcast_to(np.eye(3), (len(bvh.motion), len(bvh.parents), 3, 3)).copy()
    column = 0
    for joint, channels in enumerate(bvh.channels):
        turns = [k for k, channel in enumerate(channels) if channel.endswith("rotation")]
        if turns:
            values = np.radians(bvh.motion[:, [column + k for k in turns]])
            local[:, joint] = euler_rotations(values, "".join(channels[k][0] for k in turns))
        column += len(channels)
    return accumulate_rotations(bvh.parents, local)


def _find_bones(bvh: Bvh, path) -> dict[str, SourceBone]:
    index = {name: k for k, name in enumerate(bvh.joint_names)}
    for names in _NAMES:
        left = {part: text.split() for part, text in names.items()}
        right = {part.replace("left", "right"): [_right_name(name) for name in text]
                 for part, text in left.items() if part.startswith("left")}  # fmt: skip
        wanted = left | right
        if all(name in index for text in wanted.values() for name in text):
            break
    else:
        raise FileError(path, "expected the joints of a known rig (Hips, LowerBack, LeftUpLeg, ... "
                              "or Hips, Chest, LeftHip, ...), found others")  # fmt: skip
    rest = accumulate_steps(bvh.parents, bvh.offsets)
    joint_of = {part: index[joint] for part, (joint, *_) in wanted.items()}
    hips = (rest[joint_of["left_thigh"]] + rest[joint_of["right_thigh"]]) / 2
    # CMU's converters left the thorax bone out; it is about as long as the one below.
    turns = trunk_turns(hips, 2 * rest[joint_of["spine3"]] - rest[joint_of["spine2"]])
    bones = {part: SourceBone(joint, turn=turns.get(part)) for part, joint in joint_of.items()}
    for part, (joint, *ends) in wanted.items():
        # A toe's end minus its base is along the sole; other limbs begin at their own joint.
        if ends:
            start = bvh.parents[index[ends[0]]] if part.endswith("foot") else index[joint]
            bones[part] = SourceBone(index[joint], rest[index[ends[0]]] - rest[start])
    for part, bone in bones.items():
        if bone.direction is not None and not np.linalg.norm(bone.direction) > 1e-9:
            raise FileError(path, f"expected a bone with a length for {part}, found none")
    return bones


def _right_name(name: str) -> str:
    return _RIGHT_NAMES.get(name, name.replace("Left", "Right"))


def _set_hinges(bones: dict[str, SourceBone], world: np.ndarray, upper: str, lower: str) -> None:
    above, below = bones[upper], bones[lower]
    relative = np.swapaxes(world[:, above.joint], -1, -2) @ world[:, below.joint]
    bend = np.cross(above.direction, rotate(relative, below.direction))
    hinge = bend.sum(axis=0)
    hinge_below = rotate(np.swapaxes(relative, -1, -2), bend).sum(axis=0)
    size = len(bend) * np.linalg.norm(above.direction) * np.linalg.norm(below.direction)
    if min(np.linalg.norm(hinge), np.linalg.norm(hinge_below)) > _MIN_BEND * size:
        bones[upper] = SourceBone(above.joint, above.direction, hinge)
        bones[lower] = SourceBone(below.joint, below.direction, hinge_below)
