"""What stands above the rows of a TRC file: header values, and which columns are whose."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import decode_text, quote
from dataset_adapters.containers.text_numbers import read_number

_SEPARATORS = (b"\t", b",", b";")
_HEADER_LINES = 20


@dataclass(frozen=True)
class Columns:
    """The columns that are read: the frame number, the time, and three per marker.

    Attributes:
      names: of the M markers.
      starts: the column of each marker's x, counted from 0.
      are_numbered: whether the file has no names, so that these were made up.
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]
    are_numbered: bool = False

    @property
    def width(self) -> int:
        """How many columns of a row are looked at."""
        return self.starts[-1] + 3

    def describe(self, column: int) -> str:
        """Names the column of a cell for a message."""
        if column < 2:
            return ("the frame number", "the time")[column]
        marker = int(np.searchsorted(self.starts, column, side="right")) - 1
        axis = column - self.starts[marker]
        if axis > 2:  # between named columns
            return f"column {column + 1}"
        return f"{'xyz'[axis]} of marker {quote(self.names[marker])}"


def find_names_line(path, lines: list[bytes]) -> tuple[int, bytes]:
    """Returns the index of the line of names, and what separates its cells."""
    for index, line in enumerate(lines[:_HEADER_LINES]):
        if line.lstrip(b' "\t')[:6].lower() == b"frame#":
            separator = next((s for s in _SEPARATORS if s in line), None)
            if separator is not None:
                return index, separator
            raise FileError(
                path,
                f"line {index + 1} must name the markers, separated by tabs or commas, found "
                f"{quote(line)}; export the file as tab-separated text",
            )
    raise FileError(
        path,
        "expected a line of marker names that starts with 'Frame#' among the first "
        f"{_HEADER_LINES} lines, found none; is this a TRC file?",
    )


def read_header(lines: list[bytes], separator: bytes) -> dict[str, bytes]:
    """Returns the header's values by lower-case key."""
    for keys, values in itertools.pairwise(lines):
        if keys.lstrip(b' "')[:8].lower() == b"datarate":
            names = (decode_text(key).lower() for key in keys.split(separator))
            cells = (cell.strip() for cell in values.split(separator))
            return {name: cell for name, cell in zip(names, cells, strict=False) if name}
    return {}


def read_names(path, line: bytes, separator: bytes, line_number: int) -> Columns:
    """Returns the named columns, which may be none.

    Raises:
      FileError: names are not three columns apart.
    """
    cells = [decode_text(cell) for cell in line.split(separator)]
    columns = tuple(column for column, cell in enumerate(cells) if column >= 2 and cell)
    names = tuple(cells[column] for column in columns)
    stray = next((column for column in columns if column % 3 != 2), None)
    if stray is None:
        return Columns(names, columns)
    if columns == tuple(range(2, 2 + len(columns))):  # one cell per name
        return Columns(names, tuple(2 + 3 * marker for marker in range(len(columns))))
    raise FileError(
        path,
        f"line {line_number} must name a marker every third column, found "
        f"{quote(cells[stray])} in column {stray + 1}; put two empty cells after each name",
    )


def number_columns(path, rows, separator: bytes) -> Columns:
    """Numbers the columns of a file without names, as many as its longest row fills."""
    cells = max(len(line.rstrip(b" " + separator).split(separator)) for _, line in rows)
    count = cells // 3  # behind two other cells, and the last z may be absent
    if count < 1:
        raise FileError(path, "expected positions of markers, found none; export it again")
    return Columns(
        tuple(f"unidentified_{marker + 1}" for marker in range(count)),
        tuple(2 + 3 * marker for marker in range(count)),
        are_numbered=True,
    )


def positive_number(cell: bytes | None) -> float | None:
    """Returns a finite number above zero, or None where the cell holds none."""
    value = None if cell is None else read_number(cell)
    return value if value is not None and 0 < value < float("inf") else None


def whole_number(cell: bytes | None) -> int | None:
    """Returns a count, or None where the cell holds none."""
    value = positive_number(cell)
    return None if value is None or value > 2**53 else int(value)
