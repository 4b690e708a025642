"""MPII Human Pose: people in YouTube stills, 16 joints in the image.

Andriluka et al., CVPR 2014.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..containers.errors import FileError
from ..containers.mat import read_mat
from ..examples import ExampleBlock
from ..images import image_size
from ._values import as_array, member, read_json

N_JOINTS = 16
_MAT = "mpii_human_pose_v1_u12_1.mat"
_MAT_FOLDERS = ("", "mpii_human_pose_v1_u12_2/")
_JSON = {"train": ("mpii_train.json", "annotations/mpii_train.json"),
         "valid": ("mpii_val.json", "annotations/mpii_val.json")}  # fmt: skip

INFO = DatasetInfo(
    name="mpii",
    title="MPII Human Pose",
    kind="2D",
    homepage="http://human-pose.mpi-inf.mpg.de",
    licence="annotations Simplified BSD; research use, no commercial use of the images",
    access="free download",
    paper="Andriluka, Pishchulin, Gehler, Schiele: 2D Human Pose Estimation, CVPR 2014",
    skeletons=("mpii_16",),
    splits=("train", "valid"),
    tree="""\
images/005808361.jpg
mpii_human_pose_v1_u12_1.mat     (or in mpii_human_pose_v1_u12_2/, as the archive has it)
mpii_train.json, mpii_val.json   (optional: the community's split; with the .mat alone, all
                                  training images are `train`)""",
    items=(
        Item(f"**/{_MAT}", "joints", "mpii_human_pose_v1_u12_2.zip", required=False),
        Item("**/mpii_*.json", "joints as HRNet and mmpose have them", "", required=False),
        Item("images/*.jpg", "photographs", "mpii_human_pose_v1.tar.gz"),
    ),
    defects=(
        Defect("pixels are counted from 1", "1 is subtracted (option one_based)"),
        Defect("test images have people without joints", "left out"),
        Defect("people without a scale or centre, joints without a flag", "read all the same"),
    ),
    box_expansion=1.25,
    facts=(
        "Published selection: more than 6 of the 16 joints labelled.",
        "The joint called head_top is the top of the head; upper_neck is where head and neck meet.",
        "No image sizes in the annotations: they are read from the photographs' headers.",
    ),
)


@dataclass(frozen=True)
class Mpii(Adapter):
    """Reads MPII from its .mat file, or from the JSON files of HRNet and mmpose."""

    info = INFO

    min_labelled: int = option(7, "fewest labelled joints of a person")
    one_based: bool = option(True, "subtract 1 from all coordinates (they count from 1)")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the split's annotation file."""
        for name in _JSON[split]:
            if (root / name).is_file():
                return [Source(split, name)]
        mats = [
            f"{folder}{_MAT}" for folder in _MAT_FOLDERS if (root / f"{folder}{_MAT}").is_file()
        ]
        if mats:
            return [Source(split, mats[0])] if split == "train" else []
        if split == "valid" and any((root / name).is_file() for name in _JSON["train"]):
            return []
        raise FileError(root, f"expected {_MAT} or {_JSON[split][0]}, found neither")

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of the file."""
        path = root / source.key
        read = _people_of_json if path.suffix == ".json" else _people_of_mat
        names, numbers, joints, flags = read(path)
        if self.one_based:
            joints = joints - 1
        rows = np.flatnonzero((~np.isnan(joints[..., 0])).sum(axis=1) >= max(self.min_labelled, 1))
        if not len(rows):
            return
        sizes = {name: _size(root / "images" / name) for name in {names[i] for i in rows}}
        yield ExampleBlock(
            dataset="mpii",
            split=source.split,
            skeleton="mpii_16",
            frames=rows,
            person=[str(numbers[i]) for i in rows],
            images=[f"images/{names[i]}" for i in rows],
            image_sizes=[sizes[names[i]] for i in rows],
            joints2d=joints[rows],
            extras={"visible": flags[rows]},
        )


def _size(path: Path) -> tuple[int, int] | None:
    # A photograph that is not there is missed where it is needed, not here.
    return image_size(path) if path.is_file() else None


def _people_of_json(path: Path):
    """Returns image names, person numbers, joints (N, 16, 2) as stored, and visibility flags."""
    entries = read_json(path)
    if not isinstance(entries, list):
        raise FileError(path, "expected a list of people")
    names = [str(member(path, entry, "image")) for entry in entries]
    joints = as_array(
        path, "joints", [member(path, e, "joints") for e in entries], (len(entries), N_JOINTS, 2)
    )
    flags = as_array(
        path, "joints_vis", [member(path, e, "joints_vis") for e in entries],
        (len(entries), N_JOINTS),
    )  # fmt: skip
    return names, range(len(names)), np.where(flags[..., None] > 0, joints, np.nan), flags > 0


def _people_of_mat(path: Path):
    """The same from the original file; only training images have joints."""
    release = member(path, read_mat(path, keys=["RELEASE"]), "RELEASE")
    annolist = _structs(member(path, release, "annolist"))
    is_train = np.ravel(member(path, release, "img_train"))
    if len(is_train) != len(annolist):
        raise FileError(
            path, f"expected img_train for {len(annolist)} images, found {len(is_train)}"
        )
    names, numbers, joints, flags = [], [], [], []
    for image, chosen in zip(annolist, is_train, strict=True):
        if not chosen:
            continue
        name = str(member(path, image, "image", "name"))
        for number, person in enumerate(_structs(image.get("annorect"))):
            points = _points(path, person)
            if points is not None:
                names.append(name)
                numbers.append(number)
                joints.append(points[0])
                flags.append(points[1])
    shape = (len(names), N_JOINTS)
    return names, numbers, np.reshape(joints, (*shape, 2)), np.reshape(flags, shape).astype(bool)


def _points(path: Path, person: dict) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns a person's joints (16, 2) and flags (16,); None where there are none."""
    annopoints = _structs(person.get("annopoints"))
    points = _structs(annopoints[0].get("point")) if annopoints else []
    if not points:
        return None
    joints, flags = np.full((N_JOINTS, 2), np.nan), np.zeros(N_JOINTS, bool)
    for point in points:
        joint = int(_number(path, point, "id"))
        if not 0 <= joint < N_JOINTS:
            raise FileError(path, f"annopoints.point.id: expected 0 to 15, found {joint}")
        joints[joint] = _number(path, point, "x"), _number(path, point, "y")
        # A flag is a number, a digit as text, or empty at the head.
        visible = point.get("is_visible")
        flags[joint] = (
            visible is not None
            and np.size(visible) > 0
            and str(visible if isinstance(visible, str) else np.ravel(visible)[0]).strip()
            not in ("", "0", "0.0", "False")
        )
    return joints, flags


def _number(path: Path, point: dict, key: str) -> float:
    return float(
        as_array(path, f"annopoints.point.{key}", np.ravel(member(path, point, key)), (1,))[0]
    )


def _structs(value: Any) -> list[dict]:
    """Returns the elements of a struct array, whatever its shape; none where it is empty."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [element for element in value.ravel() if isinstance(element, dict)]
    return []
