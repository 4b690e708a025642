"""MADS in miniature: poses in a MATLAB cell per frame, three views, 19 or 15 joints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import axis_angle_from_matrix
from dataset_adapters.camera import Camera

from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

IMAGE_SIZE = (512, 384)
FPS = 15


@dataclass(frozen=True)
class Sequence:
    """A sequence of an action; poses and video may differ in length.

    Attributes:
      empty: frames whose joints are all missing.
      missing: (frame, joint number) of single missing joints.
    """

    action: str
    name: str
    skeleton: str
    n_poses: int
    n_frames: int
    empty: tuple[int, ...] = ()
    missing: tuple[tuple[int, int], ...] = ()


SEQUENCES = (
    Sequence("HipHop", "HipHop1", "mads_19", 4, 5, empty=(1,), missing=((0, 17), (2, 5))),
    Sequence("Kata", "F2", "mads_15", 4, 3, missing=((1, 14),)),
    Sequence("Kata", "P3", "mads_15", 2, 2, empty=(0,)),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes the multi-view part of MADS in miniature: three sequences of two actions."""
    rows, cameras = [], {}
    for number, sequence in enumerate(SEQUENCES):
        folder = root / "multi_view_data" / sequence.action
        if sequence.action not in cameras:
            cameras[sequence.action] = _write_cameras(folder, seed=seed + number)
        rows += _write_sequence(
            root, folder, sequence, cameras[sequence.action], number=number, seed=seed
        )
    return Truth(tuple(rows))


def _write_sequence(
    root: Path,
    folder: Path,
    sequence: Sequence,
    cameras: list[Camera],
    *,
    number: int,
    seed: int,
) -> list[TruthRow]:
    from scipy.io import savemat

    points = mocap.tracks(
        sequence.skeleton,
        sequence.n_poses,
        person=len(sequence.action),
        start=5 * number,
        seed=seed,
    )
    points = scene.in_axes("y", points)
    stored = points.copy()
    stored[list(sequence.empty)] = np.nan
    for frame, joint in sequence.missing:
        stored[frame, joint] = np.nan
    cell = np.empty((1, len(stored)), object)
    for i, pose in enumerate(stored):
        cell[0, i] = pose
    start = f"{sequence.action}_{sequence.name}"
    savemat(folder / f"{start}_GT.mat", {"GTpose2": cell})
    rows = []
    for view, camera in enumerate(cameras):
        video = folder / f"{start}_C{view}.avi"
        mocap.video(
            video,
            camera,
            [points],
            sequence.skeleton,
            n_frames=sequence.n_frames,
            fps=FPS,
            seed=seed + number,
        )
        rows += [
            mocap.row(
                camera,
                pose,
                split="train",
                skeleton=sequence.skeleton,
                image=video.relative_to(root).as_posix(),
                video_frame=i,
                frame=i,
            )
            for i, pose in enumerate(stored[: sequence.n_frames])
            if i not in sequence.empty
        ]
    return rows


def _write_cameras(folder: Path, *, seed: int) -> list[Camera]:
    """Writes one calibration per view, as Bouguet's toolbox names its parts."""
    from scipy.io import savemat

    folder.mkdir(parents=True)
    cameras = mocap.cameras(
        3,
        IMAGE_SIZE,
        up="y",
        distortion=(-0.21, 0.13, 4e-4, -9e-4, 5e-3),
        seed=seed,
        focal=432,
        distance_mm=3800,
    )
    for view, camera in enumerate(cameras):
        content = {
            "KK": camera.K,
            "kc": camera.distortion[:5, None],
            "om_ext": axis_angle_from_matrix(camera.R)[:, None],
            "T_ext": camera.t[:, None],
            "fc": camera.K[[0, 1], [0, 1]][:, None],
            "cc": camera.K[:2, 2:],
            "alpha_c": 0.0,
        }
        savemat(folder / f"Calib_Cam{view}.mat", content)
    return cameras
