"""JRDB-Pose: people around a mobile robot in five outward cameras, 17 joints in the image.

Vendrow et al., CVPR 2023; the robot: Martin-Martin et al., TPAMI 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..containers.errors import FileError
from ..containers.file_text import quote
from ..examples import ExampleBlock
from ._coco_json import CocoDocument, recent_coco, split_keypoints
from ._folders import names_in
from ._jrdb_calibration import IMAGE_SIZE, sensor_camera
from ._number_lists import described
from ._values import check_choice

N_JOINTS = 17
#: How many frames later than its label an image is, where nothing tells.
PUBLISHED_SHIFT = 2
_ROOTS = ("train_dataset", "train_dataset_with_activity", ".")
_LABELS = "labels/labels_2d_pose_coco"
_BOXES = "labels/labels_2d"
_FILE = re.compile(r"(.+)_image([02468])\.json")
_IMAGE = re.compile(r"(?:.*/)?image_[02468]/[^/]+/([0-9]{1,9})\.jpg")
#: In box labels: the frame that a list of boxes is for, and the image that a box was drawn in.
_SHIFT = re.compile(rb'"([0-9]{1,9})\.jpg"\s*:|"file_id"\s*:\s*"([0-9]{1,9})\.jpg"')
_SHIFT_BYTES = 1 << 18
_MAX_SHIFT = 10

INFO = DatasetInfo(
    name="jrdb",
    title="JRDB-Pose",
    kind="2D",
    homepage="https://jrdb.erc.monash.edu/",
    licence="CC BY-NC-SA (could not be verified)",
    access="account and access request",
    paper="Vendrow, Le, Cai, Rezatofighi: JRDB-Pose, CVPR 2023",
    skeletons=("jrdb_17",),
    splits=("train",),
    tree="""\
