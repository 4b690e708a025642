"""CMU Panoptic 3D bodies (`hdPose3d_stage1_coco19`): one JSON file per frame.

Source: https://github.com/CMU-Perceptual-Computing-Lab/panoptic-toolbox, README.md: `bodies` with
an `id` and flat x, y, z, confidence per joint in centimetres; -1 means that a joint was not found.
The y axis of the Panoptic world points down.
"""

from __future__ import annotations

import os
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
from skelbridge.posefiles.json_text import found, number_array

#: The array of a body, by release, with the skeleton it is in and its number of joints.
ARRAYS = {"joints19": ("cmu_panoptic_19", 19), "joints15": ("cmu_panoptic_mpi15", 15)}
FPS = {"hd_29_97": 29.97, "vga_25": 25.0}


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like one frame of Panoptic bodies."""
    if not isinstance(document, dict) or not isinstance(document.get("bodies"), list):
        return False
    bodies = document["bodies"]
    return "univTime" in document or (
        bool(bodies) and isinstance(bodies[0], dict) and not ARRAYS.keys().isdisjoint(bodies[0])
    )


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads one frame: `(1, P, J, 3)` in centimetres, y down.

    Raises:
      FileError: if the document is not such a frame or holds no bodies.
    """
    times: list[float] = []
    rates: set[float | None] = set()
    frames = [_people(path, document, key, times, rates)]
    return _assemble(path, frames, rates, [], univ_time=np.array(times))


def read_panoptic_folder(path: str | os.PathLike, *, key: str | None = None) -> PoseData:
    """Reads a folder of frames `(T, P, J, 3)` in centimetres, y down.

    A column of the person axis is one body id throughout; where it is absent it is NaN.

    Raises:
      FileError: naming the folder or the file at fault.
    """
    times: list[float] = []
    rates: set[float | None] = set()
    frames, numbers, notes = read_frame_folder(
        path, lambda file, document: _people(file, document, key, times, rates)
    )
    seen = iter(times)
    univ_time = np.array([np.nan if frame is None else next(seen) for frame in frames])
    return _assemble(path, frames, rates, notes, univ_time=univ_time, frame_number=numbers)


def _people(path, document: Any, key: str | None, times: list, rates: set) -> FramePeople:
    if not isinstance(document, dict) or not isinstance(document.get("bodies"), list):
        raise FileError(
            path,
            "expected a frame of Panoptic bodies (an object with a list 'bodies'), found "
            f"{found(document)}",
        )
    if key is not None and key not in ARRAYS:
        raise FileError(path, f"expected one of {', '.join(ARRAYS)}, asked for {key!a}")
    joints, ids = [], []
    for i, body in enumerate(document["bodies"]):
        if not isinstance(body, dict):
            raise FileError(path, f"bodies[{i}]: expected an object, found {found(body)}")
        name = key or next((name for name in ARRAYS if name in body), "joints19")
        count = ARRAYS[name][1]
        flat = number_array(path, f"bodies[{i}].{name}", body.get(name), shape=(4 * count,))
        body_joints = flat.reshape(count, 4)
        body_joints[~(body_joints[:, 3] >= 0), :3] = np.nan
        joints.append(body_joints)
        ids.append(person_id(body.get("id")))
    time = document.get("univTime")
    times.append(float(time) if type(time) is float else np.nan)
    rate = document.get("fpsType")
    rates.add(FPS.get(rate) if isinstance(rate, str) else None)
    return FramePeople(path, joints, ids)


def _assemble(path, frames: list, rates: set, notes: list[str], **extras) -> PoseData:
    people = stack_people(path, frames)
    skeletons = {count: skeleton for skeleton, count in ARRAYS.values()}
    extras = {key: v for key, v in extras.items() if v.dtype.kind != "f" or np.isfinite(v).any()}
    if (people.ids >= 0).any():
        extras["person_id"] = people.ids
    notes.append("the y axis of the Panoptic world points down")
    return PoseData(
        positions=np.ascontiguousarray(people.joints[..., :3]),
        confidence=np.ascontiguousarray(people.joints[..., 3]),
        leading=("frame", "person"),
        skeleton=skeletons[people.joints.shape[2]],
        fps=rates.pop() if len(rates) == 1 else None,
        units="cm",
        extras=extras,
        notes=tuple(notes),
    )
