"""The columns of an example block: one value for all rows or one per row; checks on arrays."""

from __future__ import annotations

import abc
import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from .camera import Camera


class CheckedJoints:
    """Joints whose numbers were looked at once, for several blocks that share them.

    Many cameras film one take: blocks that get its joints in this form, or rows of them, do not
    look at them again, and copy nothing that is not chosen by index.

    Args:
      joints: (N, J, D), NaN for missing joints.
      name: what messages call them.

    Attributes:
      values: (N, J, D), read-only.
      is_present: (N, J) bool: the joint has coordinates.

    Raises:
      ValueError: infinite numbers, or joints of which some coordinates are missing.

    >>> take = CheckedJoints(joints)
    >>> ExampleBlock(..., camera_name="left", joints3d=take[:n_frames])
    >>> ExampleBlock(..., camera_name="right", joints3d=take[rows_in_sight])
    """

    __slots__ = ("is_present", "values")

    def __init__(self, joints: np.ndarray, *, name: str = "joints3d"):
        values = _float_array(joints)
        if values.ndim < 2:
            raise ValueError(f"{name} must have an axis of joints. Received {values.shape}")
        self._set(values, _presence(name, values))

    @classmethod
    def known(cls, values: np.ndarray, is_present: np.ndarray) -> CheckedJoints:
        """Returns joints of which the caller knows which are missing, and that these are all NaN.

        Args:
          values: (N, J, D), finite where present.
          is_present: (N, J) bool.
        """
        joints = object.__new__(cls)
        joints._set(values, is_present)
        return joints

    def _set(self, values: np.ndarray, is_present: np.ndarray) -> None:
        self.values, self.is_present = values.view(), is_present.view()
        self.values.flags.writeable = self.is_present.flags.writeable = False

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | np.ndarray) -> CheckedJoints:
        return CheckedJoints.known(self.values[rows], self.is_present[rows])

    def of_joints(self, joints: slice | Sequence[int]) -> CheckedJoints:
        """Returns some of the J joints, or all in another order."""
        return CheckedJoints.known(self.values[:, joints], self.is_present[:, joints])


class LazyColumn(Sequence, abc.ABC):
    """A column whose values are made when they are asked for, as they are large or slow to make.

    Args:
      n: number of rows.
    """

    def __init__(self, n: int):
        self._rows = np.arange(n)

    @abc.abstractmethod
    def value(self, row: int) -> Any:
        """Returns the value of one of the `n` rows."""

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Any:
        return self.value(int(self._rows[row]))

    def select(self, rows: np.ndarray) -> LazyColumn:
        """Returns the column of these rows, as lazy as this one."""
        part = copy.copy(self)
        part._rows = self._rows[rows]
        return part


class NumberedPaths(LazyColumn):
    """Paths that differ in a number: most rows of a dataset are never asked for theirs.

    Args:
      prefix, suffix: what stands around the number.
      numbers: (N,) of the rows.
      width: least number of digits, filled with zeros.
    """

    def __init__(self, prefix: str, numbers: np.ndarray, *, width: int, suffix: str):
        super().__init__(len(numbers))
        self._prefix, self._numbers, self._width, self._suffix = prefix, numbers, width, suffix

    def value(self, row: int) -> str:
        """Returns the path of a row."""
        return f"{self._prefix}{int(self._numbers[row]):0{self._width}d}{self._suffix}"


def checked_joints(name: str, values: Any, shape: tuple[int, ...]) -> CheckedJoints:
    """Returns joints as checked ones of a certain shape.

    Raises:
      ValueError: they have another shape, or as for `CheckedJoints`.
    """
    found = np.shape(values.values if isinstance(values, CheckedJoints) else values)
    if found != shape:
        raise ValueError(f"{name} must have shape {shape}. Received {found}")
    return values if isinstance(values, CheckedJoints) else CheckedJoints(values, name=name)


def checked_boxes(values: Any, n: int) -> np.ndarray:
    """Returns (n, 4) boxes: left, top, width, height.

    Raises:
      ValueError: another shape, a number that is not finite, or a negative width or height.
    """
    boxes = _float_array(values)
    if boxes.shape != (n, 4):
        raise ValueError(f"boxes must have shape {(n, 4)}. Received {boxes.shape}")
    if not np.isfinite(boxes).all() or (boxes[:, 2:] < 0).any():
        raise ValueError("boxes must be numbers with widths and heights of at least 0")
    return boxes


def checked_integers(name: str, values: Any, n: int | None = None) -> np.ndarray:
    """Returns (n,) whole numbers.

    Raises:
      ValueError: another shape or type.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (n is not None and len(array) != n):
        expected = "one axis" if n is None else f"shape ({n},)"
        raise ValueError(f"{name} must have {expected}. Received shape {array.shape}")
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers. Received dtype {array.dtype}")
    return array.astype(np.int64, copy=False)


def is_per_row(column: Any) -> bool:
    """Whether a column holds one value per row; an image size is a pair of numbers, not rows."""
    if column is None or isinstance(column, (str, Camera)):
        return False
    is_pair = isinstance(column, tuple) and len(column) == 2 and np.isscalar(column[0])
    return not (is_pair and not isinstance(column[0], str))


def taken(column: Any, rows: np.ndarray) -> Any:
    """Returns the rows of a column; a value that is shared by all rows stays as it is."""
    if not is_per_row(column):
        return column
    if isinstance(column, LazyColumn):
        return column.select(rows)
    return column[rows] if isinstance(column, np.ndarray) else [column[i] for i in rows]


def _float_array(values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _presence(name: str, joints: np.ndarray) -> np.ndarray:
    """Returns which joints (..., J) of (..., J, D) have coordinates."""
    is_finite = np.isfinite(joints)
    if is_finite.all():
        return np.ones(joints.shape[:-1], bool)
    # Column by column: reductions along an axis of two or three numbers are slow.
    first = np.ascontiguousarray(is_finite[..., 0])
    is_same = all(np.array_equal(first, is_finite[..., d]) for d in range(1, joints.shape[-1]))
    absent = joints[~first] if is_same else joints[~is_finite]
    if not np.isnan(absent).all():
        raise ValueError(f"{name} must hold no infinite numbers (NaN for missing joints)")
    if not is_same:
        row, joint = np.argwhere(is_finite.any(-1) & ~is_finite.all(-1))[0]
        raise ValueError(f"{name} must be NaN in all coordinates or none: row {row}, joint {joint}")
    return first
