"""PoseTrack: people followed through short video clips, 17 (2017: 15) joints in the image.

Andriluka et al., CVPR 2018; Doering et al. (PoseTrack21), CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._coco_json import CocoDocument, coco_document, split_keypoints
from ._image_headers import stated_size
from ._posetrack_2017 import block_of_2017, frame_number
from ._values import read_json

_PARTS = {"train": "train", "valid": "val"}
_FOLDERS = ("posetrack_data/annotations/{}", "posetrack_data/{}", "annotations/{}")
N_JOINTS = 17

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
(PoseTrack21: posetrack_data/{train,val}/<sequence>.json; also found: annotations/{train,val}/)""",
    items=(
        Item("**/*_*_*.json", "joints", "posetrack18_v0.45_public_labels or later"),
        Item("images/*/*/*.jpg", "video frames", "posetrack18_images.tar"),
    ),
    defects=(
        Defect("ears are never annotated (zeros)", "NaN"),
        Defect(
            "a joint that is not annotated is (0, 0, 0); some have a place and flag 0",
            "NaN: only joints with a flag count",
        ),
        Defect(
            "people without a box",
            "left out, as published; with require_box=false they get the box that the others "
            "have: their joints' extent times 1.3",
        ),
        Defect("people without a single joint", "left out"),
        Defect("only some frames of a clip are annotated", "the others have no examples"),
        Defect("test sequences come without joints", "not read"),
        Defect(
            "files of 2017 have 15 joints in another layout, and no boxes",
            "told by their content; their skeleton is posetrack_15",
        ),
    ),
    thinning=Thinning(
        distance_mm=None, image_distance=0.5, image_scale="head_box", keep_newly_valid=True
    ),
    box_expansion=1.3,
    facts=(
        "The joint called head_bottom is the upper neck.",
        "Image sizes are not in the released files: they are read from one frame per sequence.",
        "The published thinning takes one norm over all joints together, which its author calls a "
        "mistake: here a single joint must have moved. It thins validation too; here that split "
        "stays whole, as its metric counts every annotated frame. A person without a head's box is "
        "kept.",
        "Extras: head_box, the head's rectangle; the metrics divide distances by 0.6 of its "
        "diagonal.",
        "Validation sequences end in _mpii_test as well: the folder tells the split.",
        "Polygons to be ignored by the metrics (ignore_regions) are not read.",
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
            block = block_of_2017(root, path, document, source.split)
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
        joints, flags = split_keypoints(document.numbers("keypoints", people, 3 * N_JOINTS))
        rows = np.flatnonzero((flags > 0).any(axis=1))
        if not len(rows):
            return None
        people, joints = [people[row] for row in rows], joints[rows]
        images = document.images_of(people)
        files = document.texts("file_name", images)
        own_boxes = _given_boxes(document, people, "bbox")
        return ExampleBlock(
            dataset="posetrack",
            split=split,
            skeleton="posetrack_17",
            sequence=Path(document.path).stem,
            frames=np.array([frame_number(document.path, file) for file in files]),
            subject=_identities(document, people),
            person=document.texts("track_id", people),
            images=files,
            image_sizes=_size(root, document, images[0], files[0]),
            boxes=np.where(np.isnan(own_boxes), _boxes_around(joints), own_boxes),
            joints2d=joints,
            extras={"head_box": _given_boxes(document, people, "bbox_head")},
        )


def _given_boxes(document: CocoDocument, people: list[dict], key: str) -> np.ndarray:
    """Returns boxes (N, 4), NaN for people without one."""
    boxes = np.full((len(people), 4), np.nan)
    rows = [row for row, person in enumerate(people) if person.get(key)]
    boxes[rows] = document.boxes([people[row] for row in rows], key)
    return boxes


def _boxes_around(joints: np.ndarray) -> np.ndarray:
    """Returns boxes (N, 4) as the dataset makes them: the joints' extent, enlarged."""
    low, high = np.nanmin(joints, axis=1), np.nanmax(joints, axis=1)
    size = INFO.box_expansion * (high - low)
    return np.concatenate([(low + high - size) / 2, size], axis=1)


def _identities(document: CocoDocument, people: list[dict]) -> str | list[str]:
    """Returns who they are, across sequences: PoseTrack21 tells, the others do not."""
    has_identity = any("person_id" in person for person in people)
    return document.texts("person_id", people) if has_identity else ""


def _size(root: Path, document: CocoDocument, image: dict, file: str) -> tuple[int, int] | None:
    """Returns the image size of a sequence: as stated, else of the frame itself."""
    if "width" in image and "height" in image:
        return document.sizes([image])[0]
    return stated_size(root / file)
