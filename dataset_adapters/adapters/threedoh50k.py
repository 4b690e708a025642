"""3DOH50K: people partly hidden by objects, single images with fitted SMPL bodies.

Zhang et al., Object-Occluded Human Shape and Pose Estimation from a Single Color Image, CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..adapter import Adapter, DatasetInfo, Defect, Item, Source, option
from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_text import quote
from ..examples import ExampleBlock
from ..images import image_size
from ._folders import recent_names
from ._label_masks import MaskImages
from ._tdhp import nearest_rotation
from ._values import (
    RecentFiles,
    as_array,
    camera_of,
    check_choice,
    member,
    read_json,
    without_partly_missing,
)

#: Published factor of the units, about 1/7 m.
MM_PER_UNIT = 1000 / 7
_FOLDERS = {"train": "trainset", "test": "testset"}
_CHUNK = 1000
#: Median distance of projected and annotated joints above which a note is made.
_MAX_REPROJECTION_PX = 10.0

INFO = DatasetInfo(
    name="3doh50k",
    title="3DOH50K",
    kind="3D, markerless",
    homepage="https://www.yangangwang.com/papers/ZHANG-OOH-2020-03.html",
    licence="not stated; academic use is assumed",
    access="links on the site",
    paper="Zhang, Huang, Wang: Object-Occluded Human Shape and Pose Estimation, CVPR 2020",
    skeletons=("3doh_14",),
    splits=("train", "test"),
    tree="""\
trainset/annots.json
trainset/images/00000.jpg ...
trainset/masks/00000.png ...                  (optional)
testset/annots.json
testset/images/00000.jpg ...""",
    items=(
        Item("*set/annots.json", "annotation of all images of a split", "the dataset's archive"),
        Item("*set/images/*.jpg", "images", "the dataset's archive"),
        Item("trainset/masks/*.png", "silhouettes", "the dataset's archive", required=False),
    ),
    defects=(
        Defect(
            "the calibration is not metric: lengths are in units of about 1/7 m",
            "times 1000/7 mm, for all images (option unit: or by the scale fitted per image)",
        ),
        Defect("the 14 joints have no root", "the middle of the hips serves"),
        Defect("paths in the files have backslashes", "turned into slashes"),
        Defect(
            "images carry no subject, sequence or camera; their size is not in the annotation",
            "none are given; sizes are read from one image per calibration",
        ),
    ),
    box_expansion=1.0,
    facts=(
        "50310 training and 1290 test images. Joints are in camera coordinates, in LSP's order.",
        "Boxes are those of the files. World up is taken to be the camera's own -y.",
    ),
)


@dataclass(frozen=True, eq=False)
class _Annotations:
    """The columns of an annotation file; N images."""

    paths: list[str]
    masks: list[str]
    boxes: np.ndarray
    joints2d: np.ndarray
    joints3d: np.ndarray
    scales: np.ndarray
    extrinsics: np.ndarray
    intrinsics: np.ndarray


@dataclass(frozen=True)
class ThreeDoh50k(Adapter):
    """Reads 3DOH50K."""

    info = INFO

    unit: str = option("published", "published (1000/7 mm for all) or fitted (1000 mm / scale)")

    def __post_init__(self):
        check_choice(self, "unit", ("published", "fitted"))

    def sources(self, root: Path, split: str) -> list[Source]:
        """Returns parts of a thousand images."""
        path = root / _FOLDERS[split] / "annots.json"
        if not path.is_file():
            return []
        n = len(_recent_annotations(path).paths)
        return [Source(split, f"{start:06d}") for start in range(0, n, _CHUNK)]

    def read(self, root: Path, source: Source) -> Iterator[ExampleBlock]:
        """Yields one block."""
        folder = _FOLDERS[source.split]
        path = root / folder / "annots.json"
        all_rows = _recent_annotations(path)
        rows = range(int(source.key), min(int(source.key) + _CHUNK, len(all_rows.paths)))
        chosen = slice(rows.start, rows.stop)
        unit = np.full(len(rows), MM_PER_UNIT)
        if self.unit == "fitted":
            scales = all_rows.scales[chosen]
            if not (scales > 0).all():
                raise FileError(path, "scale: expected positive numbers; use the option unit")
            unit = 1000 / scales
        images = [f"{folder}/{name}" for name in all_rows.paths[chosen]]
        in_camera = unit[:, None, None] * all_rows.joints3d[chosen]
        indices, cameras = _cameras(path, root, images, all_rows, rows, unit)
        world = np.empty_like(in_camera)
        for k, camera in enumerate(cameras):
            world[indices == k] = camera.to_world(in_camera[indices == k])
        joints2d = all_rows.joints2d[chosen]
        yield ExampleBlock(
            dataset=self.info.name,
            split=source.split,
            skeleton="3doh_14",
            frames=np.array(rows),
            images=images,
            cameras=[cameras[k] for k in indices.tolist()],
            boxes=all_rows.boxes[chosen],
            masks=_masks(root, folder, all_rows.masks[chosen]),
            joints3d=world,
            joints2d=joints2d,
            notes=_reprojection_note(in_camera, joints2d, all_rows.intrinsics[chosen]),
        )


def _read_annotations(path: str) -> _Annotations:
    document = read_json(path)
    if not isinstance(document, dict):
        raise FileError(path, "expected an object with one entry per image, found something else")
    entries = {key: document[key] for key in sorted(document)}

    def column(key: str, *shape: int) -> np.ndarray:
        try:
            values = [entry[key] for entry in entries.values()]
        except (KeyError, TypeError):
            for name, entry in entries.items():
                member(path, {name: entry}, name, key)
            raise FileError(path, "expected objects with named fields") from None
        return as_array(path, key, values, (len(entries), *shape), may_miss=True)

    if not entries:
        raise FileError(path, "expected annotated images, found none")
    corners = column("bbox", 2, 2)
    boxes = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1)
    if not (boxes[:, 2:] >= 0).all():
        row = np.flatnonzero(~(boxes[:, 2:] >= 0).all(axis=1))[0]
        raise FileError(
            path, f"bbox of {list(entries)[row][:40]!r}: expected [[left, top], [right, bottom]]"
        )
    return _Annotations(
        paths=[_image_name(path, key, entry, "img_path") for key, entry in entries.items()],
        masks=[_image_name(path, key, entry, "mask_path") for key, entry in entries.items()],
        boxes=boxes,
        joints2d=without_partly_missing(column("lsp_joints_2d", 14, 2)),
        joints3d=without_partly_missing(column("lsp_joints_3d", 14, 3)),
        scales=column("scale", 1)[:, 0],
        extrinsics=column("extri", 4, 4),
        intrinsics=column("intri", 3, 3),
    )


_recent_annotations = RecentFiles(_read_annotations, keep=2)


def _image_name(path: str, key: str, entry: dict, field: str) -> str:
    """Returns a path below the split's folder; images that are not named are so by their key."""
    name = str(entry.get(field, f"images/{key}.jpg" if field == "img_path" else ""))
    name = name.replace("\\", "/")
    if name.startswith("/") or ".." in name or "\0" in name:
        raise FileError(
            path, f"{field}: expected a path such as images/00000.jpg, found {quote(name)}"
        )
    return name


