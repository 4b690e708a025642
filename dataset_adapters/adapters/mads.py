"""MADS (Martial Arts, Dancing and Sports): 5 actions, 3 views, joints of a mocap system.

Zhang et al., Image and Vision Computing 2017. Joints in mm, world y up. A second part has
other takes, filmed by a stereo camera.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.mat import read_mat
from ..examples import ExampleBlock
from ..images import video_size
from ._mads_depth import CALIBRATION, SIGNS, left_camera
from ._values import (
    RecentFiles,
    as_array,
    as_numbers,
    camera_of,
    check_choice,
    natural_key,
    without_partly_missing,
)

SKELETONS = {19: "mads_19", 15: "mads_15"}
_VIDEO = re.compile(r"(\w+)_C(\d)\.avi")
_LEFT_VIDEO = re.compile(r"(\w+)_Left\.avi")
#: Value of the option `part`, folder, and what its videos are called.
_PARTS = (
    ("multiview", "multi_view_data", "*_C?.avi", _VIDEO),
    ("depth", "depth_data", "*_Left.avi", _LEFT_VIDEO),
)

INFO = DatasetInfo(
    name="mads",
    title="MADS: Martial Arts, Dancing and Sports",
    kind="3D, marker-based",
    homepage="https://visal.cs.cityu.edu.hk/research/mads/",
    licence="research use (no explicit terms known)",
    access="Google Drive links on the page",
    paper="Zhang, Liu, Tang, Chan: Martial Arts, Dancing and Sports dataset, IVC 61, 2017",
    skeletons=("mads_19", "mads_15"),
    splits=("train",),
    tree="""\
