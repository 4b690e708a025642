"""Poses in tables: CSV (comma, semicolon or tab) and Parquet, one row per frame or per joint."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Sequence

from dataset_adapters.containers.errors import FileError

from .data import PoseData
from .table_body import (
    TableFormat,
    decode_text,
    parse_number,
    read_body,
    split_rows,
)
from .table_columns import (
    Columns,
    DuplicateColumnError,
    count_of_numbered_columns,
    no_joints_problem,
    number_columns,
)
from .table_header import MAX_HEADER_ROWS, read_columns, read_stacked_columns
from .table_parquet import read_parquet, write_parquet
from .table_poses import poses_from_table
from .table_writing import write_csv

__all__ = ["read_csv", "read_parquet", "write_csv", "write_parquet"]

MAX_COLUMNS = 100_000
#: The first lines of a table, those of its header among them, take at most this much.
MAX_HEAD_BYTES = 16 << 20
_NEXUS_SECTIONS = (b"Devices", b"Joints", b"Model Outputs", b"Events")
_BLANK_ROW = re.compile(rb'\r?\n[ \t,;"]*(?=\r?\n|\Z)')


def read_csv(path: str | os.PathLike, data: bytes, *, n_joints: int | None = None) -> PoseData:
    """Reads a text table of poses.

    Understood are columns `hip_x, hip_y, hip_z` (also `hip.x`, `x_hip`, `hip X`, `x0`, with
    `hip_confidence` and the like) with one row per frame; columns `frame, person, joint, x, y, z,
    confidence` with one row per joint; the headers of DeepLabCut and Vicon Nexus; and bare numbers,
    the joints of a frame in each row. Delimiters are comma, semicolon and tab.

    Args:
      path: the file, for messages.
      data: all of it, in UTF-8, UTF-16 or Latin-1.
      n_joints: how many joints the source format has, for bare numbers and numbered joints.

    Raises:
      FileError: no such table; a cell that is no number; rows of different lengths.
    """
    data = _as_utf8(path, data)
    data, start = _skip_preamble(data)
    lines, ends = _first_lines(path, data, start)
    delimiter = _delimiter(lines)
    first_line = data.count(b"\n", 0, start) + 1
    numbered_rows = list(split_rows(path, lines, delimiter, first_line=first_line))
    rows = [row for _, row in numbered_rows]
    if not rows:
        raise FileError(path, "expected a table of poses, found an empty file")
    if max(map(len, rows)) > MAX_COLUMNS:
        raise FileError(path, f"expected at most {MAX_COLUMNS} columns, found more")
    decimal = _decimal(rows, delimiter)
    columns, n_header_rows, names, notes = _columns(path, rows, decimal, n_joints)
    if n_header_rows:
        start = ends[numbered_rows[n_header_rows - 1][0] - first_line]
    if rows[0][0].strip() == "Trajectories" and (blank := _BLANK_ROW.search(data, start)):
        data = data[: blank.start() + 1]  # other sections of the export follow
    body = read_body(
        path,
        data,
        TableFormat(delimiter, decimal, tuple(names), start),
        numeric=columns.numeric,
        text=[*columns.roles.values(), *columns.others],
    )
    return poses_from_table(path, columns, body, n_joints=n_joints, notes=notes)


def _columns(
    path, rows: Sequence[Sequence[str]], decimal: str, n_joints: int | None
) -> tuple[Columns, int, Sequence[str], tuple[str, ...]]:
    """Returns the columns' meaning, how many rows the header has, their names, and notes."""
    first = rows[0]
    numbered = count_of_numbered_columns(first)
    if numbered or all(parse_number(cell, decimal=decimal) is not None for cell in first):
        n_columns, skipped = numbered or (len(first), 0)
        found = number_columns(n_columns, n_joints, skipped=skipped)
        if found is None:
            wanted = f"{n_joints} joints" if n_joints else "joints of 2 or 3 coordinates"
            raise FileError(
                path, f"expected rows of {wanted}, found {n_columns} columns without names"
            )
        columns, note = found
        return columns, 1 if numbered else 0, [""] * len(first), (note,) if note else ()
    try:
        stacked = read_stacked_columns(rows)
        columns, n_rows = stacked or (read_columns(first), 1)
    except DuplicateColumnError as error:
        raise FileError(path, f"column {str(error)!r} is there twice; rename one") from error
    names = list(first)
    if stacked:
        names = ["_".join(cells) for cells in zip(*_padded(rows[:n_rows]), strict=True)]
    if not columns.is_understood:
        raise FileError(path, no_joints_problem(names))
    return columns, n_rows, names, ()


def _padded(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    width = max(map(len, rows))
    return [[*map(str.strip, row), *[""] * (width - len(row))] for row in rows]


def _as_utf8(path, data: bytes) -> bytes:
    """Returns text without byte order mark, its lines ending in a line feed."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode("utf-8")
        except UnicodeError as error:
            raise FileError(path, "its text is damaged (no valid UTF-16); save it again") from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data[:4096]:
        raise FileError(path, "expected a text table, found binary data; is its suffix right?")
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _skip_preamble(data: bytes) -> tuple[bytes, int]:
    """Returns where the table begins: behind comments, Excel's `sep=` and other Nexus sections."""
    start = 0
    while data.startswith((b"#", b"sep="), start) and (end := data.find(b"\n", start)) >= 0:
        start = end + 1
    if data.startswith(_NEXUS_SECTIONS, start):
        section = data.find(b"\nTrajectories", start)
        start = section + 1 if section >= 0 else start
    return data, start


def _first_lines(path, data: bytes, start: int) -> tuple[list[str], list[int]]:
    """Returns the first lines of a table and where each of them ends."""
    lines, ends = [], []
    at = start
    while len(lines) < 2 * MAX_HEADER_ROWS and at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end + 1
        if end - start > MAX_HEAD_BYTES:
            raise FileError(path, f"expected lines of text, found one of {end - at} bytes")
        lines.append(decode_text(data[at:end]))
        ends.append(end)
        at = end
    return lines, ends


def _delimiter(lines: Sequence[str]) -> str:
    """Returns the delimiter: tab or semicolon where most first lines have one, else a comma."""
    lines = [line for line in lines if line.strip()]
    for delimiter in "\t;":
        if 2 * sum(delimiter in line for line in lines) > len(lines):
            return delimiter
    return ","


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> str:
    """Returns the decimal point: a comma where cells are written so."""
    cells = [cell.strip() for row in rows for cell in row]
    is_comma = delimiter != "," and any(re.fullmatch(r"[-+]?\d+,\d+", cell) for cell in cells)
    return "," if is_comma else "."
