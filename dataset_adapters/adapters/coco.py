"""COCO keypoints: people in everyday photographs, 17 joints in the image, some with 133.

Lin et al., ECCV 2014; whole-body annotations: Jin et al., ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._coco_json import CocoDocument, recent_coco, split_keypoints
from ._coco_masks import SegmentationMasks
from ._values import check_choice

N_JOINTS = 17
WHOLE_BODY = "coco_wholebody_133"
#: Key of a block of whole-body joints -> (number of joints, key that vouches for them).
_WHOLE_BODY_PARTS = {
    "foot_kpts": (6, "foot_valid"),
    "face_kpts": (68, "face_valid"),
    "lefthand_kpts": (21, "lefthand_valid"),
    "righthand_kpts": (21, "righthand_valid"),
}
_PARTS = {"train": "train", "valid": "val"}
#: An annotation file is read in pieces of about this size, so that several processes share it.
_BYTES_PER_SOURCE = 64 << 20

INFO = DatasetInfo(
    name="coco",
    title="COCO keypoints",
    kind="2D",
    homepage="https://cocodataset.org",
    licence="annotations CC BY 4.0; the photographs under their owners' Flickr terms",
    access="free download",
    paper="Lin et al.: Microsoft COCO, ECCV 2014",
    skeletons=("coco_17", WHOLE_BODY),
    splits=("train", "valid"),
    tree="""\
