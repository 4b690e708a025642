"""TotalCapture in miniature: text poses in inches, one calibration file, videos and mattes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import _mocap_scene as mocap
from . import scene
from .truth import Truth, TruthRow

FPS = 60
IMAGE_SIZE = (1920, 1080)
N_CAMERAS = 8
MM_PER_INCH = 25.4
JOINTS = (
    "Hips Spine Spine1 Spine2 Spine3 Neck Head RightShoulder RightArm RightForeArm RightHand "
    "LeftShoulder LeftArm LeftForeArm LeftHand RightUpLeg RightLeg RightFoot LeftUpLeg LeftLeg "
    "LeftFoot"
).split()


@dataclass(frozen=True)
class Sequence:
    """A recording; the frames without a pose, or the poses without a frame, are at its end."""

    split: str
    subject: int
    name: str
    n_poses: int
    n_frames: int
    video_folder: str


SEQUENCES = (
    Sequence("train", 1, "walking1", 3, 2, "s1/walking1"),
    Sequence("test", 1, "acting3", 1, 1, "s1/acting3"),
    Sequence("test", 4, "walking2", 1, 2, "s4"),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes TotalCapture in miniature: three sequences of two subjects, eight cameras."""
    k1 = np.random.default_rng([seed, 1]).uniform(-3e-3, 3e-3, (N_CAMERAS, 1))
    cameras = mocap.cameras(
        N_CAMERAS,
        IMAGE_SIZE,
        up="y",
        distortion=k1,
        seed=seed,
        focal=1512,
        distance_mm=4500,
    )
    _write_calibration(root / "calibration.cal", cameras)
    rows = []
    for sequence in SEQUENCES:
        rows += _write_sequence(root, sequence, cameras, seed=seed)
    return Truth(tuple(rows))


def _write_sequence(
    root: Path, sequence: Sequence, cameras: list[Camera], *, seed: int
) -> list[TruthRow]:
    import cv2

    person = sequence.subject
    start = 4 * SEQUENCES.index(sequence)
    n = max(sequence.n_poses, sequence.n_frames)
    tracks = mocap.tracks("totalcapture_21", n, person=person, start=start, seed=seed)
    joints = scene.in_axes("y", tracks)
    folder = root / "vicon" / f"S{sequence.subject}" / sequence.name
    folder.mkdir(parents=True)
    is_last = sequence is SEQUENCES[-1]
    _write_table(
        folder / "gt_skel_gbl_pos.txt",
        joints[: sequence.n_poses] / MM_PER_INCH,
        # Some files have a tabulator too many in each line, and an empty line at the end.
        line_end="\t\n" if is_last else "\n",
        file_end="\n" if is_last else "",
    )
    turns = scene.smpl_rotations(sequence.n_poses, person=person, seed=seed)[:, : len(JOINTS)]
    _write_table(folder / "gt_skel_gbl_ori.txt", _quaternions(turns))
    rows = []
    for number, camera in enumerate(cameras, 1):
        video = f"TC_S{sequence.subject}_{sequence.name}_cam{number}.mp4"
        path = f"{sequence.video_folder}/{video}"
        frames, mattes = [], []
        for i in range(sequence.n_frames):
            frames.append(mocap.image(camera, [joints[i]], "totalcapture_21", seed=seed))
            matte = mocap.silhouette(camera, joints[i], "totalcapture_21")
            mattes.append(cv2.merge([255 * matte.astype(np.uint8)] * 3))
        scene.write_video(root / "video" / path, frames, fps=FPS)
        scene.write_video(root / "mattes" / path, mattes, fps=FPS)
        rows += [
            mocap.row(
                camera,
                joints[i],
                split=sequence.split,
                skeleton="totalcapture_21",
                image=f"video/{path}",
                video_frame=i,
                frame=i,
            )
            for i in range(min(sequence.n_poses, sequence.n_frames))
        ]
    return rows


def _write_table(
    path: Path, values: np.ndarray, *, line_end: str = "\n", file_end: str = ""
) -> None:
    """Writes (T, J, n) numbers: tabulators between joints, blanks between their numbers."""
    lines = ["\t".join(JOINTS)]
    for frame in values:
        lines.append("\t".join(" ".join(f"{x:.6f}" for x in joint) for joint in frame))
    path.write_text("".join(line + line_end for line in lines) + file_end)


def _quaternions(rotation_vectors: np.ndarray) -> np.ndarray:
    """Returns (..., 4) x y z w."""
    angles = np.linalg.norm(rotation_vectors, axis=-1, keepdims=True)
    axes = rotation_vectors / np.maximum(angles, 1e-9)
    return np.concatenate([axes * np.sin(angles / 2), np.cos(angles / 2)], axis=-1)


def _write_calibration(path: Path, cameras: list[Camera]) -> None:
    lines = [f"{len(cameras)} 1"]
    for camera in cameras:
        width, height = camera.image_size
        K = camera.K
        lines.append(f"0 {height - 1} 0 {width - 1}")
        lines.append(_numbers([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))
        lines.append(_numbers(camera.distortion[:1]))
        lines += [_numbers(row) for row in camera.R]
        lines.append(_numbers(camera.t / 1000))
    path.write_text("\n".join(lines) + "\n")


def _numbers(values) -> str:
    return " ".join(f"{x:.10g}" for x in values)
