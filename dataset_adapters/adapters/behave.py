"""BEHAVE: people handling objects in front of four Kinects, with fitted SMPL-H bodies.

Bhatnagar et al., BEHAVE: Dataset and Method for Tracking Human Object Interactions, CVPR 2022.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera, intrinsics
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.npz import open_npz
from ..examples import ExampleBlock
from ._folders import folders_in, names_in
from ._label_masks import MaskImages
from ._parameter_pickles import ParameterPickles
from ._smpl_bodies import OPTION_HELP, posed_joints
from ._values import (
    RecentFiles,
    as_array,
    as_numbers,
    camera_of,
    check_choice,
    member,
    read_json,
    rows_of,
    without_partly_missing,
    without_zeros,
)

N_KINECTS = 4
_FRAME = re.compile(r"t(\d{1,6})\.(\d{3})")
_SEQUENCE = re.compile(r"Date\d+_(Sub\d+)_.+")
_FEMALE = {"Sub06", "Sub07", "Sub08"}
_FIT = "person/fit02/person_fit.pkl"
_KEYPOINTS = "person/person_J3d.json"
_fits = ParameterPickles({"pose": 156, "betas": 10, "trans": 3})
_PARAMETERS_30FPS = "behave-30fps-params-v1"

INFO = DatasetInfo(
    name="behave",
    title="BEHAVE",
    kind="3D, markerless",
    homepage="https://virtualhumans.mpi-inf.mpg.de/behave/",
    licence="non-commercial scientific, education or artistic use; blur faces in publications",
    access="accept the licence on the site, then download",
    paper="Bhatnagar, Xie, Petrov, Sminchisescu, Theobalt, Pons-Moll: BEHAVE, CVPR 2022",
    skeletons=("behave_smpl", "openpose_25"),
    splits=("train", "test"),
    tree="""\
split.json
calibs/intrinsics/{0..3}/calibration.json
calibs/Date01/config/{0..3}/config.json
sequences/Date01_Sub01_backpack_back/info.json
sequences/Date01_Sub01_backpack_back/t0003.000/
  k{0..3}.color.jpg
  k{0..3}.person_mask.jpg                      (optional)
  person/fit02/person_fit.pkl                  (SMPL-H parameters)
  person/person_J3d.json                       (for the option skeleton=openpose_25)
