"""ASPset-510: 17 people doing sports outdoors in front of three cameras, markerless.

Nibali et al., ASPset: An Outdoor Sports Pose Video Dataset With 3D Keypoint Annotations, 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import skeleton_defs

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, Thinning, option
from ..camera import Camera
from ..containers.c3d import parse_c3d
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode, list_names, quote
from ..examples import ExampleBlock
from ..images import video_size
from ._number_text import number_table
from ._values import (
    RecentFiles,
    as_numbers,
    camera_of,
    member,
    read_json,
    shown_count,
    without_partly_missing,
)

VIEWS = ("left", "mid", "right")
_SPLITS = {"train": "train", "val": "valid", "test": "test"}
_NAME = re.compile(r"\w{1,40}")
_MM_PER = {"": 1, "mm": 1, "cm": 10, "m": 1000}

INFO = DatasetInfo(
    name="aspset",
    title="ASPset-510",
    kind="3D, markerless",
    homepage="https://archive.org/details/aspset510",
    licence="CC0 1.0 (public domain)",
    access="free download",
    paper="Nibali, Millward, He, Morgan: ASPset, Image and Vision Computing 2021",
    skeletons=("aspset_17",),
    splits=("train", "valid", "test"),
    tree="""\
data/splits.csv
data/trainval/cameras/04ac/04ac-left.json ... mid, right
data/trainval/joints_3d/04ac/04ac-0026.c3d
data/trainval/videos/04ac/04ac-0026-left.mkv ... mid, right
data/trainval/boxes/04ac/04ac-0026-left.csv ... mid, right    (optional)
data/test/                                                    likewise
(or what is in data/ directly in this folder)""",
    items=(
        Item("**/splits.csv", "the clips of each split and their views", "splits.csv"),
        Item("**/cameras/*/*-*.json", "calibration of the three views", "*_cameras.tar.gz"),
        Item("**/joints_3d/*/*-*.c3d", "joints, one file per clip", "*_joints_3d.tar.gz"),
        Item("**/videos/*/*-*-*.mkv", "videos", "*_videos.tar.gz"),
        Item("**/boxes/*/*-*-*.csv", "boxes", "*_boxes.tar.gz", required=False),
    ),
    defects=(
        Defect(
            "the test joints were published later; older copies lack them",
            "test clips without joints are left out; get aspset510_v1_test-joints_3d.tar.gz",
        ),
        Defect(
            "nothing is documented to mark a missing joint",
            "points that the C3D files mark as invalid are NaN",
        ),
    ),
    thinning=Thinning(distance_mm=100.0, memory=1, splits=("train", "valid"), every_elsewhere=5),
    box_expansion=1.1,
    facts=(
        "510 clips (17 people x 30), 3840x2160 at 50 Hz; the world is the left camera (y down).",
        "Published results: test at 10 Hz (every 5th frame), PCK at 150 mm.",
        "PosePile enlarges the files' boxes by 1.1; they are read as they are.",
    ),
)


@dataclass(frozen=True)
class AspSet(Adapter):
    """Reads ASPset-510."""

    info = INFO

    boxes: bool = option(True, "read the boxes where they are there; else boxes of the joints")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per video."""
        base = _base(root)
        found = []
        for subject, clip, its_split, camera in _clips(base / "splits.csv"):
            if its_split != split:
                continue
            if split == "test" and not _joints_file(base, split, subject, clip).is_file():
                continue
            views = VIEWS if camera == "all" else (camera,)
            found += [Source(split, f"{subject}-{clip}-{view}") for view in views]
        return sorted(set(found))

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all poses of a clip in one view."""
        base = _base(root)
        subject, clip, view = source.key.split("-")
        folder = base / _folder(source.split)
        video = folder / "videos" / subject / f"{source.key}.mkv"
        if not video.is_file():
            raise FileError(video, "expected a video, found none; unpack the archive of videos")
        joints, notes = _recent_joints(_joints_file(base, source.split, subject, clip))
        width, height, n_shown = video_size(video)
        boxes = None
        box_file = folder / "boxes" / subject / f"{source.key}.csv"
        if self.boxes and box_file.is_file():
            boxes = _read_boxes(box_file)
        n = shown_count(len(joints), n_shown)
        if boxes is not None and len(boxes) < n:
            notes += (f"{n - len(boxes)} of {n} frames have no box and are left out",)
            n = len(boxes)
        camera = _read_camera(
            folder / "cameras" / subject / f"{subject}-{view}.json", (width, height)
        )
        yield ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="aspset_17",
            frames=np.arange(n),
            sequence=f"{subject}-{clip}",
            subject=subject,
            camera_name=view,
            images=video.relative_to(root).as_posix(),
            video_frames=np.arange(n),
            cameras=camera,
            boxes=None if boxes is None else boxes[:n],
            joints3d=joints[:n],
            notes=notes,
        )


def _base(root: Path) -> Path:
    """Returns the folder with splits.csv."""
    return root if (root / "splits.csv").is_file() else root / "data"


def _folder(split: str) -> str:
    return "test" if split == "test" else "trainval"


def _joints_file(base: Path, split: str, subject: str, clip: str) -> Path:
    return base / _folder(split) / "joints_3d" / subject / f"{subject}-{clip}.c3d"


def _clips(path: Path) -> list[tuple[str, str, str, str]]:
    """Returns subject, clip, split and camera (or `all`) of each line of splits.csv."""
    rows = []
    for number, line in enumerate(decode(read_bytes(path)).splitlines(), 1):
        fields = [field.strip().strip('"') for field in line.split(",")]
        if not line.strip() or (number == 1 and fields[:1] == ["subject_id"]):
            continue
        fits = len(fields) == 4 and fields[2] in _SPLITS and fields[3] in ("all", *VIEWS)
        if not (fits and _NAME.fullmatch(fields[0]) and _NAME.fullmatch(fields[1])):
            raise FileError(
                path,
                f"line {number}: expected subject, clip, train|val|test, all|left|mid|right, "
                f"found {quote(line)}",
            )
        rows.append((fields[0], fields[1], _SPLITS[fields[2]], fields[3]))
    return rows


def _read_joints(path: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns (T, 17, 3) mm, and notes."""
    points = parse_c3d(path)
    names = skeleton_defs.get("aspset_17").joints
    labels = [label.strip() for label in points.labels]
    if sorted(labels) == sorted(names):
        order = [labels.index(name) for name in names]
    elif len(labels) == len(names) and not any(labels):
        order = list(range(len(names)))
    else:
        raise FileError(
            path,
            f"POINT:LABELS: expected the {len(names)} joints of ASPset (right_ankle, ...), found "
            f"{len(labels)}: {list_names(labels, most=4)}",
        )
    unit = (points.units or "").strip().lower()
    if unit not in _MM_PER:
        raise FileError(path, f"POINT:UNITS: expected mm, found {quote(unit)}")
    positions = _MM_PER[unit] * points.positions[:, order]
    if (np.abs(positions) > 1e7).any():
        raise FileError(path, "expected positions in mm, found some of more than 10 km")
    return without_partly_missing(positions), points.notes


