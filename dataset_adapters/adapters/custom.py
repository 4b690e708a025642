"""Your own data: images or videos, COCO-like JSON or arrays, and a file of cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import skeleton_defs
from skeleton_defs import UserError

from ..adapter import Adapter, DatasetInfo, Item, Source, Thinning, option
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.npz import open_npz
from ..examples import SPLITS, ExampleBlock
from ._coco_json import CocoDocument, SegmentationMasks, recent_coco
from ._values import as_array, camera_of, member, read_json, without_partly_missing

_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")

INFO = DatasetInfo(
    name="custom",
    title="your own data",
    kind="custom",
    homepage="",
    licence="yours",
    access="skelbridge datasets template custom OUT writes a filled-in example",
    paper="",
    skeletons=("any format of the registry, or your own definition file",),
    splits=SPLITS,
    tree="""\
dataset.json        {"skeleton": "coco_17", "units": "m", "frame": "world"}
cameras.json        {"cam0": {"K": [[fx,0,cx],[0,fy,cy],[0,0,1]], "R": 3x3, "t": [x,y,z],
                     "distortion": [k1,k2,p1,p2,k3], "image_size": [w,h], "world_up": [0,0,1]}}
train.json          COCO-like: images and annotations (below); also valid.json, test.json
train.npz           instead of, or besides, train.json: arrays
images/..., videos/...""",
    items=(
        Item("dataset.json", "which skeleton, which unit"),
        Item("cameras.json", "calibration: x_cam = R x_world + t", required=False),
        Item("train.json", "annotations in JSON", required=False),
        Item("train.npz", "annotations as arrays", required=False),
    ),
    thinning=Thinning(distance_mm=None, splits=SPLITS),
    facts=(
        "dataset.json: skeleton is a name or a .json/.toml file beside it; units of 3D joints and "
        't: mm, cm or m; frame: "world", or "camera" where joints are given in camera coordinates.',
        "JSON images: id, file_name, width, height; optional camera, sequence, frame, video_frame "
        "(for videos). Annotations: image_id; keypoints (J times x, y, v; v = 0: missing) and/or "
        "keypoints_3d (J times x, y, z; null: missing); optional bbox, segmentation, person, "
        "subject.",
        "npz arrays, N rows: joints3d (N, J, 3) and/or joints2d (N, J, 2), NaN for missing; images "
        "(N) texts; optional frame, video_frame, boxes (N, 4), camera, sequence, person, subject "
        "(N) or one for all.",
        "Pixels: the centre of the first one is (0, 0). The camera looks along +z, y down.",
    ),
)


@dataclass(frozen=True)
class Custom(Adapter):
    """Reads a user's own dataset."""

    info = INFO

    pixel_origin: float = option(0.0, "what your pixel coordinates are at the first pixel's centre")

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns the split's annotation files."""
        names = [f"{split}.json", f"{split}.npz"]
        found = [Source(split, name) for name in names if (root / name).is_file()]
        if not found and not any(
            (root / f"{s}{e}").is_file() for s in SPLITS for e in (".json", ".npz")
        ):
            raise FileError(root, "expected train.json or train.npz (or valid, test), found none")
        return found

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per annotation file."""
        settings = _Settings.of(root)
        read = self._of_arrays if source.key.endswith(".npz") else self._of_json
        yield from read(root, root / source.key, source.split, settings)

    def _of_json(self, root: Path, path: Path, split: str, settings: _Settings):
        document = recent_coco(path)
        people = document.annotations
        if not people:
            return
        images = [document.image_of(person) for person in people]
        files = [str(name) for name in document.column("file_name", images)]
        joints2d, joints3d = self._joints(document, people, settings)
        sizes = list(
            zip(document.column("width", images), document.column("height", images), strict=True)
        )
        has_masks = any(person.get("segmentation") for person in people)
        masks = [person.get("segmentation") for person in people]
        yield self._block(
            settings,
            path,
            split,
            names=[image.get("camera") for image in images],
            frames=[image.get("frame", image["id"]) for image in images],
            sequence=[str(image.get("sequence", "")) for image in images],
            images=files,
            video_frames=_video_frames(path, files, [i.get("video_frame") for i in images]),
            image_sizes=sizes,
            person=[str(p.get("person", p.get("id", i))) for i, p in enumerate(people)],
            subject=[str(person.get("subject", "")) for person in people],
            boxes=document.numbers("bbox", people, 4) if all("bbox" in p for p in people) else None,
            masks=SegmentationMasks(str(path), masks, sizes) if has_masks else None,
            joints2d=joints2d,
            joints3d=joints3d,
        )

    def _joints(self, document: CocoDocument, people: list[dict], settings: _Settings):
        n, joints2d, joints3d = settings.n_joints, None, None
        if any("keypoints" in person for person in people):
            given = [person.get("keypoints", [0] * 3 * n) for person in people]
            triples = as_array(document.path, "keypoints", given, (len(people), 3 * n))
            triples = triples.reshape(-1, n, 3)
            joints2d = np.where(triples[..., 2:] > 0, triples[..., :2], np.nan)
        if any("keypoints_3d" in person for person in people):
            rows = np.array([p.get("keypoints_3d", [None] * 3 * n) for p in people], object)
            numbers = np.where(rows == None, np.nan, rows)  # noqa: E711 (null in JSON)
            joints3d = as_array(
                document.path, "keypoints_3d", numbers.tolist(), (len(people), 3 * n), may_miss=True
            ).reshape(-1, n, 3)
        if joints2d is None and joints3d is None:
            raise FileError(document.path, "expected keypoints or keypoints_3d in the annotations")
        return joints2d, joints3d

    def _of_arrays(self, root: Path, path: Path, split: str, settings: _Settings):
        with open_npz(path) as arrays:
            found = {key: arrays[key] for key in arrays}
        given = [found[key] for key in ("joints3d", "joints2d") if key in found]
        if not given or given[0].ndim != 3:
            raise FileError(path, f"expected joints3d or joints2d (N, J, D), found {list(found)}")
        n = len(given[0])

        def texts(key: str, default: str = "") -> list[str]:
            array = np.broadcast_to(found.get(key, np.array(default)), (n,))
            return [str(text) for text in array]

        def joints(key: str, d: int):
            shape = (n, settings.n_joints, d)
            return as_array(path, key, found[key], shape, may_miss=True) if key in found else None

        images = texts("images") if "images" in found else None
        yield self._block(
            settings,
            path,
            split,
            names=[name or None for name in texts("camera")],
            frames=found.get("frame", np.arange(n)),
            sequence=texts("sequence"),
            images=images,
            video_frames=None if images is None else _video_frames(
                path, images, list(found.get("video_frame", [None] * n))
            ),
            image_sizes=None,
            person=texts("person"),
            subject=texts("subject"),
            boxes=as_array(path, "boxes", found["boxes"], (n, 4)) if "boxes" in found else None,
            masks=None,
            joints2d=joints("joints2d", 2),
            joints3d=joints("joints3d", 3),
        )  # fmt: skip

    def _block(
        self, settings: _Settings, path: Path, split: str, *, names, frames, joints2d, joints3d,
        boxes, **columns,
    ) -> ExampleBlock:  # fmt: skip
        cameras = settings.chosen(path, names)
        if joints2d is not None:
            joints2d = without_partly_missing(joints2d - self.pixel_origin)
        if boxes is not None:
            boxes = boxes - (self.pixel_origin, self.pixel_origin, 0, 0)
        if joints3d is not None:
            joints3d = without_partly_missing(joints3d * settings.mm)
            if settings.in_camera_frame:
                if cameras is None:
                    raise FileError(path, 'joints in frame "camera" need a camera for each image')
                joints3d = np.stack([c.to_world(j) for c, j in zip(cameras, joints3d, strict=True)])
        try:
            return ExampleBlock(
                dataset="custom",
                split=split,
                skeleton=settings.skeleton,
                frames=np.array(frames),
                camera_name=["" if name is None else str(name) for name in names],
                cameras=cameras,
                boxes=boxes,
                joints2d=joints2d,
                joints3d=joints3d,
                **columns,
            )
        except ValueError as error:
            raise FileError(path, str(error)) from None


@dataclass(frozen=True, eq=False)
class _Settings:
    """What dataset.json and cameras.json say."""

    skeleton: str
    n_joints: int
    mm: float
    in_camera_frame: bool
    cameras: dict[str, Camera]
    path: Path

    @classmethod
    def of(cls, root: Path) -> _Settings:
        path = root / "dataset.json"
        settings = read_json(path)
        name = str(member(path, settings, "skeleton"))
        unit = settings.get("units", "mm")
        frame = settings.get("frame", "world")
        if unit not in _MM:
            raise FileError(path, f"units: expected mm, cm or m, found {unit!r}")
        if frame not in ("world", "camera"):
            raise FileError(path, f"frame: expected world or camera, found {frame!r}")
        skeleton = _skeleton(root, path, name)
        cameras_path = root / "cameras.json"
        cameras = _cameras(cameras_path, _MM[unit]) if cameras_path.is_file() else {}
        return cls(
            skeleton.name, skeleton.n_joints, _MM[unit], frame == "camera", cameras, cameras_path
        )

    def chosen(self, path: Path, names: list) -> list[Camera] | None:
        """Returns the camera of each row; None where no row names one."""
        if not any(names):
            return None
        for name in names:
            if name not in self.cameras:
                listed = ", ".join(self.cameras) or "none"
                raise FileError(path, f"camera {name!r} is not in cameras.json (there: {listed})")
        return [self.cameras[name] for name in names]


def _skeleton(root: Path, path: Path, name: str) -> skeleton_defs.Skeleton:
    """Returns the named format; a definition file beside dataset.json is registered."""
    if not name.lower().endswith((".json", ".toml")):
        try:
            return skeleton_defs.get(name)
        except UserError as error:
            raise FileError(path, f"skeleton: {error}") from None
    own = skeleton_defs.load(root / name)
    if own.name in skeleton_defs.list_formats():
        return skeleton_defs.get(own.name)
    return skeleton_defs.register(own)


def _cameras(path: Path, mm: float) -> dict[str, Camera]:
    document = read_json(path)
    if not isinstance(document, dict):
        raise FileError(path, "expected an object of cameras by name")
    cameras = {}
    for name, numbers in document.items():
        K = as_array(path, f"{name}.K", member(path, numbers, "K"), (3, 3))
        R = as_array(path, f"{name}.R", numbers.get("R", np.eye(3).tolist()), (3, 3))
        t = as_array(path, f"{name}.t", numbers.get("t", [0, 0, 0]), (3,))
        distortion = numbers.get("distortion")
        up = numbers.get("world_up")
        size = numbers.get("image_size")
        cameras[name] = camera_of(
            path,
            name,
            R=R,
            t=t * mm,
            K=K,
            distortion=None if distortion is None else as_array(
                path, f"{name}.distortion", distortion, (None,)
            ),
            world_up=None if up is None else as_array(path, f"{name}.world_up", up, (3,)),
            image_size=None if size is None else tuple(
                as_array(path, f"{name}.image_size", size, (2,)).astype(int)
            ),
        )  # fmt: skip
    return cameras


def _video_frames(path: Path, files: list[str], numbers: list) -> np.ndarray | None:
    """Returns the frame index of each row; None for still images."""
    is_video = [file.lower().endswith(_VIDEOS) for file in files]
    if not any(is_video):
        return None
    if not all(is_video) or any(number is None for number in numbers):
        raise FileError(path, "expected video_frame for every image that is a video, and no others")
    return np.array(numbers)
