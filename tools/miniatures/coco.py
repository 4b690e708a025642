"""COCO keypoints in miniature: the 2017 edition with crowds, small people and sparse labels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import scene
from ._photographs import Photograph, photograph
from .truth import Truth, TruthRow

_SKELETON = "coco_17"
_JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
#: 1-based pairs, as the files have them.
_LIMBS = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
#: Labelled in every person that is labelled at all: together as tall as the person.
_NOSE, _ANKLE = 0, 15
_FAR_MM = 6000.0


@dataclass(frozen=True)
class _Person:
    """How well one person is labelled, and whether the picture shows them small."""

    n_labelled: int = 17
    n_visible: int = 17
    is_far: bool = False


@dataclass(frozen=True)
class _Picture:
    number: int
    split: str
    size: tuple[int, int]
    people: tuple[_Person, ...]
    is_grey: bool = False
    has_crowd: bool = False


_PICTURES = (
    _Picture(9, "train", (640, 480), (_Person(), _Person(is_far=True)), has_crowd=True),
    # The fewest labels with which a person is used, then one label too few.
    _Picture(30, "train", (480, 640), (_Person(9, 6), _Person(8, 8)), is_grey=True),
    _Picture(581929, "train", (640, 427), ()),
    _Picture(785, "valid", (640, 425), (_Person(14, 7), _Person(12, 5), _Person(0, 0))),
    _Picture(139, "valid", (500, 375), (_Person(16, 15),), has_crowd=True),
)
_FOLDERS = {"train": "train2017", "valid": "val2017"}


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes both splits of the 2017 edition."""
    rows = []
    for split, folder in _FOLDERS.items():
        images, annotations = [], []
        for picture in _PICTURES:
            if picture.split != split:
                continue
            shown = _photograph(picture, seed)
            image = f"{folder}/{picture.number:012d}.jpg"
            pixels = shown.picture(seed=picture.number)
            scene.write_image(root / image, pixels[..., 1] if picture.is_grey else pixels)
            images.append(_image(picture, folder))
            made = _annotations(picture, shown, seed)
            annotations += made
            rows += [
                TruthRow(split, _SKELETON, image, joints2d=_joints(annotation))
                for annotation in made
                if _is_used(annotation)
            ]
        # The people of one image are not beside each other in the file.
        order = np.random.default_rng(seed).permutation(len(annotations))
        _write_json(root, folder, images, [annotations[i] for i in order])
    return Truth(tuple(rows))


def _photograph(picture: _Picture, seed: int) -> Photograph:
    farther = {k: _FAR_MM for k, person in enumerate(picture.people) if person.is_far}
    return photograph(
        _SKELETON,
        picture.size,
        # Somebody who is in no annotation: a picture may have people without labels.
        max(1, len(picture.people)),
        farther_mm=farther,
        decimals=0,
        seed=seed + picture.number,
    )


def _annotations(picture: _Picture, shown: Photograph, seed: int) -> list[dict]:
    rng = np.random.default_rng([seed, picture.number])
    made = []
    for k, person in enumerate(picture.people):
        labels = _labels(person, rng)
        triples = np.column_stack([shown.pixels[0, k].astype(int), labels])
        triples[labels == 0] = 0
        left, top, width, height = scene.box_of(shown.pixels[0, k]).round(2).tolist()
        right, bottom = round(left + width, 2), round(top + height, 2)
        made.append(
            {
                "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                "num_keypoints": int((labels > 0).sum()),
                "area": round(0.6 * width * height, 4),
                "iscrowd": 0,
                "keypoints": triples.ravel().tolist(),
                "image_id": picture.number,
                "bbox": [left, top, width, height],
                "category_id": 1,
                "id": 100 * picture.number + k,
            }
        )
    if picture.has_crowd:
        made.append(_crowd(picture))
    return made


def _labels(person: _Person, rng) -> np.ndarray:
    """Returns (17,) 0 unlabelled, 1 hidden, 2 visible."""
    others = rng.permutation([j for j in range(17) if j not in (_NOSE, _ANKLE)])
    labelled = np.array([_NOSE, _ANKLE, *others])[: person.n_labelled]
    labels = np.zeros(17, int)
    labels[labelled] = 1
    labels[rng.permutation(labelled)[: person.n_visible]] = 2
    return labels


def _crowd(picture: _Picture) -> dict:
    width, height = picture.size
    mask = np.zeros((height, width), bool)
    mask[10:60, 20 : width // 2] = True
    return {
        "segmentation": {"counts": _run_lengths(mask), "size": [height, width]},
        "num_keypoints": 0,
        "area": int(mask.sum()),
        "iscrowd": 1,
        "keypoints": [0] * 51,
        "image_id": picture.number,
        "bbox": [20, 10, width // 2 - 20, 50],
        "category_id": 1,
        "id": 900100000000 + picture.number,
    }


def _run_lengths(mask: np.ndarray) -> list[int]:
    """Returns the lengths of runs down the columns, the first one of zeros."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff([0, *changes, mask.size]).tolist()


def _joints(annotation: dict) -> np.ndarray:
    triples = np.array(annotation["keypoints"], float).reshape(17, 3)
    return np.where(triples[:, 2:] > 0, triples[:, :2], np.nan)


def _is_used(annotation: dict) -> bool:
    """Whether the published selection keeps a person: labelled, visible and large enough."""
    labels = np.array(annotation["keypoints"]).reshape(17, 3)[:, 2]
    if annotation["iscrowd"] or (labels > 0).sum() < 17 / 2 or (labels == 2).sum() < 17 / 3:
        return False
    joints = _joints(annotation)
    extent = np.nanmax(joints, axis=0) - np.nanmin(joints, axis=0)
    return bool(extent.max() * 1.25 >= 200)


def _image(picture: _Picture, folder: str) -> dict:
    name = f"{picture.number:012d}.jpg"
    return {
        "license": 4,
        "file_name": name,
        "coco_url": f"http://images.cocodataset.org/{folder}/{name}",
        "height": picture.size[1],
        "width": picture.size[0],
        "date_captured": "2013-11-18 02:33:45",
        "flickr_url": "http://live.staticflickr.com/x.jpg",
        "id": picture.number,
    }


def _write_json(root: Path, folder: str, images: list[dict], annotations: list[dict]) -> None:
    content = {
        "info": {"description": "COCO 2017 Dataset", "year": 2017},
        "licenses": [
            {
                "url": "http://creativecommons.org/licenses/by/2.0/",
                "id": 4,
                "name": "Attribution License",
            }
        ],
        "images": images,
        "annotations": annotations,
        "categories": [
            {
                "supercategory": "person",
                "id": 1,
                "name": "person",
                "keypoints": _JOINTS,
                "skeleton": _LIMBS,
            }
        ],
    }
    path = root / f"annotations/person_keypoints_{folder}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
