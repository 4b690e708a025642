"""Readers of motion capture files: part rotations out of ASF/AMC, DeepMimic and poselib files.

What each format leaves open, its rest pose above all, is settled here (for BVH in `bvh_motion`);
`transfer` does the rest.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_quaternion
from dataset_adapters.containers.acclaim import Amc, Asf, parse_amc, parse_asf
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.kinematics import (
    accumulate_rotations,
    accumulate_steps,
    euler_rotations,
    fixed_axis_rotations,
)
from dataset_adapters.containers.safe_pickle import load_object_npy

from .transfer import T_POSE, SourceBone, transfer, trunk_turns

#: CMU's files do not say it; the database's description does.
CMU_FPS = 120.0
SIDES = (("left", "l"), ("right", "r"))

_ACCLAIM_TRUNK = {"pelvis": "root", "spine1": "lowerback", "spine2": "upperback",
                  "spine3": "thorax", "neck": "lowerneck", "head": "head"}  # fmt: skip
#: Part, bone that moves it, bone it lies along, bone whose x axis is its hinge; without the side.
_ACCLAIM_LIMBS = (
    ("upper_arm", "humerus", "humerus", "radius"), ("forearm", "radius", "radius", "radius"),
    ("hand", "hand", "hand", "hand"), ("thigh", "femur", "femur", "tibia"),
    ("shank", "tibia", "tibia", "tibia"), ("foot", "foot", "toes", "foot"),
)  # fmt: skip
_DEEPMIMIC_JOINTS = (("root", 4), ("chest", 4), ("neck", 4), ("right_hip", 4), ("right_knee", 1),
                     ("right_ankle", 4), ("right_shoulder", 4), ("right_elbow", 1), ("left_hip", 4),
                     ("left_knee", 1), ("left_ankle", 4), ("left_shoulder", 4), ("left_elbow", 1),
                     )  # fmt: skip
_DEEPMIMIC_PARENTS = (-1, 0, 1, 0, 3, 4, 1, 6, 0, 8, 9, 1, 11)
#: Rows: the person's left, up and forward in the file's axes (x forward, y up, z to the right).
_DEEPMIMIC_AXES = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
#: The same for z up, x forward, y to the left.
_POSELIB_AXES = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
#: A number beyond this is damage in quaternions, angles and durations alike.
_MAX_VALUE = 1e6


@dataclass(frozen=True, eq=False)
class PartMotion:
    """The motion of one file.

    Attributes:
      rotations: `(T, P, 3, 3)` part rotations relative to the reference T-pose.
      fps: frames per second.
    """

    rotations: np.ndarray
    fps: float


def part_motion(
    path: str | os.PathLike, world: np.ndarray, bones: Mapping[str, SourceBone], fps: float
) -> PartMotion:
    """Transfer a file's rotations to body parts.

    Args:
      path: the file's name, for messages.
      world: `(T, J, 3, 3)` as in `transfer`.
      bones: as in `transfer`.
      fps: frames per second.

    Raises:
      FileError: a bone has no direction, or a rotation is missing.
    """
    for part, bone in bones.items():
        if bone.direction is not None and not np.linalg.norm(bone.direction) > 1e-9:
            raise FileError(path, f"expected a bone with a length for {part}, found none")
        if not np.isfinite(world[:, bone.joint]).all():
            raise FileError(path, f"expected rotations of {part} in all frames, found NaN")
    return PartMotion(transfer(world, bones), fps)


def read_acclaim(asf_path: str | os.PathLike, amc_path: str | os.PathLike) -> PartMotion:
    """Read a CMU motion with its skeleton, or with the skeleton of another CMU subject.

    The rest pose of the skeletons is a T-pose with the legs spread; hinges are the x axes of the
    forearm's and the shank's own frames. Feet are seen as straight continuations of the shanks'
    frames, which is what their axes say.

    Raises:
      FileError: a file is damaged, or not of CMU's skeleton.
    """
    amc = parse_amc(amc_path, read_bytes(amc_path), parse_asf(asf_path, read_bytes(asf_path)))
    return part_motion(amc_path, acclaim_world_rotations(amc), _acclaim_bones(amc.asf), CMU_FPS)


def acclaim_world_rotations(amc: Amc) -> np.ndarray:
    """Compute `(T, B + 1, 3, 3)` world rotations of the bones relative to the rest pose.

    With the bone's axes C and the turn M that its values state, it is the parent's times C M C^-1.
    """
    asf = amc.asf
    local = np.broadcast_to(np.eye(3), (len(amc.motion), len(asf.parents), 3, 3)).copy()
    column = 0
    for joint, dofs in enumerate(asf.dofs):
        turns = [k for k, dof in enumerate(dofs) if dof.startswith("r")]
        if turns:
            values = amc.motion[:, [column + k for k in turns]]
            axes = "".join(dofs[k][1].upper() for k in turns)
            local[:, joint] = fixed_axis_rotations(values, axes)
        column += len(dofs)
    local = asf.axes @ local @ asf.axes.swapaxes(-1, -2)
    return accumulate_rotations(asf.parents, local)


def _acclaim_bones(asf: Asf) -> dict[str, SourceBone]:
    index = {name: k for k, name in enumerate(asf.joint_names)}
    wanted = [*_ACCLAIM_TRUNK.values(), *(f"{letter}{name}" for _, letter in SIDES for name in (
        "hipjoint", "clavicle", "toes", *(bone for _, bone, _, _ in _ACCLAIM_LIMBS)))]  # fmt: skip
    missing = [name for name in wanted if name not in index]
    if missing:
        raise FileError(asf.path, f"expected CMU's bones, found none of name {missing[0]}")
    rest = accumulate_steps(asf.parents, asf.offsets)
    hips = (rest[index["lhipjoint"]] + rest[index["rhipjoint"]]) / 2
    turns = trunk_turns(hips, rest[index["thorax"]])
    moved_by = _ACCLAIM_TRUNK | {f"{side}_collar": f"{letter}clavicle" for side, letter in SIDES}
    bones = {part: SourceBone(index[name], turn=turns.get(part)) for part, name in moved_by.items()}
    for side, letter in SIDES:
        for part, name, along, hinge in _ACCLAIM_LIMBS:
            bones[f"{side}_{part}"] = SourceBone(
                index[letter + name],
                asf.offsets[index[letter + along]],
                asf.axes[index[letter + hinge]][:, 0],
            )
    return bones


def read_deepmimic(path: str | os.PathLike) -> PartMotion:
    """Read a humanoid clip of DeepMimic.

    Its character rests with the arms hanging; elbows and knees have one angle about the character's
    transverse axis, and a knee bends by negative angles.

    Raises:
      FileError: it is not a complete clip.
    """
    try:
        frames = np.array(json.loads(read_bytes(path))["Frames"], dtype=np.float64)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise FileError(path, "expected a DeepMimic clip with Frames of numbers, found "
                              f"{type(error).__name__}; is it complete?") from None  # fmt: skip
    n_values = 4 + sum(size for _, size in _DEEPMIMIC_JOINTS)
    if frames.ndim != 2 or frames.shape[1] != n_values or not len(frames):
        raise FileError(path, f"expected frames of {n_values} numbers, found an array of shape "
                              f"{frames.shape}; is it a humanoid3d clip?")  # fmt: skip
    local, column = [], 4
    for name, size in _DEEPMIMIC_JOINTS:
        values = frames[:, column : column + size]
        column += size
        _check_values(path, values, of=name, least_length=0.5 if size == 4 else 0.0)
        local.append(matrix_from_quaternion(values) if size == 4 else euler_rotations(values, "Z"))
    world = accumulate_rotations(_DEEPMIMIC_PARENTS, np.stack(local, axis=1))
    world = _DEEPMIMIC_AXES @ world @ _DEEPMIMIC_AXES.T
    duration = np.median(frames[:, 0])
    if not 1e-4 < duration < 10:
        raise FileError(path, f"expected a frame's duration in seconds, found {duration:g}")
    return part_motion(path, world, _deepmimic_bones(), 1 / duration)


def _deepmimic_bones() -> dict[str, SourceBone]:
    index = {name: k for k, (name, _) in enumerate(_DEEPMIMIC_JOINTS)}
    bones = {"pelvis": SourceBone(index["root"]), "spine3": SourceBone(index["chest"]),
             "head": SourceBone(index["neck"])}  # fmt: skip
    down, forward = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    for side, _ in SIDES:
        for part, joint, direction in (("upper_arm", "shoulder", down), ("forearm", "elbow", down),
                                       ("thigh", "hip", down), ("shank", "knee", down),
                                       ("foot", "ankle", forward)):  # fmt: skip
            bones[f"{side}_{part}"] = SourceBone(index[f"{side}_{joint}"], direction)
    return bones


def read_poselib(path: str | os.PathLike, t_pose_path: str | os.PathLike) -> PartMotion:
    """Read a 15-body humanoid motion of poselib (`SkeletonMotion`), with its T-pose file.

    Rotations are taken relative to those of the T-pose, so that no rest pose matters.

    Raises:
      FileError: a file is damaged, or not of that humanoid.
    """
    joints, world, fps = _poselib_rotations(path)
    t_joints, t_world, _ = _poselib_rotations(t_pose_path)
    names = {"pelvis": "pelvis", "spine3": "torso", "head": "head"}
    for side, _ in SIDES:
        for part, body in (("upper_arm", "upper_arm"), ("forearm", "lower_arm"), ("hand", "hand"),
                           ("thigh", "thigh"), ("shank", "shin"), ("foot", "foot")):  # fmt: skip
            names[f"{side}_{part}"] = f"{side}_{body}"
    if joints != t_joints or len(t_world) != 1 or not set(names.values()) <= set(joints):
        raise FileError(path, f"expected the 15 bodies of the humanoid and, in {t_pose_path}, one "
                              "pose of the same, found other bodies")  # fmt: skip
    world = _POSELIB_AXES @ world @ np.swapaxes(t_world, -1, -2) @ _POSELIB_AXES.T
    bones = {part: SourceBone(joints.index(name), *T_POSE.get(part, ()))
             for part, name in names.items()}  # fmt: skip
    return part_motion(path, world, bones, fps)


def _poselib_rotations(path) -> tuple[list[str], np.ndarray, float]:
    try:
        state = load_object_npy(path).item()
        tree = state["skeleton_tree"]
        joints = [str(name) for name in tree["node_names"]]
        parents = [int(parent) for parent in tree["parent_indices"]["arr"]]
        quaternions = np.asarray(state["rotation"]["arr"], dtype=np.float64)
        quaternions = quaternions.reshape(-1, len(parents), 4)
        is_local, fps = bool(state["is_local"]), float(state.get("fps", 1))
        _check_values(path, quaternions, of="a body", least_length=0.5)
        rotations = matrix_from_quaternion(quaternions, order="xyzw")
        if is_local:
            rotations = accumulate_rotations(parents, rotations)
    except FileError:
        raise
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileError(path, "expected a poselib skeleton state or motion, found "
                              f"{type(error).__name__}; is it complete?") from None  # fmt: skip
    if len(joints) != len(parents) or not 0.1 <= fps <= 1e4:
        raise FileError(path, f"expected a name for each of {len(parents)} bodies and frames per "
                              f"second, found {len(joints)} and {fps:g}")  # fmt: skip
    return joints, rotations, fps


def _check_values(path, values: np.ndarray, *, of: str, least_length: float) -> None:
    """Refuse numbers that are no rotations: not finite, huge, or quaternions of length 0."""
    if not (np.abs(values) < _MAX_VALUE).all():
        raise FileError(path, f"expected rotations of {of}, found a number that is none")
    if not (np.linalg.norm(values, axis=-1) >= least_length).all():
        raise FileError(path, f"expected unit quaternions of {of}, found a shorter one")


def read_bytes(path: str | os.PathLike) -> bytes:
    """Read a file, unpacking it where its name ends in `.gz`.

    Raises:
      FileError: it cannot be read.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(path, f"cannot be read: {error}") from None