def _masks(root: Path, folder: str, names: list[str]) -> MaskImages | None:
    """Returns the silhouettes that are there; None where none is."""
    paths = [f"{folder}/{name}" if name else "" for name in names]
    places = [path.rpartition("/")[::2] for path in paths]
    present = {
        place: recent_names(root / place) if (root / place).is_dir() else ()
        for place in {place for place, name in places if name}
    }
    found = [
        path if name and name in present[place] else ""
        for path, (place, name) in zip(paths, places, strict=True)
    ]
    return MaskImages(root, found) if any(found) else None


def _cameras(
    path: Path, root: Path, images: list[str], rows: _Annotations, chosen: range, unit: np.ndarray
) -> tuple[np.ndarray, list[Camera]]:
    """Returns the index of each image's camera, and the cameras; equal calibrations are one."""
    part = slice(chosen.start, chosen.stop)
    extrinsics, intrinsics = rows.extrinsics[part], rows.intrinsics[part]
    keys = np.concatenate(
        [extrinsics.reshape(-1, 16), intrinsics.reshape(-1, 9), unit[:, None]], axis=1
    )
    _, firsts, indices = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    cameras, sizes = [], {}
    for i in firsts.tolist():
        # One look at an image per calibration: fitted scales make more cameras than there are.
        lens = intrinsics[i].tobytes()
        if lens not in sizes:
            sizes[lens] = image_size(root / images[i])
        R = nearest_rotation(extrinsics[i, :3, :3])
        cameras.append(
            camera_of(
                path, f"extri, intri of {images[i]}", R=R, t=unit[i] * extrinsics[i, :3, 3],
                K=intrinsics[i], world_up=-R[1], image_size=sizes[lens],
            )
        )  # fmt: skip
    return np.ravel(indices), cameras


def _reprojection_note(in_camera: np.ndarray, joints2d: np.ndarray, K: np.ndarray) -> tuple:
    with np.errstate(invalid="ignore", divide="ignore"):
        ideal = in_camera / in_camera[..., 2:]
        off = np.linalg.norm((ideal @ K.transpose(0, 2, 1))[..., :2] - joints2d, axis=-1)
    off = off[np.isfinite(off)]
    median = float(np.median(off)) if len(off) else 0.0
    if median <= _MAX_REPROJECTION_PX:
        return ()
    return (f"lsp_joints_3d projects {median:.1f} px (median) off lsp_joints_2d",)
