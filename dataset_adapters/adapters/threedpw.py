"""3DPW: people outdoors with inertial sensors, filmed by a moving hand-held phone.

von Marcard et al., Recovering Accurate 3D Human Pose in the Wild, ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..body_models.rotations import rotation_defect
from ..camera import Camera
from ..columns import LazyColumn, NumberedPaths
from ..containers.errors import FileError
from ..containers.safe_pickle import load_pickle
from ..examples import ExampleBlock
from ..images import image_size
from ._values import as_array, camera_of, check_choice, member, natural_key, without_partly_missing

_FOLDERS = {"train": "train", "valid": "validation", "test": "test"}
#: Nobody vouches for the world's vertical; the phone is held about upright.
_UP_OF_CAMERA = np.array([0, -1.0, 0])
#: Matrices so close to rotations are taken for one without a further look.
_SMALL_DEFECT = 5e-4

INFO = DatasetInfo(
    name="3dpw",
    title="3DPW (3D Poses in the Wild)",
    kind="3D, marker-based",
    homepage="https://virtualhumans.mpi-inf.mpg.de/3DPW/",
    licence="non-commercial scientific use (license.html of the site)",
    access="accept the licence on the site, then download",
    paper="von Marcard, Henschel, Black, Rosenhahn, Pons-Moll: 3DPW, ECCV 2018",
    skeletons=("3dpw_24",),
    splits=("train", "valid", "test"),
    tree="""\
