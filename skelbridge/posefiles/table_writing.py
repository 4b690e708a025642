"""Poses written as tables, chunk by chunk."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .array_keys import plain_text
from .array_shapes import row_slices
from .data import PoseData

#: Rows are made in chunks of about this many bytes of positions.
_CHUNK_BYTES = 4 << 20
_AXES = ("x", "y", "z")


def write_csv(path: str | os.PathLike, poses: PoseData, *, layout: str = "wide") -> None:
    """Writes poses as a comma-separated table; missing joints are empty cells.

    Numbers are written with as many digits as are needed to read them back unchanged. A table
    keeps joint names, confidence, and extras of one value per frame; nothing else.

    Args:
      path: the file.
      poses: the poses; positions that are on disk are streamed.
      layout: `"wide"` (a row per frame: `frame, [person,] hip_x, hip_y, ...`) or `"long"` (a row
        per joint: `frame, [person,] joint, x, y, ...`).

    Raises:
      ValueError: another layout.
    """
    import pyarrow as pa
    import pyarrow.csv

    if layout not in ("wide", "long"):
        raise ValueError(f"layout must be 'wide' or 'long'. Received {layout!r}")
    texts = [*unique_names(poses), *_texts_in(poses.extras)]
    is_plain = not any(re.search(r'[,"\r\n]', text) for text in texts)
    options = pa.csv.WriteOptions(
        include_header=False, quoting_style="none" if is_plain else "needed"
    )
    with Path(path).open("wb") as file:
        for i, table in enumerate(tables_of(poses, layout=layout)):
            if i == 0:
                header = io.StringIO()
                csv.writer(header, lineterminator="\n").writerow(table.column_names)
                file.write(header.getvalue().encode("utf-8"))
            pa.csv.write_csv(table, file, options)


def tables_of(poses: PoseData, *, layout: str) -> Iterator:
    """Yields poses as pyarrow tables of a few rows each (at least one, be it empty)."""
    import pyarrow as pa

    positions = poses.positions
    if not poses.leading:
        chunks = iter([slice(0, 1)])
        positions = np.asarray(positions[:])[None]
        confidence = None if poses.confidence is None else poses.confidence[None]
    else:
        chunks = iter(list(row_slices(positions, max_bytes=_CHUNK_BYTES)) or [slice(0, 0)])
        confidence = poses.confidence
    joint_names = unique_names(poses)
    for rows in chunks:
        values = _plain_float(positions[rows])
        scores = None if confidence is None else _plain_float(confidence[rows])
        outer = values.shape[:-2]
        columns = _index_columns(poses, outer, first=rows.start)
        per_frame = _frame_columns(poses, rows, outer, taken=columns)
        if layout == "wide":
            columns |= per_frame
            columns |= _wide_columns(values, scores, joint_names)
        else:
            # A row per joint has no room for more of a frame than its time.
            columns |= {name: column for name, column in per_frame.items() if name == "time"}
            for name, column in columns.items():
                columns[name] = np.repeat(column, len(joint_names))
            columns |= _long_columns(values, scores, joint_names)
        yield pa.table(
            {
                # NaN becomes null in the pose columns: an empty cell.
                name: pa.array(column, from_pandas=True)
                for name, column in columns.items()
            }
        )


def unique_names(poses: PoseData) -> list[str]:
    """Returns joint names for column titles: `joint0`, ... where there are none."""
    names, seen = [], set()
    for i in range(poses.n_joints):
        name = plain_text(poses.joint_names[i]).strip() if poses.joint_names else ""
        name = " ".join(name.split()) or f"joint{i}"
        while name in seen:
            name += f"#{i}"
        seen.add(name)
        names.append(name)
    return names


def _index_columns(poses: PoseData, outer: tuple[int, ...], *, first: int) -> dict:
    """Returns a column of places for each leading axis."""
    if not poses.leading:
        return {}
    places = np.indices(outer).reshape(len(outer), -1)
    places[0] += first
    columns = {}
    for axis, name in enumerate(poses.leading):
        labels = poses.extras.get(name)
        is_label = (
            isinstance(labels, np.ndarray)
            and labels.shape == (poses.positions.shape[axis],)
            and labels.dtype.kind in "iuU"
            and len(np.unique(labels)) == len(labels)
        )
        column = labels[places[axis]] if is_label else places[axis]
        columns[name] = _texts(column) if column.dtype.kind == "U" else column
    return columns


def _frame_columns(poses: PoseData, rows: slice, outer: tuple[int, ...], *, taken: dict) -> dict:
    """Returns the extras that have one value per frame."""
    if not poses.leading:
        return {}
    columns = {}
    for name, value in poses.extras.items():
        if (
            isinstance(value, np.ndarray)
            and value.shape == (poses.positions.shape[0],)
            and value.dtype.kind in "biufU"
            and name not in taken
            and name not in poses.leading
        ):
            column = np.repeat(value[rows], int(np.prod(outer[1:])))
            if column.dtype.kind == "U":
                column = _texts(column)
            elif column.dtype.kind == "b":
                column = column.astype(np.int64)
            elif column.dtype.kind == "f":
                column = column.astype(np.float64)
            columns[plain_text(name)] = column
    return columns


def _wide_columns(values: np.ndarray, scores: np.ndarray | None, names: list[str]) -> dict:
    n_rows = int(np.prod(values.shape[:-2]))
    # One contiguous row per column, which pyarrow takes without a copy.
    by_column = np.ascontiguousarray(
        values.reshape(n_rows, len(names) * values.shape[-1]).T
    ).reshape(len(names), values.shape[-1], n_rows)
    columns = {}
    for j, name in enumerate(names):
        for d, axis in enumerate(_AXES[: values.shape[-1]]):
            columns[f"{name}_{axis}"] = by_column[j, d]
        if scores is not None:
            columns[f"{name}_confidence"] = scores[..., j].reshape(-1)
    return columns


def _long_columns(values: np.ndarray, scores: np.ndarray | None, names: list[str]) -> dict:
    n_rows = int(np.prod(values.shape[:-2]))
    columns = {"joint": np.tile(np.array(names, object), n_rows)}
    flat = values.reshape(n_rows * len(names), values.shape[-1])
    for d, axis in enumerate(_AXES[: values.shape[-1]]):
        columns[axis] = np.ascontiguousarray(flat[:, d])
    if scores is not None:
        columns["confidence"] = scores.reshape(-1)
    return columns


def _texts_in(extras: dict[str, Any]) -> Iterator[str]:
    """Yields every text that may become a cell."""
    for value in extras.values():
        if isinstance(value, np.ndarray) and value.dtype.kind == "U":
            yield from value.ravel().tolist()


def _plain_float(values: np.ndarray) -> np.ndarray:
    """Returns float32 or float64, which all readers of tables know."""
    if values.dtype in (np.float32, np.float64):
        return values
    # Half floats fit in float32; what is longer than float64 is cut.
    with np.errstate(invalid="ignore", over="ignore"):
        return values.astype(np.float32 if values.dtype == np.float16 else np.float64)


def _texts(column: np.ndarray) -> np.ndarray:
    return np.array([plain_text(text) for text in column.tolist()], object)
