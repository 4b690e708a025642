"""IKEA ASM: people assembling furniture in front of three Kinects; triangulated detections.

Ben-Shabat et al., The IKEA ASM Dataset, WACV 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import skeleton_defs

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode, quote
from ..containers.safe_pickle import load_pickle
from ..examples import ExampleBlock
from ..images import video_size
from ._inside import joints_inside
from ._values import RecentFiles, as_array, as_numbers, camera_of, member, read_json

MM_PER_CM = 10
_SPLIT_FILES = {"train": "train_cross_env.txt", "test": "test_cross_env.txt"}
_TEST_CALIBRATIONS = {"04", "05", "08"}
_CALIBRATION = "Calibration/camera_parameters.pkl"
_SIZE = (1920, 1080)
_POSE = re.compile(r"(\d{1,9})\.json")
_IMAGE = re.compile(r"\d{6}\.(png|jpg)")

INFO = DatasetInfo(
    name="ikea_asm",
    title="IKEA ASM",
    kind="3D, markerless",
    homepage="https://ikeaasm.github.io",
    licence="tools: MIT; data: see the site",
    access="links on the site",
    paper="Ben-Shabat, Yu, Saleh, Campbell, Rodriguez-Opazo, Li, Gould: IKEA ASM, WACV 2021",
    skeletons=("ikea_asm_17",),
    splits=("train", "test"),
    tree="""\
