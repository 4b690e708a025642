"""Which arrays are poses: shapes with joints and coordinates, in memory or read row by row."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.errors import FileError

from .data import ArrayLike, PoseData

#: Arrays on disk that are larger stay there and are read in slices.
STREAM_BYTES = 64 << 20
#: How much of a streamed array is held at a time.
CHUNK_BYTES = 16 << 20
#: The confidences of a streamed array are held in memory up to this size.
MAX_CONFIDENCE_BYTES = 256 << 20
#: Third values in [0, `MAX_SCORE`] beside x and y of a wider range than this look like scores or
#: visibilities (0, 1, 2): no person is 50 m wide and 2 m deep, or 50 mm and 2 mm.
MAX_SCORE = 2
MIN_PIXEL_RANGE = 50

_LEADING = {0: (), 1: ("frame",), 2: ("frame", "person")}


@dataclass(frozen=True)
class PoseLayout:
    """How an array is read as poses.

    Attributes:
      shape: `(..., J, C)`, after flat rows were folded.
      n_dims: 2 or 3, the coordinates among the C values.
      has_confidence: whether a confidence follows the coordinates.
    """

    shape: tuple[int, ...]
    n_dims: int
    has_confidence: bool

    def split(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns positions `(n, ..., J, D)` and confidence `(n, ..., J)` of some rows.

        Joints that the file marks as missing (confidence 0 at the origin, or confidence -1)
        become NaN.
        """
        n_rows = (len(values),) if len(self.shape) > 2 else self.shape[:1]
        values = values.reshape((*n_rows, *self.shape[1:]))
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
        if not self.has_confidence:
            return values, None
        positions = values[..., : self.n_dims].copy()
        confidence = values[..., self.n_dims].copy()
        positions[confidence == -1] = np.nan
        return mark_missing(positions, confidence), confidence


class StreamedPoses:
    """An array on disk whose rows become poses as they are read (an `ArrayLike`)."""

    def __init__(
        self,
        source: ArrayLike,
        shape: tuple[int, ...],
        dtype: np.dtype,
        rows_to_poses: Callable[[np.ndarray, slice], np.ndarray],
    ):
        self.shape = shape
        self.dtype = dtype
        self._source = source
        self._rows_to_poses = rows_to_poses

    def __getitem__(self, frames: slice) -> np.ndarray:
        return self._rows_to_poses(self._source[frames], frames)


def pose_layout(shape: tuple[int, ...], n_joints: int | None) -> PoseLayout | None:
    """Returns how an array of this shape is read as poses, or None where it cannot be.

    Args:
      shape: `(..., J, 2)`, `(..., J, 3)`, `(..., J, 4)` (x, y, z, confidence), or flat rows
        `(..., J * 2)`, `(..., J * 3)`, `(..., J * 4)` of `n_joints` joints.
      n_joints: how many joints the user expects; without it flat rows are not understood.
    """
    folded = len(shape) >= 2 and shape[-1] in (2, 3, 4) and shape[-2] > 0
    if n_joints and shape and not (folded and shape[-2] == n_joints):
        for n_columns in (3, 2, 4):
            if shape[-1] == n_joints * n_columns:
                return _layout((*shape[:-1], n_joints, n_columns))
    return _layout(shape) if folded else None


def _layout(shape: tuple[int, ...]) -> PoseLayout:
    return PoseLayout(tuple(shape), min(shape[-1], 3), shape[-1] == 4)


def leading_names(n_axes: int) -> tuple[str, ...]:
    """Returns what so many axes before the joints are taken for."""
    return _LEADING.get(n_axes) or tuple(f"axis{i}" for i in range(n_axes))


