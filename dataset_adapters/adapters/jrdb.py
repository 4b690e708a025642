"""JRDB-Pose: people around a mobile robot in five outward cameras, 17 joints in the image.

Vendrow et al., CVPR 2023; the robot: Martin-Martin et al., TPAMI 2021.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..examples import ExampleBlock
from ._coco_json import CocoDocument, recent_coco, split_keypoints
from ._values import RecentFiles, as_array, camera_of, check_choice, member

IMAGE_SIZE = (752, 480)
_ROOTS = ("train_dataset", "train_dataset_with_activity", ".")
_LABELS = "labels/labels_2d_pose_coco"
_FILE = re.compile(r"(.+)_image(\d)\.json")
_IMAGE = re.compile(r".*image_(\d)/([^/]+)/(\d+)\.jpg")
_MAX_YAML_BYTES = 1 << 20

INFO = DatasetInfo(
    name="jrdb",
    title="JRDB-Pose",
    kind="2D",
    homepage="https://jrdb.erc.monash.edu/",
    licence="CC BY-NC-SA (could not be verified)",
    access="account and access request",
    paper="Vendrow, Le, Cai, Rezatofighi: JRDB-Pose, CVPR 2023",
    skeletons=("jrdb_17",),
    splits=("train",),
    tree="""\
