"""BML-MoVi: 90 actors, 67 surface markers and 20 joint centres at 120 Hz, video at 30 fps.

Ghorbani et al., PLoS ONE 2021. World mm, z up; cameras in MATLAB's row-vector convention.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ..images import video_size
from ._bmlmovi_cameras import (
    PUBLISHED,
    Phone,
    calibration_files,
    published_camera,
    read_camera,
    read_phones,
)
from ._bmlmovi_takes import Take, read_takes
from ._values import (
    RecentFiles,
    check_choice,
    rows_of,
    shown_count,
    without_partly_missing,
)

#: Mocap frames per frame of the calibrated cameras: 120 Hz and 30 fps.
MOCAP_PER_FRAME = 4
MOCAP_FPS = 120.0
_VIDEO = re.compile(r"(F|S1|S2)_(PG[12])_Subject_(\d+)_L\.avi")
_PHONE_VIDEO = re.compile(r"(F|S1|S2)_(CP[12])_Subject_(\d+)(?:_L)?\.mp4")
_POSE_FOLDERS = {"F": ("F_Subjects_1_45", "F_Subjects_46_90", "F", "."), "S": ("S", ".")}

INFO = DatasetInfo(
    name="bmlmovi",
    title="BML-MoVi",
    kind="3D, marker-based",
    homepage="https://www.biomotionlab.ca/movi/ (data: https://doi.org/10.5683/SP2/JRHDRN)",
    licence="non-commercial scientific research only",
    access="download from the Dataverse after agreeing to the terms",
    paper="Ghorbani et al.: MoVi, PLoS ONE 16(6), 2021",
    skeletons=("bmlmovi_87",),
    splits=("train",),
    tree="""\