train2017/000000000009.jpg
val2017/000000000785.jpg
annotations/person_keypoints_train2017.json
annotations/person_keypoints_val2017.json
annotations/coco_wholebody_train_v1.0.json     (optional: 133 joints)
annotations/coco_wholebody_val_v1.0.json
or the 2014 edition: train2014/COCO_train2014_000000000009.jpg,
annotations/person_keypoints_train2014.json, ...""",
    items=(
        Item("annotations/person_keypoints_*20*.json", "joints", "annotations_trainval2017.zip"),
        Item("train20*/*.jpg", "photographs", "train2017.zip", required=False),
        Item("val20*/*.jpg", "photographs", "val2017.zip", required=False),
        Item("annotations/coco_wholebody_*.json", "133 joints", "COCO-WholeBody", required=False),
    ),
    defects=(
        Defect("crowd regions carry no joints", "left out"),
        Defect(
            "the splits of 2014 and 2017 differ, the pool of people is the same",
            "one edition is read for all splits (option edition; 2017 where any of it is there)",
        ),
        Defect("some photographs are grey", "images are decoded as RGB"),
    ),
    box_expansion=1.25,
    facts=(
        "Joints: v = 0 not labelled (NaN here), 1 labelled but hidden, 2 visible (extras).",
        "Published selection: at least 9 joints labelled, 6 visible, and the larger side of the "
        "labelled joints' box times 1.25 at least 200 px.",
        "133 joints: feet, face and hands count where their own flag (foot_valid, ...) is set and "
        "the joint's score is above 0.",
        "MeTRAbs was trained on the 2014 edition, train and val together.",
    ),
)


@dataclass(frozen=True)
class Coco(Adapter):
    """Reads COCO keypoints and COCO-WholeBody."""

    info = INFO

    skeleton: str = option("coco_17", "coco_17 or coco_wholebody_133")
    edition: str = option("auto", "2014, 2017 or auto (the newer of which a split is there)")
    min_labelled: int = option(9, "fewest labelled body joints of a person")
    min_visible: int = option(6, "fewest visible body joints of a person")
    min_side_px: float = option(200.0, "smallest larger side of the expanded box of the joints")

    def __post_init__(self):
        check_choice(self, "skeleton", INFO.skeletons)
        check_choice(self, "edition", ("auto", "2014", "2017"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the pieces of the split's annotation file."""
        name = self._annotations(root, split)
        path = root / name
        if not path.is_file():
            raise FileError(path, "expected the annotations; unpack them here")
        n = 1 + path.stat().st_size // _BYTES_PER_SOURCE
        return [Source(split, f"{name}#{k + 1}/{n}") for k in range(n)]

    def _annotations(self, root: Path, split: str) -> str:
        if self.skeleton == WHOLE_BODY:
            return f"annotations/coco_wholebody_{_PARTS[split]}_v1.0.json"
        name = "annotations/person_keypoints_{}{}.json"
        edition = self.edition
        if edition == "auto":
            # One edition for all splits: photographs of one are in another split of the other.
            names = [name.format(part, "2014") for part in _PARTS.values()]
            newer = [name.format(part, "2017") for part in _PARTS.values()]
            is_older = _any_file(root, names) and not _any_file(root, newer)
            edition = "2014" if is_older else "2017"
        return name.format(_PARTS[split], edition)

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of the piece's images."""
        name, _, piece = source.key.partition("#")
        k, n = (int(number) for number in piece.split("/"))
        document = recent_coco(root / name)
        people = [
            person
            for person in document.annotations
            if not person.get("iscrowd") and person.get("num_keypoints", 1)
        ]
        images = document.images_of(people)
        if n > 1:
            ids = list(document.images)
            wanted = set(ids[(k - 1) * len(ids) // n : k * len(ids) // n])
            rows = [row for row, image in enumerate(images) if image["id"] in wanted]
            people, images = [people[row] for row in rows], [images[row] for row in rows]
        folder = f"{_PARTS[source.split]}{'2014' if '2014' in name else '2017'}"
        yield from self._blocks(document, people, images, source.split, folder)

    def _blocks(
        self,
        document: CocoDocument,
        people: list[dict],
        images: list[dict],
        split: str,
        folder: str,
    ) -> Iterator[ExampleBlock]:
        joints, flags = split_keypoints(document.numbers("keypoints", people, 3 * N_JOINTS))
        visibility = document.visibility(flags, people)
        rows = np.flatnonzero(self._is_chosen(joints, visibility))
        if not len(rows):
            return
        people, images = [people[row] for row in rows], [images[row] for row in rows]
        joints, visibility = joints[rows], visibility[rows]
        if self.skeleton == WHOLE_BODY:
            joints, visibility = _with_whole_body(document, people, joints, visibility)
        sizes = document.sizes(images)
        segmentations = [person.get("segmentation") for person in people]
        yield ExampleBlock(
            dataset="coco",
            split=split,
            skeleton=self.skeleton,
            frames=document.whole_numbers("id", images),
            person=document.texts("id", people),
            images=[f"{folder}/{file}" for file in document.texts("file_name", images)],
            image_sizes=sizes,
            boxes=document.boxes(people),
            masks=SegmentationMasks(document.path, segmentations, sizes),
            joints2d=joints,
            extras={"visibility": visibility},
        )

    def _is_chosen(self, joints: np.ndarray, visibility: np.ndarray) -> np.ndarray:
        """Returns which people (N,) are labelled, visible and large enough."""
        is_labelled = visibility > 0
        enough = is_labelled.sum(axis=1) >= max(self.min_labelled, 1)
        enough &= (visibility == 2).sum(axis=1) >= self.min_visible
        side = INFO.box_expansion * _extent(joints, is_labelled).max(axis=1, initial=0)
        return enough & (side >= self.min_side_px)


def _any_file(root: Path, names: list[str]) -> bool:
    return any((root / name).is_file() for name in names)


def _extent(joints: np.ndarray, is_labelled: np.ndarray) -> np.ndarray:
    """Returns width and height (N, 2) px of the labelled joints' box; -inf without any."""
    mask = is_labelled[..., None]
    high = np.where(mask, joints, -np.inf).max(axis=1)
    low = np.where(mask, joints, np.inf).min(axis=1)
    return high - low


def _with_whole_body(document, people, joints, visibility) -> tuple[np.ndarray, np.ndarray]:
    """Appends feet, face and hands; a block counts where its own flag vouches for it."""
    all_joints, all_flags = [joints], [visibility]
    for key, (n, valid_key) in _WHOLE_BODY_PARTS.items():
        numbers = document.numbers(key, people, 3 * n)
        is_valid = np.array([bool(flag) for flag in document.column(valid_key, people)])
        given = (numbers[:, 2::3] > 0) & is_valid[:, None]
        part, _ = split_keypoints(numbers, is_given=given)
        all_joints.append(part)
        all_flags.append(np.where(given, 2, 0).astype(np.int8))
    return np.concatenate(all_joints, axis=1), np.concatenate(all_flags, axis=1)
