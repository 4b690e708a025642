"""RICH in miniature: SMPL-X parameters per frame and person, cameras as OpenCV's XML.

The truth holds the 22 joints that SMPL-X shares with SMPL, posed on the neutral rest skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import skeleton_defs
from dataset_adapters.camera import Camera

from . import scene
from ._old_pickle import write_pickle
from ._room_views import WorldFrame, draw, level_camera, seen
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SKELETON = "rich_smplx"
_N_BODY = 22
_LANDSCAPE, _PORTRAIT = (4112, 3008), (3008, 4112)
_DISTORTION = (-0.05, 0.02, 0.0003, -0.0002, 0.0)
#: Scene -> calibrated cameras and their image sizes. Camera 0 is the reference.
_SCENES = {
    "ParkingLot1": {0: _LANDSCAPE, 1: _LANDSCAPE},
    "Pavallion": {0: _LANDSCAPE, 3: _PORTRAIT},
    "Gym": {0: _LANDSCAPE, 2: _LANDSCAPE},
}
#: The moving camera has images and no calibration.
_MOVING_CAMERA = 10


@dataclass(frozen=True)
class _Sequence:
    """One sequence: `absent` are (frame, subject) without a body file."""

    split: str
    name: str
    subjects: tuple[int, ...]
    frames: tuple[int, ...]
    cameras: tuple[int, ...]
    suffix: str
    absent: tuple[tuple[int, int], ...] = ()


_SEQUENCES = (
    _Sequence("train", "ParkingLot1_005_pushup2", (5,), (150, 151, 153), (0, 1, 10), ".jpg",
              ((151, 5),)),
    _Sequence("val", "Pavallion_003_018_tossball", (3, 18), (275, 276), (3,), ".png",
              ((276, 18),)),
    _Sequence("test", "Gym_010_cooking1", (10,), (1, 2), (2,), ".jpeg"),
)  # fmt: skip
_SPLITS = {"train": "train", "val": "valid", "test": "test"}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes one sequence per split."""
    scenes = {}
    for i, (name, sizes) in enumerate(_SCENES.items()):
        scenes[name] = _scene_cameras(sizes, seed + i)
        for number, camera in scenes[name][1].items():
            path = root / f"scan_calibration/{name}/calibration/{number:03d}.xml"
            _write_camera(path, camera)
    rows = []
    for i, sequence in enumerate(_SEQUENCES):
        frame, cameras = scenes[sequence.name.split("_")[0]]
        rows += _write_sequence(root, sequence, frame, cameras, seed + 10 * i)
    return Truth(tuple(rows))


def _scene_cameras(sizes, seed: int) -> tuple[WorldFrame, dict[int, Camera]]:
    """Returns the world, which is that of camera 0, and the cameras in it."""
    made = {
        number: level_camera(
            size,
            focal=3500.0,
            angle=seed + 1.1 * number,
            height_mm=1000 + 40 * number,
            shift_px=(5.5 * number, -8.0),
            distortion=_DISTORTION,
        )
        for number, size in sizes.items()
    }
    frame = WorldFrame.of_camera(made[0])
    return frame, {number: frame.camera(camera) for number, camera in made.items()}


def _write_sequence(root, sequence: _Sequence, frame, cameras, seed) -> list[TruthRow]:
    people = {
        subject: walker(len(sequence.frames), frame, person=k, seed=seed)
        for k, subject in enumerate(sequence.subjects)
    }
    rows = []
    for i, number in enumerate(sequence.frames):
        poses = {subject: person.joints[i] for subject, person in people.items()}
        for subject, person in people.items():
            if (number, subject) not in sequence.absent:
                folder = root / f"{sequence.split}_body/{sequence.name}/{number:05d}"
                write_pickle(folder / f"{subject:03d}.pkl", _parameters(person, i))
        for camera_number in sequence.cameras:
            image = (
                f"{sequence.split}/{sequence.name}/cam_{camera_number:02d}/"
                f"{number:05d}_{camera_number:02d}{sequence.suffix}"
            )
            if camera_number == _MOVING_CAMERA:
                # Its images are never of use; a small one does.
                scene.write_image(root / image, np.full((94, 128, 3), 90, np.uint8))
                continue
            camera = cameras[camera_number]
            shown = draw(camera, list(poses.values()), "smpl_24", seed=seed)
            scene.write_image(root / image, shown)
            rows += [
                seen(
                    camera,
                    _all_joints(pose),
                    split=_SPLITS[sequence.split],
                    skeleton=_SKELETON,
                    image=image,
                    sequence=sequence.name,
                    frame=number,
                )
                for subject, pose in poses.items()
                if (number, subject) not in sequence.absent
            ]
    return rows


def _parameters(person: Walker, i: int) -> dict[str, np.ndarray]:
    pose = person.rotations[i].reshape(1, 72)
    values = {
        "transl": person.translation[i : i + 1],
        "global_orient": pose[:, :3],
        "body_pose": pose[:, 3 : 3 * _N_BODY],
        "jaw_pose": np.zeros((1, 3)),
        "leye_pose": np.zeros((1, 3)),
        "reye_pose": np.zeros((1, 3)),
        # Coefficients of the hands' principal components.
        "left_hand_pose": np.full((1, 12), 0.1),
        "right_hand_pose": np.full((1, 12), -0.1),
        "betas": np.zeros((1, 10)),
        "expression": np.zeros((1, 10)),
    }
    return {key: value.astype(np.float32) for key, value in values.items()}


def _all_joints(smpl: np.ndarray) -> np.ndarray:
    joints = np.full((skeleton_defs.get(_SKELETON).n_joints, 3), np.nan)
    joints[:_N_BODY] = smpl[:_N_BODY]
    return joints


def _write_camera(path: Path, camera: Camera) -> None:
    """Writes one camera; the translation is in metres."""
    matrix = np.concatenate([camera.R, camera.t[:, None] / 1000], axis=1)
    text = '<?xml version="1.0"?>\n<opencv_storage>\n'
    for name, value in (
        ("CameraMatrix", matrix),
        ("Intrinsics", camera.K),
        ("Distortion", np.array(_DISTORTION)[:, None]),
    ):
        numbers = " ".join(_number(v) for v in value.ravel())
        text += (
            f'<{name} type_id="opencv-matrix">\n  <rows>{value.shape[0]}</rows>\n'
            f"  <cols>{value.shape[1]}</cols>\n  <dt>d</dt>\n  <data>\n    {numbers}</data>"
            f"</{name}>\n"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "</opencv_storage>\n")


def _number(value: float) -> str:
    # OpenCV writes whole numbers with a bare point.
    return f"{value:.0f}." if value == round(value) else f"{value:.16g}"
