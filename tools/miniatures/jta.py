"""JTA in miniature: one json of bare number rows per video, several people, camera coordinates.

The focal length is the one that fits the game's lens best (1167 px), not that of the official
description (1158 px). Nothing is known of the cameras' places, nor which way is up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera, intrinsics

from . import scene
from ._mocap_scene import tracks
from .truth import Truth, TruthRow

_SKELETON = "jta_22"
_SIZE, _FPS, _FOCAL = (1920, 1080), 30, 1167
_N_FRAMES, _N_JOINTS = 5, 22
_SPLITS = {"train": "train", "val": "valid", "test": "test"}
#: Pictures are painted this much smaller and enlarged.
_SHRINK = 4
#: The official tools leave out people who are hidden altogether; the published selection asks for
#: this many joints that are inside of the image and not hidden by something else.
_MIN_SEEN = 5


@dataclass(frozen=True)
class _Person:
    """Someone in a sequence.

    Attributes:
      place: (right, forward) metres of where they walk, seen from the camera.
      frames: 1-based frame numbers in which they are annotated.
      shown: number of joints that nothing hides; the others lie behind something.
      is_lying: the head points away from the camera and the feet are behind it.
    """

    number: int
    place: tuple[float, float]
    frames: tuple[int, ...] = (1, 2, 3, 4, 5)
    shown: int = _N_JOINTS
    is_lying: bool = False


@dataclass(frozen=True)
class _Sequence:
    split: str
    number: int
    people: tuple[_Person, ...]
    has_floats: bool = False
    is_shuffled: bool = False


_SEQUENCES = (
    _Sequence(
        "train",
        0,
        (
            _Person(3, (-1.2, 5.0)),
            _Person(4, (1.0, 6.5), frames=(1, 2, 4), shown=9),
            # So far away that a pixel is a decimetre.
            _Person(17, (22.0, 95.0), frames=(2, 3)),
            # Hidden altogether, and almost.
            _Person(18, (2.5, 9.0), frames=(1, 2), shown=0),
            _Person(25, (-2.5, 8.0), frames=(5,), shown=_MIN_SEEN - 2),
        ),
    ),
    # Nobody is there in the first and the last frame; someone is partly outside of the image.
    _Sequence(
        "train",
        42,
        (_Person(0, (0.4, 3.5), frames=(2, 3, 4)), _Person(9, (-2.75, 3.6), frames=(3, 4))),
        is_shuffled=True,
    ),
    _Sequence("val", 301, (_Person(1, (0.0, 4.0)), _Person(2, (0.15, 0.35), is_lying=True))),
    _Sequence("test", 384, (_Person(11, (-0.7, 4.5)),), has_floats=True, is_shuffled=True),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes four videos of all splits, with their annotations."""
    rows = []
    for sequence in _SEQUENCES:
        rows += _write_sequence(root, sequence, np.random.default_rng([seed, sequence.number]))
    return Truth(tuple(rows))


def _write_sequence(root: Path, sequence: _Sequence, rng) -> list[TruthRow]:
    camera = Camera(np.eye(3), np.zeros(3), intrinsics(_FOCAL, _FOCAL, 960, 540), image_size=_SIZE)
    seed = int(rng.integers(1000))
    walks = {p: _in_camera(p, seed).round(2) for p in sequence.people}
    video = f"videos/{sequence.split}/seq_{sequence.number}.mp4"
    table, rows = [], []
    for person, joints in walks.items():
        for number in person.frames:
            pose = joints[number - 1]
            hidden = _hidden(person, rng)
            table += _lines(camera, person, number, pose, hidden)
            if _is_shown(camera, pose, hidden):
                rows.append(_row(camera, pose, sequence, video, number))
    if sequence.is_shuffled:
        rng.shuffle(table)
    if sequence.has_floats:
        table = [[float(value) for value in line] for line in table]
    path = root / f"annotations/{sequence.split}/seq_{sequence.number}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table))
    _write_video(root / video, camera, walks)
    return rows


def _in_camera(person: _Person, seed: int) -> np.ndarray:
    """Returns (T, 22, 3) mm in camera coordinates, 1.2 m above the floor, level."""
    room = tracks(_SKELETON, _N_FRAMES, person=person.number, seed=seed)
    room[..., :2] -= room[:1, :1, :2]
    right, ahead, above = np.moveaxis(room, -1, 0)
    x, z = 1000 * np.array(person.place)
    if person.is_lying:
        return np.stack([right + x, 250 + ahead, above + z - 700], axis=-1)
    return np.stack([right + x, 1200 - above, ahead + z], axis=-1)


def _hidden(person: _Person, rng) -> np.ndarray:
    """Returns (22, 2) numbers: hidden by something else, by the own body."""
    flags = np.zeros((_N_JOINTS, 2), int)
    flags[rng.permutation(_N_JOINTS)[person.shown :], 0] = 1
    flags[:, 1] = rng.integers(0, 2, _N_JOINTS)
    return flags


def _lines(camera: Camera, person: _Person, number: int, pose, hidden) -> list[list]:
    """Returns the rows of one person in one frame."""
    depth = pose[:, 2:]
    # The game projects what lies behind the camera, too.
    with np.errstate(divide="ignore"):
        pixels = _FOCAL * pose[:, :2] / np.where(depth == 0, 0.01, depth) + camera.K[:2, 2]
    numbers = np.concatenate([pixels.round(3), (pose / 1000).round(5)], axis=1).tolist()
    return [
        [number, person.number, joint, *numbers[joint], *map(int, hidden[joint])]
        for joint in range(_N_JOINTS)
    ]


def _is_shown(camera: Camera, pose: np.ndarray, hidden: np.ndarray) -> bool:
    pixels = camera.project(pose)
    with np.errstate(invalid="ignore"):
        is_inside = ((pixels >= 0) & (pixels < _SIZE)).all(axis=1)
    return int((is_inside & (hidden[:, 0] == 0)).sum()) >= _MIN_SEEN


def _row(camera: Camera, pose, sequence: _Sequence, video: str, number: int) -> TruthRow:
    return TruthRow(
        split=_SPLITS[sequence.split],
        skeleton=_SKELETON,
        image=video,
        video_frame=number - 1,
        joints3d=pose,
        # Nobody says what the pixel of a point behind the camera is worth.
        joints2d=camera.project(pose) if (pose[:, 2] > 0).all() else None,
        frame=number,
    )


def _write_video(path: Path, camera: Camera, walks: dict[_Person, np.ndarray]) -> None:
    import cv2

    small = tuple(n // _SHRINK for n in _SIZE)
    people = sorted(walks, key=lambda person: -person.place[1])
    pictures = []
    for i in range(_N_FRAMES):
        shown = [
            camera.project(walks[person][i]) / _SHRINK
            for person in people
            if i + 1 in person.frames
        ]
        pictures.append(cv2.resize(scene.picture(small, shown, _SKELETON), _SIZE))
    scene.write_video(path, pictures, fps=_FPS)
