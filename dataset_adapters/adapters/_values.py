"""Values that annotation files hold, checked on their way into arrays and cameras."""

from __future__ import annotations

import functools
import json
import numbers
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import numpy as np

from skeleton_defs import UserError

from ..adapter import Adapter
from ..camera import Camera
from ..columns import CheckedJoints
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import list_names, quote

_NO_NUMBERS = {"U": "text among them", "S": "text among them", "c": "complex numbers among them"}
#: Beyond this a coordinate in any unit is damage.
MAX_COORDINATE = 1e7

T = TypeVar("T")


def check_choice(adapter: Adapter, name: str, choices: Iterable[str]) -> None:
    """Refuses an option of an adapter that is none of its choices.

    Raises:
      UserError: the message lists them.
    """
    value = getattr(adapter, name)
    if value not in choices:
        raise UserError(
            f"{adapter.info.name}: option {name} must be one of {', '.join(choices)}. "
            f"Received {value!r}"
        )


def read_json(path: str | os.PathLike, data: bytes | None = None) -> Any:
    """Reads a JSON file.

    Raises:
      FileError: the file is missing or is no JSON; the message says where it stops being so.
    """
    data = read_bytes(path) if data is None else data
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        found = quote(data.decode("utf-8", "replace")[error.pos : error.pos + 20]) or "its end"
        raise FileError(
            path,
            f"line {error.lineno}: expected JSON ({error.msg}), found {found}; the file is damaged "
            "or cut off",
        ) from None
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"expected JSON, found something else: {error}") from None


def member(path, value: Any, *keys: str) -> Any:
    """Returns `value[keys[0]][keys[1]]...` of a JSON document's objects.

    Raises:
      FileError: a key is missing; the message lists those that are there.
    """
    for depth, key in enumerate(keys):
        if not isinstance(value, dict) or key not in value:
            place = ".".join(keys[: depth + 1])
            found = list_names(map(str, value)) if isinstance(value, dict) else _kind(value)
            raise FileError(path, f"expected the key {place!r}, found {found}")
        value = value[key]
    return value


