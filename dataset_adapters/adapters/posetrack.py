"""PoseTrack: people followed through short video clips, 17 (2017: 15) joints in the image.

Andriluka et al., CVPR 2018; Doering et al. (PoseTrack21), CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ..images import image_size
from ._coco_json import CocoDocument, coco_document, split_keypoints
from ._values import as_array, member, read_json

_PARTS = {"train": "train", "valid": "val"}
_FOLDERS = ("posetrack_data/annotations/{}", "posetrack_data/{}", "annotations/{}")
_N_2017 = 15

INFO = DatasetInfo(
    name="posetrack",
    title="PoseTrack 2018 and PoseTrack21",
    kind="2D",
    homepage="https://posetrack.net",
    licence="research (the terms could not be verified); PoseTrack21 by signed agreement",
    access="registration; PoseTrack21: agreement by e-mail",
    paper="Andriluka et al.: PoseTrack, CVPR 2018",
    skeletons=("posetrack_17", "posetrack_15"),
    splits=("train", "valid"),
    tree="""\
images/{train,val,test}/012834_mpii_train/000000.jpg      6 digits, from 0
posetrack_data/annotations/{train,val}/012834_mpii_train.json
(PoseTrack21: posetrack_data/{train,val}/<sequence>.json)""",
    items=(
        Item("posetrack_data/**/*.json", "joints", "posetrack18_v0.45_public_labels or later"),
        Item("images/*/*/*.jpg", "video frames", "posetrack18_images.tar"),
    ),
    defects=(
        Defect("ears are never annotated (zeros)", "NaN"),
        Defect("a joint that is not annotated is (0, 0, 0)", "NaN"),
        Defect("people without a box", "left out"),
        Defect("only some frames of a clip are annotated", "the others have no examples"),
        Defect("test sequences come without joints", "not read"),
    ),
    box_expansion=1.3,
    facts=(
        "The joint called head_bottom is the upper neck.",
        "Image sizes are not in the released files: they are read from one frame per sequence.",
        "PosePile thins a track by 2D motion (half the head box's diagonal); here every annotated "
        "frame is kept.",
        "Validation sequences end in _mpii_test as well: the folder tells the split.",
    ),
)


@dataclass(frozen=True)
class PoseTrack(Adapter):
    """Reads PoseTrack 2018, PoseTrack21 and the 15-joint files of 2017."""

    info = INFO

    require_box: bool = option(True, "leave out people without a box (as published)")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per annotated sequence."""
        for pattern in _FOLDERS:
            folder = root / pattern.format(_PARTS[split])
            files = sorted(path.relative_to(root).as_posix() for path in folder.glob("*.json"))
            if files:
                return [Source(split, name) for name in files]
        raise FileError(
            root / _FOLDERS[0].format(_PARTS[split]),
            "expected a .json file per sequence, found none; unpack the annotations here",
        )

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of a sequence."""
        path = root / source.key
        document = read_json(path)
        if isinstance(document, dict) and "annolist" in document:
            block = _block_of_2017(root, path, document, source.split)
        else:
            block = self._block(root, coco_document(str(path), document), source.split)
        if block is not None:
            yield block

    def _block(self, root: Path, document: CocoDocument, split: str) -> ExampleBlock | None:
        people = [
            person
            for person in document.annotations
            if person.get("keypoints") and (person.get("bbox") or not self.require_box)
        ]
        if not people:
            return None
        joints, visibility = split_keypoints(document.numbers("keypoints", people, 51))
        rows = np.flatnonzero((visibility > 0).any(axis=1))
        people, joints = [people[row] for row in rows], joints[rows]
        if not people:
            return None
        images = [document.image_of(person) for person in people]
        files = [str(name) for name in document.column("file_name", images)]
        has_boxes = all(person.get("bbox") for person in people)
        return ExampleBlock(
            dataset="posetrack",
            split=split,
            skeleton="posetrack_17",
            sequence=Path(document.path).stem,
            frames=np.array([_frame_number(document.path, file) for file in files]),
            subject=[str(person.get("person_id", "")) for person in people],
            person=[str(track) for track in document.column("track_id", people)],
            images=files,
            image_sizes=_size(root, images[0], files[0]),
            boxes=document.numbers("bbox", people, 4) if has_boxes else None,
            joints2d=joints,
        )


def _frame_number(path: str, file: str) -> int:
    stem = file.rpartition("/")[2].partition(".")[0]
    if not (stem.isascii() and stem.isdigit()):
        raise FileError(path, f"file_name: expected digits as in 000012.jpg, found {file[:80]!r}")
    return int(stem)


def _size(root: Path, image: dict, file: str) -> tuple[int, int]:
    """Returns the image size of a sequence: as stated, else of the frame itself."""
    if "width" in image and "height" in image:
        return int(image["width"]), int(image["height"])
    return image_size(root / file)


def _block_of_2017(root: Path, path: Path, document: dict, split: str) -> ExampleBlock | None:
    """Returns the people of a file of 2017: `annolist` with points by number, 15 joints."""
    files, tracks, joints = [], [], []
    for entry in member(path, document, "annolist"):
        name = str(_single(member(path, entry, "image")).get("name", ""))
        for person in entry.get("annorect") or []:
            points = _points_2017(path, person)
            if points is not None:
                files.append(name)
                tracks.append(str(_single(person.get("track_id", ""))))
                joints.append(points)
    if not files:
        return None
    return ExampleBlock(
        dataset="posetrack",
        split=split,
        skeleton="posetrack_15",
        sequence=path.stem,
        frames=np.array([_frame_number(path, file) for file in files]),
        person=tracks,
        images=files,
        image_sizes=image_size(root / files[0]),
        joints2d=np.array(joints),
    )


def _points_2017(path: Path, person: dict) -> np.ndarray | None:
    points = _single(person.get("annopoints") or [{}]).get("point") or []
    joints = np.full((_N_2017, 2), np.nan)
    for point in points:
        joint, x, y = (_single(member(path, point, key)) for key in ("id", "x", "y"))
        if not (isinstance(joint, int) and 0 <= joint < _N_2017):
            raise FileError(path, f"annopoints.point.id: expected 0 to 14, found {joint!r}")
        joints[joint] = as_array(path, "annopoints.point", (x, y), (2,))
    return joints if points else None


def _single(value: Any) -> Any:
    """Returns the only element of a list: the converter of 2017 wraps every number in one."""
    return value[0] if isinstance(value, list) and value else value