behave-30fps-params-v1/{sequence}/smpl_fit_all.npz   (for the option fits=30fps)""",
    items=(
        Item("split.json", "which sequences are for training", "split.json"),
        Item("calibs/intrinsics/*/calibration.json", "lenses of the four Kinects", "calibs.zip"),
        Item("calibs/Date*/config/*/config.json", "places of the Kinects by day", "calibs.zip"),
        Item("sequences/*/t*/k*.color.jpg", "images", "Date0?.zip"),
        Item(f"sequences/*/t*/{_FIT}", "fitted SMPL-H parameters", "Date0?.zip", required=False),
        Item(f"sequences/*/t*/{_KEYPOINTS}", "lifted OpenPose joints", "Date0?.zip", False),
        Item("sequences/*/t*/k*.person_mask.*", "silhouettes", "Date0?.zip", required=False),
        Item(f"{_PARAMETERS_30FPS}/*/smpl_fit_all.npz", "later fits", "30fps-params", False),
    ),
    defects=(
        Defect(
            "there are body parameters, but no SMPL joints",
            "SMPL joints of the neutral body of zero shape; with body_models your own model files",
        ),
        Defect("frames may lack an image or a fit", "what lacks one of the two is left out"),
        Defect(
            "no world is upright: the world is the colour camera of Kinect 1",
            "up is unknown",
        ),
        Defect(
            "what marks a missing joint in person_J3d.json is not documented",
            "joints at exactly (0, 0, 0) are NaN; the scores are an extra",
        ),
        Defect(
            "the 30 Hz release has other poses than the fits beside the images",
            "the fits beside the images are read (option fits)",
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=100),
    box_expansion=1.05,
    facts=(
        "321 sequences (231 train, 90 test) at 1 Hz, 8 people, 20 objects, 2048x1536.",
        "The first 24 joints of an SMPL-H pose are SMPL's but for the turn of the hands, which "
        "moves no joint.",
        "Frames are numbered by milliseconds.",
    ),
)


@dataclass(frozen=True)
class Behave(Adapter):
    """Reads BEHAVE."""

    info = INFO

    skeleton: str = option("behave_smpl", "behave_smpl (fitted bodies) or openpose_25 (lifted 2D)")
    fits: str = option("1fps", "1fps (beside the images) or 30fps (behave-30fps-params-v1)")
    body_models: str = option("", OPTION_HELP)

    def __post_init__(self):
        check_choice(self, "skeleton", self.info.skeletons)
        check_choice(self, "fits", ("1fps", "30fps"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence; what is not for training is for testing."""
        path = root / "split.json"
        train = member(path, read_json(path), "train")
        if not isinstance(train, list):
            raise FileError(path, "train: expected a list of sequences")
        train = set(map(str, train))
        names = [name for name in folders_in(root / "sequences") if name.startswith("Date")]
        return [Source(split, name) for name in names if (name in train) == (split == "train")]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per Kinect."""
        folder = root / "sequences" / source.key
        named = _SEQUENCE.fullmatch(source.key)
        subject = named[1] if named else ""
        info = read_json(folder / "info.json")
        place = os.fspath(folder)
        times = {
            name: 1000 * int(match[1]) + int(match[2])
            for name in folders_in(place)
            if (match := _FRAME.fullmatch(name))
        }
        names, joints, extras, notes = self._joints(root, folder, subject, info, list(times))
        frames = np.array([times[name] for name in names], int)
        joints = CheckedJoints(without_partly_missing(joints))
        files = [frozenset(names_in(f"{place}/{name}")) for name in names]
        for k in range(N_KINECTS):
            image = f"k{k}.color.jpg"
            is_shown = np.array([image in found for found in files], bool)
            if not is_shown.any():
                continue
            rows = rows_of(is_shown)
            shown = list(itertools.compress(names, is_shown.tolist()))
            places = [f"sequences/{source.key}/{name}" for name in shown]
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton=self.skeleton,
                frames=frames[rows],
                sequence=source.key,
                subject=subject,
                camera_name=f"k{k}",
                images=[f"{place}/{image}" for place in places],
                cameras=_camera(folder, info, k),
                masks=_masks(root, places, list(itertools.compress(files, is_shown.tolist())), k),
                joints3d=joints[rows],
                extras={name: column[rows] for name, column in extras.items()},
                notes=notes,
            )

    def _joints(self, root: Path, folder: Path, subject: str, info: Any, names: list[str]):
        """Returns the frames with joints, the joints (N, J, 3) mm, extras and notes."""
        place = os.fspath(folder)
        if self.skeleton == "openpose_25":
            names = [name for name in names if os.path.isfile(f"{place}/{name}/{_KEYPOINTS}")]
            numbers = [_keypoints(f"{place}/{name}/{_KEYPOINTS}") for name in names]
            numbers = np.array(numbers, float).reshape(-1, 25, 4)
            joints = 1000 * without_zeros(numbers[..., :3])
            return names, joints, {"score": numbers[..., 3]}, ()
        if self.fits == "30fps":
            names, parameters = _fits_at_30fps(root, folder.name, names)
        else:
            names = [name for name in names if os.path.isfile(f"{place}/{name}/{_FIT}")]
            parameters = _fits.read([f"{place}/{name}/{_FIT}" for name in names])
        gender = str(info.get("gender", "")) if isinstance(info, dict) else ""
        if gender not in ("male", "female"):
            gender = "female" if subject in _FEMALE else "male"
        joints, notes = posed_joints(
            matrix_from_axis_angle(parameters["pose"][:, :72].reshape(-1, 24, 3)),
            models=self.body_models,
            gender=gender,
            betas=parameters["betas"],
            translation=parameters["trans"],
        )
        return names, joints, {}, notes if len(names) else ()


def _fits_at_30fps(
    root: Path, sequence: str, names: list[str]
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Returns the frames that have a fit, and their parameters as in the files beside images."""
    path = root / _PARAMETERS_30FPS / sequence / "smpl_fit_all.npz"
    with open_npz(path) as archive:
        for key in ("poses", "betas", "trans", "frame_times"):
            if key not in archive:
                raise FileError(path, f"expected the array {key!r}, found {list_names(archive)}")
        times = np.ravel(archive["frame_times"]).astype(str).tolist()
        n = len(times)
        poses = as_array(path, "poses", archive["poses"], (n, 156))
        betas = as_array(path, "betas", archive["betas"], (n, 10))
        trans = as_array(path, "trans", archive["trans"], (n, 3))
    row_of = {time: row for row, time in enumerate(times)}
    found = [name for name in names if name in row_of]
    rows = [row_of[name] for name in found]
    return found, {"pose": poses[rows], "betas": betas[rows], "trans": trans[rows]}


