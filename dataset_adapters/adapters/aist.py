"""AIST++: dancers seen by 9 cameras, joints triangulated from detections.

Li et al., AI Choreographer: Music Conditioned 3D Dance Generation with AIST++, ICCV 2021.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode, quote
from ..containers.safe_pickle import load_pickle
from ..examples import ExampleBlock
from ..images import video_header
from ._folders import recent_names
from ._values import (
    RecentFiles,
    as_array,
    camera_of,
    check_choice,
    member,
    read_json,
    without_partly_missing,
)

_FOLDERS = ("annotations", "annotations/aist_plusplus_final", "aist_plusplus_final", ".")
_SPLIT_FILES = {"train": "pose_train.txt", "valid": "pose_val.txt", "test": "pose_test.txt"}
#: Views that the owners left out of the triangulation: not in time with the others, 640x480.
_BAD_VIEWS = {("gBR_sBM_cAll_d04_mBR0_ch01", "c05"), ("gJB_sBM_cAll_d07_mJB3_ch05", "c07")}
_MM_PER_CM = 10
_RATE = 60.0


@dataclass(frozen=True)
class Aist(Adapter):
    """Reads AIST++."""

    info = DatasetInfo(
        name="aist",
        title="AIST++ (AIST Dance Video Database)",
        kind="3D, markerless",
        homepage="https://google.github.io/aistplusplus_dataset",
        licence="annotations CC BY 4.0; videos under the terms of the AIST Dance Video Database",
        access="annotations free; videos at aistdancedb.ongaaccel.jp after agreeing to its terms",
        paper="Li et al.: AI Choreographer, ICCV 2021",
        skeletons=("aist_coco_17",),
        splits=("train", "valid", "test"),
        tree="""\