imageFiles/downtown_arguing_00/image_00000.jpg ...
sequenceFiles/train/courtyard_basketball_00.pkl ...
sequenceFiles/validation/outdoors_parcours_00.pkl ...
sequenceFiles/test/downtown_arguing_00.pkl ...""",
    items=(
        Item("sequenceFiles/*/*.pkl", "poses and cameras of each sequence", "sequenceFiles.zip"),
        Item("imageFiles/*/image_*.jpg", "images", "imageFiles.zip"),
    ),
    defects=(
        Defect(
            "the camera's pose is invalid for stretches (campose_valid 0)",
            "these frames are left out for the person concerned (option invalid_cameras)",
        ),
        Defect(
            "people who are not seen have all-zero 2D keypoints; fewer than 6 detected ones count "
            "as none",
            "these frames are left out for the person concerned (option undetected)",
        ),
        Defect(
            "the world's vertical axis cannot be relied on",
            "up is taken to be the camera's own: its -y axis in each frame",
        ),
        Defect(
            "published evaluations disagree on gendered or neutral bodies as ground truth",
            "jointPositions of the files are read as they are (gendered bodies)",
        ),
        Defect(
            "some keys may be missing in single files",
            "without campose_valid or poses2d nothing is left out on their account, with a note",
        ),
    ),
    box_expansion=1.15,
    facts=(
        "60 sequences (24 train, 12 validation, 24 test), images at 30 Hz, one or two people.",
        "Used for evaluation: all three splits and all 24 joints in the 2020 challenge; the test "
        "split and 14 joints of a Human3.6M regressor in most papers.",
        "Extra openpose_18: x, y, confidence of OpenPose's 18 COCO joints.",
        "The files are large because they hold texture maps.",
    ),
)


@dataclass(frozen=True)
class ThreeDpw(Adapter):
    """Reads 3DPW."""

    info = INFO

    undetected: str = option("drop", "people without 2D keypoints: drop or keep")
    invalid_cameras: str = option("drop", "people with campose_valid 0: drop or keep")

    def __post_init__(self):
        check_choice(self, "undetected", ("drop", "keep"))
        check_choice(self, "invalid_cameras", ("drop", "keep"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per sequence."""
        folder = root / "sequenceFiles" / _FOLDERS[split]
        names = sorted((path.stem for path in folder.glob("*.pkl")), key=natural_key)
        return [Source(split, f"{_FOLDERS[split]}/{name}") for name in names]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people, image after image."""
        path = root / "sequenceFiles" / f"{source.key}.pkl"
        name = path.stem
        values = load_pickle(path)
        # Poses of the camera that are marked as invalid may be anything.
        cam_poses = member(path, values, "cam_poses")
        cam_poses = as_array(path, "cam_poses", cam_poses, (None, 4, 4), may_miss=True)
        n = len(cam_poses)
        joints = _per_person(path, values, "jointPositions", (n, 72), may_miss=True)
        joints = without_partly_missing(1000 * joints.reshape(-1, n, 24, 3))
        keypoints, notes = self._keypoints(path, values, n, len(joints))
        is_chosen, more = self._chosen(path, values, keypoints, n, len(joints))
        frames, people = np.nonzero(is_chosen)
        folder = f"imageFiles/{name}"
        genders = _genders(values, len(joints))
        cameras = _cameras(path, root / folder, values, cam_poses, frames)
        yield ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="3dpw_24",
            frames=frames,
            sequence=name,
            subject=[f"{name}/{person}" for person in people.tolist()],
            person=[str(person) for person in people.tolist()],
            images=NumberedPaths(f"{folder}/image_", frames, width=5, suffix=".jpg"),
            cameras=cameras,
            joints3d=joints[people, frames],
            extras={
                "openpose_18": keypoints[people, frames],
                "gender": [genders[person] for person in people.tolist()],
            },
            notes=notes + more,
        )

    def _keypoints(self, path, values, n: int, n_people: int):
        """Returns (P, N, 18, 3) x, y, confidence with NaN where not detected, and notes."""
        key = "poses2d" if "poses2d" in values else "poses2D"
        if key not in values:
            return np.full((n_people, n, 18, 3), np.nan), ("no poses2d: everybody counts as seen",)
        rows = _per_person(path, values, key, (n, 3, 18), n_people).transpose(0, 1, 3, 2)
        is_absent = (rows == 0).all(axis=-1, keepdims=True)
        return np.where(is_absent, np.nan, rows), ()

    def _chosen(self, path, values, keypoints: np.ndarray, n: int, n_people: int):
        """Returns which (N, P) are examples, and notes."""
        is_chosen, notes = np.ones((n, n_people), bool), ()
        if self.invalid_cameras == "drop" and "campose_valid" in values:
            is_chosen &= _per_person(path, values, "campose_valid", (n,), n_people).T > 0
        elif self.invalid_cameras == "drop":
            notes = ("no campose_valid: all camera poses count as valid",)
        if self.undetected == "drop" and ("poses2d" in values or "poses2D" in values):
            is_chosen &= ~np.isnan(keypoints).all(axis=(2, 3)).T
        return is_chosen, notes


def _per_person(
    path,
    values: Any,
    key: str,
    shape: tuple[int, ...],
    n_people: int | None = None,
    *,
    may_miss: bool = False,
) -> np.ndarray:
    """Returns a list of one array per person as (P, *shape)."""
    entry = member(path, values, key)
    if not isinstance(entry, (list, tuple, np.ndarray)) or not 1 <= len(entry) <= 16:
        raise FileError(path, f"{key}: expected a list of one array per person")
    if n_people is not None and len(entry) != n_people:
        raise FileError(path, f"{key}: expected {n_people} people, found {len(entry)}")
    arrays = [
        as_array(path, f"{key}[{i}]", rows, shape, may_miss=may_miss)
        for i, rows in enumerate(entry)
    ]
    return np.stack(arrays)


def _genders(values: Any, n_people: int) -> list[str]:
    genders = values.get("genders", values.get("gender"))
    if not isinstance(genders, (list, tuple)) or len(genders) != n_people:
        return [""] * n_people
    return [str(gender) for gender in genders]


class _CameraPath(LazyColumn):
    """The cameras of N rows: one phone on its way.

    Args:
      poses: (N, 4, 4) from world to camera, metres.
      lens: what all of them share: K, image_size.
    """

    def __init__(self, poses: np.ndarray, lens: dict[str, Any]):
        super().__init__(len(poses))
        self._poses = poses
        self._lens = lens

    def value(self, row: int) -> Camera:
        """Returns the camera of a row."""
        R, t = self._poses[row, :3, :3], 1000 * self._poses[row, :3, 3]
        return Camera(R=R, t=t, world_up=_UP_OF_CAMERA @ R, **self._lens)


def _cameras(
    path, folder: Path, values: Any, cam_poses: np.ndarray, frames: np.ndarray
) -> _CameraPath | list[Camera]:
    """Returns the camera of each row."""
    if not len(frames):
        return []
    K = as_array(path, "cam_intrinsics", member(path, values, "cam_intrinsics"), (3, 3))
    image = folder / f"image_{frames[0]:05d}.jpg"
    if not image.is_file():
        raise FileError(image, "expected an image, found none; unpack imageFiles.zip")
    lens = {"K": K, "image_size": image_size(image)}
    poses = cam_poses[frames]
    # The cameras are made late, but what is wrong with one of them must be said here.
    is_sound = np.isfinite(poses[:, :3]).all(axis=(1, 2))
    is_sound[is_sound] = rotation_defect(poses[is_sound, :3, :3]) < _SMALL_DEFECT
    for row in (0, *np.flatnonzero(~is_sound).tolist()):
        R, t = poses[row, :3, :3], poses[row, :3, 3]
        camera_of(path, f"cam_poses[{frames[row]}]", R=R, t=t, **lens)
    return _CameraPath(poses, lens)
