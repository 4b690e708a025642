"""The files of one MPI-INF-3DHP training sequence: annot.mat and camera.calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

from dataset_adapters.camera import Camera

from . import scene
from ._room_views import WorldFrame

SKELETON = "mpi_inf_3dhp_28"
N_CAMERAS = 14
IMAGE_SIZE = (2048, 2048)
PELVIS = 4
_FOCAL = 1497.693


def studio(seed: int) -> list[Camera]:
    """Returns the 14 cameras of one sequence in a world with y up."""
    made = scene.cameras(N_CAMERAS, IMAGE_SIZE, seed=seed, focal=_FOCAL)
    return [WorldFrame.upward("y").camera(camera) for camera in made]


def write_annotations(path: Path, cameras: list[Camera], joints: np.ndarray, *, dtype=float):
    """Writes annot.mat of joints (N, 28, 3) mm in world axes."""
    n_frames = len(joints)
    universal = _universal(joints)
    cells = {name: np.empty((N_CAMERAS, 1), object) for name in ("annot2", "annot3", "univ_annot3")}
    for i, camera in enumerate(cameras):
        for name, values in (
            ("annot2", camera.project(joints)),
            ("annot3", camera.to_camera(joints)),
            ("univ_annot3", camera.to_camera(universal)),
        ):
            cells[name][i, 0] = values.reshape(n_frames, -1).astype(dtype)
    numbers = {
        "cameras": np.arange(N_CAMERAS, dtype=float)[None],
        "frames": np.arange(n_frames, dtype=float)[:, None],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, cells | numbers)


def write_calibration(path: Path, cameras: list[Camera]) -> None:
    """Writes camera.calibration: a header line, then seven lines per camera."""
    lines = ["Skeletool Camera Calibration File V1.0"]
    for i, camera in enumerate(cameras):
        intrinsic, extrinsic = np.eye(4), np.eye(4)
        intrinsic[:3, :3] = camera.K
        extrinsic[:3, :3], extrinsic[:3, 3] = camera.R, camera.t
        lines += [
            f"name          {i}",
            "  sensor      10 10",
            "  size        2048 2048",
            "  animated    0",
            f"  intrinsic   {_numbers(intrinsic)} ",
            f"  extrinsic   {_numbers(extrinsic)} ",
            "  radial      0",
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", newline="\n")


def _universal(joints: np.ndarray) -> np.ndarray:
    """Returns the poses with another body height: they do not project onto the image."""
    pelvis = joints[:, PELVIS : PELVIS + 1]
    return pelvis + 1.08 * (joints - pelvis)


def _numbers(matrix: np.ndarray) -> str:
    # Nine significant digits, never an exponent: readers of these files expect plain decimals.
    return " ".join(
        np.format_float_positional(v, precision=9, fractional=False, trim="-")
        for v in matrix.ravel()
    )
