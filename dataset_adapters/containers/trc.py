"""Marker trajectories in TRC text files (Motion Analysis, OpenSim, Pose2Sim).

Five header lines, then one row per frame: `Frame#`, `Time`, and x, y, z of every marker. What tools
write strays from that in every part, so only two things are relied on: the line that starts with
`Frame#` names the markers, and each marker's name stands over its x. Layout: the OpenSim user's
guide, "Marker (.trc) Files".
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import decode_text, quote
from dataset_adapters.containers.text_numbers import read_number
from dataset_adapters.containers.trc_header import (
    Columns,
    find_names_line,
    number_columns,
    positive_number,
    read_header,
    read_names,
    whole_number,
)

#: How tools spell "no value" besides an empty cell and what `float` knows as NaN.
MISSING_CELLS = frozenset(
    {b"", b"-nan(ind)", b"nan(ind)", b"-1.#ind", b"1.#qnan", b"-1.#qnan", b"null", b"na"}
)
#: Rows may end early, so a table can be larger than its text; with more cells than this per byte
#: of text it is no longer a table that any tool wrote.
_MAX_CELLS_PER_BYTE = 2
_MIN_CELLS_CHECKED = 1_000_000


@dataclass(frozen=True, eq=False)
class Trc:
    """What a TRC file holds.

    Attributes:
      names: M marker names as spelled in the file (they may repeat).
      positions: `(T, M, 3)` float64 in `units`, NaN where a marker is missing.
      frame_numbers: `(T,)` int64, the file's own count.
      times: `(T,)` float64 seconds, NaN where the cell is empty.
      data_rate: frames per second as the header has it, or None.
      units: the unit as the header spells it, or None.
      notes: one-line remarks about where the file contradicts itself.
    """

    names: tuple[str, ...]
    positions: np.ndarray
    frame_numbers: np.ndarray
    times: np.ndarray
    data_rate: float | None
    units: str | None
    notes: tuple[str, ...]


def parse_trc(path: str | os.PathLike, data: bytes) -> Trc:
    """Parse the bytes of a TRC file.

    All named columns are kept, whatever `NumMarkers` says; columns without a name are left out,
    unless no column has one. The rows count, not `NumFrames`. A marker is missing in a frame where
    any of its three cells is empty or absent.

    Args:
      path: for messages only.
      data: the file's bytes; cells are separated by tabs, commas or semicolons.

    Raises:
      FileError: there is no line of marker names, a cell is no number, or the text ends within a
        row.
    """
    if not data.strip():
        raise FileError(path, "expected a TRC file, found an empty one; export it again")
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
    names_at, separator = find_names_line(path, lines)
    header = read_header(lines[:names_at], separator)
    rows = _find_rows(path, lines, names_at + 1, separator)
    columns = read_names(path, lines[names_at], separator, names_at + 1)
    n_markers = len(columns.names)
    notes = []
    if not n_markers:
        columns = number_columns(path, rows, separator)
        notes.append(
            f"no marker is named: the {len(columns.names)} columns hold unidentified points, which "
            "need not stay the same point from frame to frame"
        )
    elif header.get("nummarkers") and whole_number(header["nummarkers"]) != n_markers:
        notes.append(
            f"the header counts {quote(header['nummarkers'])} markers, {n_markers} are named and "
            "read"
        )
    _check_size(path, len(rows) * columns.width, len(data))
    table, row_notes = _read_rows(path, rows, separator, columns)
    n_frames = whole_number(header.get("numframes"))
    if n_frames is not None and n_frames != len(rows):
        if n_frames > len(rows):
            _check_last_row(path, data, rows[-1], separator, columns)
        notes.append(f"the header counts {n_frames} frames, the file holds {len(rows)}")
    positions, position_notes = _take_positions(table, columns)
    return Trc(
        names=columns.names,
        positions=positions,
        frame_numbers=_frame_numbers(path, table[:, 0], rows),
        times=table[:, 1].copy(),
        data_rate=positive_number(header.get("datarate")),
        units=decode_text(header.get("units", b"")) or None,
        notes=(*notes, *row_notes, *position_notes),
    )


def _find_rows(path, lines: list[bytes], start: int, separator: bytes) -> list[tuple[int, bytes]]:
    """Returns the line number and the text of every row that holds a frame."""
    rows = [
        (number, line)
        for number, line in enumerate(lines[start:], start + 1)
        if line.strip(b" " + separator)
    ]
    if rows and read_number(rows[0][1].split(separator, 1)[0]) is None:
        del rows[0]  # X1 Y1 Z1 ...
    if not rows:
        raise FileError(path, "expected a row of positions per frame, found none; export it again")
    return rows


def _check_size(path, n_cells: int, n_bytes: int) -> None:
    if n_cells > max(_MIN_CELLS_CHECKED, _MAX_CELLS_PER_BYTE * n_bytes):
        raise FileError(
            path,
            f"expected a table of {n_cells} cells, found {n_bytes} bytes, so that most cells must "
            "be absent; is this a TRC file?",
        )


def _check_last_row(path, data: bytes, row, separator: bytes, columns: Columns) -> None:
    """Raises where the text ends within the last row.

    One that only lost its trailing empty cells still ends its line.
    """
    line_number, line = row
    if line.count(separator) + 1 < columns.width and not data.endswith((b"\n", b"\r")):
        raise FileError(
            path,
            f"expected more frames, found the end of the file within line {line_number}; the file "
            "is cut off: copy or export it again",
        )


def _read_rows(path, rows, separator: bytes, columns: Columns):
    """Returns the numbers `(T, columns.width)`, NaN where there is none, and notes."""
    width = columns.width
    table = np.full((len(rows), width), np.nan)
    short = long = 0
    for row, (line_number, line) in enumerate(rows):
        cells = line.split(separator, width)
        if len(cells) > width:
            long += bool(cells.pop().strip(b" " + separator))
        elif len(cells) < width:
            short += 1
        try:
            if b"_" in line:  # `float` takes 1_000
                raise ValueError
            table[row, : len(cells)] = [float(cell or b"nan") for cell in cells]
        except ValueError:
            table[row, : len(cells)] = _read_cells(path, line_number, cells, columns)
    infinite = np.isinf(table)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise FileError(
            path,
            f"line {rows[row][0]} must hold finite numbers, found an infinite one as "
            f"{columns.describe(column)}; correct or empty that cell",
        )
    notes = ()
    if long:
        notes += (f"{long} rows go on beyond the named columns; the rest of them is left out",)
    if short and not columns.are_numbered:
        notes += (f"{short} rows end before the last marker; what they lack is missing",)
    return table, notes


def _read_cells(path, line_number: int, cells: list[bytes], columns: Columns) -> list[float]:
    values = []
    for column, cell in enumerate(cells):
        text = cell.strip()
        value = np.nan if text.lower() in MISSING_CELLS else read_number(text)
        if value is None:
            raise FileError(
                path,
                f"line {line_number} must hold numbers, found {quote(text)} as "
                f"{columns.describe(column)}; correct or empty that cell",
            )
        values.append(value)
    return values


def _take_positions(table: np.ndarray, columns: Columns):
    """Returns `(T, M, 3)` and notes on incomplete and absent markers."""
    positions = table[:, np.asarray(columns.starts)[:, None] + np.arange(3)]
    lacking = np.isnan(positions)
    missing = lacking.any(axis=-1)
    partial = missing & ~lacking.all(axis=-1)
    positions[partial] = np.nan
    notes = ()
    if partial.any():
        notes += (f"{partial.sum()} positions lack some of x, y, z; they are read as missing",)
    absent = np.flatnonzero(missing.all(axis=0))
    if absent.size:
        name = quote(columns.names[absent[0]])
        notes += (f"{absent.size} of {len(columns.names)} markers have no position in any frame "
                  f"({name}{', ...' if absent.size > 1 else ''})",)  # fmt: skip
    return positions, notes


def _frame_numbers(path, column: np.ndarray, rows) -> np.ndarray:
    bad = ~(np.abs(column) < 2**53)  # NaN too
    if bad.any():
        raise FileError(
            path,
            f"line {rows[int(np.argmax(bad))][0]} must start with a frame number, found none; "
            "number the rows from 1 or export the file again",
        )
    return column.astype(np.int64)
