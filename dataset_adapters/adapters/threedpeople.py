"""3DPeople: 80 clothed avatars with CMU motions in front of photographs, four cameras.

Pumarola et al., ICCV 2019. 67 joints as text, one file per image; no calibration in the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._joint_rows import read_joint_rows
from ._resection import find_cameras
from ._threedpeople_joints import HEAD, ORDERS, PELVIS, JointOrder, order_by_evidence
from ._values import camera_of, check_choice, natural_key

IMAGE_SIZE = (640, 480)
FOCAL_PX = 700.0
CENTER_PX = np.array([320.0, 240.0])
MM_PER_UNIT = 100.0
N_ROWS = 67
#: The extra that holds every row of the files.
ALL_JOINTS = "all_joints3d"
#: One camera is taken for a sequence if it explains its frames as well as this.
SHARED_RMS_PX = 1.0
_FRAMES_FOR_SHARED = 60
#: The mean direction from pelvis to head tells the upward axis if it is at least this long.
_CLEARLY_UPRIGHT = 0.75
_DEFAULT_UP = np.array([0, 0, 1.0])

_SUBJECT = re.compile(r"(?:wo)?man(\d+)")
_FIRST_TEST_SUBJECT = 34
_IMAGE = re.compile(r"(\d+)\.(?:jpe?g|png)", re.IGNORECASE)

INFO = DatasetInfo(
    name="3dpeople",
    title="3DPeople",
    kind="3D, synthetic",
    homepage="https://www.albertpumarola.com/research/3DPeople/index.html",
    licence="research use on request (its text could not be verified)",
    access="request at cv.iri.upc-csic.es",
    paper="Pumarola, Sanchez, Choi, Sanfeliu, Moreno-Noguer: 3DPeople, ICCV 2019",
    skeletons=("3dpeople_29",),
    splits=("train", "test"),
    tree="""\
