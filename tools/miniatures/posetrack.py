"""PoseTrack 2018 in miniature: short tracks, unlabelled frames, ears that nobody annotated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import scene
from ._photographs import Photograph, photograph
from .truth import Truth, TruthRow

_SKELETON = "posetrack_17"
_JOINTS = (
    "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
#: 1-based pairs, as the files have them: those of COCO.
_LIMBS = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
_EARS = [3, 4]
_HEAD = [0, 1, 2]
#: First digit of the ids -> source of the video.
_SOURCES = {"mpii": 1, "bonn": 2, "mpiinew": 3}


@dataclass(frozen=True)
class _Sequence:
    """A video of which some frames are annotated.

    Attributes:
      missing: (person, frame) -> joints without annotation.
      hidden: (person, frame) -> joints that have coordinates though they are marked as missing.
      without_box: (person, frame) that have no `bbox`.
      absent: (person, frame) that are not annotated.
    """

    name: str
    folder: str
    size: tuple[int, int]
    n_frames: int
    labelled: range
    n_people: int
    missing: dict[tuple[int, int], tuple[int, ...]]
    hidden: dict[tuple[int, int], tuple[int, ...]]
    without_box: tuple[tuple[int, int], ...] = ()
    absent: tuple[tuple[int, int], ...] = ()


_SEQUENCES = (
    _Sequence(
        "000001_bonn_train", "train", (1280, 720), 4, range(1, 3), 2,
        missing={(0, 1): (15, 16), (1, 2): (2, 9)}, hidden={(0, 2): (10,)},
    ),
    _Sequence(
        "010001_mpiinew_train", "train", (640, 360), 3, range(3), 3,
        missing={(2, 0): tuple(range(7, 17))}, hidden={}, without_box=((1, 1),), absent=((0, 2),),
    ),
    _Sequence(
        "000342_mpii_test", "val", (1280, 720), 3, range(1, 3), 2,
        missing={(1, 1): (0,)}, hidden={(1, 2): (7, 8)}, absent=((0, 1),),
    ),
)  # fmt: skip
_TEST_SEQUENCE = _Sequence("007934_mpiinew_test", "test", (640, 360), 2, range(0), 1, {}, {})
_SPLITS = {"train": "train", "val": "valid"}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes three sequences, and a test sequence without people."""
    rows = []
    for i, sequence in enumerate((*_SEQUENCES, _TEST_SEQUENCE)):
        shown = photograph(
            _SKELETON,
            sequence.size,
            sequence.n_people,
            n_frames=sequence.n_frames,
            seed=seed + 3 * i,
        )
        rows += _write_sequence(root, sequence, shown)
    return Truth(tuple(rows))


def _write_sequence(root: Path, sequence: _Sequence, shown: Photograph) -> list[TruthRow]:
    images, annotations, rows = [], [], []
    for frame in range(sequence.n_frames):
        name = f"images/{sequence.folder}/{sequence.name}/{frame:06d}.jpg"
        scene.write_image(root / name, shown.picture(frame, seed=len(sequence.name)))
        images.append(_image(sequence, name, frame))
        if frame not in sequence.labelled:
            continue
        for person in range(sequence.n_people):
            if (person, frame) in sequence.absent:
                continue
            joints = shown.pixels[frame, person].copy()
            annotations.append(_annotation(sequence, person, frame, joints))
            if (person, frame) in sequence.without_box:
                continue
            marked = [
                *_EARS,
                *sequence.missing.get((person, frame), ()),
                *sequence.hidden.get((person, frame), ()),
            ]
            joints[marked] = np.nan
            rows.append(
                TruthRow(
                    _SPLITS[sequence.folder],
                    _SKELETON,
                    name,
                    joints2d=joints,
                    sequence=sequence.name,
                    frame=frame,
                )
            )
    content = {"images": images, "annotations": annotations, "categories": [_category()]}
    path = root / f"posetrack_data/annotations/{sequence.folder}/{sequence.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return rows


def _image_id(sequence: _Sequence, frame: int) -> int:
    number, source, _ = sequence.name.split("_")
    return _SOURCES[source] * 10**10 + int(number) * 10**4 + frame


def _image(sequence: _Sequence, name: str, frame: int) -> dict:
    return {
        "has_no_densepose": True,
        "is_labeled": frame in sequence.labelled,
        "file_name": name,
        "nframes": sequence.n_frames,
        "frame_id": _image_id(sequence, frame),
        "vid_id": sequence.name.split("_")[0],
        "ignore_regions_x": [[0, 100, 100]],
        "ignore_regions_y": [[0, 0, 80]],
        "id": _image_id(sequence, frame),
    }


def _annotation(sequence: _Sequence, person: int, frame: int, joints: np.ndarray) -> dict:
    triples = np.column_stack([joints, np.ones(17)])
    missing = [*_EARS, *sequence.missing.get((person, frame), ())]
    triples[missing] = 0
    triples[list(sequence.hidden.get((person, frame), ())), 2] = 0
    annotation = {
        "bbox_head": scene.box_of(joints[_HEAD], factor=1.3).round().astype(int).tolist(),
        "keypoints": triples.ravel().tolist(),
        "track_id": person,
        "image_id": _image_id(sequence, frame),
        "scores": [],
        "category_id": 1,
        "id": 100 * _image_id(sequence, frame) + person,
    }
    if (person, frame) not in sequence.without_box:
        present = np.delete(joints, missing, axis=0)
        annotation["bbox"] = scene.box_of(present, factor=1.3).tolist()
    return annotation


def _category() -> dict:
    return {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": _JOINTS,
        "skeleton": _LIMBS,
    }
