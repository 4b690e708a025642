"""MuPoTS-3D: 20 test sequences of two and more people, markerless.

Mehta et al., Single-Shot Multi-Person 3D Pose Estimation From Monocular RGB, 3DV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source
from ..camera import Camera
from ..columns import NumberedPaths
from ..containers.errors import FileError
from ..containers.mat import read_mat
from ..examples import ExampleBlock
from ..images import image_size
from ._pinhole_fit import fit_intrinsics, reprojection_error_px
from ._values import as_array, natural_key, without_partly_missing

_FIELDS = {"annot2": (2, 17), "annot3": (3, 17), "univ_annot3": (3, 17), "isValidFrame": (1, 1)}


@dataclass(frozen=True)
class MuPoTS(Adapter):
    """Reads MuPoTS-3D."""

    info = DatasetInfo(
        name="mupots",
        title="MuPoTS-3D",
        kind="3D, markerless",
        homepage="http://gvv.mpi-inf.mpg.de/projects/SingleShotMultiPerson",
        licence="non-commercial research only (as MPI-INF-3DHP)",
        access="MultiPersonTestSet.zip on the site",
        paper="Mehta et al.: Single-Shot Multi-Person 3D Pose Estimation, 3DV 2018",
        skeletons=("mupots_17",),
        splits=("test",),
        tree="""\
TS{1..20}/annot.mat
TS{1..20}/occlusion.mat                 (optional)
TS{1..20}/img_{000000..}.jpg
(the TS folders may also lie in MultiPersonTestSet/)""",
        items=(
            Item("**/TS*/annot.mat", "annotation", "MultiPersonTestSet.zip"),
            Item("**/TS*/img_*.jpg", "images", "MultiPersonTestSet.zip"),
            Item("**/TS*/occlusion.mat", "occluded joints", "MultiPersonTestSet.zip", False),
        ),
        defects=(
            Defect(
                "someone who is absent in a frame has an entry still (isValidFrame 0)",
                "left out",
            ),
            Defect(
                "no calibration in the files",
                "focal lengths and centre are fitted per sequence to annot2 and annot3",
            ),
            Defect(
                "univ_annot3 (limbs of an average person) does not project onto annot2",
                "annot3 is read; the universal joints are an extra",
            ),
        ),
        box_expansion=1.1,
        facts=(
            "Official evaluation: universal joints; predictions are matched in the image (40 px).",
            "World and camera coordinates are the same; up is taken as -y.",
        ),
    )

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence."""
        names = [p.parent.name for p in _base(root).glob("TS[0-9]*/annot.mat")]
        return [Source(split, key) for key in sorted(names, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block."""
        folder = _base(root) / source.key
        path = folder / "annot.mat"
        people = _cells(path, "annotations", dict)
        is_valid = _field(path, people.ravel(), "isValidFrame").reshape(people.shape) > 0
        if not is_valid.any():
            return
        # Person by person; what the entries of absent people hold has no meaning.
        persons, frames = np.nonzero(is_valid.T)
        present = people[frames, persons]
        joints2d, joints3d, universal = (
            without_partly_missing(_field(path, present, key).swapaxes(1, 2))
            for key in ("annot2", "annot3", "univ_annot3")
        )
        camera, notes = _fitted_camera(folder, path, joints3d, joints2d)
        extras = {"universal_joints": universal}
        occluded = self._occluded(folder / "occlusion.mat", people.shape)
        if occluded is not None:
            extras["occluded"] = occluded[frames, persons]
        images = folder.relative_to(root).as_posix()
        yield ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="mupots_17",
            frames=frames,
            sequence=source.key,
            person=[str(person) for person in persons.tolist()],
            images=NumberedPaths(f"{images}/img_", frames, width=6, suffix=".jpg"),
            cameras=camera,
            joints3d=joints3d,
            joints2d=joints2d,
            extras=extras,
            notes=notes,
        )

    def _occluded(self, path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
        """Returns (frames, people, 17) bool, or None where there is no such file."""
        if not path.is_file():
            return None
        labels = _cells(path, "occlusion_labels", np.ndarray)
        if labels.shape != shape:
            raise FileError(
                path, f"occlusion_labels: expected {shape} cells as in annot.mat, found "
                f"{labels.shape}"
            )  # fmt: skip
        rows = [np.ravel(cell) for cell in labels.ravel()]
        return as_array(path, "occlusion_labels", rows, (labels.size, 17)).reshape(*shape, 17) > 0


def _base(root: Path) -> Path:
    below = root / "MultiPersonTestSet"
    return below if below.is_dir() else root


def _cells(path: Path, key: str, kind: type) -> np.ndarray:
    """Returns a cell array (frames, people) whose cells are all of a kind."""
    cells = read_mat(path, keys=[key])[key]
    if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.ndim != 2:
        raise FileError(path, f"{key}: expected a cell of frames x people, found something else")
    if not all(isinstance(cell, kind) for cell in cells.ravel()):
        raise FileError(path, f"{key}: expected a {kind.__name__} in each cell, found another kind")
    return cells


def _field(path: Path, people: np.ndarray, key: str) -> np.ndarray:
    """Returns one field of all structs, (people, ...)."""
    try:
        values = [person[key] for person in people]
    except KeyError:
        raise FileError(path, f"annotations: expected the field {key!r}, missing") from None
    shape = (len(people), *_FIELDS[key])
    return as_array(path, f"annotations.{key}", values, shape, may_miss=True)


def _fitted_camera(folder: Path, path: Path, joints3d, joints2d) -> tuple[Camera, tuple[str, ...]]:
    """Returns the camera that projects annot3 onto annot2 best."""
    K = fit_intrinsics(joints3d, joints2d)
    if K is None:
        raise FileError(path, "annot2 and annot3 determine no camera; the file is damaged")
    first = next(iter(sorted(folder.glob("img_*.jpg"))), folder / "img_000000.jpg")
    camera = Camera(np.eye(3), np.zeros(3), K, world_up=(0, -1, 0), image_size=image_size(first))
    off = reprojection_error_px(camera, joints3d, joints2d)
    return camera, (f"intrinsics fitted to annot2 and annot3, {off:.2f} px off (median)",)
