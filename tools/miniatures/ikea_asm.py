"""IKEA ASM in miniature: joints of one frame in a hundred, centimetres, each device's own axes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import scene
from ._old_pickle import write_pickle
from ._room_views import WorldFrame, draw, level_camera, seen
from .truth import Truth, TruthRow

_SKELETON = "ikea_asm_17"
_NAMES = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder",
    "left elbow", "right elbow", "left wrist", "right wrist", "left hip", "right hip",
    "left knee", "right knee", "left ankle", "right ankle",
)  # fmt: skip
_SIZE = (1920, 1080)
_DEVICES = ("dev1", "dev2", "dev3")
_REFERENCE, _ANNOTATED = "dev2", "dev3"
_N_FRAMES, _FRAMES = 8, (2, 5, 7)
#: Split -> scan, and whether its frames are still in videos (or extracted as pictures).
_SCANS = {
    "train": ("Lack_TV_Bench/0007_white_floor_02_04_2019_08_28_10_47", True),
    "test": ("Kallax_Shelf_Drawer/0031_oak_table_08_01_2019_09_10_14_00", False),
}
#: A recording that is to be passed over.
_SPECIAL = "Lack_TV_Bench/special_test"
#: (split, device, frame) -> joints that the triangulation missed.
_MISSING = {
    ("train", "dev1", 2): (3, 9),
    ("train", "dev2", 5): (15, 16),
    ("train", "dev3", 5): (10,),
    ("test", "dev1", 7): (0, 1, 2),
}
#: The video of this device ends early, before its last annotated frame.
_SHORT_VIDEO, _SHORT_LENGTH = ("train", "dev1"), 7


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes one scan per split of the cross-environment protocol."""
    rows, parameters = [], {}
    for i, (split, (scan, has_video)) in enumerate(_SCANS.items()):
        cameras = _cameras(seed + i)
        parameters[scan.split("/")[1].split("_")[3]] = _camera_parameters(cameras)
        joints = WorldFrame.of_camera(_level_cameras(seed + i)[_REFERENCE]).points(
            scene.poses(_SKELETON, _N_FRAMES, seed=seed + i)
        )
        for device, camera in cameras.items():
            rows += _write_device(root, split, scan, device, camera, joints, has_video)
    special = root / _SPECIAL / "dev3/pose3d/000002.json"
    _write_json(special, {"format": "ikea", "pose_keypoints_3d": [1.0] * 68})
    write_pickle(root / "Calibration/camera_parameters.pkl", parameters)
    (root / "train_cross_env.txt").write_text(f"{_SCANS['train'][0]}\n{_SPECIAL}\n")
    (root / "test_cross_env.txt").write_text(f"{_SCANS['test'][0]}\n")
    return Truth(tuple(rows))


def _level_cameras(seed: int) -> dict[str, Camera]:
    return {
        device: level_camera(
            _SIZE,
            focal=1050.0 + 4 * i,
            angle=seed + 0.9 * i,
            distance_mm=3200,
            height_mm=1100 + 120 * i,
            shift_px=(-6.5, 3.5 + i),
        )
        for i, device in enumerate(_DEVICES)
    }


def _cameras(seed: int) -> dict[str, Camera]:
    """Returns the devices in the axes of the reference device."""
    made = _level_cameras(seed)
    frame = WorldFrame.of_camera(made[_REFERENCE])
    return {device: frame.camera(camera) for device, camera in made.items()}


def _camera_parameters(cameras: dict[str, Camera]) -> dict[str, dict[str, np.ndarray]]:
    result = {}
    for device, camera in cameras.items():
        T = camera.t[:, None] / 10
        result[device] = {
            "K": camera.K.copy(),
            "dist_coefs": np.zeros((1, 5)),
            "R": camera.R.copy(),
            "T": T,
            "P": camera.K @ np.concatenate([camera.R, T], axis=1),
        }
    return result


def _write_device(root, split, scan, device, camera: Camera, joints, has_video) -> list[TruthRow]:
    folder = f"{scan}/{device}"
    n_shown = _SHORT_LENGTH if (split, device) == _SHORT_VIDEO else _N_FRAMES
    if has_video:
        frames = [draw(camera, [pose], _SKELETON) for pose in joints[:n_shown]]
        scene.write_video(root / folder / "images/scan_video.avi", frames)
    rows = []
    for number in _FRAMES:
        pose = joints[number].copy()
        missing = list(_MISSING.get((split, device, number), ()))
        _write_pose3d(root / f"{folder}/pose3d/{number:06d}.json", camera, pose, missing)
        if device == _ANNOTATED:
            _write_pose2d(root / f"{folder}/pose2d/{number:06d}.json", camera.project(pose))
        pose[missing] = np.nan
        image = f"{folder}/images/{number:06d}.jpg"
        if not has_video:
            scene.write_image(root / image, draw(camera, [pose], _SKELETON))
        elif number >= n_shown:
            continue
        fields = {"image": f"{folder}/images/scan_video.avi", "video_frame": number}
        if device == _ANNOTATED and missing:
            # The people who annotated the picture saw these joints too.
            fields["joints2d"] = None
        fields = fields if has_video else {**fields, "image": image, "video_frame": None}
        rows.append(seen(camera, pose, split=split, skeleton=_SKELETON, frame=number, **fields))
    return rows


def _write_pose3d(path: Path, camera: Camera, pose: np.ndarray, missing: list[int]) -> None:
    scored = np.concatenate([camera.to_camera(pose) / 10, np.full((17, 1), 0.87)], axis=1)
    scored[missing] = 0
    _write_json(path, {"format": "ikea", "pose_keypoints_3d": scored.ravel().tolist()})


def _write_pose2d(path: Path, pixels: np.ndarray) -> None:
    _write_json(
        path,
        {
            name: {"position": joint.tolist(), "confidence": 3}
            for name, joint in zip(_NAMES, pixels, strict=True)
        },
    )


def _write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