def _keypoints(path: str) -> np.ndarray:
    return as_numbers(path, "body_joints3d", member(path, read_json(path), "body_joints3d"), 100)


def _masks(root: Path, places: list[str], files: list[frozenset[str]], k: int) -> MaskImages | None:
    """Returns the silhouettes in the frames' folders; None where no frame has one."""
    jpg, png = (f"k{k}.person_mask.{ending}" for ending in ("jpg", "png"))
    paths = [
        f"{place}/{jpg}" if jpg in found else f"{place}/{png}" if png in found else ""
        for place, found in zip(places, files, strict=True)
    ]
    return MaskImages(root, paths) if any(paths) else None


def _camera(folder: Path, info: Any, k: int) -> Camera:
    """Returns the colour camera of Kinect k; the world is that of Kinect 1."""
    config = _calibration_folder(folder, info, "config") / str(k) / "config.json"
    lens = _calibration_folder(folder, info, "intrinsic") / str(k) / "calibration.json"
    return _recent_cameras(config, lens)


def _read_camera(config: str, lens: str) -> Camera:
    values = read_json(config)
    # Stored from camera to world.
    R = as_numbers(config, "rotation", member(config, values, "rotation"), 9).reshape(3, 3).T
    center = as_numbers(config, "translation", member(config, values, "translation"), 3)
    color = member(lens, read_json(lens), "color")
    numbers = {
        key: as_numbers(lens, f"color.{key}", member(lens, color, key), 1)[0]
        for key in ("fx", "fy", "cx", "cy", "width", "height")
    }
    opencv = as_numbers(lens, "color.opencv", member(lens, color, "opencv"), 12)
    return camera_of(
        lens,
        f"Kinect {Path(config).parts[-2]} with {Path(config).parts[-4]}",
        R=R,
        center=1000 * center,
        K=intrinsics(numbers["fx"], numbers["fy"], numbers["cx"], numbers["cy"]),
        distortion=opencv[4:],
        image_size=(int(numbers["width"]), int(numbers["height"])),
    )


_recent_cameras = RecentFiles(_read_camera, keep=2 * N_KINECTS)


def _calibration_folder(folder: Path, info: Any, key: str) -> Path:
    """Returns where info.json says that calibration is, seen from the sequence's folder."""
    path = folder / "info.json"
    place = member(path, info, key)
    calibs = folder.parent.parent / "calibs"
    parts = place.replace("\\", "/").split("/") if isinstance(place, str) else []
    if "calibs" not in parts or ".." in parts[parts.index("calibs") :]:
        raise FileError(
            path, f"{key}: expected a path such as ../../calibs/..., found {str(place)[:60]!r}"
        )
    return calibs.joinpath(*parts[parts.index("calibs") + 1 :])
