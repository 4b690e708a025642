"""GPA's annotation files as columns, and the world cameras that they describe in two ways."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from ..body_models.rotations import matrix_from_axis_angle
from ..containers.errors import FileError
from ..containers.file_text import quote
from ._values import as_array, as_numbers, camera_of, member, read_json, without_partly_missing

N_JOINTS = 34
MM_PER_CM = 10.0
_IMAGE = re.compile(r".*?(\d{10})\.(?:png|jpg)", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Annotations:
    """The columns of an annotation file.

    Attributes:
      image_ids: (N,) numbers of the images.
      is_train: (N,) bool.
      camera: (N, 34, 3) mm in camera coordinates, or None where the file has none.
      image: (N, 34, 2) px in the full image, or None.
      lenses: (N, 4) fx fy cx cy, or None.
      world: (N, 34, 3) mm, or None.
      world_cameras: (N, 9 + 5 + 3 + 3): K, k1 k2 p1 p2 k3, rotation vector, translation (cm), or
        None.
    """

    image_ids: np.ndarray
    is_train: np.ndarray
    camera: np.ndarray | None
    image: np.ndarray | None
    lenses: np.ndarray | None
    world: np.ndarray | None
    world_cameras: np.ndarray | None


def read_annotations(path: str) -> Annotations:
    """Reads a GPA json file; what `images` and `annotations` say of one image has one index.

    Raises:
      FileError: the file is damaged, or lists of different lengths or other shapes were found.
    """
    stored = read_json(path)
    images, rows = (member(path, stored, key) for key in ("images", "annotations"))
    if not isinstance(images, list) or not isinstance(rows, list) or len(images) != len(rows):
        raise FileError(
            path, "expected lists 'images' and 'annotations' of one length, found others"
        )
    joints = _column(path, rows, "joint_cams", (3, N_JOINTS))
    pixels = _column(path, rows, "joint_imgs_uncrop", (N_JOINTS, 2))
    lenses = [_column(path, rows, key, (2,)) for key in ("f", "c")]
    world = _column(path, rows, "joint_world_mm", (N_JOINTS, 3))
    cameras = [
        _column(path, rows, f"src_cam{i}", shape)
        for i, shape in enumerate([(9,), (5,), (3,), (3,)])
    ]
    has_lenses, has_cameras = (
        all(column is not None for column in group) for group in (lenses, cameras)
    )
    if (joints is None or not has_lenses) and (world is None or not has_cameras):
        raise FileError(
            path,
            "annotations: expected the keys joint_cams, f, c (or joint_world_mm, src_cam0 to "
            f"src_cam3), found {', '.join(list(rows[0])[:12]) if rows else 'no rows'}",
        )
    return Annotations(
        image_ids=_image_ids(path, images),
        is_train=_flags(path, rows),
        camera=None if joints is None else without_partly_missing(joints.swapaxes(1, 2)),
        image=None if pixels is None else without_partly_missing(pixels),
        lenses=np.concatenate(lenses, axis=1) if has_lenses else None,
        world=None if world is None else without_partly_missing(world),
        world_cameras=np.concatenate(cameras, axis=1) if has_cameras else None,
    )


def _column(path, rows: list, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Returns (N, ...) of one key, None where the first row has no such key."""
    if not rows or not isinstance(rows[0], dict) or key not in rows[0]:
        return None
    try:
        values = [row[key] for row in rows]
    except (KeyError, TypeError):
        index = next(i for i, row in enumerate(rows) if not isinstance(row, dict) or key not in row)
        raise FileError(path, f"annotations[{index}]: expected the key {key!r}") from None
    if N_JOINTS in shape:
        return as_array(path, f"annotations.{key}", values, (None, *shape), may_miss=True)
    # Vectors may come as rows or columns.
    return as_numbers(path, f"annotations.{key}", values, len(rows) * math.prod(shape)).reshape(
        len(rows), *shape
    )


def _image_ids(path, images: list) -> np.ndarray:
    numbers = []
    for index, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        match = _IMAGE.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            raise FileError(
                path,
                f"images[{index}].file_name: expected a name that ends in 10 digits and .png or "
                f".jpg, found {quote(str(name))}",
            )
        numbers.append(int(match[1]))
    return np.array(numbers, np.int64)


def _flags(path, rows: list) -> np.ndarray:
    try:
        return np.array([bool(row["istrains"]) for row in rows], bool)
    except (KeyError, TypeError):
        raise FileError(path, "annotations: expected the key 'istrains' in every row") from None


def world_cameras(path, annotations: Annotations, rows: np.ndarray, image_size: tuple[int, int]):
    """Returns joints in the world, cameras and the note on the sense of their rotation.

    The two senses in public code are tried on the data: the one that brings the world's joints onto
    `joint_cams` (or, where the file has none, onto the image points) is right.

    Raises:
      FileError: the file has no world coordinates, or neither sense fits.
    """
    if annotations.world is None or annotations.world_cameras is None:
        raise FileError(
            path, "expected joint_world_mm and src_cam0 to src_cam3, found none; use frame=camera"
        )
    joints, numbers = annotations.world[rows], annotations.world_cameras[rows]
    rotations = matrix_from_axis_angle(numbers[:, 14:17])
    t = MM_PER_CM * numbers[:, 17:20]
    senses = {"as stored": rotations, "transposed": rotations.swapaxes(1, 2)}
    residuals = {name: _residual(annotations, rows, joints, R, t) for name, R in senses.items()}
    best = min(residuals, key=residuals.get)
    if not np.isfinite(residuals[best]):
        raise FileError(path, "src_cam2: neither sense of the rotation puts people in the image")
    made = {}
    for row, R in zip(numbers, senses[best], strict=True):
        if row.tobytes() not in made:
            made[row.tobytes()] = _world_camera(path, row, R, image_size)
    listed = ", ".join(f"{name} {value:.3g}" for name, value in residuals.items())
    note = f"rotation vector of src_cam2 taken {best}; mean residual (mm or px): {listed}"
    return joints, [made[row.tobytes()] for row in numbers], (note,)


def _world_camera(path, row: np.ndarray, R: np.ndarray, image_size: tuple[int, int]):
    return camera_of(
        path,
        "src_cam0 to src_cam3",
        R=R,
        t=MM_PER_CM * row[17:20],
        K=row[:9].reshape(3, 3),
        distortion=row[9:14],
        image_size=image_size,
    )


def _residual(annotations: Annotations, rows, joints, R, t) -> float:
    """Returns the mean distance from what the file says of the same joints."""
    found = np.einsum("nij,nkj->nki", R, joints) + t[:, None]
    if annotations.camera is not None:
        expected = annotations.camera[rows]
    elif annotations.image is not None:
        K = annotations.world_cameras[rows, :9].reshape(-1, 3, 3)
        depth = np.where(found[..., 2:] > 0, found[..., 2:], np.nan)
        if np.isnan(depth).all():
            return np.inf
        found = np.einsum("nij,nkj->nki", K, found / depth)[..., :2]
        expected = annotations.image[rows]
    else:
        return 0.0
    distances = np.linalg.norm(found - expected, axis=-1)
    present = ~np.isnan(distances)
    return float(distances[present].mean()) if present.any() else np.inf
