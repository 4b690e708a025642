"""MuCo-3DHP: composites of four people cut out of MPI-INF-3DHP.

Mehta et al., Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB, 3DV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..containers.errors import FileError
from ..containers.mat import Mat73File
from ..examples import ExampleBlock
from ._muco_prepared import PREPARED, count_images, prepared_path, read_prepared
from ._tdhp import read_annotation, recent_cameras, sequence_folders
from ._values import RecentFiles, as_array, check_choice

_COMPOSITES = "sampled_dataset_info.mat"
_IMAGES = "unaugmented_set_001"
#: Composites (of four people) in one source, and images of the prepared form.
_CHUNK = 1000


@dataclass(frozen=True)
class MuCo(Adapter):
    """Reads MuCo-3DHP as the official generator makes it, or in 3DMPPE's prepared form."""

    info = DatasetInfo(
        name="muco",
        title="MuCo-3DHP",
        kind="3D, markerless",
        homepage="http://gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson",
        licence="non-commercial research only, no redistribution (as MPI-INF-3DHP)",
        access="made of MPI-INF-3DHP by the official MATLAB scripts; prepared by 3DMPPE",
        paper="Mehta et al.: Single-Shot Multi-Person 3D Pose Estimation, 3DV 2018",
        skeletons=("mpi_inf_3dhp_28", "muco_21"),
        splits=("train",),
        tree="""\
as generated:
  sampled_dataset_info.mat
  unaugmented_set_001/{000001..}.jpg                  or unaugmented_set_001/00/0000/{000001..}.jpg
  mpi_inf_3dhp/S{1..8}/Seq{1,2}/annot.mat, camera.calibration
                                (or the S folders here, or mpi_inf_3dhp beside this folder)
as prepared by 3DMPPE:
  data/MuCo-3DHP.json                                 (or in this folder, or in MuCo/data)
  data/augmented_set/..., data/unaugmented_set/...""",
        items=(
            Item(f"**/{_COMPOSITES}", "who is in which composite", "official scripts", False),
            Item(f"**/{_IMAGES}/**/*.jpg", "composites", "official scripts", False),
            Item("**/annot.mat", "annotation of MPI-INF-3DHP", "get_dataset.sh", False),
            Item(f"**/{PREPARED}", "prepared annotation", "3DMPPE", False),
            Item("**/*.jpg", "images of either form"),
        ),
        defects=(
            Defect(
                "composites are missing where an image or mask of MPI-INF-3DHP was missing",
                "composites without an image are left out",
            ),
            Defect(
                "PosePile's cameras have the sign of their centre wrong, which shifts its world",
                "the centre is -R^T t; each person is in the world of its own sequence",
            ),
            Defect(
                "whether keypoints_vis is 0 for occluded joints too is not known (prepared form)",
                "kept as an extra; such joints stay",
            ),
        ),
        box_expansion=1.05,
        facts=(
            "Four people per image, layered by the depth of their pelvis; 2048x2048.",
            "660 000 composites in a default run; PosePile uses 150 000 to 200 000 (limit).",
            "In memory: 0.6 GB of MPI-INF-3DHP's joints, as every composite mixes all sequences.",
        ),
    )

    form: str = option("auto", "auto (all that is there), generated or prepared")
    mpi_inf_3dhp: str = option("", "folder of MPI-INF-3DHP, where it is somewhere else")
    frame_base: int = option(0, "number of the first row of annot.mat in the composites: 0 or 1")
    limit: int = option(0, "read only so many composites; 0: all")

    def __post_init__(self):
        check_choice(self, "form", ("auto", "generated", "prepared"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns parts of a thousand composites, and of a thousand images of the prepared form."""
        found = []
        if self.form != "prepared" and (root / _COMPOSITES).is_file():
            with Mat73File(root / _COMPOSITES) as file:
                n = file.shape("composite_info")[0]
            n = min(n, self.limit) if self.limit else n
            found += [f"generated/{start:06d}" for start in range(0, n, _CHUNK)]
        if self.form != "generated" and (path := prepared_path(root)):
            n = count_images(path)
            found += [f"prepared/{start:06d}" for start in range(0, n, _CHUNK)]
        return [Source(split, key) for key in found]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block."""
        form, _, start = source.key.partition("/")
        if form == "generated":
            yield from self._generated(root, source, int(start))
        else:
            yield read_prepared(root, source, slice(int(start), int(start) + _CHUNK))

    def _generated(self, root: Path, source: Source, start: int) -> Iterator[ExampleBlock]:
        path = root / _COMPOSITES
        stop = min(start + _CHUNK, self.limit) if self.limit else start + _CHUNK
        with Mat73File(path) as file:
            people = _composites(path, file.read("composite_info", slice(start, stop)))
        images = [_image(root, start + i + 1) for i in range(len(people))]
        exist = np.flatnonzero([image is not None for image in images])
        people, numbers = people[exist], exist + start + 1
        base = self._tdhp_folder(root)
        flat = people.reshape(-1, 4)
        joints = np.empty((len(flat), 28, 3))
        cameras = np.empty(len(flat), object)
        for place in np.unique(flat[:, :3], axis=0):
            rows = np.flatnonzero((flat[:, :3] == place).all(1))
            frames = flat[rows, 3] - self.frame_base
            camera, in_camera = _annotation_of(path, base, *place.tolist(), frames)
            joints[rows], cameras[rows] = camera.to_world(in_camera), camera
        if not len(flat):
            return
        n_people = people.shape[1]
        yield ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="mpi_inf_3dhp_28",
            frames=np.repeat(numbers, n_people),
            sequence=_IMAGES,
            subject=[f"S{subject}" for subject in flat[:, 0].tolist()],
            camera_name=[str(camera) for camera in flat[:, 2].tolist()],
            person=[str(k) for k in range(n_people)] * len(people),
            images=[images[i] for i in exist.tolist() for _ in range(n_people)],
            cameras=list(cameras),
            joints3d=joints,
            extras={
                "origin": [f"S{s}/Seq{q}/{c}/{f}" for s, q, c, f in flat.tolist()],
            },
        )

    def _tdhp_folder(self, root: Path) -> Path:
        places = [Path(self.mpi_inf_3dhp)] if self.mpi_inf_3dhp else [
            root, root / "mpi_inf_3dhp", *sorted(p for p in root.glob("*/") if p.name != _IMAGES),
            root.parent / "mpi_inf_3dhp",
        ]  # fmt: skip
        for place in places:
            if sequence_folders(place):
                return place
        raise UserError(
            f"{root}: expected MPI-INF-3DHP (S1/Seq1/annot.mat, ...) in or beside this folder, "
            "found none; name its folder by the option mpi_inf_3dhp"
        )


def _composites(path: Path, cells: np.ndarray) -> np.ndarray:
    """Returns (n, people, 4) subject, sequence, camera, frame of cells of cells."""
    if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.ndim != 2:
        raise FileError(path, "composite_info: expected a cell of composites x 4 people")
    inner = [
        cell.item() if isinstance(cell, np.ndarray) and cell.dtype == object and cell.size == 1
        else cell for cell in cells.ravel()
    ]  # fmt: skip
    numbers = as_array(path, "composite_info", inner, (None, 1, 4)) if inner else np.zeros((0, 4))
    if (numbers != np.floor(numbers)).any() or (numbers < 0).any():
        raise FileError(path, "composite_info: expected subject, sequence, camera, frame")
    return numbers.astype(int).reshape(*cells.shape, 4)


def _image(root: Path, number: int) -> str | None:
    """Returns the path of a composite, as generated or as PosePile sorts them; None without."""
    name = f"{number:06d}"
    for path in (f"{_IMAGES}/{name}.jpg", f"{_IMAGES}/{name[:2]}/{name[:4]}/{name}.jpg"):
        if (root / path).is_file():
            return path
    return None


def _annotation_of(path: Path, base: Path, subject: int, sequence: int, number: int, frames):
    """Returns camera and joints (n, 28, 3) mm in camera coordinates of frames of MPI-INF-3DHP."""
    folder = base / f"S{subject}" / f"Seq{sequence}"
    by_camera = _recent_annot3(folder / "annot.mat")
    cameras = recent_cameras(folder / "camera.calibration")
    if number not in by_camera or number not in cameras:
        raise FileError(
            path, f"composite_info: names camera {number} of {folder.name}, which it does not have"
        )
    joints = by_camera[number]
    if frames.min() < 0 or frames.max() >= len(joints):
        raise FileError(
            path,
            f"composite_info: names row {frames.max()} of S{subject}/Seq{sequence}, which has "
            f"{len(joints)}; see the option frame_base",
        )
    return cameras[number], joints[frames]


def _read_annot3(path: str) -> dict[int, np.ndarray]:
    found = read_annotation(path, ("annot3",))["annot3"]
    return {number: joints.values.astype(np.float32) for number, joints in found.items()}


_recent_annot3 = RecentFiles(_read_annot3, keep=16)
