"""HSPACE in miniature: TFRecord files of video frames, GHUM joints in camera space, label images.

Everything is in the records: the frame as an image with reversed colour channels, the intrinsics,
63 joints per person in metres, and one label image for all people. The camera moves, and nobody
says where it is; its own upward axis counts as up. People who are tiny, or outside of the picture,
have annotations, but the published selection passes over silhouettes narrower than 100 px.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

from . import scene
from ._mocap_scene import tracks
from ._room_views import WorldFrame, level_camera
from ._tfrecord_files import example_message, write_tfrecord
from .truth import Truth, TruthRow

_SKELETON = "hspace_ghum_35"
_SIZE = (1280, 720)
_FOLDER = "2021_01/train"
_FINGERS = ("index", "middle", "ring", "pinkie")


def _arm(side: str) -> list[str]:
    fingers = [f"{side}{finger}{i}" for finger in _FINGERS for i in (1, 2, 3)]
    return [f"{side}{part}" for part in ("cla", "sho", "elb", "wri")] + fingers + [
        f"{side}thu{i}" for i in ("1", "2", "")
    ]  # fmt: skip


def _leg(side: str) -> list[str]:
    return [f"{side}{part}" for part in ("hip", "kne", "ank", "hee", "foo", "toe")]


#: The 63 joints of a record, and the 35 that are kept, in the order of the format.
_ALL = (
    *"pelv spin1 spin2 spin3 neck head head2 lbrow1 lbrow2 rbrow1 rbrow2 lbrow3 rbrow3".split(),
    *_arm("l"), *_arm("r"), *_leg("l"), *_leg("r"),
)  # fmt: skip
_KEPT = """
    pelv spin1 spin2 spin3 neck head head2 lbrow1 rbrow1 lcla lsho lelb lwri lmiddle1 lmiddle3 lthu
    rcla rsho relb rwri rmiddle1 rmiddle3 rthu lhip lkne lank lhee lfoo ltoe rhip rkne rank rhee
    rfoo rtoe
""".split()


@dataclass(frozen=True)
class _Person:
    """Someone in a sequence.

    Attributes:
      place: (right, forward) mm from the middle of the room, seen from the first camera.
      mask_id: label in the label image; the label before it belongs to the same person.
      is_kept: False for people whose shorter side in the picture is far below 100 px.
    """

    place: tuple[float, float]
    mask_id: int
    is_kept: bool = True


@dataclass(frozen=True)
class _Sequence:
    name: str
    n_frames: int
    people: tuple[_Person, ...]
    image_format: str = ".jpg"


_SEQUENCES = (
    # The third is far away, the fourth outside of the picture.
    _Sequence(
        "hspace_seq_00012",
        3,
        (
            _Person((-700.0, 0.0), 2),
            _Person((750.0, 300.0), 6),
            _Person((300.0, 12000.0), 9, is_kept=False),
            _Person((-9000.0, 0.0), 4, is_kept=False),
        ),
    ),
    _Sequence("hspace_seq_00431", 2, (_Person((100.0, -300.0), 2),), image_format=".png"),
)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes two sequences; an odd `seed` puts them below one more folder, as in the bucket."""
    folder = f"hspace/{_FOLDER}" if seed % 2 else _FOLDER
    rows = []
    for i, sequence in enumerate(_SEQUENCES):
        rows += _write_sequence(root, folder, sequence, seed + 10 * i)
    return Truth(tuple(rows))


def _write_sequence(root: Path, folder: str, sequence: _Sequence, seed: int) -> list[TruthRow]:
    cameras = [_camera(seed, frame) for frame in range(sequence.n_frames)]
    people = [
        _all_joints(sequence.n_frames, cameras[0], person, number=k, seed=seed)
        for k, person in enumerate(sequence.people)
    ]
    path = f"{folder}/{sequence.name}.tfrecord"
    kept = [_ALL.index(name) for name in _KEPT]
    messages, rows = [], []
    for frame, in_room in enumerate(cameras):
        world = WorldFrame.of_camera(in_room)
        camera = world.camera(in_room)
        poses = [
            1000 * (world.points(joints[frame]) / 1000).astype(np.float32).astype(float)
            for joints in people
        ]
        messages.append(_message(sequence, camera, poses, [pose[kept] for pose in poses]))
        rows += [
            TruthRow(
                split="train",
                skeleton=_SKELETON,
                image=path,
                video_frame=frame,
                joints3d=pose[kept],
                joints2d=camera.project(pose[kept]),
                up=np.array([0.0, -1, 0]),
                sequence=sequence.name,
                frame=frame,
            )
            for person, pose in zip(sequence.people, poses, strict=True)
            if person.is_kept
        ]
    write_tfrecord(root / path, messages)
    return rows


