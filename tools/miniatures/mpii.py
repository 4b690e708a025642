"""MPII Human Pose in miniature: one .mat file, pixels that count from one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

from . import scene
from ._matlab_structs import EMPTY, cell, struct_array
from ._photographs import photograph
from .truth import Truth, TruthRow

_SKELETON = "mpii_16"
_N_JOINTS = 16
_HEAD = (8, 9)
#: MATLAB's first pixel.
_FIRST = 1
_FEWEST_JOINTS = 7


@dataclass(frozen=True)
class _Person:
    """One rectangle of `annorect`.

    Attributes:
      n_joints: how many joints are labelled; None: nothing is said of joints.
      visibility: how `is_visible` is stored: `char`, `number` or `none`.
      has_place: whether scale and rough position are given.
    """

    n_joints: int | None = _N_JOINTS
    visibility: str = "char"
    has_place: bool = True


@dataclass(frozen=True)
class _Picture:
    number: int
    size: tuple[int, int]
    people: tuple[_Person, ...]
    is_train: bool = True
    separate: tuple[int, ...] = ()


_PICTURES = (
    _Picture(5808361, (1280, 720), (_Person(),), separate=(1,)),
    _Picture(
        15601864, (1920, 1080), (_Person(10, "number"), _Person(6), _Person(7)), separate=(1, 3)
    ),
    _Picture(41133208, (640, 480), (_Person(), _Person(None)), is_train=False),
    _Picture(72818876, (720, 1280), (_Person(13, has_place=False), _Person(None))),
    _Picture(77024122, (800, 600), ()),
    _Picture(86617615, (1280, 720), (_Person(16, "none"),), separate=(1,)),
)
#: (number, category, name) of what people do; nothing is said of it for the test images.
_ACTIVITY, _NO_ACTIVITY = (1, "bicycling", "bicycling, mountain"), (-1, EMPTY, EMPTY)


def write(root: Path, *, seed: int = 0) -> Truth:
    """Writes the pictures of both sets and the file with the annotation of the training set."""
    rows, annolist = [], []
    for picture in _PICTURES:
        name = f"{picture.number:09d}.jpg"
        shown = photograph(
            _SKELETON, picture.size, max(1, len(picture.people)), seed=seed + picture.number % 97
        )
        scene.write_image(root / "images" / name, shown.picture(seed=picture.number))
        rng = np.random.default_rng([seed, picture.number])
        rects = []
        for person, pixels in zip(picture.people, shown.pixels[0], strict=False):
            labelled = rng.permutation(_N_JOINTS)[: person.n_joints or 0]
            rects.append(_rect(person, pixels, labelled, picture.is_train))
            if picture.is_train and len(labelled) >= _FEWEST_JOINTS:
                joints = np.full((_N_JOINTS, 2), np.nan)
                joints[labelled] = pixels[labelled]
                rows.append(TruthRow("train", _SKELETON, f"images/{name}", joints2d=joints))
        annolist.append(
            {
                "image": struct_array([{"name": name}]),
                "annorect": struct_array(rects) if rects else EMPTY,
                "frame_sec": 11.0 if picture.is_train else EMPTY,
                "vidx": 1.0 if picture.is_train else EMPTY,
            }
        )
    savemat(
        root / "mpii_human_pose_v1_u12_1.mat",
        {"RELEASE": _release(annolist)},
        do_compression=True,
    )
    return Truth(tuple(rows))


def _rect(person: _Person, pixels: np.ndarray, labelled: np.ndarray, is_train: bool) -> dict:
    left, top, width, height = scene.box_of(pixels)
    place = {
        "scale": height / 200,
        "objpos": struct_array([{"x": round(left + width / 2), "y": round(top + height / 2)}]),
    }
    made = place if person.has_place else {}
    if is_train:
        low, high = np.sort(pixels[list(_HEAD)] + _FIRST, axis=0).round()
        head = {"x1": low[0] - 12, "y1": low[1], "x2": high[0] + 12, "y2": high[1]}
        made = head | made
        if person.n_joints is not None:
            made["annopoints"] = struct_array([{"point": _points(person, pixels, labelled)}])
    return made


def _points(person: _Person, pixels: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    points = []
    for i, joint in enumerate(labelled):
        x, y = pixels[joint] + _FIRST
        point = {"x": float(x), "y": float(y), "id": float(joint)}
        if person.visibility != "none":
            # Hidden joints count like visible ones. Of the head's points nothing is said.
            is_visible = float(i % 3 > 0)
            if person.visibility == "char":
                is_visible = str(int(is_visible))
            point["is_visible"] = EMPTY if joint in _HEAD else is_visible
        points.append(point)
    return struct_array(points)


def _release(annolist: list[dict]) -> np.ndarray:
    acts = []
    for picture in _PICTURES:
        number, category, activity = _ACTIVITY if picture.is_train else _NO_ACTIVITY
        acts.append({"act_name": activity, "cat_name": category, "act_id": float(number)})
    separate = [
        np.array(p.separate, float)[:, None] if p.separate else np.zeros((0, 0)) for p in _PICTURES
    ]
    return struct_array(
        [
            {
                "annolist": struct_array(annolist),
                "img_train": np.array([[float(p.is_train) for p in _PICTURES]]),
                "version": "12",
                "single_person": cell(separate, column=True),
                "act": struct_array(acts, column=True),
                "video_list": cell(["bCFUDAe2sQA"]),
            }
        ]
    )
