"""H3WB: 133 whole-body joints in 3D for frames of Human3.6M.

Zhu, Samet, Picard, ICCV 2023. Millimetres in camera coordinates; K / 1000 and T in metres.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.safe_pickle import load_object_npz
from ..examples import ExampleBlock
from ._h36m_cameras import NAMES, published_cameras, published_size
from ._values import RecentFiles, as_array, camera_of, check_choice, member, read_json

SKELETON = "h3wb_133"
N_JOINTS = 133
_TEST_SUBJECTS = ("S8",)
_JSON_FILES = ("RGBto3D_train.json", "2Dto3D_train.json")
_IMAGE = re.compile(r"(?:.*/)?(S\d+)/Images/([^/]+)\.(\d{8})/frame_(\d+)\.jpg")

INFO = DatasetInfo(
    name="h3wb",
    title="H3WB (Human3.6M 3D WholeBody)",
    kind="3D, markerless",
    homepage="https://github.com/wholebody3d/wholebody3d",
    licence="annotations MIT; the images need the Human3.6M licence (academic)",
    access="free download of the annotations; Human3.6M by registration",
    paper="Zhu, Samet, Picard: H3WB, ICCV 2023",
    skeletons=(SKELETON,),
    splits=("train", "valid", "test"),
    tree="""\
h3wb_train.npz                       (any name that begins with h3wb and ends in .npz)
or RGBto3D_train.json, 2Dto3D_train.json                 the JSON edition
S1/Images/Directions 1.54138969/frame_0005.jpg           (cut by the authors' script)""",
    items=(
        Item("**/h3wb*.npz", "joints of all views and cameras", "array edition", required=False),
        Item("**/*to3D_train.json", "joints, JSON edition", "json.zip", required=False),
        Item("S*/Images/*/*.jpg", "frames of Human3.6M", "the authors' script", required=False),
    ),
    defects=(
        Defect("3D is completed by a model, not measured; face and hands are smooth", "kept"),
        Defect(
            "image names are padded with zeros by the authors' script and not by mmpose",
            "the one that exists is taken; without images there is no image reference",
        ),
        Defect("K is divided by 1000, T in metres, joints in mm", "all brought to px and mm"),
        Defect("the JSON edition has no cameras", "the published Human3.6M calibration is used"),
    ),
    box_expansion=1.2,
    facts=(
        "Official: S1, S5, S6, S7 train, S8 test (only in files that hold it); option "
        "protocol=mmpose makes S7 the validation split.",
    ),
)