F_PG1_Subject_1_L.avi  F_PG2_Subject_1_L.avi  S1_PG1_Subject_1_L.avi  S2_...
F_Subjects_1_45/F_v3d_Subject_1.mat  F_Subjects_46_90/F_v3d_Subject_46.mat
S/S_v3d_Subject_1.mat
Calib/cameraParams_PG1.npz  Calib/Extrinsics_PG1.npz  (PG2 likewise; also Camera_patameters/)""",
    items=(
        Item("**/*_PG?_Subject_*_L.avi", "videos of the two calibrated cameras", "*_PG*.avi"),
        Item("**/?_v3d_Subject_*.mat", "markers and joint centres", "F_Subjects_*.tar, S.tar"),
        Item(
            "**/cameraParams_PG?.npz",
            "intrinsics; without them the published numbers are used",
            "Camera_patameters of the MoVi toolbox's repository",
            required=False,
        ),
        Item(
            "**/Extrinsics_PG?.npz",
            "extrinsics; without them the published numbers are used",
            "Camera_patameters of the MoVi toolbox's repository",
            required=False,
        ),
    ),
    defects=(
        Defect("missing points are stored as (0, 0, 0)", "missing, NaN"),
        Defect(
            "the S rounds have 17 points only",
            "15 of them go to their places among the 87; the others are missing",
        ),
        Defect("MATLAB counts pixels from 1", "1 px is subtracted from the principal point"),
        Defect(
            "the phone cameras CP1 and CP2 are neither calibrated nor synchronised",
            "left out; with a calibration of your own (option phones) they are read",
        ),
        Defect("rounds I1 and I2 have no optical motion capture", "left out"),
    ),
    thinning=Thinning(
        distance_mm=100.0, memory=500, keep_newly_valid=True, ignore_missing=True
    ),
    box_expansion=1.05,
    facts=(
        "Frame i of a PG video shows mocap frame 4 i. No official split: all is train.",
        "Phone calibration: {video name without ending: {fps, offset_s (video time when the mocap "
        "begins), R, t (mm, x_cam = R x_world + t; one each, or one per frame with null where "
        "unknown), focal_px (default 1508.7)}}; poses are interpolated.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class BmlMovi(Adapter):
    """Reads BML-MoVi."""

    info = INFO

    calibration: str = option("auto", "auto (npz files if they are there), file or published")

    phones: str = option("", "JSON file with your calibration of the phones' videos (see facts)")
    max_roll: float = option(7.0, "phones: frames turned by more degrees are left out")

    def __post_init__(self):
        check_choice(self, "calibration", ("auto", "file", "published"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per video with a known camera."""
        found = []
        phones = read_phones(self.phones) if self.phones else {}
        for path in (*root.rglob("*_PG?_Subject_*_L.avi"), *root.rglob("*_CP?_Subject_*.mp4")):
            match = _VIDEO.fullmatch(path.name)
            if match or (path.stem in phones and (match := _PHONE_VIDEO.fullmatch(path.name))):
                video_round, camera, subject = match.groups()
                key = path.relative_to(root).as_posix()
                # The rounds and cameras of one .mat file come one after the other.
                found.append((video_round[0], int(subject), video_round, camera, key))
        return [Source(split, key) for *_, key in sorted(found)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all poses of a round in one camera."""
        name = PurePosixPath(source.key).name
        match = _VIDEO.fullmatch(name) or _PHONE_VIDEO.fullmatch(name)
        video_round, camera_name, subject = match.groups()
        take = _take(root, video_round, subject)
        n_frames = video_size(root / source.key)[2]
        if camera_name in PUBLISHED:
            cameras, joints = self._camera(root, camera_name), take.points(MOCAP_PER_FRAME)
            frames = np.arange(shown_count(len(joints), n_frames))
            joints = joints[: len(frames)]
        else:
            phone = read_phones(self.phones)[PurePosixPath(name).stem]
            frames, joints = self._phone_rows(phone, n_frames, take.points(1).values)
        present = joints.is_present.any(axis=1)
        rows = rows_of(present)
        frames, joints = frames[rows], joints[rows]
        if camera_name not in PUBLISHED:
            cameras = [phone.camera(frame) for frame in frames]
        yield ExampleBlock(
            dataset="bmlmovi",
            split=source.split,
            skeleton="bmlmovi_87",
            frames=frames,
            sequence=f"{video_round}_Subject_{subject}",
            subject=subject,
            camera_name=camera_name,
            images=source.key,
            video_frames=frames,
            cameras=cameras,
            joints3d=joints,
        )

    def _camera(self, root: Path, name: str) -> Camera:
        files = calibration_files(root, name)
        if self.calibration == "auto" and not all(file.is_file() for file in files):
            return published_camera(name)
        return (
            published_camera(name) if self.calibration == "published" else read_camera(files, name)
        )

    def _phone_rows(
        self, phone: Phone, n_frames: int, joints: np.ndarray
    ) -> tuple[np.ndarray, CheckedJoints]:
        """Returns the frames of a phone's video that can be used, and their joints."""
        index = phone.mocap_index(n_frames, MOCAP_FPS)
        level = np.abs(phone.roll_degrees()) <= self.max_roll
        if len(level) > 1:
            level = np.pad(level[:n_frames], (0, max(0, n_frames - len(level))))
        with np.errstate(invalid="ignore"):
            frames = np.flatnonzero((index >= 0) & (index <= len(joints) - 1) & level)
        low = np.floor(index[frames]).astype(np.int64)
        share = (index[frames] - low)[:, None, None]
        high = np.minimum(low + 1, len(joints) - 1)
        # A whole index takes its frame alone: its neighbour may lack joints.
        blended = np.where(share > 0, (1 - share) * joints[low] + share * joints[high], joints[low])
        return frames, CheckedJoints(without_partly_missing(blended))


def _pose_file(root: Path, video_round: str, subject: str) -> Path:
    name = f"{video_round}_v3d_Subject_{subject}.mat"
    paths = [root / folder / name for folder in _POSE_FOLDERS[video_round]]
    paths += [] if any(path.is_file() for path in paths) else sorted(root.rglob(name))
    for path in paths:
        if path.is_file():
            return path
    raise FileError(paths[0], "expected the mocap of this subject, found none; unpack its archive")


def _take(root: Path, video_round: str, subject: str) -> Take:
    """Returns a round's recording."""
    path = _pose_file(root, video_round[0], subject)
    takes = _recent_takes(path)
    index = int(video_round[1:] or 1) - 1
    if index >= len(takes):
        raise FileError(
            path, f"expected a cell 'move' with round {video_round}, found {len(takes)} rounds"
        )
    return takes[index]


_recent_takes = RecentFiles(read_takes)
