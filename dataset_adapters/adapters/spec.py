"""SPEC: bodies seen by cameras of known pitch, roll and focal length; places have to be found.

Kocabas et al., ICCV 2021. SPEC-SYN is rendered, SPEC-MTP photographed. One npz row per person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..body_models.rotations import matrix_from_axis_angle
from ..camera import Camera
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._resection import find_cameras
from ._smpl_bodies import OPTION_HELP, posed_joints
from ._spec_annotations import People, read_people
from ._values import camera_of, check_choice

FILES = {
    "train": ("spec-syn/annotations/train.npz",),
    "test": ("spec-syn/annotations/test.npz", "spec-mtp/annotations/test.npz"),
}
#: The size of all images of SPEC-SYN; SPEC-MTP's differ.
SYN_SIZE = (1920, 1080)
#: SMPL joint -> OpenPose joint: neck, shoulders, elbows, wrists, pelvis, hips, knees, ankles.
COMMON = {
    12: 1, 16: 5, 17: 2, 18: 6, 19: 3, 20: 7, 21: 4, 0: 8, 1: 12, 2: 9, 4: 13, 5: 10, 7: 14, 8: 11,
}  # fmt: skip
#: SMPL joints that the first twelve rows of `S` are: right ankle to hip, left hip to ankle, right
#: wrist to shoulder, left shoulder to wrist.
ROWS_OF_S = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20)
_PEOPLE_AT_ONCE = 1000

INFO = DatasetInfo(
    name="spec",
    title="SPEC (SPEC-SYN and SPEC-MTP)",
    kind="3D, synthetic",
    homepage="https://spec.is.tue.mpg.de",
    licence="MPG: non-commercial scientific research",
    access="registration",
    paper="Kocabas, Huang, Tesch, Müller, Hilliges, Black: SPEC, ICCV 2021",
    skeletons=("spec_smpl",),
    splits=("train", "test"),
    tree="""\
spec-syn/annotations/train.npz  test.npz
spec-syn/<images as named there>
spec-mtp/annotations/test.npz                    (optional)
spec-mtp/<images as named there>""",
    items=(
        Item("spec-syn/annotations/*.npz", "SMPL parameters, 2D joints, cameras", "spec-syn.zip"),
        Item("spec-syn/**/*.png", "renderings of 1920 x 1080 px", "spec-syn.zip"),
        Item("spec-mtp/annotations/test.npz", "the same", "spec-mtp.zip", required=False),
    ),
    defects=(
        Defect(
            "people have no place: neither translation nor joints in the world are stored",
            "SMPL's joints are placed so that 14 of them project onto openpose_gt, and scaled "
            "about the camera to the extent of the stored joints S",
        ),
        Defect(
            "S has an unknown number of rows",
            "its first 12 are used, in the order ankles, knees, hips, wrists, elbows, shoulders",
        ),
        Defect(
            "several poses of a person are stored (pose, pose_0yaw_inverseyz, orig_pose)",
            "pose is used; they differ in how the whole body is turned, which is found anew",
        ),
    ),
    box_expansion=1.15,
    facts=(
        "About 22 000 training and 3 800 test images with 72 000 and 12 000 people.",
        "The camera is the origin of the world and turned by pitch and roll against it.",
        "The published selection wants a shorter side of the box of at least 100 px (option "
        "min_side_px).",
        "Extra openpose_25: x, y, confidence of OpenPose's joints of the ground truth.",
        "There is no motion: every image is kept.",
    ),
)


@dataclass(frozen=True)
class Spec(Adapter):
    """Reads SPEC."""

    info = INFO

    body_models: str = option("", OPTION_HELP)
    part: str = option("all", "all that is there, syn or mtp")
    min_side_px: float = option(100.0, "smallest shorter side of a person's box")

    def __post_init__(self):
        check_choice(self, "part", ("all", "syn", "mtp"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per annotation file."""
        wanted = [name for name in FILES[split] if self.part in ("all", name[5:8])]
        found = [name for name in wanted if (root / name).is_file()]
        if wanted and not found:
            raise FileError(root / wanted[0], "expected the annotations; unpack spec-syn.zip")
        return [Source(split, name) for name in found]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields blocks of people in the order of the file."""
        path = root / source.key
        people = read_people(path)
        folder = source.key.partition("/")[0]
        size = SYN_SIZE if folder == "spec-syn" else None
        person = _numbers_within(people.images)
        for start in range(0, len(people.images), _PEOPLE_AT_ONCE):
            rows = np.arange(start, min(start + _PEOPLE_AT_ONCE, len(people.images)))
            in_camera, notes = self._placed(people, rows)
            chosen = self._is_chosen(in_camera, people.K[rows])
            rows, in_camera = rows[chosen], in_camera[chosen]
            cameras = _cameras(path, people, rows, size)
            yield ExampleBlock(
                dataset="spec",
                split=source.split,
                skeleton="spec_smpl",
                frames=rows,
                sequence=folder,
                person=[str(person[row]) for row in rows],
                images=[f"{folder}/{people.images[row]}" for row in rows],
                cameras=cameras,
                # The camera is the world's origin: x_cam = R x_world.
                joints3d=in_camera @ people.R[rows],
                extras={"openpose_25": people.keypoints[rows]},
                notes=notes,
            )

    def _placed(self, people: People, rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Returns joints (n, 24, 3) mm in camera axes, NaN where nobody could be placed, and notes.

        The neutral body has another size than the person: as an image fixes shape but not size,
        the extent of S says how far away the body is.
        """
        joints, notes = posed_joints(
            matrix_from_axis_angle(people.pose[rows]),
            models=self.body_models,
            betas=None if people.betas is None else people.betas[rows],
        )
        seen = people.keypoints[rows][:, list(COMMON.values())]
        pixels = np.where(seen[..., 2:] > 0, seen[..., :2], np.nan)
        K = people.K[rows]
        ideal = np.linalg.solve(K[:, :2, :2], (pixels - K[:, None, :2, 2]).transpose(0, 2, 1))
        found = find_cameras(joints[:, list(COMMON)], ideal.transpose(0, 2, 1))
        in_camera = joints @ found.R.transpose(0, 2, 1) + found.t[:, None]
        scale, note = _scale(joints, None if people.extent is None else people.extent[rows])
        off = K[:, 0, 0] * found.rms
        is_placed = ~np.isnan(off)
        notes += (
            note,
            f"{is_placed.sum()} of {len(rows)} people placed by their 2D joints"
            + (f", median {np.median(off[is_placed]):.1f} px off" if is_placed.any() else ""),
        )
        return in_camera * scale[:, None, None], notes

    def _is_chosen(self, in_camera: np.ndarray, K: np.ndarray) -> np.ndarray:
        """Returns which people (n,) are placed before the camera and large enough."""
        depth = in_camera[..., 2:]
        is_before = (depth > 0).all(axis=(1, 2))
        ideal = in_camera[..., :2] / np.where(is_before[:, None, None], depth, np.nan)
        pixels = ideal @ K[:, :2, :2].transpose(0, 2, 1)
        side = INFO.box_expansion * (pixels.max(1) - pixels.min(1)).min(1)
        return is_before & (side >= self.min_side_px)