@dataclass(frozen=True)
class H3wb(Adapter):
    """Reads H3WB's array edition, or its JSON edition."""

    info = INFO

    protocol: str = option("official", "official (no validation split) or mmpose (S7 validates)")

    def __post_init__(self):
        check_choice(self, "protocol", ("official", "mmpose"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the annotation files."""
        files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("h3wb*.npz"))]
        if not files:
            files = [name for name in _JSON_FILES if (root / name).is_file()][:1]
        if not files:
            raise FileError(root, f"expected h3wb_train.npz or {_JSON_FILES[0]}, found neither")
        return [Source(split, name) for name in files]

    def _split_of(self, subject: str) -> str:
        if subject in _TEST_SUBJECTS:
            return "test"
        return "valid" if self.protocol == "mmpose" and subject == "S7" else "train"

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per recording and camera."""
        path = root / source.key
        if path.suffix == ".json":
            yield from self._read_json(root, path, source.split)
            return
        subjects, cameras = _recent_arrays(path)
        for subject, actions in subjects.items():
            if self._split_of(subject) != source.split:
                continue
            for action, recording in actions.items():
                for name in NAMES:
                    if name in recording:
                        camera = _camera(path, cameras, subject, name)
                        what = (subject, action, name)
                        yield _block(root, path, source.split, what, recording, camera)

    def _read_json(self, root: Path, path: Path, split: str) -> Iterator[ExampleBlock]:
        groups: dict[tuple, list] = {}
        document = read_json(path)
        if not isinstance(document, dict):
            raise FileError(path, "expected an object of samples by number")
        for key, sample in document.items():
            match = _IMAGE.fullmatch(str(sample.get("image_path", "")))
            what = match.groups()[:3] if match else ("", "", "")
            frame = int(match[4]) if match else len(groups.get(what, ()))
            groups.setdefault(what, []).append((frame, key, sample))
        for what, rows in groups.items():
            if self._split_of(what[0]) == split:
                yield _json_block(root, path, split, what, rows)


def _read_arrays(path: str) -> tuple[dict, dict]:
    """Returns {subject: {action: recording}} and {subject: {camera: numbers}}."""
    found = []
    for key in ("train_data", "metadata"):
        value = load_object_npz(path, key)
        value = value.item() if value.shape == () else None
        if not isinstance(value, dict):
            raise FileError(path, f"{key}: expected a dictionary of subjects")
        found.append(value)
    return found[0], found[1]


_recent_arrays = RecentFiles(_read_arrays)


def _camera(path: Path, cameras: dict, subject: str, name: str) -> Camera:
    numbers = member(path, cameras, subject, name)

    def values(key: str, n: int) -> np.ndarray:
        return as_array(path, f"{subject} {name} {key}", np.ravel(member(path, numbers, key)), (n,))

    K = values("K", 9).reshape(3, 3).copy()
    K[:2] *= 1000
    return camera_of(
        path,
        f"camera {name} of {subject}",
        R=values("R", 9).reshape(3, 3),
        t=1000 * values("T", 3),
        K=K,
        distortion=values("Distortion", 5),
        world_up=(0, 0, 1),
        image_size=published_size(name),
    )


def _block(
    root: Path, path: Path, split: str, what: tuple, recording: dict, camera: Camera
) -> ExampleBlock:
    subject, action, name = what
    key = " ".join(what)
    frames = np.ravel(member(path, recording, "frame_id"))
    n = len(frames)
    view = member(path, recording, name)

    def values(entry: str, d: int) -> np.ndarray:
        array = np.asarray(member(path, view, entry))
        # Some editions keep a singleton axis.
        return as_array(
            path, f"{key} {entry}", array.reshape(-1, *array.shape[-2:]), (n, N_JOINTS, d)
        )

    if frames.dtype.kind not in "iu":
        raise FileError(path, f"{key} frame_id: expected integers, found {frames.dtype}")
    return ExampleBlock(
        dataset="h3wb",
        split=split,
        skeleton=SKELETON,
        subject=subject,
        sequence=f"{subject}/{action}",
        camera_name=name,
        frames=frames,
        images=_images(root, what, frames),
        cameras=camera,
        joints3d=camera.to_world(values("camera_3d", 3)),
        joints2d=values("pose_2d", 2),
    )


def _images(root: Path, what: tuple, frames: np.ndarray) -> list[str] | None:
    """Returns the image of each frame where all are there, in the naming that is there."""
    subject, action, name = what
    folder = f"{subject}/Images/{action}.{name}"
    if not (root / folder).is_dir():
        return None
    there = {path.name for path in (root / folder).glob("frame_*.jpg")}
    for pattern in ("frame_{:04d}.jpg", "frame_{:d}.jpg"):
        names = [pattern.format(int(frame)) for frame in frames]
        if there.issuperset(names):
            return [f"{folder}/{name}" for name in names]
    return None


def _json_block(root: Path, path: Path, split: str, what: tuple, rows: list) -> ExampleBlock:
    rows.sort(key=lambda row: row[0])
    subject, action, name = what
    camera = None
    if name in NAMES and subject in published_cameras().extrinsics:
        camera = published_cameras().camera(subject, name, published_size(name))
    joints3d = np.stack(
        [_points(path, key, sample, "keypoints_3d", "xyz") for _, key, sample in rows]
    )
    joints2d = np.stack(
        [_points(path, key, sample, "keypoints_2d", "xy") for _, key, sample in rows]
    )
    frames = np.array([row[0] for row in rows])
    return ExampleBlock(
        dataset="h3wb",
        split=split,
        skeleton=SKELETON,
        subject=subject,
        sequence=f"{subject}/{action}".strip("/"),
        camera_name=name,
        person=[key for _, key, _ in rows],
        frames=frames,
        images=_images(root, what, frames),
        cameras=camera,
        joints3d=joints3d if camera is None else camera.to_world(joints3d),
        joints2d=joints2d,
    )


def _points(path: Path, key: str, sample: dict, entry: str, axes: str) -> np.ndarray:
    """Returns (133, D) of {"0": {"x": ..., "y": ...}, ...}."""
    points: Any = sample.get(entry) or sample.get(entry.replace("keypoints", "keypont"))
    try:
        numbers = [[points[str(i)][axis] for axis in axes] for i in range(N_JOINTS)]
    except (KeyError, TypeError):
        raise FileError(
            path, f"sample {key}: expected {entry} with x, y, ... of joints 0 to 132"
        ) from None
    return as_array(path, f"sample {key} {entry}", numbers, (N_JOINTS, len(axes)))
