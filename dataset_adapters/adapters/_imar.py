"""The layout that Fit3D, HumanSC3D and CHI3D share (imar.ro, 2021 to 2023).

Joints in metres, world z up, cameras with their centre in metres: x_cam = R (x_world - T).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, Defect, Item, Source, Thinning, option
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ..images import video_size
from ._values import (
    RecentFiles,
    as_array,
    as_numbers,
    camera_of,
    check_choice,
    member,
    natural_key,
    read_json,
    shown_count,
)

JOINTS = "joints3d_25"
#: Joint frames per video frame in the first release: 200 Hz against 50 fps.
FIRST_RELEASE_RATIO = 4

THINNING = Thinning(
    distance_mm=100.0, memory=10_000, keep_newly_valid=True, ignore_missing=True
)  # fmt: skip
BOX_EXPANSION = 1.2
LENS_DEFECT = Defect(
    "IMAR's own lens formula has a different tangential term than OpenCV's",
    "OpenCV's model with the same coefficients: less than a pixel apart",
)
RATE_DEFECT = Defect(
    "the first release has joints at 200 Hz, later ones at the video's 50 Hz",
    "the ratio of joint to video frames decides (option joint_rate)",
)


def tree(name: str, subject: str, annotations: str) -> str:
    """Returns the expected folders as text."""
    return f"""\
{name}_info.json                                    (optional)
train/{subject}/joints3d_25/<action>.json
train/{subject}/camera_parameters/<camera>/<action>.json
train/{subject}/videos/<camera>/<action>.mp4
train/{subject}/{annotations}                       (optional)
or the folder above: {name}/train/..."""


def items(archive: str) -> tuple[Item, ...]:
    """Returns what `check` looks for."""
    return (
        Item("**/train/*/joints3d_25/*.json", "joints", archive),
        Item("**/train/*/camera_parameters/*/*.json", "cameras, one file per action", archive),
        Item("**/train/*/videos/*/*.mp4", "videos", archive),
    )


@dataclass(frozen=True)
class ImarAdapter(Adapter):
    """Reads a dataset in that layout; subclasses set `info`."""

    joint_rate: str = option("auto", "joint frames per video frame: auto (by the counts), 1 or 4")

    def __post_init__(self):
        check_choice(self, "joint_rate", ("auto", "1", "4"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per action and camera of the train subjects; test has no joints."""
        base = self._base(root)
        found = []
        for path in base.glob(f"train/*/{JOINTS}/*.json"):
            subject = path.parent.parent
            cameras = [
                place.name for place in (subject / "camera_parameters").glob("*") if place.is_dir()
            ]
            if not cameras:
                raise FileError(
                    subject / "camera_parameters", "expected a folder per camera, found none"
                )
            found += [f"{subject.name}/{path.stem}/{camera}" for camera in cameras]
        return [Source(split, key) for key in sorted(found, key=natural_key)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per person with the poses of an action in one camera."""
        subject, action, camera_name = source.key.split("/")
        folder = self._base(root) / "train" / subject
        video = folder / "videos" / camera_name / f"{action}.mp4"
        people = _recent_joints(folder / JOINTS / f"{action}.json")
        width, height, n_frames = video_size(video)
        stride, note = self._stride(people.shape[1], n_frames)
        camera = read_camera(
            folder / "camera_parameters" / camera_name / f"{action}.json", (width, height)
        )
        for person, joints in enumerate(people):
            shown = joints[::stride]
            shown = shown[: shown_count(len(shown), n_frames)]
            yield ExampleBlock(
                dataset=self.info.name,
                split=source.split,
                skeleton="imar_25",
                frames=np.arange(len(shown)),
                sequence=f"{subject}/{action}",
                subject=subject,
                camera_name=camera_name,
                person=str(person),
                images=video.relative_to(root).as_posix(),
                video_frames=np.arange(len(shown)),
                cameras=camera,
                joints3d=shown,
                extras=self.extras(person, len(shown)),
                notes=note,
            )

    def extras(self, person: int, n: int) -> dict[str, list]:
        """Returns further columns of the rows of a person."""
        return {}

    def _base(self, root: Path) -> Path:
        below = root / self.info.name
        return below if not (root / "train").is_dir() and below.is_dir() else root

    def _stride(self, n_joint_frames: int, n_video_frames: int) -> tuple[int, tuple[str, ...]]:
        """Returns joint frames per video frame, and why."""
        if self.joint_rate != "auto":
            return int(self.joint_rate), ()
        ratio = n_joint_frames / max(n_video_frames, 1)
        if round(ratio) != FIRST_RELEASE_RATIO:
            return 1, ()
        return FIRST_RELEASE_RATIO, (
            f"every 4th joint frame: {n_joint_frames} joint frames against {n_video_frames} video "
            f"frames (ratio {ratio:.2f}) are the first release, at 200 Hz",
        )


def _read_joints(path: str) -> np.ndarray:
    """Returns (people, T, 25, 3) mm."""
    values = member(path, read_json(path), JOINTS)
    is_one_person = _depth(values) == 3
    shape = (None, 25, 3) if is_one_person else (None, None, 25, 3)
    joints = 1000 * as_array(path, JOINTS, values, shape)
    return joints[None] if is_one_person else joints


_recent_joints = RecentFiles(_read_joints)


def read_camera(path: Path, image_size: tuple[int, int]) -> Camera:
    """Reads the camera of one action.

    Raises:
      FileError: a key is missing or holds something else.
    """
    stored = read_json(path)

    def numbers(group: str, key: str, count: int) -> np.ndarray:
        return as_numbers(path, f"{group}.{key}", member(path, stored, group, key), count)

    lens = "intrinsics_w_distortion"
    (fx, fy), (cx, cy) = numbers(lens, "f", 2), numbers(lens, "c", 2)
    k1, k2, k3 = numbers(lens, "k", 3)
    p1, p2 = numbers(lens, "p", 2)
    return camera_of(
        path,
        "extrinsics and intrinsics_w_distortion",
        center=1000 * numbers("extrinsics", "T", 3),
        R=numbers("extrinsics", "R", 9).reshape(3, 3),
        K=intrinsics(fx, fy, cx, cy),
        distortion=(k1, k2, p1, p2, k3),
        world_up=(0, 0, 1),
        image_size=image_size,
    )


def _depth(values) -> int:
    depth = 0
    while isinstance(values, list) and values and depth < 5:
        values, depth = values[0], depth + 1
    return depth
