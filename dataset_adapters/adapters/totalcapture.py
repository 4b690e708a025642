"""TotalCapture: 5 subjects, 8 HD cameras, Vicon skeletons at the video's 60 Hz.

Trumble et al., BMVC 2017. Joints in inches, camera translations in metres, world y up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode_text, list_names
from ..examples import ExampleBlock
from ..images import video_size
from ._inside import SeenJoints
from ._matte_videos import MatteFrames
from ._number_text import number_table, numbers_of
from ._values import (
    RecentFiles,
    camera_of,
    check_choice,
    natural_key,
    shown_count,
    without_partly_missing,
)

MM_PER_INCH = 25.4
N_CAMERAS = 8
#: The files' names in the order of `totalcapture_21`.
JOINTS = (
    "Hips", "Spine", "Spine1", "Spine2", "Spine3", "Neck", "Head",
    "RightShoulder", "RightArm", "RightForeArm", "RightHand",
    "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand",
    "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot",
)  # fmt: skip
_TRAIN_SUBJECTS = ("1", "2", "3")
_TRAIN = {"rom1", "rom2", "rom3", "walking1", "walking3", "freestyle1", "freestyle2", "acting1",
          "acting2"}  # fmt: skip
_TEST = {"walking2", "freestyle3", "acting3"}
_VIDEO = re.compile(r"TC_S(\d)_([A-Za-z]+\d)_cam([1-8])\.mp4")
_POSES = "gt_skel_gbl_pos.txt"

INFO = DatasetInfo(
    name="totalcapture",
    title="TotalCapture",
    kind="3D, marker-based",
    homepage="https://cvssp.org/data/totalcapture/",
    licence="non-commercial research; no redistribution",
    access="signed request; e-mail and password are sent",
    paper="Trumble, Gilbert, Malleson, Hilton, Collomosse: Total Capture, BMVC 2017",
    skeletons=("totalcapture_21",),
    splits=("train", "test"),
    tree="""\
calibration.cal
video/s1/**/TC_S1_acting1_cam1.mp4 ... cam8.mp4
mattes/s1/**/TC_S1_acting1_cam1.mp4            (optional; same names as below video/)
vicon/S1/acting1/gt_skel_gbl_pos.txt
or, as the toolbox puts it: totalcapture/s1/acting1/ with the poses and the 8 videos in it""",
    items=(
        Item("**/calibration.cal", "calibration of the 8 cameras", "calibration.cal"),
        Item("**/TC_S*_cam*.mp4", "videos", "video/s<n>/s<n>_<sequence>.tar.gz"),
        Item(f"**/{_POSES}", "joints", "vicon/s<n>_vicon_pos_ori.tar.gz"),
        Item("mattes/**/*.mp4", "silhouettes", "mattes/s<n>/...tar.gz", required=False),
    ),
    defects=(
        Defect(
            "videos, mattes and poses differ by a few frames in length",
            "frame i shows pose i; what is longer than the shortest of them is left out",
        ),
        Defect(
            "mattes are compressed videos: what is black or white is nearly so",
            "the person is where a matte (its first channel) is brighter than 127",
        ),
        Defect(
            "in some sequences joints and images visibly disagree (known to the authors)",
            "kept: which ones is not published; `store validate` measures it with the mattes",
        ),
        Defect(
            "freestyle1 and rom3 of S4 and S5 belong to neither official split",
            "left out (option unassigned=test adds them to test)",
        ),
    ),
    thinning=Thinning(every=1, distance_mm=100.0, memory=1),
    box_expansion=1.25,
    boxes_within_masks=True,
    facts=(
        "Train: S1-S3 without walking2, freestyle3, acting3; test: these three of S1-S5.",
        "Mattes below mattes/ become silhouettes, and the box around the joints ends where the "
        "silhouette ends (as published, where what is not quite black counts too). Mattes are "
        "decoded by `prepare` alone, once per video. Where one is damaged, empty, or not where the "
        "joints are, the box is that of the joints.",
        "The distortion is one radial coefficient, almost zero.",
    ),
)


@dataclass(frozen=True)
class TotalCapture(Adapter):
    """Reads TotalCapture."""

    info = INFO

    unassigned: str = option("", "split to which sequences without an official one are added")
    min_joints_inside: int = option(6, "fewer joints inside the image: the example is left out")

    def __post_init__(self):
        check_choice(self, "unassigned", ("", "train", "test"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per video."""
        videos = []
        for path in root.rglob("TC_S*_cam*.mp4"):
            place = path.relative_to(root)
            match = _VIDEO.fullmatch(path.name)
            if match and "mattes" not in place.parts and self._split(*match.group(1, 2)) == split:
                videos.append(place.as_posix())
        return [Source(split, key) for key in sorted(videos, key=natural_key)]

    def _split(self, subject: str, sequence: str) -> str:
        if sequence in _TEST:
            return "test"
        return "train" if subject in _TRAIN_SUBJECTS and sequence in _TRAIN else self.unassigned

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all poses of a sequence in one camera."""
        video = PurePosixPath(source.key)
        subject, sequence, camera_number = _VIDEO.fullmatch(video.name).groups()
        joints, seen = _recent_poses(_pose_file(root, video, subject, sequence))
        cameras = _recent_calibration(_calibration_file(root, video))
        matte = _matte_file(root, video)
        n = shown_count(len(joints), video_size(root / video)[2], _length_of_matte(matte))
        camera = cameras[int(camera_number) - 1]
        frames = np.flatnonzero(seen.count(camera)[:n] >= self.min_joints_inside)
        yield ExampleBlock(
            dataset="totalcapture",
            split=source.split,
            skeleton="totalcapture_21",
            frames=frames,
            sequence=f"S{subject}/{sequence}",
            subject=f"S{subject}",
            camera_name=f"cam{camera_number}",
            images=source.key,
            video_frames=frames,
            cameras=camera,
            masks=None if matte is None else MatteFrames(matte, frames),
            joints3d=joints[:n] if len(frames) == n else joints[frames],
        )


def _pose_file(root: Path, video: PurePosixPath, subject: str, sequence: str) -> Path:
    folders = [root / "vicon" / f"{s}{subject}" / sequence for s in "Ss"]
    folders += [root / video.parent, root / f"s{subject}" / sequence]
    for folder in folders:
        if (folder / _POSES).is_file():
            return folder / _POSES
    raise FileError(
        folders[0] / _POSES, f"expected the joints, found none; unpack s{subject}_vicon_pos_ori"
    )


def _matte_file(root: Path, video: PurePosixPath) -> Path | None:
    """Returns the video of the silhouettes, None where there is none."""
    if video.parts[0] != "video":
        return None
    path = root / "mattes" / PurePosixPath(*video.parts[1:])
    return path if path.is_file() else None


def _length_of_matte(path: Path | None) -> int:
    """Returns a matte's number of frames, 0 where it is unknown: damage costs the matte alone."""
    try:
        return 0 if path is None else video_size(path)[2]
    except FileError:
        return 0