train_dataset/images/image_{0,2,4,6,8}/<scene>/000000.jpg     (or train_dataset_with_activity/)
train_dataset/labels/labels_2d_pose_coco/<scene>_image{0,2,4,6,8}.json
train_dataset/calibration/cameras.yaml""",
    items=(
        Item(f"**/{_LABELS}/*.json", "joints per camera", "train labels (pose)"),
        Item("**/images/image_*/*/*.jpg", "video frames", "train images"),
        Item("**/calibration/cameras.yaml", "calibration", "train calibration", required=False),
    ),
    defects=(
        Defect(
            "labels run two frames late against the released images (PosePile); the official "
            "toolkit shifts nothing",
            "the image is as much later as the box labels' file_id says, two frames without them "
            "(option frame_shift); the choice is noted",
        ),
        Defect("labels whose shifted image lies behind the end of a scene", "left out"),
        Defect("joints with flag 0 are guesses behind obstacles", "NaN (option keep_invisible)"),
        Defect(
            "calibration: which sensor image_N is, is told in two ways",
            "sensor N / 2, whose viewing directions fit; option sensors=name takes K and D of "
            "sensor N instead (not verifiable from the files)",
        ),
        Defect("some pose files state boxes, others do not", "boxes are made from the joints"),
        Defect("panorama labels state the size of a single image", "panoramas are not read"),
    ),
    thinning=Thinning(
        distance_mm=None, image_distance=0.1, image_scale="joint_box", keep_newly_valid=True
    ),
    box_expansion=1.15,
    facts=(
        "Strong lens distortion; the cameras are attached to the 2D examples (robot axes, mm).",
        "Labels of the test scenes are withheld.",
    ),
)


@dataclass(frozen=True)
class Jrdb(Adapter):
    """Reads the per-camera pose labels of JRDB."""

    info = INFO

    frame_shift: str = option("auto", "how many frames later than its label the image is, or auto")
    keep_invisible: bool = option(False, "keep joints whose flag is 0")
    sensors: str = option("position", "intrinsics of image_N: position (sensor N/2) or name (N)")

    def __post_init__(self):
        check_choice(self, "sensors", ("position", "name"))
        if self.frame_shift != "auto" and not re.fullmatch("-?[0-9]{1,3}", str(self.frame_shift)):
            raise UserError(
                "jrdb: option frame_shift must be auto or a whole number. Received "
                f"{self.frame_shift!r}"
            )

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per scene and camera."""
        base = _base(root)
        files = sorted(p for p in (root / base / _LABELS).glob("*.json") if _FILE.fullmatch(p.name))
        if not files:
            raise FileError(
                root / base / _LABELS, "expected <scene>_image<N>.json, found none; unpack the "
                "pose labels here"
            )  # fmt: skip
        return [Source(split, path.relative_to(root).as_posix()) for path in files]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of a scene in one camera."""
        document = recent_coco(root / source.key)
        base, file = root / _base(root), Path(source.key).name
        scene, number = _FILE.fullmatch(file).groups()
        folder = base / f"images/image_{number}/{scene}"
        people = [person for person in document.annotations if person.get("keypoints")]
        labels = _labels(document, people)
        shift, note = self._shift(base / _BOXES / file)
        joints, flags = split_keypoints(
            document.numbers("keypoints", people, 3 * N_JOINTS),
            is_given=np.ones((len(people), N_JOINTS), bool) if self.keep_invisible else None,
        )
        visibility = document.visibility(flags, people)
        first, last = _image_range(folder)
        is_shown = (labels + shift >= first) & (labels + shift <= last)
        rows = np.flatnonzero(is_shown & ~np.isnan(joints[..., 0]).all(axis=1))
        if not len(rows):
            return
        place = folder.relative_to(root).as_posix()
        yield ExampleBlock(
            dataset="jrdb",
            split=source.split,
            skeleton="jrdb_17",
            sequence=scene,
            frames=labels[rows],
            camera_name=f"image_{number}",
            person=document.texts("track_id", [people[row] for row in rows]),
            images=[f"{place}/{label:06d}.jpg" for label in (labels[rows] + shift).tolist()],
            cameras=sensor_camera(
                base / "calibration" / "cameras.yaml",
                int(number),
                lens_by_name=self.sensors == "name",
            ),
            image_sizes=IMAGE_SIZE,
            joints2d=joints[rows],
            extras={"visibility": visibility[rows]},
            notes=(note,),
        )

    def _shift(self, boxes: Path) -> tuple[int, str]:
        """Returns how many frames later than their labels images are, and a note that says why."""
        if self.frame_shift != "auto":
            shift, why = int(self.frame_shift), "option frame_shift"
        else:
            told = _told_shift(boxes)
            shift = PUBLISHED_SHIFT if told is None else told
            why = "as published; no box labels tell" if told is None else "file_id of box labels"
        return shift, f"image = label + {shift} frames ({why})"


def _base(root: Path) -> str:
    return next((base for base in _ROOTS if (root / base / _LABELS).is_dir()), _ROOTS[0])


def _labels(document: CocoDocument, people: list[dict]) -> np.ndarray:
    """Returns the number of the frame (N,) that each person is labelled in."""
    numbers = {}
    for image_id, image in document.images.items():
        name = image.get("file_name")
        match = _IMAGE.fullmatch(name) if isinstance(name, str) else None
        if not match:
            found = quote(name) if isinstance(name, str) else described(name)
            raise FileError(
                document.path,
                f"images.file_name: expected image_0/<scene>/000000.jpg, found {found}",
            )
        numbers[image_id] = int(match[1])
    return np.array([numbers[image["id"]] for image in document.images_of(people)], np.int64)


def _told_shift(boxes: Path) -> int | None:
    """Returns by how many frames the boxes' images are later than what they are listed under.

    Only the beginning of the file is looked at, which is many times larger than what it tells.
    None where there is no such file, or its boxes do not agree.
    """
    try:
        with boxes.open("rb") as file:
            head = file.read(_SHIFT_BYTES)
    except OSError:
        return None
    shifts, listed = [], None
    for frame, image in _SHIFT.findall(head):
        if frame:
            listed = int(frame)
        elif listed is not None:
            shifts.append(int(image) - listed)
    agreed = set(shifts)
    shift = agreed.pop() if len(agreed) == 1 else None
    return shift if shift is not None and abs(shift) <= _MAX_SHIFT else None


def _image_range(folder: Path) -> tuple[float, float]:
    """Returns the numbers of the first and the last image; no bounds where there is none.

    Images that are missing in between, or altogether, are missed where their pixels are needed.
    """
    stems = (name.removesuffix(".jpg") for name in names_in(folder) if name.endswith(".jpg"))
    numbers = [int(stem) for stem in stems if stem.isascii() and stem.isdigit()]
    return (min(numbers), max(numbers)) if numbers else (-np.inf, np.inf)
