"""HUMBI body sessions in miniature: text files in metres, SMPL parameters and OpenPose joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera
from skelbridge.conversion import convert

from . import scene
from ._room_views import WorldFrame, draw, seen
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SKELETON = "humbi_49"
_SIZE = (1920, 1080)
#: Cameras with calibration, and one that only has images.
_CAMERAS, _UNCALIBRATED = (0, 4, 106), 52
#: Subject -> its key frames (with gaps), and its body scale.
_SUBJECTS = {1: ((17, 25), 1.05), 82: ((9, 41), 0.94)}
#: (subject, frame, row of keypoints.txt) that is not a number: the left ear.
_NOT_A_NUMBER = (82, 41, 18)
#: Place of OpenPose's joints among the 49: the file's order, the middle of the hips last.
_OPENPOSE_ROWS = [*range(8), *range(9, 25), 8]
#: The 24 SMPL joints come first, the pelvis last of them.
_SMPL_ROWS = [*range(1, 24), 0]


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes two subjects with two snapshots each."""
    frame = WorldFrame.upward("-y")
    rows = []
    for subject, (numbers, scale) in _SUBJECTS.items():
        made = scene.cameras(len(_CAMERAS), _SIZE, seed=seed + subject, focal=1650.0)
        cameras = dict(zip(_CAMERAS, [frame.camera(c) for c in made], strict=True))
        body = root / f"subject_{subject}/body"
        _write_calibration(body, cameras, len(numbers))
        person = walker(len(numbers), frame, seed=seed + subject, scale=scale)
        keypoints = convert(person.joints, "smpl_24", "openpose_25", max_error_mm=1e6)
        for i, number in enumerate(numbers):
            if (subject, number) == _NOT_A_NUMBER[:2]:
                keypoints[i, _NOT_A_NUMBER[2]] = np.nan
            folder = f"{number:08d}"
            _write_reconstruction(body / folder / "reconstruction", person, keypoints, i)
            folder = f"subject_{subject}/body/{folder}"
            rows += _write_images(
                root, folder, cameras, person.joints[i], keypoints[i], frame=number, seed=seed
            )
    return Truth(tuple(rows))


def _write_images(root, folder, cameras, smpl, openpose, *, frame, seed) -> list[TruthRow]:
    joints = np.concatenate([smpl[_SMPL_ROWS], openpose[_OPENPOSE_ROWS]])
    rows = []
    for camera_id, camera in cameras.items():
        image = f"{folder}/image/image{camera_id:07d}.jpg"
        scene.write_image(root / image, draw(camera, [smpl], "smpl_24", seed=seed))
        rows.append(
            seen(camera, joints, split="train", skeleton=_SKELETON, image=image, frame=frame)
        )
    camera = next(iter(cameras.values()))
    scene.write_image(
        root / f"{folder}/image/image{_UNCALIBRATED:07d}.jpg",
        draw(camera, [smpl], "smpl_24", seed=seed + 1),
    )
    return rows


def _write_reconstruction(folder: Path, person: Walker, keypoints: np.ndarray, i: int) -> None:
    """Writes scale, translation, 72 pose and 10 shape numbers line by line; and 25 joints."""
    parameters = [person.scale, *person.translation[i], *person.rotations[i].ravel(), *[0.0] * 10]
    _write_lines(folder / "smpl_parameter.txt", [f"{value:.8f}" for value in parameters])
    _write_lines(folder / "keypoints.txt", [_row(joint / 1000) for joint in keypoints[i]])


def _write_calibration(body: Path, cameras: dict[int, Camera], n_frames: int) -> None:
    header = [f"NumCams: {len(cameras)}", f"NumFrames: {n_frames}", "NumP: 1"]
    intrinsic, extrinsic, project = list(header), list(header), list(header)
    for camera_id, camera in cameras.items():
        for lines in (intrinsic, extrinsic, project):
            lines.append(f"0 {camera_id}")
        center = camera.center / 1000
        intrinsic += [_row(row) for row in camera.K]
        extrinsic += [_row(center), *(_row(row) for row in camera.R)]
        matrix = camera.K @ camera.R @ np.concatenate([np.eye(3), -center[:, None]], axis=1)
        project += [_row(row) for row in matrix]
    _write_lines(body / "intrinsic.txt", intrinsic)
    _write_lines(body / "extrinsic.txt", extrinsic)
    _write_lines(body / "project.txt", project)


def _row(values) -> str:
    return " ".join(f"{value:.9g}" for value in values)


def _write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
