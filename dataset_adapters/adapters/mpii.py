"""MPII Human Pose: people in YouTube stills, 16 joints in the image.

Andriluka et al., CVPR 2014.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._image_headers import ImageSizes
from ._mpii_people import people_of_json, people_of_mat
from ._values import check_choice

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
mpii_train.json, mpii_val.json   (or in annotations/; optional: the community's split; with the
                                  .mat alone, all training images are `train`)""",
    items=(
        Item(f"**/{_MAT}", "joints", "mpii_human_pose_v1_u12_2.zip", required=False),
        Item("**/mpii_*.json", "joints as HRNet and mmpose have them", "", required=False),
        Item("**/mpii_*", "joints in one of these two forms", "see above"),
        Item("images/*.jpg", "photographs", "mpii_human_pose_v1.tar.gz"),
    ),
    defects=(
        Defect("pixels are counted from 1", "1 is subtracted (option one_based)"),
        Defect("test images have people without joints", "left out"),
        Defect("people without a scale or centre", "read all the same"),
        Defect(
            "joints without a visibility flag (the head), flags as text or as numbers",
            "without one a joint is labelled, not visible",
        ),
        Defect("joints that are not labelled are (-1, -1) with flag 0 in the JSON files", "NaN"),
        Defect(
            "the .mat file knows no validation set; its training images hold the community's",
            "where one of the JSON files is there, only they are read (option edition)",
        ),
    ),
    box_expansion=1.25,
    facts=(
        "Published selection: more than 6 of the 16 joints labelled, visible or not. (The variant "
        "with one person per image, by the list `single_person`, is not the one trained with.)",
        "Extras of the .mat file: head_box, the head's rectangle; PCKh divides distances by 0.6 of "
        "its diagonal.",
        "The joint called head_top is the top of the head; upper_neck is where head and neck meet.",
        "No image sizes in the annotations: the photographs' headers are asked when needed.",
    ),
)


@dataclass(frozen=True)
class Mpii(Adapter):
    """Reads MPII from its .mat file, or from the JSON files of HRNet and mmpose."""

    info = INFO

    min_labelled: int = option(7, "fewest labelled joints of a person")
    one_based: bool = option(True, "subtract 1 from all coordinates (they count from 1)")
    edition: str = option("auto", "mat, json, or auto (json where one of its files is there)")

    def __post_init__(self):
        check_choice(self, "edition", ("auto", "mat", "json"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the split's annotation file."""
        jsons = {s: next((n for n in names if (root / n).is_file()), "") for s, names in
                 _JSON.items()}  # fmt: skip
        if self.edition != "mat" and any(jsons.values()):
            return [Source(split, jsons[split])] if jsons[split] else []
        mats = [
            f"{folder}{_MAT}" for folder in _MAT_FOLDERS if (root / f"{folder}{_MAT}").is_file()
        ]
        if self.edition != "json" and mats:
            return [Source(split, mats[0])] if split == "train" else []
        wanted = {"auto": f"{_MAT} or {_JSON[split][0]}", "mat": _MAT, "json": _JSON[split][0]}
        raise FileError(root, f"expected {wanted[self.edition]}, found none of that name")

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of the file."""
        path = root / source.key
        people = (people_of_json if path.suffix == ".json" else people_of_mat)(path)
        n_labelled = (~np.isnan(people.joints[..., 0])).sum(axis=1)
        rows = np.flatnonzero(n_labelled >= max(self.min_labelled, 1))
        if not len(rows):
            return
        first = 1.0 if self.one_based else 0.0
        extras = {"visible": people.is_visible[rows]}
        if people.heads is not None:
            extras["head_box"] = people.heads[rows] - (first, first, 0, 0)
        images = [f"images/{people.names[row]}" for row in rows]
        yield ExampleBlock(
            dataset="mpii",
            split=source.split,
            skeleton="mpii_16",
            frames=_image_numbers(images),
            person=[str(people.numbers[row]) for row in rows],
            images=images,
            image_sizes=ImageSizes(root, images),
            joints2d=people.joints[rows] - first,
            extras=extras,
        )


def _image_numbers(images: list[str]) -> np.ndarray:
    """Returns the numbers that name the images; others are counted through."""
    stems = [Path(image).stem for image in images]
    if all(stem.isascii() and stem.isdigit() and len(stem) < 19 for stem in stems):
        return np.array([int(stem) for stem in stems], np.int64)
    places: dict[str, int] = {}
    return np.array([places.setdefault(stem, len(places)) for stem in stems])