_recent_joints = RecentFiles(_read_joints, keep=2)


def _read_boxes(path: Path) -> np.ndarray:
    """Returns (T, 4) left, top, width, height px."""
    _, _, body = read_bytes(path).replace(b",", b" ").partition(b"\n")
    edges = number_table(path, body, 4, first_line=2)
    boxes = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)
    bad = np.flatnonzero(~(boxes[:, 2:] >= 0).all(axis=1))
    if len(bad):
        raise FileError(
            path,
            f"line {bad[0] + 2}: expected left, top, right, bottom in px, found "
            f"{edges[bad[0]].tolist()}",
        )
    return boxes


def _read_camera(path: Path, size: tuple[int, int]) -> Camera:
    values = read_json(path)
    K = as_numbers(path, "intrinsic_matrix", member(path, values, "intrinsic_matrix"), 12)
    extrinsic = as_numbers(path, "extrinsic_matrix", member(path, values, "extrinsic_matrix"), 16)
    Rt = extrinsic.reshape(4, 4)
    return camera_of(
        path,
        "extrinsic_matrix, intrinsic_matrix",
        R=Rt[:3, :3],
        t=Rt[:3, 3],
        K=K.reshape(3, 4)[:, :3],
        world_up=(0, -1, 0),
        image_size=size,
    )
