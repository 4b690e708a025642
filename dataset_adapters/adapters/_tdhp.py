"""Files of MPI-INF-3DHP's training set, which MuCo-3DHP's composites refer to as well."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..camera import Camera, moved
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import decode, quote
from ..containers.mat import read_mat
from ._values import (
    MAX_COORDINATE,
    RecentFiles,
    as_array,
    camera_of,
    without_partly_missing,
)

#: Indices of the 17 joints of the test set, and of the 21 that MuCo's prepared form has, among 28.
RELEVANT_17 = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
EXTENDED_21 = (*RELEVANT_17, 17, 12, 27, 22)
WORLD_UP = (0, 1, 0)

_CAMERA_LINES = {"size": 2, "intrinsic": 16, "extrinsic": 16}


def read_annotation(
    path: str | os.PathLike,
    keys: tuple[str, ...],
    *,
    cameras: Collection[int] | None = None,
) -> dict[str, dict[int, CheckedJoints]]:
    """Reads an `annot.mat` of the training set.

    Args:
      path: the file.
      keys: `annot2` (px), `annot3` or `univ_annot3` (mm in camera coordinates; with limbs of an
        average person).
      cameras: those that are wanted; default: all.

    Returns:
      Key -> camera number -> (N, 28, 2 or 3).

    Raises:
      FileError: a variable is missing or holds something else.
    """
    variables = read_mat(path, keys=(*keys, "cameras"))
    numbers = as_array(path, "cameras", np.ravel(variables["cameras"]), (None,)).astype(int)
    found = {key: {} for key in keys}
    for key in keys:
        cells, n_dims = variables[key], 2 if key == "annot2" else 3
        if not isinstance(cells, np.ndarray) or cells.dtype != object or cells.size != len(numbers):
            raise FileError(path, f"{key}: expected a cell for each of {len(numbers)} cameras")
        for number, cell in zip(numbers.tolist(), cells.ravel(), strict=True):
            if cameras is not None and number not in cameras:
                continue
            joints = _joints(path, f"{key} of camera {number}", cell, n_dims)
            found[key][number] = joints
            if len(joints) != len(found[keys[0]][number]):
                raise FileError(
                    path,
                    f"{key} of camera {number}: expected as many rows as in {keys[0]} "
                    f"({len(found[keys[0]][number])}), found {len(joints)}",
                )
    return found


def _joints(path, what: str, cell, n_dims: int) -> CheckedJoints:
    """Returns (N, 28, D) of a cell, looked at no more than needed: there are 100 000 rows."""
    is_plain = isinstance(cell, np.ndarray) and cell.dtype.kind == "f" and cell.ndim == 2
    is_plain = is_plain and cell.shape[1] == 28 * n_dims and len(cell) > 0
    # Comparisons with NaN are false.
    if is_plain and cell.min() >= -MAX_COORDINATE and cell.max() <= MAX_COORDINATE:
        joints = np.ascontiguousarray(cell).reshape(-1, 28, n_dims)
        return CheckedJoints.known(joints, np.ones(joints.shape[:2], bool))
    cell = as_array(path, what, cell, (None, 28 * n_dims), may_miss=True)
    return CheckedJoints(without_partly_missing(cell.reshape(-1, 28, n_dims)))


def to_world(camera: Camera, joints: CheckedJoints) -> CheckedJoints:
    """Returns joints (N, J, 3) in camera coordinates in the world, in their own precision."""
    points, shift = joints.values, -(camera.t @ camera.R)
    points = moved(points, camera.R.astype(points.dtype), shift.astype(points.dtype))
    return CheckedJoints.known(points, joints.is_present)


def read_cameras(path: str | os.PathLike) -> dict[int, Camera]:
    """Reads a `camera.calibration`: cameras by number; mm, world y up, no distortion.

    Raises:
      FileError: a line is missing or holds something else.
    """
    cameras, entry, name = {}, {}, None
    for number, line in enumerate(decode(read_bytes(path)).splitlines(), 1):
        words = line.split()
        if words[:1] == ["name"]:
            name, entry = " ".join(words[1:]), {}
        elif words and words[0] in _CAMERA_LINES:
            values = _floats(words[1:])
            if len(values) != _CAMERA_LINES[words[0]]:
                raise FileError(
                    path,
                    f"line {number}: expected {_CAMERA_LINES[words[0]]} numbers after "
                    f"{words[0]!r}, found {quote(' '.join(words[1:]))}",
                )
            entry[words[0]] = values
            if len(entry) == len(_CAMERA_LINES):
                cameras[_camera_number(path, number, name)] = _camera(path, name, entry)
                entry = {}
    if not cameras:
        raise FileError(path, "expected cameras (name, size, intrinsic, extrinsic), found none")
    return cameras


def _floats(words: list[str]) -> list[float]:
    """Returns words as numbers, none where there is something else among them."""
    try:
        return list(map(float, words))
    except ValueError:
        return []


recent_cameras = RecentFiles(read_cameras, keep=16)


def _camera_number(path, line: int, name: str | None) -> int:
    if name is None or not name.isdecimal() or len(name) > 4:
        raise FileError(
            path,
            f"line {line}: expected a camera whose name is a number, found {quote(name or '')}",
        )
    return int(name)


def _camera(path, name: str, entry: dict[str, list[float]]) -> Camera:
    extrinsic = np.reshape(entry["extrinsic"], (4, 4))
    width, height = entry["size"]
    if not (0 < width < 1e5 and 0 < height < 1e5):
        raise FileError(path, f"camera {name}: expected an image size, found {width} x {height}")
    return camera_of(
        path,
        f"camera {name}",
        R=nearest_rotation(extrinsic[:3, :3]),
        t=extrinsic[:3, 3],
        K=np.reshape(entry["intrinsic"], (4, 4))[:3, :3],
        world_up=WORLD_UP,
        image_size=(int(width), int(height)),
    )


def nearest_rotation(R: np.ndarray) -> np.ndarray:
    """Returns the rotation next to a matrix that is one up to its printed digits.

    Joints are given in camera coordinates: with an exact rotation, bringing them to the world and
    back changes nothing. A matrix that is no rotation comes back as it is.
    """
    if not np.isfinite(R).all():
        return R
    left, _, right = np.linalg.svd(R)
    rotation = left @ right
    return rotation if np.abs(rotation - R).max() < 1e-2 else R


def sequence_folders(root: Path, pattern: str = "S[0-9]*/Seq[0-9]*") -> list[str]:
    """Returns `S1/Seq1`, ... below a folder, in order."""
    return sorted(p.parent.relative_to(root).as_posix() for p in root.glob(f"{pattern}/annot.mat"))
