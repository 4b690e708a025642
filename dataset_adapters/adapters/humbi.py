"""HUMBI, body session: 772 people seen by 107 cameras, markerless.

Yu et al., HUMBI: A Large Multiview Dataset of Human Body Expressions, CVPR 2020.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..examples import ExampleBlock
from . import _smpl_bodies
from ._folders import folders_in, names_in
from ._inside import SeenJoints
from ._values import as_array, camera_of, check_choice, natural_key, rows_of, without_partly_missing

_IMAGE_SIZE = (1920, 1080)
#: Order of the 25 keypoints in the second half of `humbi_49`: the middle of the hips last.
_KEYPOINTS = [*range(8), *range(9, 25), 8]
#: SMPL's order in its first half: the pelvis last.
_SMPL = [*range(1, 24), 0]
_HEADER_LINES = 3
_N_PARAMETERS = 86


@dataclass(frozen=True)
class Humbi(Adapter):
    """Reads HUMBI's body sessions."""

    info = DatasetInfo(
        name="humbi",
        title="HUMBI (body)",
        kind="3D, markerless",
        homepage="https://humbi-data.net",
        licence="research use; see the terms on the site",
        access="download on the site after a request",
        paper="Yu et al.: HUMBI, CVPR 2020",
        skeletons=("humbi_49", "openpose_25"),
        splits=("train",),
        tree="""\
subject_{1..772}/body/intrinsic.txt, extrinsic.txt
subject_{1..772}/body/{00000001..}/image/image{0000000..0000106}.jpg
subject_{1..772}/body/{00000001..}/reconstruction/keypoints.txt
subject_{1..772}/body/{00000001..}/reconstruction/smpl_parameter.txt""",
        items=(
            Item("subject_*/body/intrinsic.txt", "cameras", "Body_*"),
            Item("subject_*/body/extrinsic.txt", "cameras", "Body_*"),
            Item("subject_*/body/*/image/image*.jpg", "images", "Body_*"),
            Item("subject_*/body/*/reconstruction/keypoints.txt", "25 keypoints", "Body_*"),
            Item(
                "subject_*/body/*/reconstruction/smpl_parameter.txt",
                "SMPL parameters",
                "Body_*",
                required=False,
            ),
        ),
        defects=(
            Defect("about 600 images are broken JPEGs", "reported when they are decoded"),
            Defect("some images have no calibration", "these images are left out"),
            Defect(
                "the wrists of the SMPL fits are often turned wrongly",
                "kept: the position of the wrist does not depend on it, that of the hand does",
            ),
            Defect(
                "the files have SMPL parameters, not joints",
                "neutral skeleton of zero shape; exact with your model file (option body_models)",
            ),
        ),
        box_expansion=1.05,
        facts=(
            "One person; frames are key frames, a few per second.",
            "World: metres in the files, y down (approximately: up is taken as -y).",
            "PosePile's merged sets use the 25 keypoints only.",
        ),
    )

    skeleton: str = option("humbi_49", "humbi_49 (SMPL joints and keypoints) or openpose_25")
    body_models: str = option("", _smpl_bodies.OPTION_HELP)
    min_joints_inside: int = option(1, "views with fewer joints in the image are left out")

    def __post_init__(self):
        check_choice(self, "skeleton", self.info.skeletons)

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per person."""
        names = [p.parent.parent.name for p in root.glob("subject_*/body/extrinsic.txt")]
        return [Source(split, name) for name in sorted(names, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per camera."""
        body = root / source.key / "body"
        cameras = _read_cameras(body)
        place = os.fspath(body)
        names = [name for name in folders_in(place) if name.isascii() and name.isdecimal()]
        frames = [name for name in names if os.path.isdir(f"{place}/{name}/reconstruction")]
        joints, notes = self._joints(place, frames)
        images = [frozenset(names_in(f"{place}/{name}/image")) for name in frames]
        numbers = np.array([int(name) for name in frames], int)
        seen, joints = SeenJoints(joints), CheckedJoints(joints)
        base = body.relative_to(root).as_posix()
        for number, camera in cameras.items():
            image = f"image{number:07d}.jpg"
            has_image = np.array([image in names for names in images], bool)
            is_shown = has_image & (seen.count(camera) >= self.min_joints_inside)
            if not is_shown.any():
                continue
            rows = rows_of(is_shown)
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton=self.skeleton,
                frames=numbers[rows],
                sequence=source.key,
                subject=source.key.removeprefix("subject_"),
                camera_name=str(number),
                images=[
                    f"{base}/{name}/image/{image}"
                    for name in itertools.compress(frames, is_shown.tolist())
                ],
                cameras=camera,
                joints3d=joints[rows],
                notes=notes,
            )

    def _joints(self, body: str, frames: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        """Returns (frames, J, 3) mm, NaN where a frame's file is missing, and notes."""
        keypoints = _numbers(body, frames, "keypoints.txt", 75).reshape(-1, 25, 3)
        keypoints = without_partly_missing(1000 * keypoints)
        if self.skeleton == "openpose_25":
            return keypoints, ()
        parameters = _numbers(body, frames, "smpl_parameter.txt", _N_PARAMETERS)
        smpl, notes = _smpl_bodies.posed_joints(
            matrix_from_axis_angle(parameters[:, 4:76].reshape(-1, 24, 3)),
            models=self.body_models,
            betas=parameters[:, 76:],
            translation=parameters[:, 1:4],
            scale=parameters[:, 0],
        )
        joints = np.concatenate([smpl[:, _SMPL], keypoints[:, _KEYPOINTS]], axis=1)
        return without_partly_missing(joints), notes


def _numbers(body: str, frames: list[str], name: str, count: int) -> np.ndarray:
    """Returns the numbers of one file of each frame (frames, count), NaN without the file."""
    paths = [f"{body}/{frame}/reconstruction/{name}" for frame in frames]
    is_there = np.array([os.path.isfile(path) for path in paths], bool)
    paths = list(itertools.compress(paths, is_there.tolist()))
    words = [read_bytes(path).split() for path in paths]
    rows = np.full((len(frames), count), np.nan)
    try:
        rows[is_there] = np.array(words, np.float64).reshape(len(words), count)
        as_array(body, name, rows, (None, count), may_miss=True)
    except (ValueError, FileError):
        # One by one: the message is to name the file.
        for path, numbers in zip(paths, words, strict=True):
            as_array(path, "numbers", numbers, (count,), may_miss=True, from_text=True)
        raise
    return rows


def _read_cameras(body: Path) -> dict[int, Camera]:
    """Returns the cameras that have both intrinsics and extrinsics, by number."""
    intrinsic = _records(body / "intrinsic.txt", 9)
    extrinsic = _records(body / "extrinsic.txt", 12)
    return {
        number: camera_of(
            body / "extrinsic.txt",
            f"camera {number}",
            center=1000 * extrinsic[number][:3],
            R=extrinsic[number][3:].reshape(3, 3),
            K=intrinsic[number].reshape(3, 3),
            world_up=(0, -1, 0),
            image_size=_IMAGE_SIZE,
        )
        for number in sorted(extrinsic)
        if number in intrinsic
    }


def _records(path: Path, count: int) -> dict[int, np.ndarray]:
    """Returns camera -> `count` numbers of a file of `0 <camera>` lines with rows of numbers."""
    lines = read_bytes(path).splitlines()[_HEADER_LINES:]
    words = b" ".join(lines).split()
    if len(words) % (2 + count):
        raise FileError(
            path,
            f"expected {2 + count} numbers per camera after {_HEADER_LINES} lines, found "
            f"{len(words)} in all; the file is cut off",
        )
    records = as_array(path, "cameras", words, (len(words),), from_text=True).reshape(-1, 2 + count)
    numbers = records[:, 1]
    if (numbers != np.floor(numbers)).any() or (numbers < 0).any():
        raise FileError(path, "expected whole camera numbers after each 0")
    return {int(record[1]): record[2:] for record in records}
