"""BEHAVE in miniature: four Kinects, SMPL-H parameters, OpenPose joints, metres."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera
from skelbridge.conversion import convert

from . import scene
from ._old_pickle import write_pickle
from ._room_views import WorldFrame, draw, draw_mask, level_camera, seen
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SKELETON = "behave_smpl"
_SIZE = (2048, 1536)
_N_KINECTS, _REFERENCE = 4, 1
#: k1 k2 p1 p2 k3 k4 k5 k6
_DISTORTION = (0.42, -2.61, 0.0007, -0.0002, 1.52, 0.3, -2.43, 1.45)
_DEPTH_INTRINSICS = (504.3, 504.4, 322.1, 338.9)
#: Sequence -> split, gender, seconds of its frames.
_SEQUENCES = {
    "Date01_Sub01_backpack_back": ("train", "male", (3, 4)),
    "Date03_Sub06_chairwood_hand": ("test", "female", (3, 10, 11)),
}
#: Single files that are missing: (sequence, second, what).
_MISSING = (
    ("Date01_Sub01_backpack_back", 4, "k2.color.jpg"),
    ("Date03_Sub06_chairwood_hand", 10, "person/fit02/person_fit.pkl"),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes two sequences of different recording days."""
    split: dict[str, list[str]] = {"train": [], "test": []}
    rows = []
    distortions = [np.array(_DISTORTION) * (1 + 0.01 * k) for k in range(_N_KINECTS)]
    for k in range(_N_KINECTS):
        _write_intrinsics(root, k, _kinects(seed, distortions)[1][k])
    for i, (name, (part, gender, seconds)) in enumerate(_SEQUENCES.items()):
        split[part].append(name)
        frame, cameras = _kinects(seed + 5 * i, distortions)
        date = name.split("_")[0]
        for k, camera in enumerate(cameras):
            _write_json(
                root / f"calibs/{date}/config/{k}/config.json",
                {
                    # From the camera to the world.
                    "rotation": camera.R.T.ravel().tolist(),
                    "translation": (camera.center / 1000).tolist(),
                },
            )
        _write_info(root, name, gender)
        person = walker(len(seconds), frame, seed=seed + i)
        for j, second in enumerate(seconds):
            rows += _write_frame(root, name, part, second, cameras, person, j)
    _write_json(root / "split.json", split)
    return Truth(tuple(rows))


def _kinects(seed: int, distortions) -> tuple[WorldFrame, list[Camera]]:
    """Returns the world, which is that of Kinect 1, and the cameras in it."""
    made = [
        level_camera(
            _SIZE,
            # The lens belongs to the device, its place to the day.
            focal=979.8 + 3 * k,
            angle=seed + 1.5 * k,
            distance_mm=2800,
            height_mm=1100 + 100 * k,
            shift_px=(-4.5 + k, 11.5),
            distortion=distortion,
        )
        for k, distortion in enumerate(distortions)
    ]
    frame = WorldFrame.of_camera(made[_REFERENCE])
    return frame, [frame.camera(camera) for camera in made]


def _write_frame(root, name, part, second, cameras, person: Walker, j: int) -> list[TruthRow]:
    folder = f"sequences/{name}/t{second:04d}.000"
    joints = person.joints[j]
    missing = [what for sequence, at, what in _MISSING if (sequence, at) == (name, second)]
    openpose = convert(joints, "smpl_24", "openpose_25", max_error_mm=1e6)
    scored = np.concatenate([openpose / 1000, np.full((25, 1), 0.8)], axis=1)
    _write_json(
        root / folder / "person/person_J3d.json", {"body_joints3d": scored.ravel().tolist()}
    )
    fit = "person/fit02/person_fit.pkl"
    if fit not in missing:
        write_pickle(root / folder / fit, _parameters(person, j))
    rows = []
    for k, camera in enumerate(cameras):
        pixels = np.concatenate([camera.project(openpose), np.full((25, 1), 0.9)], axis=1)
        _write_json(root / folder / f"k{k}.color.json", {"body_joints": pixels.ravel().tolist()})
        if f"k{k}.color.jpg" in missing:
            continue
        image = f"{folder}/k{k}.color.jpg"
        scene.write_image(root / image, draw(camera, [joints], _SKELETON))
        mask = draw_mask(camera, joints, _SKELETON)
        scene.write_image(root / folder / f"k{k}.person_mask.jpg", mask)
        if fit not in missing:
            rows.append(
                seen(
                    camera,
                    joints,
                    # Kinect 1 hangs as it likes in reality: nothing tells which way is up.
                    has_up=False,
                    split=part,
                    skeleton=_SKELETON,
                    image=image,
                    sequence=name,
                    frame=second,
                )
            )
    return rows


def _parameters(person: Walker, j: int) -> dict[str, np.ndarray]:
    """Returns SMPL-H parameters: 22 body rotations, then the fingers of both hands."""
    fingers = np.random.default_rng(j).uniform(-0.3, 0.3, 90)
    return {
        "pose": np.concatenate([person.rotations[j, :22].ravel(), fingers]),
        "betas": np.zeros(10),
        "trans": person.translation[j],
    }


def _write_info(root: Path, name: str, gender: str) -> None:
    date, _, thing = name.split("_")[:3]
    _write_json(
        root / f"sequences/{name}/info.json",
        {
            "config": f"../../calibs/{date}/config",
            "intrinsic": "../../calibs/intrinsics",
            "cat": thing,
            "gender": gender,
            "empty": f"../../calibs/{date}/background",
            "kinects": list(range(_N_KINECTS)),
            "beta": None,
        },
    )


def _write_intrinsics(root: Path, k: int, camera: Camera) -> None:
    fx, fy, cx, cy = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
    k1, k2, p1, p2, k3, k4, k5, k6 = map(float, camera.distortion[:8])
    color = {
        "fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": _SIZE[0], "height": _SIZE[1],
        "k1": k1, "k2": k2, "k3": k3, "k4": k4, "k5": k5, "k6": k6, "p1": p1, "p2": p2,
        "codx": 0.0, "cody": 0.0, "metric_radius": 1.7,
        "opencv": [fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, k5, k6],
    }  # fmt: skip
    depth = color | {
        "width": 640,
        "height": 576,
        "fx": 504.3,
        "fy": 504.4,
        "cx": 322.1,
        "cy": 338.9,
    }
    depth["opencv"] = [504.3, 504.4, 322.1, 338.9, 4.1, 2.7, 0.0, 0.0, 0.1, 4.5, 4.0, 0.8]
    still = {"rotation": np.eye(3).ravel().tolist(), "translation": [0.0, 0.0, 0.0]}
    _write_json(
        root / f"calibs/intrinsics/{k}/calibration.json",
        {
            "color": color,
            "depth": depth,
            "color_to_depth": still,
            "depth_to_color": still,
            "serial": f"00000000000{k}",
        },
    )


def _write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