train_dataset/images/image_{0,2,4,6,8}/<scene>/000000.jpg     (or train_dataset_with_activity/)
train_dataset/labels/labels_2d_pose_coco/<scene>_image{0,2,4,6,8}.json
train_dataset/calibration/cameras.yaml""",
    items=(
        Item(f"**/{_LABELS}/*.json", "joints per camera", "train labels (pose)"),
        Item("**/images/image_*/*/*.jpg", "video frames", "train images"),
        Item("**/calibration/cameras.yaml", "calibration", "train calibration", required=False),
    ),
    defects=(
        Defect(
            "labels run two frames late against the released images (PosePile); the official "
            "toolkit shifts nothing",
            "the image is two frames later than the label says (option frame_shift)",
        ),
        Defect("labels whose shifted image does not exist, at the end of a scene", "left out"),
        Defect("joints with flag 0 are guesses behind obstacles", "NaN (option keep_invisible)"),
        Defect(
            "calibration: which sensor image_N is, is told in two ways",
            "sensor N / 2, whose viewing directions fit; option sensors=name takes K and D of "
            "sensor N instead (not verifiable from the files)",
        ),
        Defect("panorama labels state the size of a single image", "panoramas are not read"),
    ),
    box_expansion=1.15,
    facts=(
        "Two frames in three can be near-copies: PosePile keeps a track's frame when a joint "
        "moved a tenth of the box; here every annotated frame is kept.",
        "Strong lens distortion; the cameras are attached to the 2D examples.",
    ),
)


@dataclass(frozen=True)
class Jrdb(Adapter):
    """Reads the per-camera pose labels of JRDB."""

    info = INFO

    frame_shift: int = option(2, "how many frames later than its label the image is")
    keep_invisible: bool = option(False, "keep joints whose flag is 0")
    sensors: str = option("position", "intrinsics of image_N: position (sensor N/2) or name (N)")

    def __post_init__(self):
        check_choice(self, "sensors", ("position", "name"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns one source per scene and camera."""
        base = self._base(root)
        files = sorted(p for p in (root / base / _LABELS).glob("*.json") if _FILE.match(p.name))
        if not files:
            raise FileError(
                root / base / _LABELS, "expected <scene>_image<N>.json, found none; unpack the "
                "pose labels here"
            )  # fmt: skip
        return [Source(split, path.relative_to(root).as_posix()) for path in files]

    def _base(self, root: Path) -> str:
        return next((base for base in _ROOTS if (root / base / _LABELS).is_dir()), _ROOTS[0])

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block with all people of a scene in one camera."""
        document = recent_coco(root / source.key)
        scene, number = _FILE.match(Path(source.key).name).groups()
        base = self._base(root)
        folder = f"{base}/images/image_{number}/{scene}".removeprefix("./")
        people = [person for person in document.annotations if person.get("keypoints")]
        if not people:
            return
        labels = np.array([_frame_number(document, document.image_of(person)) for person in people])
        frames = labels + self.frame_shift
        existing = {int(p.stem) for p in (root / folder).glob("*.jpg") if p.stem.isdigit()}
        joints, visibility = split_keypoints(document.numbers("keypoints", people, 51))
        if self.keep_invisible:
            joints = document.numbers("keypoints", people, 51).reshape(-1, 17, 3)[..., :2]
        is_usable = np.isin(frames, list(existing)) & ~np.isnan(joints[..., 0]).all(axis=1)
        rows = np.flatnonzero(is_usable)
        if not len(rows):
            return
        yield ExampleBlock(
            dataset="jrdb",
            split=source.split,
            skeleton="jrdb_17",
            sequence=scene,
            frames=labels[rows],
            camera_name=f"image_{number}",
            person=[str(people[row].get("track_id", "")) for row in rows],
            images=[f"{folder}/{frames[row]:06d}.jpg" for row in rows],
            cameras=self._camera(root / base / "calibration" / "cameras.yaml", int(number)),
            image_sizes=IMAGE_SIZE,
            joints2d=joints[rows],
            extras={"visibility": visibility[rows].astype(np.int8)},
            notes=(f"image = label + {self.frame_shift} frames (option frame_shift)",),
        )

    def _camera(self, path: Path, number: int) -> Camera | None:
        if not path.is_file():
            return None
        sensors = _recent_calibration(path)
        placed = f"sensor_{number // 2}"
        lens = placed if self.sensors == "position" else f"sensor_{number}"
        for name in (placed, lens):
            if name not in sensors:
                raise FileError(path, f"expected {name}, found {', '.join(map(str, sensors))[:80]}")
        return camera_of(
            path,
            f"image_{number}",
            R=_numbers(path, sensors, placed, "R").reshape(3, 3),
            t=_numbers(path, sensors, placed, "T"),
            K=_numbers(path, sensors, lens, "K").reshape(3, 3),
            distortion=_numbers(path, sensors, lens, "D"),
            world_up=(0, -1, 0),
            image_size=IMAGE_SIZE,
        )


def _frame_number(document: CocoDocument, image: dict) -> int:
    match = _IMAGE.fullmatch(str(image.get("file_name")))
    if not match:
        raise FileError(
            document.path,
            "images.file_name: expected image_0/<scene>/000000.jpg, found "
            f"{str(image.get('file_name'))[:80]!r}",
        )
    return int(match[3])


def _read_calibration(path: str) -> dict:
    import yaml

    data = read_bytes(path)
    if len(data) > _MAX_YAML_BYTES or b"&" in data:
        raise FileError(path, "expected a short plain YAML file of camera sensors")
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileError(path, f"expected YAML: {' '.join(str(error).split())[:120]}") from None
    # The sensors may stand below a head of their own.
    sensors = document.get("cameras", document) if isinstance(document, dict) else None
    if not isinstance(sensors, dict):
        raise FileError(path, "expected sensors with K, D, R and T")
    return sensors


_recent_calibration = RecentFiles(_read_calibration)
_SIZES = {"K": 9, "R": 9, "D": 5, "T": 3}


def _numbers(path: Path, sensors: dict, name: str, key: str) -> np.ndarray:
    """Returns the numbers of one entry: a text of numbers, or lists of them."""
    value = member(path, sensors, name, key)
    if isinstance(value, str):
        value = value.replace(",", " ").strip("[] ").split()
    try:
        flat = np.ravel(np.asarray(value, float))
    except (TypeError, ValueError):
        flat = value
    return as_array(path, f"{name}.{key}", flat, (_SIZES[key],))
