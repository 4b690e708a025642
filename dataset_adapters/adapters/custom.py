"""Your own data: images or videos, COCO-like JSON or arrays, and a file of cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Item, Source, Thinning, option
from ..containers.errors import FileError
from ..containers.file_text import list_names
from ..containers.npz import open_npz
from ..examples import SPLITS, ExampleBlock
from ._coco_json import recent_coco
from ._coco_masks import SegmentationMasks
from ._custom_columns import (
    array_column,
    boxes_of_array,
    in_world,
    joints_of_json,
    optional_texts,
    video_frames,
)
from ._custom_settings import CustomSettings
from ._number_lists import texts, whole_numbers
from ._values import as_array, without_partly_missing

_ARRAYS = ("joints3d", "joints2d", "images", "frame", "video_frame", "boxes", "camera", "sequence",
           "person", "subject")  # fmt: skip

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
        "dataset.json: skeleton is a name or a .json/.toml file beside it (stores of the data "
        'carry its definition); units of 3D joints and t: mm, cm or m; frame: "world", or "camera" '
        "where joints are given in camera coordinates.",
        "JSON images: id, file_name, width, height; optional camera, sequence, frame, video_frame "
        "(for videos). Annotations: image_id; keypoints (J times x, y, v; v = 0: missing) and/or "
        "keypoints_3d (J times x, y, z; null: missing); optional bbox (all or none), segmentation, "
        "person, subject. Crowds (iscrowd) and people without a joint are left out.",
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
        if found:
            # What is wrong for all is told before any work, and is no single bad file to skip.
            CustomSettings.of(root)
        return found

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block per annotation file."""
        settings = CustomSettings.of(root)
        read = self._of_arrays if source.key.endswith(".npz") else self._of_json
        yield from read(root / source.key, source.split, settings)

    def _of_json(self, path: Path, split: str, settings: CustomSettings) -> Iterator[ExampleBlock]:
        document = recent_coco(path)
        people = [person for person in document.annotations if not person.get("iscrowd")]
        if not people:
            return
        # Before anything else: it finds annotations of images that are not listed.
        document.images_of(people)
        joints2d, joints3d = joints_of_json(document, people, settings.n_joints)
        given = [joints for joints in (joints2d, joints3d) if joints is not None]
        has_joints = np.any([~np.isnan(joints).all(axis=(1, 2)) for joints in given], axis=0)
        if not has_joints.any():
            raise FileError(path, "expected joints with v > 0 or coordinates, found none at all")
        people = [person for person, kept in zip(people, has_joints, strict=True) if kept]
        images = document.images_of(people)
        files, sizes = document.texts("file_name", images), document.sizes(images)
        segmentations = [person.get("segmentation") for person in people]
        yield self._block(
            settings,
            path,
            split,
            names=optional_texts(path, "camera", images),
            frames=whole_numbers(path, "frame", [i.get("frame", i["id"]) for i in images]),
            sequence=optional_texts(path, "sequence", images),
            images=files,
            video_frames=video_frames(path, files, [i.get("video_frame") for i in images]),
            image_sizes=sizes,
            person=texts(path, "person", [p.get("person", p.get("id", "")) for p in people]),
            subject=optional_texts(path, "subject", people),
            boxes=document.boxes(people) if any("bbox" in p for p in people) else None,
            masks=SegmentationMasks(str(path), segmentations, sizes)
            if any(segmentations)
            else None,
            joints2d=None if joints2d is None else joints2d[has_joints],
            joints3d=None if joints3d is None else joints3d[has_joints],
        )

    def _of_arrays(
        self, path: Path, split: str, settings: CustomSettings
    ) -> Iterator[ExampleBlock]:
        with open_npz(path) as arrays:
            found, names = {key: arrays[key] for key in _ARRAYS if key in arrays}, list(arrays)
        given = [found[key] for key in ("joints3d", "joints2d") if key in found]
        if not given or given[0].ndim != 3:
            raise FileError(
                path, f"expected joints3d or joints2d (N, J, D), found {list_names(names)}"
            )
        n = len(given[0])

        def joints(key: str, d: int) -> np.ndarray | None:
            shape = (n, settings.n_joints, d)
            if key not in found:
                return None
            return as_array(path, key, found[key], shape, may_miss=True)

        def column(key: str, kinds: str, default) -> list:
            return array_column(path, key, found.get(key, np.array(default)), n, kinds)

        images = column("images", "US", "") if "images" in found else None
        indices = column("video_frame", "iu", 0) if "video_frame" in found else [None] * n
        yield self._block(
            settings,
            path,
            split,
            names=column("camera", "USiu", ""),
            frames=np.array(column("frame", "iu", 0)) if "frame" in found else np.arange(n),
            sequence=column("sequence", "USiu", ""),
            images=images,
            video_frames=None if images is None else video_frames(path, images, indices),
            image_sizes=None,
            person=column("person", "USiu", ""),
            subject=column("subject", "USiu", ""),
            boxes=boxes_of_array(path, found["boxes"], n) if "boxes" in found else None,
            masks=None,
            joints2d=joints("joints2d", 2),
            joints3d=joints("joints3d", 3),
        )

    def _block(
        self, settings: CustomSettings, path: Path, split: str, *, names, joints2d, joints3d,
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
                joints3d = in_world(cameras, joints3d)
        return ExampleBlock(
            dataset="custom",
            split=split,
            skeleton=settings.skeleton,
            camera_name=names,
            cameras=cameras,
            boxes=boxes,
            joints2d=joints2d,
            joints3d=joints3d,
            **columns,
        )