def _camera(seed: int, frame: int) -> Camera:
    """Returns the camera of one frame: it walks sideways. Its numbers are those of the file."""
    camera = level_camera(
        _SIZE,
        focal=1000.0 + 2 * frame,
        angle=seed + 0.05 * frame,
        distance_mm=3600 - 50 * frame,
        height_mm=1100,
        shift_px=(6.5, -3.25),
    )
    K = camera.K.astype(np.float32).astype(float)
    return Camera(camera.R, camera.t, K, world_up=camera.world_up, image_size=_SIZE)


def _all_joints(n_frames, camera: Camera, person: _Person, *, number: int, seed: int) -> np.ndarray:
    """Returns (T, 63, 3) mm in the room: the 35 joints, and others around them."""
    known = tracks(_SKELETON, n_frames, person=number, seed=seed)
    known[..., :2] -= known[:1, :1, :2]
    right, forward = person.place
    known += right * camera.R[0] + forward * camera.R[2]
    rng = np.random.default_rng([seed, number, 29])
    joints = np.empty((n_frames, len(_ALL), 3))
    for i, name in enumerate(_ALL):
        near = name if name in _KEPT else _kept_neighbour(name)
        offset = 0 if name in _KEPT else rng.uniform(-40, 40, 3)
        joints[:, i] = known[:, _KEPT.index(near)] + offset
    return joints


def _kept_neighbour(name: str) -> str:
    """Returns a kept joint near one that is not kept: a brow or a finger."""
    return f"{name[0]}{'brow1' if 'brow' in name else 'middle1'}"


def _message(sequence: _Sequence, camera: Camera, poses, shown) -> bytes:
    features = {
        "image/rgb": _encoded(_picture(camera, shown), sequence.image_format),
        "camera_intrinsics": camera.K[[0, 1, 0, 1], [0, 1, 2, 2]],
        "number_of_rigged_characters": np.array([len(poses)]),
        "character_masks": _encoded(_labels(sequence, camera, shown), ".png"),
    }
    for i, (person, pose) in enumerate(zip(sequence.people, poses, strict=True)):
        features[f"RIGGED_{i}/joints_3d"] = pose / 1000
        features[f"RIGGED_{i}/mask_id"] = np.array([person.mask_id])
        # The records have more in them; nobody says under which names.
        features[f"RIGGED_{i}/ghum_shape"] = np.linspace(-1, 1, 16)
    return example_message(features)


def _picture(camera: Camera, shown: list[np.ndarray]) -> np.ndarray:
    order = np.argsort([-pose[:, 2].mean() for pose in shown])
    return scene.picture(_SIZE, [camera.project(shown[i]) for i in order], _SKELETON)


def _labels(sequence: _Sequence, camera: Camera, shown: list[np.ndarray]) -> np.ndarray:
    """Returns the label image: a person's legs have the label before the one of the upper body."""
    image = np.zeros(_SIZE[::-1], np.uint8)
    for k in np.argsort([-pose[:, 2].mean() for pose in shown]):
        pixels = camera.project(shown[k])
        mask = scene.person_mask(_SIZE, pixels, _SKELETON)
        is_upper = np.arange(_SIZE[1])[:, None] < pixels[0, 1]
        label = sequence.people[k].mask_id
        image[mask & is_upper] = label
        image[mask & ~is_upper] = label - 1
    return image


def _encoded(image: np.ndarray, ending: str) -> bytes:
    """Returns an image file; one in colour has its channels in the reversed order."""
    import cv2

    # OpenCV expects blue first. It is given red first, and so stores the two exchanged.
    done, data = cv2.imencode(ending, image)
    assert done
    return data.tobytes()
