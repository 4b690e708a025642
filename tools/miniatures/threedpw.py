"""3DPW in miniature: a moving camera, one or two people, Python 2 pickles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera
from skelbridge.conversion import convert

from . import scene
from ._old_pickle import write_pickle
from ._room_views import WorldFrame, draw, level_camera, seen
from ._smpl_walkers import Walker, walker
from .truth import Truth, TruthRow

_SKELETON = "3dpw_24"
_N_FRAMES = 3
_PORTRAIT, _LANDSCAPE = (1080, 1920), (1920, 1080)
#: OpenPose's 18 joints among its 25: without the middle of the hips and the feet.
_COCO_18 = [*range(8), *range(9, 19)]


@dataclass(frozen=True)
class _Sequence:
    """A sequence: (person, frame) without a valid camera pose, and without a 2D detection."""

    folder: str
    name: str
    size: tuple[int, int]
    n_people: int
    without_camera: tuple[tuple[int, int], ...] = ()
    undetected: tuple[tuple[int, int], ...] = ()
    has_clothing: bool = True


_SEQUENCES = (
    _Sequence("train", "courtyard_basketball_00", _PORTRAIT, 2, ((1, 1),), ((0, 2), (1, 1))),
    _Sequence("validation", "outdoors_parcours_00", _LANDSCAPE, 1, has_clothing=False),
    _Sequence("test", "downtown_arguing_00", _PORTRAIT, 2, ((0, 0), (1, 0))),
)
_SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes one sequence per split."""
    rows = []
    for i, sequence in enumerate(_SEQUENCES):
        rows += _write_sequence(root, sequence, seed + 10 * i)
    return Truth(tuple(rows))


def _write_sequence(root: Path, sequence: _Sequence, seed: int) -> list[TruthRow]:
    frame = WorldFrame.upward("y")
    cameras = [frame.camera(camera) for camera in _moving_camera(sequence.size, seed)]
    people = [walker(_N_FRAMES, frame, person=k, seed=seed) for k in range(sequence.n_people)]
    valid = np.ones((sequence.n_people, _N_FRAMES), int)
    for person, i in sequence.without_camera:
        valid[person, i] = 0
    poses2d = [_detections(cameras, person) for person in people]
    for person, i in sequence.undetected:
        poses2d[person][i] = 0
    content = _content(sequence, cameras, people, seed)
    content["poses2d"], content["campose_valid"] = poses2d, list(valid)
    path = root / f"sequenceFiles/{sequence.folder}/{sequence.name}.pkl"
    write_pickle(path, content, python=2)
    rows = []
    for i, camera in enumerate(cameras):
        image = f"imageFiles/{sequence.name}/image_{i:05d}.jpg"
        shown = draw(camera, [person.joints[i] for person in people], _SKELETON, seed=seed)
        scene.write_image(root / image, shown)
        rows += [
            seen(
                camera,
                person.joints[i],
                split=_SPLITS[sequence.folder],
                skeleton=_SKELETON,
                image=image,
                sequence=sequence.name,
                frame=i,
            )
            for k, person in enumerate(people)
            if valid[k, i] and poses2d[k][i].any()
        ]
    return rows


def _moving_camera(size: tuple[int, int], seed: int) -> list[Camera]:
    """Returns one level camera per frame: it walks around the people."""
    return [
        level_camera(
            size, focal=1961.8, angle=seed + 0.08 * i, distance_mm=4200 - 60 * i, height_mm=1150
        )
        for i in range(_N_FRAMES)
    ]


def _detections(cameras: list[Camera], person: Walker) -> np.ndarray:
    """Returns (T, 3, 18): x, y and confidence of OpenPose's joints."""
    joints = convert(person.joints, "smpl_24", "openpose_25", max_error_mm=1e6)[:, _COCO_18]
    pixels = np.stack([c.project(pose) for c, pose in zip(cameras, joints, strict=True)])
    scored = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 0.8)], axis=-1)
    return scored.transpose(0, 2, 1)


def _content(sequence: _Sequence, cameras, people: list[Walker], seed: int) -> dict:
    poses = [person.rotations.reshape(-1, 72) for person in people]
    trans = [person.translation for person in people]
    extrinsics = np.tile(np.eye(4), (_N_FRAMES, 1, 1))
    for matrix, camera in zip(extrinsics, cameras, strict=True):
        matrix[:3, :3], matrix[:3, 3] = camera.R, camera.t / 1000
    content = {
        "sequence": sequence.name,
        "betas": [np.zeros(10) for _ in people],
        "poses": poses,
        "trans": trans,
        "poses_60Hz": [np.repeat(values, 2, axis=0) for values in poses],
        "trans_60Hz": [np.repeat(values, 2, axis=0) for values in trans],
        "genders": ["m", "f"][: len(people)],
        "jointPositions": [person.joints.reshape(-1, 72) / 1000 for person in people],
        "img_frame_ids": np.arange(_N_FRAMES) * 2,
        "cam_poses": extrinsics,
        "cam_intrinsics": cameras[0].K.copy(),
    }
    if sequence.has_clothing:
        rng = np.random.default_rng(seed)
        content["betas_clothed"] = [np.zeros(10) for _ in people]
        content["v_template_clothed"] = [rng.normal(0, 0.3, (6890, 3)) for _ in people]
        content["texture_maps"] = [np.zeros((32, 32, 3), np.uint8) for _ in people]
    return content