def _calibration_file(root: Path, video: PurePosixPath) -> Path:
    for folder in (root, *(root / parent for parent in video.parents)):
        if (folder / "calibration.cal").is_file():
            return folder / "calibration.cal"
    raise FileError(root / "calibration.cal", "expected the calibration, found none; download it")


def _read_poses(path: str) -> tuple[CheckedJoints, SeenJoints]:
    """Returns (T, 21, 3) mm, in two forms."""
    header, _, body = read_bytes(path).partition(b"\n")
    names = [name for name in decode_text(header.replace(b"\t", b"|")).split("|") if name.strip()]
    names = [name.strip() for name in names]
    if sorted(names) != sorted(JOINTS):
        raise FileError(
            path,
            f"line 1: expected the names of {len(JOINTS)} joints (Hips, Spine, ...) between tabs, "
            f"found {list_names(names, most=4)}",
        )
    rows = number_table(path, body, 3 * len(JOINTS), first_line=2)
    order = [names.index(name) for name in JOINTS]
    joints = MM_PER_INCH * np.take(rows.reshape(-1, len(JOINTS), 3), order, axis=1)
    return CheckedJoints(without_partly_missing(joints)), SeenJoints(joints)


def _read_calibration(path: str) -> list[Camera]:
    numbers = numbers_of(path, read_bytes(path))
    n_cameras, order = (int(n) for n in numbers[:2]) if len(numbers) > 1 else (0, 0)
    size = 4 + 4 + order + 9 + 3
    if n_cameras != N_CAMERAS or order not in range(3) or len(numbers) != 2 + n_cameras * size:
        raise FileError(
            path,
            f"expected {N_CAMERAS} cameras of {4 + 4 + 1 + 9 + 3} numbers after '8 1', found "
            f"{len(numbers)} numbers, the first {numbers[:2].tolist()}",
        )
    return [_camera(path, i + 1, row, order) for i, row in enumerate(numbers[2:].reshape(-1, size))]


def _camera(path: str, number: int, row: np.ndarray, order: int) -> Camera:
    min_row, max_row, min_column, max_column, fx, fy, cx, cy = row[:8]
    rest = row[8 + order :]
    return camera_of(
        path,
        f"camera {number}",
        R=rest[:9].reshape(3, 3),
        t=1000 * rest[9:],
        K=intrinsics(fx, fy, cx, cy),
        distortion=row[8 : 8 + order],
        world_up=(0, 1, 0),
        image_size=(max_column - min_column + 1, max_row - min_row + 1),
    )


_recent_poses = RecentFiles(_read_poses, keep=2)
_recent_calibration = RecentFiles(_read_calibration)
