"""3DPeople in miniature: a text file of 67 joints per frame and camera, in decimetres.

Three places of the joint order are open, since the official list and the reader whose models are
published disagree. The files are written as that reader has it: rows 6, 7, 8 are right eye, left
eye and head top; the right hand's block is the left one's reversed by fingers, so that row 53
begins its middle finger; the left leg (57-61) comes before the right one (62-66). The world has y
up, as the documented example suggests. No file says which way is up, nor where the cameras are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import skeleton_defs
from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._mocap_scene import cameras, row, tracks
from .truth import Truth, TruthRow

_SKELETON = "3dpeople_29"
_SIZE = (640, 480)
_N_ROWS = 67
_BACKGROUND = 153
#: Rows of the 29 joints in a file.
_KEPT = (*range(14), *range(33, 37), 53, *range(57, 67))
#: First rows of the fingers: middle, thumb, index, ring, little finger. Four rows each.
_LEFT_FINGERS, _RIGHT_FINGERS = (13, 17, 21, 25, 29), (53, 49, 45, 41, 37)
#: Where a finger begins beside the middle one, mm, and how far apart its joints are.
_BESIDE_MM, _KNUCKLES_MM = (0, 45, 22, -20, -38), 24


@dataclass(frozen=True)
class _Sequence:
    """An action of a subject.

    Attributes:
      n_columns: numbers per joint: two of the pixel, three of the place, others in between.
      has_frame_zero: a file `0000.txt` without an image comes first.
      aside_mm: how far the person stands from where the cameras look.
    """

    subject: str
    action: str
    split: str
    cameras: tuple[int, ...]
    n_frames: int
    n_columns: int = 5
    has_frame_zero: bool = False
    aside_mm: float = 0.0

    def appearance(self) -> str:
        return f"wpskin08_bottom70_hair13_shoes19_top23_none_none_background{len(self.action)}28"


_SEQUENCES = (
    _Sequence("woman33", "02_04_jump", "train", (1, 4), 2, has_frame_zero=True),
    # Parts of the body are outside of the image.
    _Sequence("man01", "13_29_jumping_jacks", "train", (2,), 2, aside_mm=1350.0),
    _Sequence("woman34", "02_04_jump", "test", (3,), 1, n_columns=6),
    _Sequence("man40", "49_02_jump_on_one_foot", "test", (1,), 1),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes four sequences of four people, most of them seen by one of the four cameras."""
    rows = []
    for i, sequence in enumerate(_SEQUENCES):
        rows += _write_sequence(root, sequence, person=i, seed=seed)
    return Truth(tuple(rows))


def _write_sequence(root: Path, sequence: _Sequence, *, person: int, seed: int) -> list[TruthRow]:
    start = 0 if sequence.has_frame_zero else 1
    poses = scene.in_axes("y", tracks(_SKELETON, sequence.n_frames + 1, person=person, seed=seed))
    poses = poses[start:] - poses[:1, :1] * [1, 0, 1]
    views = cameras(4, _SIZE, up="y", seed=seed + person, distance_mm=3600.0)
    rows = []
    for number in sequence.cameras:
        K = intrinsics(700, 700, 320, 240)
        camera = replace(views[number - 1], K=K)
        aside = sequence.aside_mm * camera.R[0]
        for frame, pose in enumerate(poses + aside, start):
            rows += _write_frame(root, sequence, camera, f"camera{number:02d}", frame, pose)
    return rows


def _write_frame(
    root: Path, sequence: _Sequence, camera: Camera, camera_name: str, frame: int, pose: np.ndarray
) -> list[TruthRow]:
    folder = f"{sequence.subject}/{sequence.action}/{camera_name}"
    path = root / f"skeleton/{folder}/{frame:04d}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, _table(camera, _all_rows(pose), sequence.n_columns), fmt="%.7g")
    if frame == 0:
        return []
    image = f"rgb/{folder}/{sequence.appearance()}/{frame:04d}.jpg"
    pixels = camera.project(pose)
    scene.write_image(root / image, scene.picture(_SIZE, [pixels], _SKELETON))
    person = scene.person_mask(_SIZE, pixels, _SKELETON)
    _write_segmentation(root / f"segmentation_clothes/{folder}/{frame:04d}.png", person, pixels)
    _write_segmentation(root / f"segmentation_body/{folder}/{frame:04d}.png", person, pixels)
    # Nothing in the files tells which way is up.
    seen = row(camera, pose, split=sequence.split, skeleton=_SKELETON, image=image, frame=frame)
    return [replace(seen, up=None)]


def _all_rows(pose: np.ndarray) -> np.ndarray:
    """Returns the 67 joints (67, 3) mm of the 29."""
    rows = np.empty((_N_ROWS, 3))
    rows[list(_KEPT)] = pose
    index = skeleton_defs.get(_SKELETON).index
    # With hanging arms the thumbs point forward, y being up.
    facing = np.cross(pose[index("left_hip")] - pose[index("right_hip")], [0, 1, 0])
    for side, fingers in (("left", _LEFT_FINGERS), ("right", _RIGHT_FINGERS)):
        hand, wrist = pose[index(f"{side}_hand")], pose[index(f"{side}_wrist")]
        along = (hand - wrist) / np.linalg.norm(hand - wrist)
        beside = facing - (facing @ along) * along
        beside /= np.linalg.norm(beside)
        for first, distance in zip(fingers, _BESIDE_MM, strict=True):
            for i in range(4):
                rows[first + i] = hand + distance * beside + i * _KNUCKLES_MM * along
    rows[list(_KEPT)] = pose
    return rows


def _table(camera: Camera, joints: np.ndarray, n_columns: int) -> np.ndarray:
    """Returns one line per joint: pixel, what nobody documents, and the place in decimetres."""
    unknown = np.ones((len(joints), n_columns - 5))
    return np.concatenate([camera.project(joints), unknown, joints / 100], axis=1)


def _write_segmentation(path: Path, person: np.ndarray, pixels: np.ndarray) -> None:
    """Writes the person as upper and lower half in two colours on grey, without transparency."""
    import cv2

    image = np.full((*person.shape, 4), _BACKGROUND, np.uint8)
    image[..., 3] = 255
    is_upper = np.arange(_SIZE[1])[:, None] < pixels[0, 1]
    image[person & is_upper, :3] = (0, 0, 128)
    image[person & ~is_upper, :3] = (128, 255, 128)
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", image)
    assert done, path
    path.write_bytes(data.tobytes())