train_cross_env.txt  test_cross_env.txt        (optional; lines "furniture/scan")
Calibration/camera_parameters.pkl
Lack_TV_Bench/0007_white_floor_08_04_2019_08_28_10_47/dev{1,2,3}/
  images/scan_video.avi                        (or images/000120.png, .jpg of the annotated frames)
  pose3d/000120.json ...
  pose2d/000120.json ...                       (dev3 only; human annotation)""",
    items=(
        Item(
            "*/*/dev[123]/pose3d/*.json", "triangulated joints of annotated frames", "annotations"
        ),
        Item("*/*/dev[123]/images/*", "videos, or extracted frames", "RGB videos"),
        Item(_CALIBRATION, "calibration of the three devices in each room", "Calibration"),
        Item(
            "t*_cross_env.txt", "splits; without them calibrations 04, 05, 08 are test", "", False
        ),
        Item("*/*/dev3/pose2d/*.json", "2D annotation (option human_2d)", "annotations", False),
    ),
    defects=(
        Defect(
            "the 3D joints are triangulated detections: many are missing, errors of metres remain",
            "missing ones (0, 0, 0, score 0) are NaN, the scores an extra; poses with fewer than "
            "4 joints in the image are left out; the rest is for `prepare`'s plausibility filter",
        ),
        Defect("only dev3 has 2D annotation", "all three devices are read"),
        Defect("videos may lack frames at their end", "poses without a video frame are left out"),
        Defect(
            "the Kinects store mirrored images",
            "none: joints and calibration were made from the images as they are stored",
        ),
        Defect("scans named special_test are no part of the dataset", "skipped"),
        Defect("calibration 03 does not exist", "scans without a calibration are an error"),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, keep_newly_valid=True),
    box_expansion=1.2,
    facts=(
        "48 people, 4 kinds of furniture; about 1 % of the frames are annotated.",
        "The world is device 2 of the room; joints are stored per device. Up: the camera's own -y.",
        "In rooms 2 and 4 there are other people, who are not annotated.",
    ),
)


@dataclass(frozen=True)
class IkeaAsm(Adapter):
    """Reads IKEA ASM."""

    info = INFO

    min_joints_inside: int = option(4, "poses with fewer joints in the image go")
    human_2d: bool = option(False, "dev3: add the human 2D annotation as an extra")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per scan and device."""
        listed, is_complete = _listed_splits(root)
        keys = []
        for folder in root.glob("*/*/dev[123]"):
            key = folder.relative_to(root).as_posix()
            scan = key.rpartition("/")[0]
            if "special_test" in scan or not (folder / "pose3d").is_dir():
                continue
            by_room = "test" if _calibration(scan) in _TEST_CALIBRATIONS else "train"
            if listed.get(scan, "" if is_complete else by_room) == split:
                keys.append(key)
        return [Source(split, key) for key in sorted(keys)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with the annotated frames of a scan in one device."""
        folder = root / source.key
        scan, _, device = source.key.rpartition("/")
        poses = _pose_files(folder / "pose3d")
        in_camera, scores = _read_poses(list(poses.values()))
        camera = _camera(root / _CALIBRATION, _calibration(scan), device)
        n_inside = joints_inside(camera.image_from_camera(in_camera), _SIZE)
        frames = np.array(list(poses), int)
        images, shown, is_video = _images(folder, source.key, frames)
        rows = np.flatnonzero((n_inside >= max(1, self.min_joints_inside)) & shown)
        extras = {"score": scores[rows]}
        if self.human_2d and device == "dev3":
            extras["human_2d"] = _human_2d(folder / "pose2d", frames[rows])
        yield ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="ikea_asm_17",
            frames=frames[rows],
            sequence=scan,
            subject=scan.partition("/")[2][:4],
            camera_name=device,
            images=images[rows].tolist(),
            video_frames=frames[rows] if is_video else None,
            cameras=camera,
            joints3d=camera.to_world(in_camera[rows]),
            extras=extras,
        )


def _listed_splits(root: Path) -> tuple[dict[str, str], bool]:
    """Returns `furniture/scan` -> split by the lists, and whether both of them are there."""
    listed = {}
    files = {split: root / name for split, name in _SPLIT_FILES.items() if (root / name).is_file()}
    for split, path in files.items():
        for line in decode(read_bytes(path)).splitlines():
            listed[line.strip().strip("/")] = split
    return listed, len(files) == len(_SPLIT_FILES)


def _calibration(scan: str) -> str:
    fields = scan.rpartition("/")[2].split("_")
    return fields[3] if len(fields) > 3 else ""


def _pose_files(folder: Path) -> dict[int, Path]:
    """Returns frame number -> file, ascending."""
    found = {int(m[1]): path for path in folder.iterdir() if (m := _POSE.fullmatch(path.name))}
    return dict(sorted(found.items()))


def _read_poses(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Returns joints (N, 17, 3) mm in camera coordinates and scores (N, 17)."""
    rows = [member(path, read_json(path), "pose_keypoints_3d") for path in paths]
    try:
        numbers = np.array(rows, np.float64)
    except (ValueError, TypeError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (len(rows), 68) or not np.isfinite(numbers).all():
        numbers = [
            as_array(path, "pose_keypoints_3d", row, (68,))
            for path, row in zip(paths, rows, strict=True)
        ]
    numbers = np.reshape(numbers, (len(rows), 17, 4))
    is_absent = (numbers == 0).all(axis=-1, keepdims=True)
    return np.where(is_absent, np.nan, MM_PER_CM * numbers[..., :3]), numbers[..., 3]


def _images(folder: Path, key: str, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Returns each frame's image, whether there is one, and whether the images are a video."""
    place = folder / "images"
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    extracted = {int(name[:6]): name for name in names if _IMAGE.fullmatch(name)}
    shown = np.array([frame in extracted for frame in frames.tolist()], bool)
    if "scan_video.avi" in names and not shown.all():
        n_frames = video_size(place / "scan_video.avi")[2]
        shown = frames < n_frames if n_frames > 0 else np.ones(len(frames), bool)
        return np.full(len(frames), f"{key}/images/scan_video.avi", object), shown, True
    if len(frames) and not shown.any():
        raise FileError(
            place, "expected scan_video.avi or the annotated frames (000120.png, ...), found none"
        )
    images = [f"{key}/images/{extracted.get(frame, '')}" for frame in frames.tolist()]
    return np.array(images, object), shown, False


def _human_2d(folder: Path, frames: np.ndarray) -> np.ndarray:
    """Returns (N, 17, 3) x, y px and confidence 1 to 3; NaN where there is no annotation."""
    found = np.full((len(frames), 17, 3), np.nan)
    names = [name.replace("_", " ") for name in skeleton_defs.get("ikea_asm_17").joints]
    for i, frame in enumerate(frames.tolist()):
        path = folder / f"{frame:06d}.json"
        if not path.is_file():
            continue
        joints = read_json(path)
        for j, name in enumerate(names):
            if isinstance(joints, dict) and name in joints:
                values = [
                    member(path, joints, name, "position"),
                    member(path, joints, name, "confidence"),
                ]
                found[i, j, :2] = as_numbers(path, f"{name}.position", values[0], 2)
                found[i, j, 2:] = as_numbers(path, f"{name}.confidence", values[1], 1)
    return found


_recent_calibration = RecentFiles(load_pickle)


def _camera(path: Path, calibration: str, device: str) -> Camera:
    """Returns a device's camera; the world is that of device 2."""
    values: Any = _recent_calibration(path)

    def numbers(key: str, count: int) -> np.ndarray:
        return as_numbers(path, key, member(path, values, calibration, device, key), count)

    distortion = np.ravel(member(path, values, calibration, device, "dist_coefs"))
    if len(distortion) > 12:
        raise FileError(
            path, f"dist_coefs: expected up to 12 numbers, found {quote(str(distortion))}"
        )
    R = numbers("R", 9).reshape(3, 3)
    return camera_of(
        path,
        f"calibration {calibration}, {device}",
        R=R,
        t=MM_PER_CM * numbers("T", 3),
        K=numbers("K", 9).reshape(3, 3),
        distortion=as_array(path, "dist_coefs", distortion, (None,)),
        world_up=-R[1],
        image_size=_SIZE,
    )