def as_array(
    path,
    key: str,
    value: Any,
    shape: tuple[int | None, ...],
    *,
    may_miss: bool = False,
    from_text: bool = False,
) -> np.ndarray:
    """Returns numbers as an array of a certain shape: float64, or float32 where they are that.

    Complex numbers are none, nor are texts of digits unless they are words of a text file.

    Args:
      path, key: for messages.
      value: an array or nested lists.
      shape: expected sizes, None where any size will do.
      may_miss: whether NaN is let through.
      from_text: whether words are what the file has for numbers.

    Raises:
      FileError: something else than such numbers was found.
    """
    expected = f"({', '.join('n' if n is None else str(n) for n in shape)})"
    array = _float_array(path, key, value, f"of shape {expected}", from_text)
    fits = array.ndim == len(shape) and all(
        n is None or n == m for n, m in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise FileError(
            path, f"{key}: expected numbers of shape {expected}, found shape {array.shape}"
        )
    place = first_implausible(array, may_miss=may_miss)
    if place is None:
        return array
    raise FileError(path, f"{key}: expected finite numbers, found {array[place]} at {place}")


def first_implausible(array: np.ndarray, *, may_miss: bool = False) -> tuple[int, ...] | None:
    """Returns the place of the first number that is not finite, or too large for a coordinate.

    Args:
      array: any shape.
      may_miss: whether NaN is let through.

    Returns:
      Its index; None where there is none.
    """
    if array.size == 0 or _is_within_range(array, may_miss=may_miss):
        return None
    bad = ~(np.abs(array) <= MAX_COORDINATE)
    if may_miss:
        bad &= ~np.isnan(array)
    return tuple(int(i) for i in np.argwhere(bad)[0])


def _is_within_range(array: np.ndarray, *, may_miss: bool) -> bool:
    """Whether there is nothing else than plausible numbers, and NaN where that is let through.

    Two passes without a copy, where there is no NaN.
    """
    low, high = array.min(), array.max()
    if np.isnan(low) and may_miss:  # Comparisons with NaN are false.
        return not ((array > MAX_COORDINATE).any() or (array < -MAX_COORDINATE).any())
    return bool(low >= -MAX_COORDINATE and high <= MAX_COORDINATE)


def as_numbers(path, key: str, value: Any, count: int, *, from_text: bool = False) -> np.ndarray:
    """Returns `count` numbers (count,) float64, however they are nested.

    Raises:
      FileError: something else than so many numbers was found.
    """
    array = _float_array(path, key, value, f"({count} of them)", from_text)
    if array.size != count:
        raise FileError(path, f"{key}: expected {count} numbers, found shape {array.shape}")
    return as_array(path, key, array.ravel(), (count,))


def _float_array(path, key: str, value: Any, expected: str, from_text: bool) -> np.ndarray:
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value
    found = f"{_kind(value)} that is no such array" if isinstance(value, (list, tuple)) else ""
    try:
        array = np.asarray(value)
        # NumPy would read texts of digits, and cut off imaginary parts and the unit of times.
        kinds = "fiubUS" if from_text else "fiub"
        if array.dtype.kind in kinds or (array.dtype.kind == "O" and _are_numbers(array)):
            return array.astype(np.float64, copy=False)
        if isinstance(value, (list, tuple)):
            found = _NO_NUMBERS.get(array.dtype.kind, found)
    except (ValueError, TypeError, OverflowError):
        pass
    raise FileError(path, f"{key}: expected numbers {expected}, found {found or _kind(value)}")


def _are_numbers(objects: np.ndarray) -> bool:
    """Whether objects are real numbers, or None, which becomes NaN."""
    kinds = set(map(type, objects.flat))
    return all(issubclass(kind, (numbers.Real, np.bool_, type(None))) for kind in kinds)


def without_partly_missing(joints: np.ndarray) -> np.ndarray:
    """Returns joints (..., J, D) that are NaN in all coordinates where one of them is."""
    is_missing = np.isnan(joints)
    if not is_missing.any():
        return joints
    columns = _columns(is_missing)
    if all(np.array_equal(columns[0], column) for column in columns[1:]):
        return joints
    return np.where(functools.reduce(np.logical_or, columns)[..., None], np.nan, joints)


def without_zeros(joints: np.ndarray) -> np.ndarray:
    """Returns joints (..., J, D) with NaN for those that are exactly zero in all coordinates."""
    absent = _are_absent(joints)
    return _with_nan(joints, absent) if absent.any() else joints


def present_joints(joints: np.ndarray) -> CheckedJoints:
    """Returns joints (N, J, D), those being missing that are exactly zero in all coordinates.

    Args:
      joints: as `as_array` returns them; a joint with one NaN is missing as a whole.
    """
    absent = _are_absent(joints)
    joints = _with_nan(joints, absent) if absent.any() else np.ascontiguousarray(joints)
    return CheckedJoints.known(joints, ~absent)


def _are_absent(joints: np.ndarray) -> np.ndarray:
    columns = _columns(joints)
    absent = functools.reduce(np.logical_and, (column == 0 for column in columns))
    if joints.size and np.isnan(joints.min()):
        absent |= functools.reduce(np.logical_or, map(np.isnan, columns))
    return absent


def _with_nan(joints: np.ndarray, absent: np.ndarray) -> np.ndarray:
    joints = np.array(joints, order="C")
    joints[absent] = np.nan
    return joints


def _columns(joints: np.ndarray) -> list[np.ndarray]:
    """Returns each coordinate: reductions along an axis of two or three numbers are slow."""
    return [joints[..., d] for d in range(joints.shape[-1])]


def rows_of(is_chosen: np.ndarray) -> slice | np.ndarray:
    """Returns what selects the rows of a mask: those of all rows without a copy."""
    return slice(None) if is_chosen.all() else np.flatnonzero(is_chosen)


def camera_of(path, what: str, **fields: Any) -> Camera:
    """Returns a camera of numbers from a file.

    Raises:
      FileError: they make no camera; `what` says which one.
    """
    center = fields.pop("center", None)
    try:
        return Camera(**fields) if center is None else Camera.at(center, **fields)
    except ValueError as error:
        raise FileError(path, f"{what}: no usable camera: {error}") from None


class RecentFiles(Generic[T]):
    """What was read last from a few files, so that sources which share a file parse it once.

    Args:
      read: reads a path, or what several paths say together.
      keep: how many results are kept.
    """

    def __init__(self, read: Callable[..., T], *, keep: int = 1):
        self._read = read
        self._keep = keep
        self._results: OrderedDict[tuple, T] = OrderedDict()

    def __call__(self, *paths: str | os.PathLike) -> T:
        """Returns what `read(*paths)` returns; files that have changed since are read again."""
        paths = [os.fspath(path) for path in paths]
        key = tuple(map(_identity, paths))
        if key not in self._results:
            result = self._read(*paths)
            while len(self._results) >= self._keep:
                self._results.popitem(last=False)
            self._results[key] = result
        self._results.move_to_end(key)
        return self._results[key]

    def cache_clear(self) -> None:
        """Forgets what was read."""
        self._results.clear()


def _identity(path: str) -> tuple[str, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    return path, status.st_size, status.st_mtime_ns


def shown_count(n_poses: int, *n_video_frames: int) -> int:
    """Returns how many poses the videos show; a video that does not state its length shows all."""
    return min([n_poses, *(n for n in n_video_frames if n > 0)])


def natural_key(name: str) -> list:
    """Returns what to sort names by, so that `take 2` comes before `take 10`."""
    parts, digits = [], ""
    for char in [*name, ""]:
        if char and char in "0123456789":
            digits += char
            continue
        if digits:
            parts.append((0, int(digits), digits))
            digits = ""
        if char:
            parts.append((1, 0, char))
    return parts


def _kind(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    return quote(str(value)) if isinstance(value, (str, int, float)) else type(value).__name__
