"""MuCo-3DHP as 3DMPPE offers it: images and one JSON file in COCO's layout, 21 joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..adapter import Source
from ..camera import Camera, intrinsics
from ..containers.errors import FileError
from ..examples import ExampleBlock
from ._coco_json import CocoDocument, coco_document
from ._tdhp import WORLD_UP, nearest_rotation
from ._values import RecentFiles, as_array, camera_of, member, read_json

PREPARED = "MuCo-3DHP.json"
_PLACES = (".", "data", "MuCo/data", "MuCo")


def prepared_path(root: Path) -> Path | None:
    """Returns the annotation file, wherever below the root it lies; None where there is none."""
    places = (root / place / PREPARED for place in _PLACES)
    return next((path for path in places if path.is_file()), None)


def count_images(path: Path) -> int:
    """Returns the number of images that the file lists."""
    return len(_recent_prepared(path)[0])


def read_prepared(root: Path, source: Source, part: slice) -> ExampleBlock:
    """Returns the people of a part of the images.

    Raises:
      FileError: the file is missing, damaged, or lacks a field.
    """
    path = prepared_path(root)
    if path is None:
        raise FileError(root / PREPARED, "expected the prepared annotation, found no such file")
    images, by_image, document = _recent_prepared(path)
    chosen = images[part]
    rows = [row for image in chosen for row in by_image[image["id"]]]
    owners = [image for image in chosen for _ in by_image[image["id"]]]
    n = len(rows)

    def column(key: str, *shape: int) -> np.ndarray:
        return as_array(path, f"annotations.{key}", document.column(key, rows), (n, *shape))

    indices, cameras = _prepared_cameras(path, owners)
    in_camera, joints3d = column("keypoints_cam", 21, 3), np.empty((n, 21, 3))
    for k, camera in enumerate(cameras):
        joints3d[indices == k] = camera.to_world(in_camera[indices == k])
    boxes = column("bbox", 4)
    if (boxes[:, 2:] < 0).any():
        raise FileError(path, "annotations.bbox: expected left, top, width, height")
    folder = path.parent.relative_to(root)
    files = [str(member(path, image, "file_name")) for image in owners]
    return ExampleBlock(
        dataset="muco",
        split=source.split,
        skeleton="muco_21",
        frames=[image["id"] for image in owners] if n else np.zeros(0, int),
        sequence=[file.split("/")[0] for file in files],
        person=[str(row.get("id", "")) for row in rows],
        images=[(folder / file).as_posix() for file in files],
        cameras=[cameras[k] for k in indices.tolist()],
        boxes=boxes,
        joints3d=joints3d,
        joints2d=column("keypoints_img", 21, 2),
        extras={"visibility": column("keypoints_vis", 21)},
    )


def _read_prepared(path: str) -> tuple[list[dict], dict[int, list[dict]], CocoDocument]:
    """Returns the images, their annotations by image id, and the document."""
    document = coco_document(path, read_json(path))
    by_image = {image_id: [] for image_id in document.images}
    for annotation, image_id in zip(
        document.annotations, document.column("image_id", document.annotations), strict=True
    ):
        if not isinstance(image_id, int) or image_id not in by_image:
            raise FileError(path, f"annotation of image {str(image_id)[:40]!r}: no such image")
        by_image[image_id].append(annotation)
    if not all(isinstance(image_id, int) and 0 <= image_id < 1 << 53 for image_id in by_image):
        raise FileError(path, "images.id: expected whole numbers")
    return list(document.images.values()), by_image, document


_recent_prepared = RecentFiles(_read_prepared)


def _prepared_cameras(path: Path, images: list[dict]) -> tuple[np.ndarray, list[Camera]]:
    """Returns the index of the camera of each image entry, and the cameras."""
    indices, cameras, known = np.empty(len(images), int), [], {}
    for i, image in enumerate(images):
        key = repr([image.get(name) for name in ("f", "c", "R", "T", "width", "height")])
        if key not in known:
            known[key] = len(cameras)
            cameras.append(_prepared_camera(path, image))
        indices[i] = known[key]
    return indices, cameras


def _prepared_camera(path: Path, image: dict) -> Camera:
    def numbers(key: str, *shape: int) -> np.ndarray:
        values = np.ravel(np.asarray(member(path, image, key), object)).tolist()
        return as_array(path, f"images.{key}", values, (int(np.prod(shape)),)).reshape(shape)

    size = as_array(path, "images.width, height", [image.get("width"), image.get("height")], (2,))
    return camera_of(
        path,
        f"image {str(image.get('id'))[:40]}",
        R=nearest_rotation(numbers("R", 3, 3)),
        t=numbers("T", 3),
        K=intrinsics(*numbers("f", 2), *numbers("c", 2)),
        world_up=WORLD_UP,
        image_size=tuple(size.astype(int).tolist()),
    )