annotations/keypoints3d/<sequence>.pkl               sequence: gBR_sBM_cAll_d04_mBR0_ch01
annotations/cameras/setting{1..}.json, mapping.txt
annotations/splits/pose_{train,val,test}.txt
annotations/ignore_list.txt                          (optional)
videos/<sequence with c01..c09 for cAll>.mp4         (those that you want)
(annotations may also be called aist_plusplus_final, or hold a folder of that name)""",
        items=(
            Item("**/keypoints3d/*.pkl", "3D joints", "fullset.zip"),
            Item("**/cameras/mapping.txt", "which cameras a sequence has", "fullset.zip"),
            Item("**/cameras/setting*.json", "cameras", "fullset.zip"),
            Item("**/splits/pose_*.txt", "splits by subject", "fullset.zip"),
            Item("**/ignore_list.txt", "bad sequences", "fullset.zip", required=False),
            Item("videos/*.mp4", "videos", "AIST Dance Video Database"),
        ),
        defects=(
            Defect("sequences of ignore_list.txt are bad", "left out"),
            Defect(
                "two views were left out of the triangulation (out of time, 640x480)",
                "left out: " + ", ".join(f"{name} {view}" for name, view in sorted(_BAD_VIEWS)),
            ),
            Defect("not every sequence has all 9 videos", "missing views are left out"),
            Defect(
                "joints are sampled at 60 per second, some videos are not, and tools differ in "
                "rounding",
                "the video's rate and length decide whether rows are mapped to frames by time "
                "(option rounding); rows beyond the end of the video are left out",
            ),
        ),
        thinning=Thinning(distance_mm=100.0, memory=1),
        box_expansion=1.15,
        facts=(
            "1408 sequences, 10 genres, 30 dancers (20 in train and valid, 10 others in test).",
            "Joints: keypoints3d_optim, smoothed over time (option joints).",
            "PosePile adds the middle of the shoulders and of the hips as neck and pelvis.",
        ),
    )

    joints: str = option("keypoints3d_optim", "keypoints3d_optim (smoothed) or keypoints3d")
    rounding: str = option("down", "down or up: which video frame a row between two of them shows")

    def __post_init__(self):
        check_choice(self, "joints", ("keypoints3d_optim", "keypoints3d"))
        check_choice(self, "rounding", ("down", "up"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence."""
        folder = _annotations(root)
        ignored = set()
        if (folder / "ignore_list.txt").is_file():
            ignored = set(_lines(folder / "ignore_list.txt"))
        names = _lines(folder / "splits" / _SPLIT_FILES[split])
        return [Source(split, name) for name in dict.fromkeys(names) if name not in ignored]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per view that has a video."""
        folder, name = _annotations(root), source.key
        joints = self._read_joints(folder / "keypoints3d" / f"{name}.pkl")
        cameras = _recent_setting(folder / "cameras" / f"{_setting_of(folder, name)}.json")
        subject = re.search(r"_(d\d+)_", name)
        place = os.fspath(root)
        present = recent_names(root / "videos") if (root / "videos").is_dir() else ()
        for view, camera in cameras.items():
            video = f"{name.replace('cAll', view)}.mp4"
            if (name, view) in _BAD_VIEWS or video not in present:
                continue
            video = f"videos/{video}"
            video_frames, notes = self._video_frames(f"{place}/{video}", len(joints))
            n = len(video_frames)
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton="aist_coco_17",
                frames=np.arange(n),
                sequence=name,
                subject=subject[1] if subject else "",
                camera_name=view,
                images=video,
                video_frames=video_frames,
                cameras=camera,
                joints3d=joints[:n],
                notes=notes,
            )

    def _read_joints(self, path: Path) -> CheckedJoints:
        """Returns (N, 17, 3) mm."""
        values = member(path, load_pickle(path), self.joints)
        joints = as_array(path, self.joints, values, (None, 17, 3), may_miss=True)
        return CheckedJoints(without_partly_missing(_MM_PER_CM * joints))

    def _video_frames(self, video: str, n_rows: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """Returns the frame of the video that each row shows; rows beyond its end are cut off."""
        header = video_header(video)
        n_frames, rate = header.n_frames, header.rate
        by_time = n_rows * rate / _RATE
        rows = np.arange(n_rows)
        if not 0 < rate < 1000 or abs(n_frames - by_time) >= abs(n_frames - n_rows):
            return rows[:n_frames], ()
        frames = frames_by_time(rows, rate, rounding=self.rounding)
        return frames[frames < n_frames], (
            f"rows are mapped to frames by time: {n_rows} rows at 60 per second, {n_frames} frames "
            f"at {rate:.3f}",
        )


def frames_by_time(rows: np.ndarray, rate: float, *, rounding: str) -> np.ndarray:
    """Returns which frames of a video a resampling to 60 per second shows.

    Frame j comes at time j / rate, which is rounded to a multiple of 1 / 60 s; a moment shows the
    last frame that has come.

    Args:
      rows: moments, in 1 / 60 s.
      rate: frames per second of the video.
      rounding: `down` or `up`.
    """
    step = _RATE / rate  # moments per frame
    if rounding == "up":
        return np.floor(rows / step + 1e-9).astype(int)
    return np.ceil((rows + 1) / step - 1e-9).astype(int) - 1


def _annotations(root: Path) -> Path:
    for folder in _FOLDERS:
        if (root / folder / "keypoints3d").is_dir():
            return root / folder
    return root / _FOLDERS[0]


def _lines(path: Path) -> list[str]:
    lines = [line.strip() for line in decode(read_bytes(path)).splitlines()]
    for line in lines:
        if line and not re.fullmatch(r"\w+", line):
            raise FileError(path, f"expected a sequence name per line, found {quote(line)}")
    return [line for line in lines if line]


def _read_mapping(path: str) -> dict[str, str]:
    """Returns sequence -> setting."""
    pairs = [line.split() for line in decode(read_bytes(path)).splitlines()]
    for pair in pairs:
        if pair and (len(pair) != 2 or not re.fullmatch(r"\w+", pair[1])):
            raise FileError(
                path, f"expected a sequence and its setting, found {quote(' '.join(pair))}"
            )
    return dict(pair for pair in pairs if pair)


_recent_mapping = RecentFiles(_read_mapping)


def _setting_of(folder: Path, name: str) -> str:
    path = folder / "cameras" / "mapping.txt"
    mapping = _recent_mapping(path)
    if name not in mapping:
        raise FileError(path, f"expected the setting of {name}, found none")
    return mapping[name]


def _read_setting(path: str) -> dict[str, Camera]:
    """Returns the cameras of a setting by name."""
    entries = read_json(path)
    if not isinstance(entries, list):
        raise FileError(path, "expected a list of cameras")
    cameras = {}
    for entry in entries:
        name = str(member(path, entry, "name"))
        if not re.fullmatch(r"c\d\d", name):
            raise FileError(path, f"expected a camera name as c01, found {quote(name)}")

        def numbers(key: str, *shape: int | None, entry=entry, name=name) -> np.ndarray:
            return as_array(path, f"{name}.{key}", member(path, entry, key), shape)

        lens = numbers("distortions", None)
        if len(lens) > 12:
            raise FileError(path, f"{name}.distortions: expected at most 12, found {len(lens)}")
        cameras[name] = camera_of(
            path,
            name,
            R=matrix_from_axis_angle(numbers("rotation", 3)),
            t=_MM_PER_CM * numbers("translation", 3),
            K=numbers("matrix", 3, 3),
            distortion=lens,
            world_up=(0, 1, 0),
            image_size=tuple(numbers("size", 2).astype(int).tolist()),
        )
    return cameras


_recent_setting = RecentFiles(_read_setting, keep=32)
