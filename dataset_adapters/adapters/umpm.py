"""UMPM: 1 to 4 people in a room, one or two of them with markers, 4 cameras at 50 fps.

van der Aa et al., HICV 2011. Joint centres at 100 Hz in mm, world z up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..adapter import Adapter, BoneLimits, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..containers.c3d import parse_c3d
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..examples import ExampleBlock
from ..images import video_size
from ._number_text import numbers_of
from ._values import (
    RecentFiles,
    as_array,
    camera_of,
    member,
    natural_key,
    read_json,
    shown_count,
    without_zeros,
)

N_JOINTS = 15
CAMERAS = ("f", "s", "r", "l")
#: Mocap frames per video frame: 100 Hz and 50 fps.
MOCAP_PER_FRAME = 2
#: Sequences whose json names the wrong calibration.
TRUE_CALIBRATION = {"p2_free_1": "calib_n27", "p3_circle_2": "calib_l06"}
DROPPED = frozenset({"p2_free_2"})
_SEQUENCE = re.compile(r"p\d_[A-Za-z]+_\d+")
_LAST_COMMA = re.compile(rb",(\s*\}\s*)\Z")
_CALIBRATION_LINES = (3, 3, 3, 4, 3, 3)

INFO = DatasetInfo(
    name="umpm",
    title="Utrecht Multi-Person Motion (UMPM)",
    kind="3D, marker-based",
    homepage="https://www2.projects.science.uu.nl/umpm/",
    licence="research use (see the terms shown on registration)",
    access="free registration gives a user name and a password",
    paper="van der Aa, Luo, Giezeman, Tan, Veltkamp: UMPM benchmark, HICV (ICCV workshop) 2011",
    skeletons=("umpm_15",),
    splits=("train",),
    tree="""\
p1_grab_3.json
Groundtruth/p1_grab_3_vm.c3d
Calib/calib_l06_f.ini  calib_l06_l.ini  calib_l06_r.ini  calib_l06_s.ini
Video/p1_grab_3_f.avi  p1_grab_3_l.avi  p1_grab_3_r.avi  p1_grab_3_s.avi
or every zip in a folder of its own: p1_grab_3/{p1_grab_3.json,Groundtruth,Video,...}""",
    items=(
        Item("**/p?_*_*.json", "which calibration belongs to a sequence", "<sequence>.zip"),
        Item("**/Groundtruth/*_vm.c3d", "joint centres", "<sequence>.zip"),
        Item("**/Calib/calib_*.ini", "cameras", "calib_*.zip"),
        Item("**/Video/*.avi", "videos; unpack them with `xz -d Video/*.xz`", "<sequence>.zip"),
    ),
    defects=(
        Defect("the json files end with a comma that JSON does not allow", "it is passed over"),
        Defect(
            "p2_free_1 and p3_circle_2 name the wrong calibration", "calib_n27 and calib_l06 used"
        ),
        Defect("p2_free_2 has unusable ground truth", "left out (option keep_dropped)"),
        Defect(
            "marker swaps and jitter",
            "`prepare` takes the ends of bones out of the published limits for missing",
        ),
        Defect(
            "p3 and p4 sequences show people without markers",
            "only those with markers come out: never take the others for background",
        ),
    ),
    thinning=Thinning(
        distance_mm=100.0,
        memory=300,
        keep_newly_valid=True,
        ignore_missing=True,
        centered=True,
    ),
    bone_limits=BoneLimits(min_ratio=0.5, max_ratio=1.25, difference_mm=80.0),
    box_expansion=1.15,
    facts=("Video frame i shows mocap frame 2 i. No official split: all is train.",),
)


@dataclass(frozen=True)
class Umpm(Adapter):
    """Reads UMPM."""

    info = INFO

    keep_dropped: bool = option(False, "read p2_free_2 too")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence and camera."""
        jsons = sorted(
            (path.relative_to(root).with_suffix("").as_posix()
             for pattern in ("*.json", "*/*.json") for path in root.glob(pattern)
             if _SEQUENCE.fullmatch(path.stem)
             and (self.keep_dropped or path.stem not in DROPPED)),
            key=natural_key,
        )  # fmt: skip
        return [Source(split, f"{key}/{camera}") for key in jsons for camera in CAMERAS]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per person with the poses of a sequence in one camera."""
        place, _, camera_name = source.key.rpartition("/")
        folder, sequence = PurePosixPath(place).parent, PurePosixPath(place).name
        calibration = _calibration_file(root, folder, sequence, camera_name)
        if not (root / folder / "Groundtruth").is_dir():
            folder = folder / sequence
        video = (folder / "Video" / f"{sequence}_{camera_name}.avi").as_posix()
        if not (root / video).is_file():
            raise FileError(
                root / video,
                "expected a video, found none; unpack the sequence's zip and `xz -d` its videos",
            )
        width, height, n_frames = video_size(root / video)
        camera = _read_camera(calibration, (width, height))
        people = _recent_joints(root / folder / "Groundtruth" / f"{sequence}_vm.c3d")
        for person, joints in enumerate(people):
            shown = joints[::MOCAP_PER_FRAME]
            shown = shown[: shown_count(len(shown), n_frames)]
            frames = np.flatnonzero(~np.isnan(shown[..., 0]).all(axis=1))
            yield ExampleBlock(
                dataset="umpm",
                split=source.split,
                skeleton="umpm_15",
                frames=frames,
                sequence=sequence,
                camera_name=camera_name,
                person=str(person),
                images=video,
                video_frames=frames,
                cameras=camera,
                joints3d=shown[frames],
            )


def _read_joints(path: str) -> np.ndarray:
    """Returns (people, T, 15, 3) mm."""
    c3d = parse_c3d(path)
    n_points = c3d.positions.shape[1]
    if n_points not in (N_JOINTS, 2 * N_JOINTS):
        raise FileError(
            path, f"expected {N_JOINTS} points (or {2 * N_JOINTS} for two), found {n_points}"
        )
    joints = as_array(path, "points", c3d.positions, (None, n_points, 3), may_miss=True)
    joints = without_zeros(joints.reshape(len(joints), -1, N_JOINTS, 3))
    return joints.swapaxes(0, 1)


_recent_joints = RecentFiles(_read_joints)


def _calibration_file(root: Path, folder: PurePosixPath, sequence: str, camera: str) -> Path:
    path = root / folder / f"{sequence}.json"
    stored = member(path, read_json(path, _LAST_COMMA.sub(rb"\1", read_bytes(path))), "calib")
    name = TRUE_CALIBRATION.get(sequence, stored)
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        raise FileError(path, "calib: expected a name such as 'calib_l06', found something else")
    places = [root / folder, root / folder / sequence, root, root / name]
    files = [place / "Calib" / f"{name}_{camera}.ini" for place in places]
    return next((file for file in files if file.is_file()), files[0])


def _read_camera(path: Path, image_size: tuple[int, int]) -> Camera:
    numbers = numbers_of(path, read_bytes(path))
    if len(numbers) != sum(_CALIBRATION_LINES):
        raise FileError(
            path,
            "expected 6 lines of 3, 3, 3, 4, 3 and 3 numbers (K, distortion, rotation vector, "
            f"translation), found {len(numbers)} numbers",
        )
    return camera_of(
        path,
        "the calibration",
        K=numbers[:9].reshape(3, 3),
        distortion=numbers[9:13],
        R=matrix_from_axis_angle(numbers[13:16]),
        t=numbers[16:],
        world_up=(0, 0, 1),
        image_size=image_size,
    )