rgb/woman01/02_04_jump/camera01/<appearance>/0001.jpg
skeleton/woman01/02_04_jump/camera01/0001.txt
segmentation_clothes/woman01/02_04_jump/camera01/0001.png     (optional)""",
    items=(
        Item("rgb/*/*/camera*/*/*.jpg", "images", "rgb *.tar.gz"),
        Item("skeleton/*/*/camera*/*.txt", "joints, one file per image", "skeleton *.tar.gz"),
        Item(
            "segmentation_clothes/*/*/camera*/*.png",
            "silhouettes (not read)",
            "segmentation_clothes *.tar.gz",
            required=False,
        ),
    ),
    defects=(
        Defect(
            "no camera is known but its focal length of 700 px and its centre",
            "its place is found from the 67 pairs of 2D and 3D joints: one camera per sequence if "
            f"that explains all images within {SHARED_RMS_PX:g} px, else one per image",
        ),
        Defect(
            "the official list of joints and its users disagree on head, legs and right hand",
            "decided per sequence by geometry (option joint_order)",
        ),
        Defect("skeleton/.../0000.txt has no image", "left out"),
        Defect("the unit of the 3D joints is not documented", "taken as 0.1 m"),
        Defect(
            "the upward axis of the world is not documented",
            "the axis nearest to the mean direction from pelvis to head; +z where people do not "
            "stand",
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, splits=("train", "test"), joints=ALL_JOINTS),
    facts=(
        "80 subjects x 70 actions x 4 cameras, about 2 million images of 640 x 480 px.",
        "Official test subjects: woman34-40 and man34-40; MeTRAbs was trained on all 80.",
        f"Extra {ALL_JOINTS}: the 67 joints of the file in its order, mm. Thinning compares them "
        "all, as published; stores leave them out.",
        "Published thinning runs on over sequences. Here each starts anew, as they are read on "
        "their own: its first frame is always kept, even if it repeats the last one kept before.",
    ),
)


@dataclass(frozen=True)
class ThreeDPeople(Adapter):
    """Reads 3DPeople."""

    info = INFO

    joint_order: str = option("auto", "rows of the joints: auto (by geometry), posepile, official")
    cameras: str = option("auto", "auto (sequence if it fits, else image), sequence or image")

    def __post_init__(self):
        check_choice(self, "joint_order", ("auto", *ORDERS))
        check_choice(self, "cameras", ("auto", "sequence", "image"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per subject, action and camera."""
        found = [
            path.relative_to(root / "rgb").as_posix()
            for subject in (root / "rgb").glob("*")
            if _split_of(subject.name) == split
            for path in subject.glob("*/camera*")
            if path.is_dir()
        ]
        return [Source(split, key) for key in sorted(found, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per appearance folder (there is one)."""
        folder = root / "skeleton" / source.key
        known = _numbered(folder, ".txt")
        if not known:
            raise FileError(folder, "expected files 0001.txt, ..., found none; unpack skeleton")
        rgb = root / "rgb" / source.key
        for place in (rgb, *sorted(path for path in rgb.glob("*") if path.is_dir())):
            images = {
                int(match[1]): name
                for name, match in ((n, _IMAGE.fullmatch(n)) for n in os.listdir(place))
                if match
            }
            frames = sorted(images.keys() & known.keys())
            if frames:
                files = [os.path.join(folder, known[frame]) for frame in frames]
                base = place.relative_to(root).as_posix()
                yield self._block(source, files, frames, [f"{base}/{images[f]}" for f in frames])

    def _block(
        self, source: Source, files: list[str], frames: list[int], images: list[str]
    ) -> ExampleBlock:
        rows = np.array([_read_skeleton(path) for path in files])
        pixels, points = rows[..., :2], MM_PER_UNIT * rows[..., 2:]
        subject, action, camera_name = source.key.split("/")
        order, notes = self._order(points)
        cameras, more = self._cameras(files, points, pixels)
        return ExampleBlock(
            dataset="3dpeople",
            split=source.split,
            skeleton="3dpeople_29",
            frames=np.array(frames),
            sequence=f"{subject}/{action}",
            subject=subject,
            camera_name=camera_name,
            images=images,
            cameras=cameras,
            joints3d=points[:, order.rows],
            joints2d=pixels[:, order.rows],
            extras={ALL_JOINTS: points},
            notes=notes + more,
        )

    def _order(self, points: np.ndarray) -> tuple[JointOrder, tuple[str, ...]]:
        if self.joint_order == "auto":
            return order_by_evidence(points)
        return ORDERS[self.joint_order], ()

    def _cameras(self, files: list[str], points: np.ndarray, pixels: np.ndarray):
        """Returns one camera or one per image, and notes."""
        up, note = _upward_axis(points)
        ideal = (pixels - CENTER_PX) / FOCAL_PX
        if self.cameras != "image":
            chosen = np.unique(np.linspace(0, len(points) - 1, _FRAMES_FOR_SHARED).astype(int))
            found = find_cameras(points[chosen].reshape(1, -1, 3), ideal[chosen].reshape(1, -1, 2))
            camera = _camera(files[0], found.R[0], found.t[0], up)
            off = _rms_px(camera, points, pixels)
            worst = off.max()
            if self.cameras == "sequence" or worst <= SHARED_RMS_PX:
                return camera, (note, f"one camera for the sequence: at most {worst:.2f} px off")
            note += f"; one camera for the sequence would be up to {worst:.1f} px off"
        found = find_cameras(points, ideal)
        cameras = [
            _camera(path, R, t, up) for path, R, t in zip(files, found.R, found.t, strict=True)
        ]
        worst = FOCAL_PX * found.rms.max()
        return cameras, (note, f"a camera per image: at most {worst:.2f} px off")


def _split_of(subject: str) -> str | None:
    match = _SUBJECT.fullmatch(subject)
    if match is None:
        return None
    return "test" if int(match[1]) >= _FIRST_TEST_SUBJECT else "train"


def _numbered(folder: Path, suffix: str) -> dict[int, str]:
    """Returns the files of a folder that are named by a number."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise FileError.unreadable(folder, error) from None
    return {
        int(name.removesuffix(suffix)): name
        for name in names
        if name.endswith(suffix) and name.removesuffix(suffix).isdecimal()
    }


def _read_skeleton(path: str) -> np.ndarray:
    """Returns (67, 5): pixels, and positions in the file's unit."""
    rows = read_joint_rows(path, min_rows=N_ROWS, min_columns=5)
    if len(rows) != N_ROWS:
        raise FileError(path, f"expected {N_ROWS} lines, found {len(rows)}")
    return rows[:, [0, 1, -3, -2, -1]]


def _camera(path: str, R: np.ndarray, t: np.ndarray, up: np.ndarray) -> Camera:
    return camera_of(
        path,
        "found from its 2D and 3D joints",
        R=R,
        t=t,
        K=intrinsics(FOCAL_PX, FOCAL_PX, *CENTER_PX),
        world_up=up,
        image_size=IMAGE_SIZE,
    )


def _rms_px(camera: Camera, points: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Returns per frame (T,) how far projected joints are from the annotated ones; px."""
    squared = ((camera.project(points) - pixels) ** 2).sum(-1)
    return np.sqrt(np.where(np.isnan(squared), np.inf, squared).mean(1))


def _upward_axis(points: np.ndarray) -> tuple[np.ndarray, str]:
    """Returns the axis that people stand along, and a note."""
    spine = points[:, HEAD] - points[:, PELVIS]
    length = np.linalg.norm(spine, axis=-1, keepdims=True)
    mean = (spine / np.maximum(length, 1e-9)).mean(0)
    axis = int(np.abs(mean).argmax())
    if abs(mean[axis]) < _CLEARLY_UPRIGHT:
        return _DEFAULT_UP, f"up: +z by default, people point to {mean.round(2).tolist()}"
    up = np.sign(mean[axis]) * np.eye(3)[axis]
    return up, f"up: {'-' if mean[axis] < 0 else '+'}{'xyz'[axis]}, as people stand"
