"""HUMAN4D: 4 subjects, alone or in pairs, Vicon joints, 4 RGB-D cameras mounted on their sides.

Chatzitofis et al., IEEE Access 2020. Joints in mm, world z up.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode, list_names
from ..containers.npy import read_npy_bytes
from ..examples import ExampleBlock
from ._human4d_cameras import read_camera
from ._values import as_array, check_choice, natural_key, present_joints

N_RAW_JOINTS = 33
#: The start of the left shoulder's chain: a second point of the shoulder girdle.
DROPPED_JOINT = 15
_IMAGE = re.compile(r"(\d{1,9})_(\w+?)_color_(\d+)\.png")
#: Pose k of group frame g is g - (offset - 1) after PosePile, g - offset after the toolbox.
_OFFSET_CHANGE = {"posepile": -1, "toolbox": 0}

INFO = DatasetInfo(
    name="human4d",
    title="HUMAN4D",
    kind="3D, marker-based",
    homepage="https://tofis.github.io/human4d_dataset/",
    licence="see the Zenodo records (the toolbox is MIT)",
    access="Zenodo records 4473009, 4473047, 4483817, 4484110",
    paper="Chatzitofis et al.: HUMAN4D, IEEE Access 8, 2020",
    skeletons=("human4d_32",),
    splits=("train",),
    tree="""\
