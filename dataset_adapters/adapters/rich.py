"""RICH: people touching scanned scenes, with SMPL-X bodies fitted to many calibrated cameras.

Huang et al., Capturing and Inferring Dense Full-Body Human-Scene Contact, CVPR 2022.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..body_models.smpl_family import SMPLX
from ..camera import Camera
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ..images import image_size
from ._folders import folders_in, names_in
from ._opencv_xml import read_xml_matrices, xml_matrix
from ._parameter_pickles import ParameterPickles
from ._smpl_bodies import OPTION_HELP, posed_joints
from ._values import RecentFiles, camera_of, rows_of, without_partly_missing

_FOLDERS = {"train": "train", "valid": "val", "test": "test"}
_IMAGE = re.compile(r"(\d{1,8})_(\d{1,3})\.(bmp|png|jpe?g)", re.IGNORECASE)
_CAMERA = re.compile(r"cam_(\d{1,3})")
_FEMALE = {9, 10, 12, 13, 16, 17, 18, 19, 21}
_SIZE = (4112, 3008)
#: Cameras that stand on their side.
_PORTRAIT = {("Pavallion", 3), ("Pavallion", 5)}
_N_BODY = 22
#: The parameters that joints need; fingers are coefficients of the model's own basis.
_bodies = ParameterPickles({"transl": 3, "global_orient": 3, "body_pose": 63, "betas": 10})

INFO = DatasetInfo(
    name="rich",
    title="RICH",
    kind="3D, markerless",
    homepage="https://rich.is.tue.mpg.de",
    licence="non-commercial research (MPI terms)",
    access="register on the site",
    paper="Huang, Yi, Höschle, Safroshkin, Alexiadis, Polikovsky, Scharstein, Black: RICH, "
    "CVPR 2022",
    skeletons=("rich_smplx",),
    splits=("train", "valid", "test"),
    tree="""\
