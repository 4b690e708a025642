"""SPEC in miniature: SMPL parameters without a place, and the joints that tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.camera import Camera, intrinsics
from skelbridge.conversion import convert

from . import _mocap_scene as mocap
from . import scene
from ._room_views import WorldFrame
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SKELETON = "spec_smpl"
_SIZE = (1920, 1080)
_FOLDER = "spec-syn"
#: The first twelve rows of `S`, as joints of SMPL.
_LIMBS = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20)
#: Where the 24 joints of `S` begin in the registry's format that has them.
_SPIN, _FIRST_OF_SPIN = "spin_49", 25
#: Joint of OpenPose's 25 -> the one of SMPL whose place it has in the annotation.
_OPENPOSE_OF_SMPL = {
    1: 12, 2: 17, 3: 19, 4: 21, 5: 16, 6: 18, 7: 20, 8: 0, 9: 2, 10: 5, 11: 8, 12: 1, 13: 4, 14: 7,
}  # fmt: skip
_PERSON_PX = 200


@dataclass(frozen=True)
class _Picture:
    """One image: its camera's pitch and roll in rad, and how large its people are."""

    name: str
    split: str
    focal: float
    pitch: float
    roll: float
    scales: tuple[float, ...]


_PICTURES = (
    _Picture("images/ag_trainset_3dpeople_archviz_00001.png", "train", 1500.0, 0.2, 0.0, (1, 1.06)),
    _Picture("images/ag_trainset_renderpeople_hdri_00012.png", "train", 1120.5, -0.15, 0.21, (1,)),
    _Picture("images/ag_testset_renderpeople_flowers_00003.png", "test", 2210.0, 0.05, -0.1, (1,)),
    _Picture("images/ag_testset_3dpeople_hdri_00007.png", "test", 1333.25, 0.4, 0.03, (0.93, 1)),
)
#: Rows of `S` per split: no document says whether there are 24 or only the first 12 of them.
_N_ROWS = {"train": 24, "test": 12}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes both splits of the synthetic set."""
    rows = []
    for split in _N_ROWS:
        entries = []
        for i, picture in enumerate(_PICTURES):
            if picture.split != split:
                continue
            camera = _camera(picture, i)
            people = _people(picture, camera, seed + 5 * i)
            joints = [person.joints[0] for person in people]
            image = f"{_FOLDER}/{picture.name}"
            scene.write_image(
                root / image, mocap.image(camera, joints, _SKELETON, seed=i, reduce=8)
            )
            entries += [_entry(picture, camera, k, person) for k, person in enumerate(people)]
            rows += [_row(camera, pose, split, image) for pose in joints]
        arrays = {name: np.array([entry[name] for entry in entries]) for name in entries[0]}
        if split == "test":
            arrays |= _predicted_cameras(arrays, np.random.default_rng([seed, 43]))
        path = root / f"{_FOLDER}/annotations/{split}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
    return Truth(tuple(rows))


def _row(camera: Camera, pose: np.ndarray, split: str, image: str) -> TruthRow:
    return mocap.row(camera, pose, split=split, skeleton=_SKELETON, image=image)


def _camera(picture: _Picture, number: int) -> Camera:
    """Returns the camera at the origin of a world with x right, y down."""
    tilt = matrix_from_axis_angle(np.array([picture.pitch, 0, 0]))
    roll = matrix_from_axis_angle(np.array([0, 0, picture.roll]))
    middle = np.array(_SIZE) / 2 + 3.5 * number
    return Camera(
        roll @ tilt,
        np.zeros(3),
        intrinsics(picture.focal, picture.focal, *middle),
        world_up=(0, -1, 0),
        image_size=_SIZE,
    )


def _people(picture: _Picture, camera: Camera, seed: int) -> list[Walker]:
    """Returns people around the point that the camera looks at."""
    distance = 3.6 * picture.focal
    # The room's middle, a metre above its floor, comes before the camera.
    middle = distance * camera.R[2] + np.array([0, 1000, 0])
    frame = WorldFrame(scene.AXES["-y"], middle)
    return [
        walker(1, frame, person=k, seed=seed, scale=float(scale))
        for k, scale in enumerate(picture.scales)
    ]


def _entry(picture: _Picture, camera: Camera, number: int, person: Walker) -> dict:
    """Returns what the arrays hold of one person."""
    joints = person.joints[0]
    openpose = convert(joints, "smpl_24", "openpose_25", max_error_mm=1e6)
    openpose[list(_OPENPOSE_OF_SMPL)] = joints[list(_OPENPOSE_OF_SMPL.values())]
    pixels = camera.project(openpose)
    left, top, width, height = scene.box_of(pixels)
    extrinsic = np.eye(4)
    extrinsic[:3, :3] = camera.R
    return {
        "imgname": picture.name,
        "center": np.array([left + width / 2, top + height / 2]),
        "scale": max(width, height) / _PERSON_PX,
        "pose": person.rotations[0].ravel(),
        "shape": np.zeros(10),
        "gender": "mf"[number % 2],
        "S": _joints_in_metres(joints)[: _N_ROWS[picture.split]],
        "openpose_gt": np.column_stack([pixels, np.ones(25)]),
        # Nobody detected anything: zeros.
        "part": np.zeros((24, 3)),
        "openpose": np.zeros((25, 3)),
        "cam_rotmat": camera.R,
        "cam_int": camera.K,
        "cam_pitch": picture.pitch,
        "cam_roll": picture.roll,
        "focal_length": picture.focal,
        "cam_ext": extrinsic,
    }


def _joints_in_metres(joints: np.ndarray) -> np.ndarray:
    """Returns (24, 4): joints relative to the pelvis, and a confidence."""
    points = convert(joints, "smpl_24", _SPIN, max_error_mm=1e6)[_FIRST_OF_SPIN:]
    points[: len(_LIMBS)] = joints[list(_LIMBS)]
    return np.column_stack([(points - joints[0]) / 1000, np.ones(24)])


def _predicted_cameras(arrays: dict[str, np.ndarray], rng) -> dict[str, np.ndarray]:
    """Returns what a network guessed of the cameras: not the truth."""
    n = len(arrays["imgname"])
    focal = arrays["focal_length"] * rng.uniform(0.8, 1.2, n)
    return {
        "camcalib_pitch": arrays["cam_pitch"] + rng.normal(0, 0.1, n),
        "camcalib_roll": arrays["cam_roll"] + rng.normal(0, 0.1, n),
        "camcalib_vfov": 2 * np.arctan(_SIZE[1] / 2 / focal),
        "camcalib_f_pix": focal,
    }