S1/device_repository.json                 (or one level higher)
S1/offsets.txt
S1/pose/M72e.extrinsics  M72h.extrinsics  M72i.extrinsics  M72j.extrinsics
S1/19-07-12-07-32-22/Dump/color/438_M72h_color_46613.png
S1/19-07-12-07-32-22/Dump/gposes3d/167.npy""",
    items=(
        Item("S*/offsets.txt", "which pose an image shows", "Zenodo"),
        Item("S*/pose/*.extrinsics", "camera positions", "Zenodo"),
        Item("**/device_repository.json", "intrinsics", "Zenodo"),
        Item("S*/*/Dump/color/*.png", "images", "Zenodo"),
        Item("S*/*/Dump/gposes3d/*.npy", "joints", "Zenodo"),
    ),
    defects=(
        Defect(
            "public code disagrees by one frame on which pose an image shows",
            "PosePile's rule, pose = frame - (offset - 1); offset_rule=toolbox: frame - offset",
        ),
        Defect(
            "the extrinsics are those of the depth sensor, a few cm from the colour sensor",
            "moved on to the colour sensor (option sensor=depth leaves that out, as PosePile does)",
        ),
        Defect(
            "the cameras stand on their sides: people lie in the images",
            "kept as they are stored, with their K; turn them for person detectors",
        ),
        Defect("images without a pose file", "left out"),
        Defect("the 16th of 33 raw joints repeats the shoulder girdle", "left out"),
    ),
    thinning=Thinning(
        distance_mm=100.0, memory=100, keep_newly_valid=True, ignore_missing=True
    ),
    box_expansion=1.2,
    facts=(
        "No official split: all is train.",
        "Published thinning runs on over takes and subjects. Here each take starts anew, as takes "
        "are read on their own: a pose that repeats one of the 100 last kept of earlier takes is "
        "kept. Both people of a pair are thinned, each by itself (PosePile expects one person).",
        "People with small boxes go before the thinning.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Human4d(Adapter):
    """Reads HUMAN4D."""

    info = INFO

    offset_rule: str = option("posepile", "which pose an image shows: posepile or toolbox")
    sensor: str = option("color", "where the camera stands: color, or depth (as stored)")

    min_box_side: float = option(30.0, "px: people whose box has no longer side are left out")

    def __post_init__(self):
        check_choice(self, "offset_rule", _OFFSET_CHANGE)
        check_choice(self, "sensor", ("color", "depth"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per take."""
        takes = [
            path.parent.parent.relative_to(root).as_posix()
            for path in root.glob("S*/*/Dump/gposes3d")
        ]
        takes = [take.removesuffix("/Dump") for take in takes]
        return [Source(split, take) for take in sorted(takes, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per camera."""
        subject, take = source.key.split("/")
        offset = self._offset(root / subject / "offsets.txt", take)
        folder = f"{source.key}/Dump/color"
        by_camera = _images_by_camera(root / folder)
        numbers = {frame - offset for images in by_camera.values() for frame, _ in images}
        joints, people = _read_poses(root / source.key / "Dump" / "gposes3d", sorted(numbers))
        for camera_name, images in sorted(by_camera.items()):
            shown = [
                (frame, name, person, row)
                for frame, name in images
                for person, row in people.get(frame - offset, ())
            ]
            camera = read_camera(root, subject, camera_name, sensor=self.sensor)
            rows = np.array([row for *_, row in shown], int)
            large = _box_sides(camera.project(joints.values[rows])) >= self.min_box_side
            shown = list(itertools.compress(shown, large.tolist()))
            yield ExampleBlock(
                dataset="human4d",
                split=source.split,
                skeleton="human4d_32",
                frames=np.array([frame for frame, *_ in shown], np.int64),
                sequence=source.key,
                subject=subject,
                camera_name=camera_name,
                person=[str(person) for _, _, person, _ in shown],
                images=[f"{folder}/{name}" for _, name, _, _ in shown],
                cameras=camera,
                joints3d=joints[rows[large]],
            )

    def _offset(self, path: Path, take: str) -> int:
        offsets = _read_offsets(path)
        if take not in offsets:
            raise FileError(path, f"expected a line for take {take}, found {list_names(offsets)}")
        return offsets[take] + _OFFSET_CHANGE[self.offset_rule]


def _box_sides(joints2d: np.ndarray) -> np.ndarray:
    """Returns the longer sides (N,) px of the boxes around joints (N, J, 2); 0 without joints."""
    seen = ~np.isnan(joints2d)
    low = np.where(seen, joints2d, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, joints2d, -np.inf).max(axis=1, initial=-np.inf)
    return INFO.box_expansion * np.maximum(high - low, 0).max(axis=1)


def _read_poses(
    folder: Path, numbers: list[int]
) -> tuple[CheckedJoints, dict[int, list[tuple[int, int]]]]:
    """Reads the pose files that are there.

    Returns:
      (M, 32, 3) mm, and by pose number (person, row) of the people with joints.
    """
    try:
        present = set(os.listdir(folder))
    except OSError as error:
        raise FileError.unreadable(folder, error) from None
    numbers = [n for n in numbers if n >= 0 and f"{n}.npy" in present]
    paths = [f"{folder}/{number}.npy" for number in numbers]
    arrays = [_read_people(path) for path in paths]
    stacked = np.concatenate([np.empty((0, N_RAW_JOINTS, 3)), *arrays])
    try:
        as_array(folder, "joints", stacked, (None, N_RAW_JOINTS, 3), may_miss=True)
    except FileError:
        # One by one: the message is to name the file.
        for path, array in zip(paths, arrays, strict=True):
            as_array(path, "joints", array, array.shape, may_miss=True)
        raise
    kept = [joint for joint in range(N_RAW_JOINTS) if joint != DROPPED_JOINT]
    joints = present_joints(np.take(stacked, kept, axis=1))
    is_there, people, row = joints.is_present.any(axis=1).tolist(), {}, 0
    for number, array in zip(numbers, arrays, strict=True):
        rows = range(row, row + len(array))
        people[number] = [(person, r) for person, r in enumerate(rows) if is_there[r]]
        row += len(array)
    return joints, people


def _read_people(path: str) -> np.ndarray:
    """Returns (people, 33, 3)."""
    joints = read_npy_bytes(path, read_bytes(path))
    joints = joints[None] if joints.ndim == 2 else joints
    if joints.shape[1:] != (N_RAW_JOINTS, 3) or joints.dtype.kind not in "fiu":
        joints = as_array(path, "joints", joints, (None, N_RAW_JOINTS, 3), may_miss=True)
    return joints


def _images_by_camera(folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Returns (group frame, file name) of each camera's colour images, in order."""
    found: dict[str, list[tuple[int, str]]] = {}
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise FileError.unreadable(folder, error) from None
    for name in names:
        if match := _IMAGE.fullmatch(name):
            found.setdefault(match[2], []).append((int(match[1]), name))
    for images in found.values():
        images.sort()
    return found


def _read_offsets(path: Path) -> dict[str, int]:
    offsets = {}
    for number, line in enumerate(decode(read_bytes(path)).splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) < 2 or not re.fullmatch(r"-?\d{1,9}", cells[1]):
            raise FileError(
                path, f"line {number}: expected '<take><tab><offset><tab><offset>', found others"
            )
        offsets[cells[0]] = int(cells[1])
    return offsets
