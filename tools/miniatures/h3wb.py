"""H3WB in miniature: the array edition, nested dictionaries of 133 joints, cameras in metres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import _h36m_calibration as calibration
from . import _mocap_scene as mocap
from . import scene
from ._room_views import draw
from .truth import Truth, TruthRow

_SKELETON = "h3wb_133"


@dataclass(frozen=True)
class _Take:
    """One action of a subject; `frames`: the video's frames that are annotated."""

    split: str
    subject: str
    action: str
    frames: tuple[int, ...]


_TAKES = (
    _Take("train", "S5", "Directions 1", (5, 12)),
    _Take("train", "S5", "Sitting Down", (2190,)),
    _Take("test", "S8", "Greeting 2", (40,)),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes two subjects, three actions, four cameras."""
    rng = np.random.default_rng([seed, 31])
    train_data: dict[str, dict] = {}
    rows, sample = [], 0
    for take in _TAKES:
        cameras = _cameras(take.subject)
        joints = _joints(take, rng, seed)
        # The original edition has an axis of length one that its readers squeeze away.
        content = {
            "global_3d": joints[:, None],
            "frame_id": np.array(take.frames, np.int64),
        }
        for k, (name, camera) in enumerate(cameras.items()):
            content[name] = {
                "camera_3d": camera.to_camera(joints)[:, None],
                "pose_2d": camera.project(joints)[:, None],
                # The four cameras of one instant follow each other.
                "sample_id": [sample + 4 * i + k for i in range(len(joints))],
            }
            rows += _write_images(root, take, name, camera, joints)
        sample += 4 * len(joints)
        train_data.setdefault(take.subject, {})[take.action] = content
    np.savez(
        root / "h3wb_train.npz",
        train_data=np.array(train_data, object),
        metadata=np.array(_metadata(), object),
    )
    return Truth(tuple(rows))


def _cameras(subject: str) -> dict[str, Camera]:
    return {name: calibration.camera(subject, i) for i, name in enumerate(calibration.IMAGE_SIZES)}


def _joints(take: _Take, rng, seed: int) -> np.ndarray:
    person = int(take.subject[1:]) + len(take.action)
    joints = mocap.tracks(_SKELETON, len(take.frames), person=person, seed=seed)
    # People walk about in the middle of the room.
    return joints + np.array([*rng.uniform(-500, 500, 2), 0])


def _write_images(root, take: _Take, name: str, camera: Camera, joints) -> list[TruthRow]:
    rows = []
    for frame, pose in zip(take.frames, joints, strict=True):
        image = f"{take.subject}/Images/{take.action}.{name}/frame_{frame:04d}.jpg"
        scene.write_image(root / image, draw(camera, [pose], _SKELETON, seed=frame))
        rows.append(
            mocap.row(
                camera,
                pose,
                split=take.split,
                skeleton=_SKELETON,
                image=image,
                sequence=f"{take.subject}/{take.action}",
                frame=frame,
            )
        )
    return rows


def _metadata() -> dict:
    """Returns calibration per subject and camera, and lists of joints."""
    metadata: dict = {
        "left_side": [1, 3, 5, 7, 9, 11, 13, 15, 17, 18, 19, *range(91, 112)],
        "right_side": [2, 4, 6, 8, 10, 12, 14, 16, 20, 21, 22, *range(112, 133)],
        "body": list(range(17)),
        "left_foot": [17, 18, 19],
        "right_foot": [20, 21, 22],
        "face": list(range(23, 91)),
        "left_hand": list(range(91, 112)),
        "right_hand": list(range(112, 133)),
    }
    for subject in dict.fromkeys(take.subject for take in _TAKES):
        metadata[subject] = {}
        for name, camera in _cameras(subject).items():
            K = camera.K.copy()
            K[:2] /= 1000
            metadata[subject][name] = {
                "K": K[None].astype(np.float32),
                "R": camera.R[None].astype(np.float32),
                "T": (camera.t / 1000)[None, None].astype(np.float32),
                "Distortion": camera.distortion[None, :5].astype(np.float32),
            }
    return metadata
