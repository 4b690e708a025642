"""H3WB: 133 whole-body joints in 3D for frames of Human3.6M.

Zhu, Samet, Picard, ICCV 2023. Millimetres in camera coordinates; K / 1000 and T in metres.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._folders import names_in
from ._h3wb_views import View, views_of_arrays, views_of_json
from ._values import check_choice

_TEST_SUBJECTS = ("S8",)
_JSON_FILES = ("RGBto3D_train.json", "2Dto3D_train.json")
_JSON_PARTS = "2Dto3D_train_part*.json"
#: The benchmark's cross validation: blocks of so many consecutive samples.
_FOLD_SIZE, _N_FOLDS = 16_000, 5
_FOLDS = tuple(f"fold{k + 1}" for k in range(_N_FOLDS))

INFO = DatasetInfo(
    name="h3wb",
    title="H3WB (Human3.6M 3D WholeBody)",
    kind="3D, markerless",
    homepage="https://github.com/wholebody3d/wholebody3d",
    licence="annotations MIT; the images need the Human3.6M licence (academic)",
    access="free download of the annotations; Human3.6M by registration",
    paper="Zhu, Samet, Picard: H3WB, ICCV 2023",
    skeletons=("h3wb_133",),
    splits=("train", "valid", "test"),
    tree="""\
h3wb_train.npz                       (any name that begins with h3wb and ends in .npz)
or RGBto3D_train.json, else 2Dto3D_train.json (or its 5 parts)    the JSON edition
S1/Images/Directions 1.54138969/frame_0005.jpg           (cut by the authors' script)""",
    items=(
        Item("h3wb*.npz", "joints of all views and cameras", "array edition", required=False),
        Item("*to3D_train*.json", "joints, JSON edition", "json.zip", required=False),
        Item("S*/Images/*/*.jpg", "frames of Human3.6M", "the authors' script", required=False),
    ),
    defects=(
        Defect("3D is completed by a model, not measured; face and hands are smooth", "kept"),
        Defect(
            "image names are padded with zeros by the authors' script and not by mmpose",
            "the naming of which more is there; without images there is no image reference",
        ),
        Defect(
            "K is divided by 1000, T in metres, joints in mm; some editions keep axes of length "
            "one, hold boxes, or name the joints' array for the test",
            "all brought to px and mm; boxes are read where every row has one",
        ),
        Defect("the JSON edition has no cameras", "the published Human3.6M calibration is used"),
        Defect(
            "JSON files without image paths", "no subject, no camera: joints in camera coordinates"
        ),
    ),
    box_expansion=1.2,
    facts=(
        "Official: S1, S5, S6, S7 train, S8 test (only in files that hold it). Option protocol: "
        "mmpose makes S7 the validation split; fold1 to fold5 are the five blocks of 16,000 "
        "samples that the authors validate by.",
        "World coordinates by each camera's own calibration: the four views of a moment agree as "
        "far as the annotation does.",
        "The array edition is read where it is there, else the JSON edition.",
    ),
)


@dataclass(frozen=True)
class H3wb(Adapter):
    """Reads H3WB's array edition, or its JSON edition."""

    info = INFO

    protocol: str = option("official", "official (no validation), mmpose (S7), fold1 to fold5")

    def __post_init__(self):
        check_choice(self, "protocol", ("official", "mmpose", *_FOLDS))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the annotation files."""
        files = sorted(path.name for path in root.glob("h3wb*.npz"))
        if not files:
            files = [name for name in _JSON_FILES if (root / name).is_file()][:1]
        files = files or sorted(path.name for path in root.glob(_JSON_PARTS))
        if not files:
            raise FileError(root, f"expected h3wb_train.npz or {_JSON_FILES[0]}, found neither")
        if split == "valid" and self.protocol == "official":
            return []
        return [Source(split, name) for name in files]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per recording and camera."""
        path = root / source.key

        def is_wanted(subject: str) -> bool:
            return self._may_hold(subject, source.split)

        if path.suffix == ".json":
            views = (view for view in views_of_json(path) if is_wanted(view.subject))
        else:
            views = views_of_arrays(path, is_wanted)
        for view in views:
            rows = self._rows(path, view, source.split)
            if len(rows):
                yield _block(root, source.split, view, rows)

    def _may_hold(self, subject: str, split: str) -> bool:
        """Whether a split has examples of a subject."""
        if subject in _TEST_SUBJECTS or split == "test":
            return subject in _TEST_SUBJECTS and split == "test"
        if self.protocol == "mmpose":
            return (subject == "S7") == (split == "valid")
        return split == "train" or self.protocol in _FOLDS

    def _rows(self, path: Path, view: View, split: str) -> np.ndarray:
        """Returns which rows of a view are in a split that may hold its subject."""
        rows = np.arange(len(view.frames))
        if split == "test" or self.protocol not in _FOLDS:
            return rows
        if view.samples is None:
            raise FileError(
                path,
                f"{view.subject} {view.action} {view.camera_name}: expected sample ids, which "
                f"protocol={self.protocol} goes by, found none",
            )
        is_held_out = view.samples // _FOLD_SIZE == _FOLDS.index(self.protocol)
        return rows[is_held_out == (split == "valid")]


def _block(root: Path, split: str, view: View, rows: np.ndarray) -> ExampleBlock:
    is_all = len(rows) == len(view.frames)
    chosen = slice(None) if is_all else rows
    joints3d = view.joints3d[chosen]
    if view.camera is not None:
        joints3d = view.camera.to_world(joints3d)
    frames = view.frames[chosen]
    images, note = _images(root, view, frames)
    return ExampleBlock(
        dataset="h3wb",
        split=split,
        skeleton="h3wb_133",
        subject=view.subject,
        sequence=f"{view.subject}/{view.action}".strip("/"),
        camera_name=view.camera_name,
        frames=frames,
        images=images,
        cameras=view.camera,
        boxes=None if view.boxes is None else view.boxes[chosen],
        joints3d=joints3d,
        joints2d=view.joints2d[chosen],
        extras={} if view.samples is None else {"sample": view.samples[chosen]},
        notes=(note,) if note else (),
    )


def _images(root: Path, view: View, frames: np.ndarray) -> tuple[list[str] | None, str]:
    """Returns the image of each frame in the naming of which more is there, and a note."""
    folder = f"{view.subject}/Images/{view.action}.{view.camera_name}"
    there = set(names_in(root / folder)) if view.subject else set()
    if not any(name.startswith("frame_") for name in there):
        return None, "no frames of the videos below S*/Images: joints without images"
    namings = [
        [pattern.format(frame) for frame in frames.tolist()]
        for pattern in ("frame_{:04d}.jpg", "frame_{:d}.jpg")
    ]
    names = max(namings, key=lambda names: len(there.intersection(names)))
    return [f"{folder}/{name}" for name in names], ""
