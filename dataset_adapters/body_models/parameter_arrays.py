"""Checked reading of the single arrays that SMPL-family parameters are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..containers.errors import FileError
from .rotations import rotation_defect
from .smpl_family import SmplFamily, rotation_layout

#: An axis-angle vector longer than two full turns is taken for another unit (degrees).
_MAX_ANGLE = 4 * np.pi
_MAX_MATRIX_DEFECT = 0.02
_CHUNK_FRAMES = 4096


def array_shape(arrays: Mapping, key: str) -> tuple[int, ...] | None:
    """Return the shape of an array of numbers without reading it, or None where there is none."""
    if key not in arrays:
        return None
    if hasattr(arrays, "header"):
        try:
            shape, dtype = arrays.header(key)
        except FileError:
            return None
    else:
        shape = getattr(arrays[key], "shape", None)
        dtype = getattr(arrays[key], "dtype", None)
    return shape if dtype is not None and dtype.kind in "fiu" else None


def first_key(arrays: Mapping, keys: tuple[str, ...]) -> str | None:
    """Return the first of `keys` under which `arrays` has an array of numbers."""
    return next((key for key in keys if array_shape(arrays, key) is not None), None)


def rotation_count(shape: tuple[int, ...]) -> tuple[int, bool] | None:
    """Return the rotations per frame of a pose array, and whether they are hardly positions.

    None where the shape is not that of a pose. 72, 156 and 165 columns are what poses have.
    """
    if len(shape) == 4 and shape[2:] == (3, 3) and rotation_layout(shape[1]):
        return shape[1], True
    if len(shape) in (2, 3) and shape[-1] == 3 and rotation_layout(shape[-2]):
        return shape[-2], False
    if len(shape) in (1, 2) and shape[-1] % 3 == 0 and rotation_layout(shape[-1] // 3):
        return shape[-1] // 3, shape[-1] in (72, 156, 165)
    return None


@dataclass(frozen=True, eq=False)
class RotationArray:
    """The rotations of some joints: `(T, n, 3)` or `(T, n, 3, 3)`."""

    key: str
    joints: range
    array: np.ndarray


def rotation_forms(shape: tuple[int, ...], n: int) -> tuple[bool, bool, bool]:
    """Tell whether a shape is n rotations as matrices, as vectors per joint, or flat."""
    return (
        shape[1:] == (n, 3, 3) or (n == 1 and len(shape) == 3 and shape[1:] == (3, 3)),
        len(shape) in (2, 3) and shape[-2:] == (n, 3),
        len(shape) in (1, 2) and shape[-1] == 3 * n,
    )


def read_rotations_of(path, arrays, key: str, joints: range, family: SmplFamily) -> RotationArray:
    """Read the rotations of some joints of `family` and check that they are rotations.

    Raises:
      FileError: another shape, no frames, values that are not finite or no rotations.
    """
    array = arrays[key]
    n = len(joints)
    # (T, 3, 3) is T matrices of one joint; (n, 3) one frame, or T = n frames where n is 1.
    is_matrices, is_vectors, is_flat = rotation_forms(array.shape, n)
    if is_matrices:
        array = array.reshape(-1, n, 3, 3)
    elif is_flat or is_vectors:
        array = array.reshape(-1, n, 3)
    else:
        raise FileError(
            path, f"'{key}': expected {n} rotations per frame, found shape {array.shape}"
        )
    if len(array) == 0:
        raise FileError(path, f"'{key}': expected at least one frame, found none")
    array = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
    for start in range(0, len(array), _CHUNK_FRAMES):
        chunk = array[start : start + _CHUNK_FRAMES]
        bad = _is_no_rotation(chunk)
        if bad.any():
            frame, joint = np.argwhere(bad)[0]
            raise FileError(
                path,
                f"'{key}': expected rotations (axis-angle in radians, or matrices), found "
                f"{_described(chunk[frame, joint])} for {family.joints[joints[joint]]} in frame "
                f"{start + frame}",
            )
    return RotationArray(key, joints, array)


def _is_no_rotation(array: np.ndarray) -> np.ndarray:
    """Marks `(t, n)` what is not finite, not a rotation, or more than two full turns."""
    finite = np.where(np.isfinite(array), array, 0).astype(np.float64)
    wrong = ~np.isfinite(array).all(axis=(-2, -1) if array.ndim == 4 else -1)
    # Larger than any rotation: the squares below must not overflow.
    wrong |= (np.abs(finite) > 1e3).any(axis=(-2, -1) if array.ndim == 4 else -1)
    finite = np.clip(finite, -1e3, 1e3)
    if array.ndim == 4:
        return wrong | (rotation_defect(finite) > _MAX_MATRIX_DEFECT)
    return wrong | (np.linalg.norm(finite, axis=-1) > _MAX_ANGLE)


def _described(values: np.ndarray) -> str:
    return str([float(f"{value:.4g}") for value in values.ravel()])


def read_vectors(path, key: str, array: np.ndarray, n_frames: int) -> np.ndarray:
    """Read one 3D vector per frame, `(n_frames, 3)`."""
    if array.shape not in ((n_frames, 3), (n_frames, 1, 3)) and not (
        n_frames == 1 and array.shape == (3,)
    ):
        raise FileError(path, f"'{key}': expected shape ({n_frames}, 3), found {array.shape}")
    rows = array.reshape(n_frames, 3).astype(np.float64)
    bad = ~(np.abs(rows) < 1e9).all(axis=1)
    if bad.any():
        frame = np.argmax(bad)
        raise FileError(
            path, f"'{key}': expected metres, found {_described(rows[frame])} in frame {frame}"
        )
    return rows


def read_positive(path, key: str, value) -> float:
    """Read one positive number, wrapped in an array or not."""
    if isinstance(value, (int, float)):
        value = np.asarray(value, np.float64)
    if not isinstance(value, (np.ndarray, np.generic)) or value.size != 1:
        raise FileError(path, f"'{key}': expected one number, found something else")
    if value.dtype.kind not in "fiu":
        raise FileError(path, f"'{key}': expected one number, found dtype {value.dtype}")
    number = float(value.reshape(()))
    if not 0 < number < 1e6:
        raise FileError(path, f"'{key}': expected a positive number, found {number}")
    return number


def read_text(value) -> str | None:
    """Return a text that may be bytes or in an array, as AMASS's genders are, or None."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size == 1 else None
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return str(value) if isinstance(value, str) else None
