"""Files that an ACAE is fitted to: poses of many formats at once, and the names of their joints."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dataset_adapters.containers import FileError
from dataset_adapters.containers.npy import NpyFile, open_npz
from skeleton_defs import UserError

from .joint_names import JointNames

_POSE_KEYS = ("poses", "positions", "joints", "poses3d", "keypoints3d")
_MAX_NAMES_BYTES = 16 << 20
_MAX_NAMES = 100_000


def read_poses(
    path: str | os.PathLike, *, key: str | None = None
) -> tuple[np.ndarray, JointNames | None]:
    """Reads poses (N, J, 3), and the joint names where an `.npz` has them as `joint_names`.

    Axes before J are taken together; mm.

    Raises:
      FileError: no `.npy` or `.npz`, no such array, or one of another shape.
    """
    file = Path(path)
    if file.suffix == ".npy":
        array = NpyFile(file)
        _check_shape(file, "the array", array.shape, array.dtype)
        return _flattened(array[:]), None
    with open_npz(file) as arrays:
        chosen = key or next((k for k in _POSE_KEYS if k in arrays), None)
        if chosen is None or chosen not in arrays:
            listed = ", ".join(list(arrays)[:8]) or "none"
            wanted = f"'{chosen}'" if chosen else " or ".join(f"'{k}'" for k in _POSE_KEYS[:2])
            raise FileError(
                file, f"expected an array {wanted} of poses (N, J, 3), found the arrays {listed}"
            )
        _check_shape(file, f"key '{chosen}'", *arrays.header(chosen))
        poses = _flattened(arrays[chosen])
        if "joint_names" not in arrays:
            return poses, None
        shape, dtype = arrays.header("joint_names")
        if len(shape) != 1 or dtype.kind not in "US" or shape[0] != poses.shape[1]:
            raise FileError(
                file,
                f"key 'joint_names': expected {poses.shape[1]} texts, found {dtype} of shape "
                f"{shape}",
            )
        names = [_text(file, name) for name in arrays["joint_names"].tolist()]
    try:
        return poses, JointNames.of_names(names)
    except UserError as error:
        raise FileError(file, f"key 'joint_names': {error}") from None


def registry_of(stated: str) -> JointNames:
    """Reads `--registry`: names of formats with commas between, or a text file of joint names.

    Raises:
      UserError: a format is unknown, or the file is not one name per line.
    """
    if not os.path.isfile(stated):
        formats = [name.strip() for name in stated.split(",") if name.strip()]
        if not formats:
            raise UserError("--registry: expected names of formats, found none")
        return JointNames.of_formats(formats)
    try:
        with open(stated, "rb") as file:
            data = file.read(_MAX_NAMES_BYTES + 1)
    except OSError as error:
        raise FileError.unreadable(stated, error) from None
    try:
        names = [line.strip() for line in data.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        raise FileError(stated, "expected a text file with a joint name per line") from None
    names = [name for name in names if name and not name.startswith("#")]
    if not names or len(data) > _MAX_NAMES_BYTES or len(names) > _MAX_NAMES:
        raise FileError(
            stated, f"expected 1 to {_MAX_NAMES} joint names, one per line, found {len(names)}"
        )
    try:
        return JointNames.of_names(names)
    except UserError as error:
        raise FileError(stated, str(error)) from None


def _check_shape(file: Path, where: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) < 3 or shape[-1] != 3 or 0 in shape or dtype.kind not in "fiu":
        raise FileError(
            file, f"{where}: expected numbers of shape (N, J, 3), found {dtype} of shape {shape}"
        )


def _flattened(poses: np.ndarray) -> np.ndarray:
    return poses.reshape(-1, *poses.shape[-2:])


def _text(file: Path, value: str | bytes) -> str:
    try:
        return value if isinstance(value, str) else value.decode("utf-8")
    except UnicodeDecodeError:
        raise FileError(file, "key 'joint_names': expected UTF-8 texts") from None