def _scale(joints: np.ndarray, extent: np.ndarray | None) -> tuple[np.ndarray, str]:
    """Returns how much larger (n,) people are than their models, and a note."""
    if extent is None:
        return np.ones(len(joints)), "no S: bodies keep the model's size"
    is_given = ~np.isnan(extent[..., :1])
    stored = _rms_radius(extent, is_given)
    modelled = _rms_radius(joints[:, ROWS_OF_S], is_given)
    is_usable = (stored > 0) & (modelled > 0)
    scale = np.where(is_usable, stored / np.where(is_usable, modelled, 1), 1.0)
    return scale, f"bodies scaled by {scale.min():.3f} to {scale.max():.3f} to the extent of S"


def _rms_radius(points: np.ndarray, is_given: np.ndarray) -> np.ndarray:
    """Returns the root mean square distance (n,) of points from their mean."""
    count = np.maximum(is_given.sum(1), 1)
    mean = np.where(is_given, points, 0).sum(1) / count
    off = np.where(is_given, points - mean[:, None], 0)
    return np.sqrt((off**2).sum(axis=(1, 2)) / count[:, 0])


def _cameras(path: Path, people: People, rows: np.ndarray, size) -> list[Camera]:
    """Returns the camera of each person; people of one image share it."""
    made, found = {}, []
    for row in rows.tolist():
        key = (people.R[row].tobytes(), people.K[row].tobytes())
        if key not in made:
            made[key] = camera_of(
                path,
                f"row {row}, cam_rotmat and cam_int",
                R=people.R[row],
                t=np.zeros(3),
                K=people.K[row],
                world_up=(0, -1, 0),
                image_size=size,
            )
        found.append(made[key])
    return found


def _numbers_within(images: list[str]) -> np.ndarray:
    """Returns how many rows of the same image come before each."""
    seen: dict[str, int] = {}
    numbers = np.zeros(len(images), int)
    for row, image in enumerate(images):
        numbers[row] = seen.get(image, 0)
        seen[image] = numbers[row] + 1
    return numbers