def mark_missing(positions: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Returns positions with NaN for joints of confidence 0 at the origin."""
    missing = (confidence == 0) & (positions == 0).all(axis=-1)
    return np.where(missing[..., None], positions.dtype.type(np.nan), positions)


def row_slices(array: ArrayLike, *, max_bytes: int | None = None) -> Iterator[slice]:
    """Yields slices of the first axis of at most `max_bytes` (or one row), else `CHUNK_BYTES`."""
    row_bytes = math.prod(array.shape[1:]) * array.dtype.itemsize
    step = max(1, (max_bytes or CHUNK_BYTES) // max(row_bytes, 1))
    for start in range(0, array.shape[0], step):
        yield slice(start, min(start + step, array.shape[0]))


def row_chunks(
    array: np.ndarray | ArrayLike, *, max_bytes: int = CHUNK_BYTES
) -> Iterator[np.ndarray]:
    """Yields an array's rows in chunks of at most `max_bytes` (at least one row).

    Of an array on disk, the next chunk is read (and whatever its reading entails) while the caller
    is busy with this one.
    """
    slices = row_slices(array, max_bytes=max_bytes)
    if isinstance(array, np.ndarray):
        yield from (array[rows] for rows in slices)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as reader:
        reading = None
        for rows in slices:
            following = reader.submit(array.__getitem__, rows)
            if reading is not None:
                yield reading.result()
            reading = following
        if reading is not None:
            yield reading.result()


def poses_from_array(
    path: str | os.PathLike,
    array: np.ndarray | ArrayLike,
    *,
    n_joints: int | None = None,
    notes: tuple[str, ...] = (),
    where: str = "",
) -> PoseData:
    """Takes an array as poses.

    Args:
      path: the file that it is from, for messages.
      array: of a shape that `pose_layout` understands. Integers become float64, floats stay what
        they are. An `ArrayLike` stays on disk.
      n_joints: how many joints the source format has, where the user says it: it tells how flat
        rows are folded. Another number of joints is no error here; conversion says so better.
      notes: carried to the result.
      where: opens every message, e.g. `"key 'joints': "`.

    Raises:
      FileError: the array holds no numbers, or has another shape.
    """
    if array.dtype.kind not in "iuf":
        raise FileError(path, f"{where}expected real numbers, found dtype {array.dtype}")
    layout = pose_layout(tuple(array.shape), n_joints)
    if layout is None:
        raise FileError(path, where + _shape_problem(array.shape, n_joints))
    if isinstance(array, np.ndarray):
        positions, confidence = layout.split(array)
        notes = (*notes, *_suspicions(positions, where))
    else:
        positions, confidence, more_notes = _stream(array, layout)
        notes = (*notes, *more_notes)
    return PoseData(
        positions,
        leading_names(len(layout.shape) - 2),
        confidence=confidence,
        notes=notes,
    )


def with_confidence(positions: np.ndarray | ArrayLike, confidence: np.ndarray):
    """Returns positions whose missing joints (confidence 0 at the origin) are NaN."""
    if isinstance(positions, np.ndarray):
        return mark_missing(positions, confidence)
    return StreamedPoses(
        positions,
        positions.shape,
        positions.dtype,
        lambda values, frames: mark_missing(values, confidence[frames]),
    )


def _stream(array: ArrayLike, layout: PoseLayout):
    """Returns streamed positions, their confidence and notes."""
    if len(layout.shape) == 2:
        return (*layout.split(array[:]), ())
    if layout.shape == tuple(array.shape) and array.dtype.kind == "f" and layout.shape[-1] < 4:
        return array, None, ()
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    positions = StreamedPoses(
        array,
        (*layout.shape[:-1], layout.n_dims),
        dtype,
        lambda values, _: layout.split(values)[0],
    )
    if not layout.has_confidence:
        return positions, None, ()
    if math.prod(layout.shape[:-1]) * dtype.itemsize > MAX_CONFIDENCE_BYTES:
        return positions, None, ("the confidences are left out: they are too many to be held",)
    confidence = [layout.split(chunk)[1] for chunk in row_chunks(array)]
    return positions, np.concatenate(confidence), ()


def _shape_problem(shape: tuple[int, ...], n_joints: int | None) -> str:
    problem = f"expected poses of shape (..., joints, 2 or 3), found shape {tuple(shape)}"
    if n_joints:
        return f"{problem}, which are no flat rows of {n_joints} joints either"
    if shape and shape[-1] and (shape[-1] % 3 == 0 or shape[-1] % 2 == 0):
        return f"{problem}; if each row holds the joints one after another, name the source format"
    return problem


def _suspicions(positions: np.ndarray, where: str) -> tuple[str, ...]:
    """Returns a note where the third coordinate looks like a detector's score."""
    if positions.shape[-1] != 3 or positions.size == 0:
        return ()
    third = positions[..., 2]
    third = third[np.isfinite(third)]
    plane = positions[..., :2]
    plane = plane[np.isfinite(plane)]
    if not third.size or not plane.size or plane.max() < plane.min() + MIN_PIXEL_RANGE:
        return ()
    if third.min() < 0 or not 0 < third.max() <= MAX_SCORE:
        return ()
    return (
        f"{where}the third values all lie between 0 and {MAX_SCORE} and look like scores; they "
        "were read as z (for 2D poses keep only x and y)",
    )