multi_view_data/HipHop/HipHop_HipHop1_C0.avi  ..._C1.avi  ..._C2.avi
multi_view_data/HipHop/HipHop_HipHop1_GT.mat
multi_view_data/HipHop/Calib_Cam0.mat  Calib_Cam1.mat  Calib_Cam2.mat
depth_data/HipHop/HipHop_HipHop1_Left.avi  HipHop_HipHop1_GT.mat  Calib_C0_left.mat
(any folders may lie above multi_view_data and depth_data)""",
    items=(
        Item(
            "**/multi_view_data/*/*_C?.avi",
            "videos",
            "MADS_multiview.zip, a split archive: zip -s 0 MADS_multiview.zip --out single.zip",
        ),
        Item("**/multi_view_data/*/*_GT.mat", "joints", "MADS_multiview.zip"),
        Item("**/multi_view_data/*/Calib_Cam?.mat", "cameras", "MADS_multiview.zip"),
        Item("**/depth_data/*/*_Left.avi", "the depth part", "MADS_depth.zip", required=False),
    ),
    defects=(
        Defect(
            "some sequences have 19 joints, others 15 (no toes, no hands)",
            "the arrays' size decides: skeleton mads_19 or mads_15",
        ),
        Defect("frames without any joint", "left out"),
        Defect("poses and videos differ in length", "frame i shows pose i, up to the shorter one"),
        Defect(
            "depth part: the rotation vector has the wrong sign (loaders disagree whether always)",
            "negated, unless the stored one brings a tenth more of the joints into the image "
            "(option rotation); the shares are noted",
        ),
        Defect(
            "depth part: only the left camera's place is known, and the look-up for rectified "
            "images is documented in part",
            "the left video is read as it is stored, with its own lens; the right one is not",
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, keep_newly_valid=True),
    box_expansion=1.2,
    facts=(
        "No official split: all is train. About 15 fps.",
        "As published, only the multi-view part is read; part=depth or part=both gives the other. "
        "Its sequences are called depth/<name>, as both parts use the same names.",
    ),
)


@dataclass(frozen=True)
class Mads(Adapter):
    """Reads MADS."""

    info = INFO

    part: str = option("multiview", "multiview (as published), depth or both")
    rotation: str = option("auto", "depth part, sign of the rotation: auto, negated or stored")

    def __post_init__(self):
        check_choice(self, "part", ("multiview", "depth", "both"))
        check_choice(self, "rotation", ("auto", *SIGNS))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per video."""
        videos = [
            path.relative_to(root).as_posix()
            for part, folder, name, pattern in _PARTS
            if self.part in (part, "both")
            for path in root.glob(f"**/{folder}/*/{name}")
            if pattern.fullmatch(path.name)
        ]
        return [Source(split, key) for key in sorted(videos, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with the poses of a sequence in one view, or one per joint count."""
        video = root / source.key
        is_depth = _LEFT_VIDEO.fullmatch(video.name)
        match = is_depth or _VIDEO.fullmatch(video.name)
        poses = _recent_poses(video.with_name(f"{match[1]}_GT.mat"))
        width, height, n_frames = video_size(video)
        if is_depth:
            name, sequence = "left", f"depth/{match[1]}"
            joints = [joints for _, joints in poses.values()]
            camera, note = left_camera(
                video.with_name(CALIBRATION), (width, height), joints, rotation=self.rotation
            )
            notes = (f"{sequence}: {note}",)
        else:
            name, sequence, notes = f"C{match[2]}", match[1], ()
            camera = _recent_camera(video.with_name(f"Calib_Cam{match[2]}.mat"))(width, height)
        for n_joints, (frames, joints) in poses.items():
            shown = frames < n_frames if n_frames > 0 else np.ones(len(frames), bool)
            yield ExampleBlock(
                dataset="mads",
                split=source.split,
                skeleton=SKELETONS[n_joints],
                frames=frames[shown],
                sequence=sequence,
                camera_name=name,
                images=source.key,
                video_frames=frames[shown],
                cameras=camera,
                joints3d=joints[shown],
                notes=notes,
            )


def _read_poses(path: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Returns joint count -> frames (n,), joints (n, J, 3) mm."""
    cells = read_mat(path, keys=["GTpose2"])["GTpose2"]
    if not isinstance(cells, np.ndarray) or cells.dtype != object:
        raise FileError(path, "GTpose2: expected a cell with one pose per frame, found no cell")
    poses: dict[int, tuple[list, list]] = {}
    for frame, pose in enumerate(cells.ravel().tolist()):
        if isinstance(pose, np.ndarray) and not pose.size:
            continue
        shape = np.shape(pose) if isinstance(pose, np.ndarray) else ()
        if len(shape) != 2 or shape[0] not in SKELETONS or shape[1] != 3:
            raise FileError(
                path, f"GTpose2[{frame}]: expected 19 or 15 joints x 3, found shape {shape}"
            )
        frames, joints = poses.setdefault(shape[0], ([], []))
        frames.append(frame)
        joints.append(pose)
    return {
        n: _present(frames, as_array(path, "GTpose2", joints, (None, n, 3), may_miss=True))
        for n, (frames, joints) in poses.items()
    }


def _present(frames: list[int], joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints = without_partly_missing(joints)
    has_any = ~np.isnan(joints[..., 0]).all(axis=1)
    return np.array(frames)[has_any], joints[has_any]


def _read_camera(path: str):
    """Returns the function from the image size to the camera."""
    stored = read_mat(path, keys=["KK", "kc", "om_ext", "T_ext"])
    K, kc, rotation, t = (
        as_numbers(path, key, stored[key], size)
        for key, size in (("KK", 9), ("kc", 5), ("om_ext", 3), ("T_ext", 3))
    )

    def camera(width: int, height: int) -> Camera:
        return camera_of(
            path,
            "KK, kc, om_ext and T_ext",
            R=matrix_from_axis_angle(rotation),
            t=t,
            K=K.reshape(3, 3),
            distortion=kc,
            world_up=(0, 1, 0),
            image_size=(width, height),
        )

    return camera


_recent_poses = RecentFiles(_read_poses)
_recent_camera = RecentFiles(_read_camera)