train/ParkingLot1_005_pushup2/cam_00/00150_00.jpg        (or .jpeg, .png, .bmp)
train_body/ParkingLot1_005_pushup2/00150/005.pkl         (SMPL-X parameters)
val/  val_body/  test/  test_body/                       likewise
scan_calibration/ParkingLot1/calibration/000.xml
or, as the toolkit puts it: data/images/{split}/..., data/bodies/{split}/...,
data/scan_calibration/...""",
    items=(
        Item("**/cam_*/*_*.*", "images", "{train,val,test} images"),
        Item("**/*[0-9]/*.pkl", "SMPL-X parameters, one file per frame and person", "bodies"),
        Item("**/calibration/*.xml", "cameras of each scene", "scan_calibration"),
    ),
    defects=(
        Defect(
            "there are body parameters, but no joints; fingers depend on the model's own basis",
            "22 body joints of the neutral body of zero shape, the others NaN; with body_models "
            "your own SMPL-X files, which give jaw, eyes and knuckles as well",
        ),
        Defect("not every frame or person has parameters", "what has none is no example"),
        Defect("the moving camera (cam_10) has no calibration", "skipped"),
        Defect(
            "the world's axes are those of a camera; the floor is not along them",
            "up is taken to be the -y axis of each camera",
        ),
        Defect(
            "people out of sight of a camera have parameters",
            "boxes of less than 100 px in the image go (option min_box_side)",
        ),
        Defect(
            "bodies with frame numbers up to 45, and those of LectureHall_009_021_"
            "reparingprojector1, are dropped by others for unpublished reasons",
            "kept",
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=100, splits=("train", "valid")),
    box_expansion=1.05,
    facts=(
        "6 scenes, 22 people, 142 sequences; 4112x3008 (Pavallion cameras 3 and 5 upright).",
        "PosePile uses train and val, and keeps 42 of the 127 joints.",
        "Images of another size than the original are taken to be scaled copies.",
    ),
)


@dataclass(frozen=True)
class Rich(Adapter):
    """Reads RICH."""

    info = INFO

    min_box_side: float = option(100.0, "px: people with a smaller box within the image go")
    body_models: str = option("", OPTION_HELP)

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence."""
        images, bodies = _places(root, split)
        names = sorted(path.name for path in images.glob("*") if path.is_dir())
        return [Source(split, name) for name in names if (bodies / name).is_dir()]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per camera with all people, image after image."""
        images, bodies = _places(root, source.split)
        keys, joints, notes = self._bodies(bodies / source.key)
        if not keys:
            return
        scene = source.key.partition("_")[0]
        if not any(_calibration(root, scene, 0).parent.glob("*.xml")):
            raise FileError(
                _calibration(root, scene, 0), "expected cameras, found none; get scan_calibration"
            )
        frames, people = (np.array(column) for column in zip(*keys, strict=True))
        for name in folders_in(images / source.key):
            match = _CAMERA.fullmatch(name)
            calibration = _calibration(root, scene, int(match[1])) if match else None
            if calibration is None or not calibration.is_file():
                continue
            folder = images / source.key / name
            files = _images(folder)
            is_shown = np.array([frame in files for frame in frames.tolist()], bool)
            if not is_shown.any():
                continue
            first = folder / files[min(files)]
            camera, more = _camera(calibration, scene, int(match[1]), first)
            is_shown &= self._is_seen(camera, joints.values[:, :_N_BODY])
            rows = rows_of(is_shown)
            place = folder.relative_to(root).as_posix()
            shown = people[rows].tolist()
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton="rich_smplx",
                frames=frames[rows],
                sequence=source.key,
                subject=shown,
                camera_name=name,
                person=shown,
                images=[f"{place}/{files[frame]}" for frame in frames[rows].tolist()],
                cameras=camera,
                joints3d=joints[rows],
                notes=notes + more,
            )

    def _bodies(
        self, folder: Path
    ) -> tuple[list[tuple[int, str]], CheckedJoints | None, tuple[str, ...]]:
        """Returns (frame, person) of the N bodies, joints (N, 127, 3) mm, and notes."""
        place = os.fspath(folder)
        found = [
            (int(frame), name[:-4], f"{place}/{frame}/{name}")
            for frame in folders_in(place) if frame.isascii() and frame.isdecimal()
            for name in names_in(f"{place}/{frame}")
            if name[-4:] == ".pkl" and name[:-4].isdecimal() and name.isascii() and len(name) < 13
        ]  # fmt: skip
        if not found:
            return [], None, ()
        found.sort()
        joints = np.full((len(found), 127, 3), np.nan)
        parameters = _bodies.read([path for _, _, path in found])
        pose = np.concatenate([parameters["global_orient"], parameters["body_pose"]], axis=1)
        rotations = np.full((len(found), SMPLX.n_joints, 3, 3), np.nan)
        rotations[:, :_N_BODY] = matrix_from_axis_angle(pose.reshape(-1, _N_BODY, 3))
        notes = ()
        is_female = np.array([int(person) in _FEMALE for _, person, _ in found])
        for gender, chosen in (("female", is_female), ("male", ~is_female)):
            if chosen.any():
                joints[chosen, : SMPLX.n_joints], notes = posed_joints(
                    rotations[chosen],
                    SMPLX,
                    models=self.body_models,
                    gender=gender,
                    betas=parameters["betas"][chosen],
                    translation=parameters["transl"][chosen],
                )
        joints = CheckedJoints(without_partly_missing(joints))
        return [(frame, person) for frame, person, _ in found], joints, notes

    def _is_seen(self, camera: Camera, joints: np.ndarray) -> np.ndarray:
        """Tells for each of (N, J, 3) whether its box within the image is large enough."""
        if not self.min_box_side:
            return np.ones(len(joints), bool)
        shown = camera.project(joints)
        is_behind = np.isnan(shown).all(axis=(1, 2))
        shown = np.where(is_behind[:, None, None], -1e9, shown)
        low, high = np.nanmin(shown, axis=1), np.nanmax(shown, axis=1)
        margin = (self.info.box_expansion - 1) / 2 * (high - low)
        low, high = np.maximum(low - margin, 0), np.minimum(high + margin, camera.image_size)
        return ((high - low) >= self.min_box_side).all(axis=1)


def _places(root: Path, split: str) -> tuple[Path, Path]:
    """Returns the folders of images and of bodies, in PosePile's layout or the toolkit's."""
    name = _FOLDERS[split]
    for base in (root / "data", root):
        if (base / "bodies").is_dir():
            return base / "images" / name, base / "bodies" / name
    return root / name, root / f"{name}_body"


def _calibration(root: Path, scene: str, number: int) -> Path:
    base = root / "data" if (root / "data" / "scan_calibration").is_dir() else root
    return base / "scan_calibration" / scene / "calibration" / f"{number:03d}.xml"


def _images(folder: Path) -> dict[int, str]:
    """Returns frame -> image; of several copies the one whose name comes last."""
    return {int(m[1]): m[0] for name in names_in(folder) if (m := _IMAGE.fullmatch(name))}


_recent_matrices = RecentFiles(read_xml_matrices, keep=16)


def _camera(path: Path, scene: str, number: int, image: Path) -> tuple[Camera, tuple[str, ...]]:
    """Returns the camera for images of the size of `image`, and notes."""
    matrices = _recent_matrices(path)
    Rt = xml_matrix(path, matrices, "CameraMatrix", (3, 4))
    distortion = xml_matrix(path, matrices, "Distortion", None).ravel()
    width, height = reversed(_SIZE) if (scene, number) in _PORTRAIT else _SIZE
    camera = camera_of(
        path,
        "CameraMatrix, Intrinsics, Distortion",
        R=Rt[:, :3],
        t=1000 * Rt[:, 3],
        K=xml_matrix(path, matrices, "Intrinsics", (3, 3)),
        distortion=distortion,
        world_up=-Rt[1, :3],
        image_size=(width, height),
    )
    found = image_size(image)
    if found == (width, height):
        return camera, ()
    factor = found[0] / width
    if abs(found[1] - factor * height) > 1:
        raise FileError(
            image, f"expected an image of {width}x{height} px or a scaled copy, found "
            f"{found[0]}x{found[1]}"
        )  # fmt: skip
    return camera.resized(factor), (f"images are scaled by {factor:.4g}: intrinsics as well",)
