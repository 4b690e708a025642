"""OpenPose keypoint JSON: one file per frame.

Source: https://github.com/CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md: per person flat
arrays x, y, confidence (2D) or x, y, z, confidence (3D); an undetected keypoint is all zeros.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.frame_folders import (
    FramePeople,
    person_id,
    read_frame_folder,
    stack_people,
)
from skelbridge.posefiles.instances import Instances, instances_of
from skelbridge.posefiles.json_text import found, number_array
from skelbridge.posefiles.json_values import shortest
from skeleton_defs.errors import UserError

SKELETONS = {15: "openpose_mpi_15", 18: "openpose_18", 25: "openpose_25"}

#: The arrays of a person, in the order in which OpenPose writes them; the pose comes first.
ARRAYS = tuple(
    f"{part}_keypoints_{dims}"
    for dims in ("2d", "3d")
    for part in ("pose", "face", "hand_left", "hand_right")
)
_OLD_NAMES = {"pose_keypoints_2d": "pose_keypoints", "face_keypoints_2d": "face_keypoints"}


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like one OpenPose frame."""
    return isinstance(document, dict) and isinstance(document.get("people"), list)


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads one frame.

    Args:
      path: the file's name, for messages.
      document: the parsed JSON.
      key: which array to read, e.g. `"pose_keypoints_3d"` or `"hand_left_keypoints_2d"`; by default
        the 2D pose, or the 3D pose where there is no 2D one.

    Returns:
      Poses `(1, P, J, 2 or 3)`; the frame is the first axis so that a folder reads the same way.

    Raises:
      FileError: if the document is not such a frame or holds no people.
    """
    return _assemble(path, [_people(path, document, key)], key, [])


def read_openpose_folder(path: str | os.PathLike, *, key: str | None = None) -> PoseData:
    """Reads a folder of frames `(T, P, J, 2 or 3)`, in the order of the frame numbers in the names.

    Absent people and frames without a file are NaN. Where every person has an id, a column of the
    person axis is one person throughout, otherwise it is the order of detection in each frame.

    Raises:
      FileError: naming the folder or the file at fault.
    """
    frames, numbers, notes = read_frame_folder(
        path, lambda file, document: _people(file, document, key)
    )
    return _assemble(path, frames, key, notes, frame_number=numbers)


def _people(path, document: Any, key: str | None) -> FramePeople:
    if not matches(document):
        raise FileError(
            path,
            f"expected an OpenPose frame (an object with a list 'people'), found {found(document)}",
        )
    if key is not None and key not in ARRAYS:
        raise FileError(path, f"expected one of {', '.join(ARRAYS)}, asked for {key!a}")
    arrays: dict[str, list] = {name: [] for name in ARRAYS}
    ids = []
    for i, person in enumerate(document["people"]):
        if not isinstance(person, dict):
            raise FileError(path, f"people[{i}]: expected an object, found {found(person)}")
        for name, values in arrays.items():
            value = person.get(name, person.get(_OLD_NAMES.get(name)))
            values.append(_keypoints(path, f"people[{i}].{name}", value))
        number = person.get("person_id")
        is_wrapped = isinstance(number, list) and len(number) == 1
        ids.append(person_id(number[0] if is_wrapped else number))
    pose = key or "pose_keypoints_2d"
    if key is None and not _any(arrays[pose]) and _any(arrays["pose_keypoints_3d"]):
        pose = "pose_keypoints_3d"
    joints = arrays.pop(pose)
    extras = {name: values for name, values in arrays.items() if _any(values)}
    return FramePeople(path, joints, ids, extras)


def _any(values: list) -> bool:
    return any(value is not None for value in values)


def _keypoints(path, where: str, value: Any) -> np.ndarray | None:
    """Returns one array of a person as `(J, D + 1)`, NaN coordinates where undetected."""
    if value is None or value == []:
        return None
    flat = number_array(path, where, value, shape=(None,))
    width = 4 if where.endswith("3d") else 3
    if flat.size % width:
        raise FileError(
            path,
            f"{where}: expected {width} numbers per keypoint (coordinates and confidence), found "
            f"{flat.size} numbers",
        )
    joints = flat.reshape(-1, width)
    joints[(joints == 0).all(axis=1), :-1] = np.nan
    return joints


def _assemble(path, frames: list, key: str | None, notes: list[str], **extras) -> PoseData:
    people = stack_people(path, frames)
    count, n_people = people.joints.shape[2], people.joints.shape[1]
    if n_people > 1 and not people.tracked:
        notes.append("people have no ids; they stand in the order of detection in each frame")
    if people.extras:
        notes.append(f"put aside in extras: {', '.join(sorted(people.extras))}")
    dims = people.joints.shape[-1] - 1
    extras |= people.extras
    if (people.ids >= 0).any():
        extras["person_id"] = people.ids
    return PoseData(
        positions=np.ascontiguousarray(people.joints[..., :-1]),
        confidence=np.ascontiguousarray(people.joints[..., -1]),
        leading=("frame", "person"),
        skeleton=SKELETONS.get(count) if (key or "pose").startswith("pose") else None,
        units="px" if dims == 2 else None,
        extras=extras,
        notes=tuple(notes),
    )


def write_openpose_folder(path: str | os.PathLike, poses: PoseData, *, stem: str = "pose") -> None:
    """Writes one file `<stem>_<frame number>_keypoints.json` per frame into a folder.

    Frames are numbered from 0, or as the extra `frame_number` says; missing joints become zeros and
    absent people are left out, as OpenPose does.
    """
    instances = instances_of(poses)
    numbers = poses.extras.get("frame_number")
    if not _numbers_frames(numbers, instances.n_frames):
        numbers = np.arange(instances.n_frames)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    starts = np.searchsorted(np.sort(instances.frame), np.arange(instances.n_frames + 1))
    order = np.argsort(instances.frame, kind="stable")
    for t, number in enumerate(numbers.tolist()):
        people = instances.where(order[starts[t] : starts[t + 1]])
        file = folder / f"{stem}_{number:012d}_keypoints.json"
        file.write_text(_frame_text(people), encoding="utf-8")


def _numbers_frames(numbers: Any, n_frames: int) -> bool:
    return (
        isinstance(numbers, np.ndarray)
        and numbers.shape == (n_frames,)
        and numbers.dtype.kind in "iu"
        and len(np.unique(numbers)) == n_frames
        and bool((numbers >= 0).all())
    )


def _frame_text(people: Instances) -> str:
    confidence = people.confidence
    if confidence is None:
        confidence = np.ones(people.positions.shape[:2])
    dims = people.positions.shape[-1]
    persons = []
    for i, present in enumerate(people.present):
        if not present.any():
            continue
        person: dict[str, Any] = {"person_id": [_written_id(people, i)]}
        person |= {name: _written_extra(people, name, i) for name in ARRAYS}
        person[f"pose_keypoints_{dims}d"] = _written(people.positions[i], confidence[i], present)
        persons.append(person)
    return json.dumps({"version": 1.3, "people": persons}, separators=(",", ":"))


def _written(positions: np.ndarray, confidence: np.ndarray, present: np.ndarray) -> list[float]:
    confidence = np.where(present & np.isfinite(confidence), confidence, 0)
    positions = np.where(present[:, None], shortest(positions), 0)
    if np.isinf(positions).any():
        raise UserError("OpenPose keypoints must be finite. Received infinite positions")
    return np.concatenate([positions, shortest(confidence)[:, None]], axis=1).reshape(-1).tolist()


def _written_id(people: Instances, i: int) -> int:
    ids = people.extras.get("person_id")
    if ids is not None and ids.shape == (len(people.frame),) and ids.dtype.kind in "iu":
        return int(ids[i])
    return int(people.person[i])


def _written_extra(people: Instances, name: str, i: int) -> list[float]:
    values = people.extras.get(name)
    width = 4 if name.endswith("3d") else 3
    if values is None or values.ndim != 3 or values.shape[-1] != width:
        return []
    present = ~np.isnan(values[i, :, :-1]).any(axis=1)
    return _written(values[i, :, :-1], values[i, :, -1], present) if present.any() else []
