"""MADS (Martial Arts, Dancing and Sports): 5 actions, 3 views, joints of a mocap system.

Zhang et al., Image and Vision Computing 2017. Joints in mm, world y up. Multi-view part only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.mat import read_mat
from ..examples import ExampleBlock
from ..images import video_size
from ._values import (
    RecentFiles,
    as_array,
    as_numbers,
    camera_of,
    natural_key,
    without_partly_missing,
)

SKELETONS = {19: "mads_19", 15: "mads_15"}
_VIDEO = re.compile(r"(\w+)_C(\d)\.avi")
_VIEWS = "multi_view_data"

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
(any folders may lie above multi_view_data)""",
    items=(
        Item(
            "**/multi_view_data/*/*_C?.avi",
            "videos",
            "MADS_multiview.zip, a split archive: zip -s 0 MADS_multiview.zip --out single.zip",
        ),
        Item("**/multi_view_data/*/*_GT.mat", "joints", "MADS_multiview.zip"),
        Item("**/multi_view_data/*/Calib_Cam?.mat", "cameras", "MADS_multiview.zip"),
    ),
    defects=(
        Defect(
            "some sequences have 19 joints, others 15 (no toes, no hands)",
            "the arrays' size decides: skeleton mads_19 or mads_15",
        ),
        Defect("frames without any joint", "left out"),
        Defect("poses and videos differ in length", "frame i shows pose i, up to the shorter one"),
        Defect("the depth part has rotation vectors of the wrong sign", "that part is not read"),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, keep_newly_valid=True),
    box_expansion=1.2,
    facts=("No official split: all is train. About 15 fps.",),
)


@dataclass(frozen=True)
class Mads(Adapter):
    """Reads MADS."""

    info = INFO

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per video."""
        videos = [
            path.relative_to(root).as_posix()
            for path in root.glob(f"**/{_VIEWS}/*/*_C?.avi")
            if _VIDEO.fullmatch(path.name)
        ]
        return [Source(split, key) for key in sorted(videos, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with the poses of a sequence in one view, or one per joint count."""
        video = root / source.key
        sequence, view = _VIDEO.fullmatch(video.name).groups()
        poses = _recent_poses(video.with_name(f"{sequence}_GT.mat"))
        width, height, n_frames = video_size(video)
        camera = _recent_camera(video.with_name(f"Calib_Cam{view}.mat"))(width, height)
        for n_joints, (frames, joints) in poses.items():
            shown = frames < n_frames if n_frames > 0 else np.ones(len(frames), bool)
            yield ExampleBlock(
                dataset="mads",
                split=source.split,
                skeleton=SKELETONS[n_joints],
                frames=frames[shown],
                sequence=sequence,
                camera_name=f"C{view}",
                images=source.key,
                video_frames=frames[shown],
                cameras=camera,
                joints3d=joints[shown],
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
