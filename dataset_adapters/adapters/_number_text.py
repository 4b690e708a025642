"""Text files that are tables or sequences of numbers."""

from __future__ import annotations

import io
import re
from array import array

import numpy as np

from ..containers.errors import FileError
from ..containers.file_text import decode_text, quote
from ..containers.text_numbers import read_plausible_number
from ._values import as_array

#: Numpy would begin a new line there.
_STRAY_RETURN = re.compile(rb"\r(?!\n)")


def number_table(
    path, data: bytes, n_columns: int | None = None, *, first_line: int = 1
) -> np.ndarray:
    """Reads lines of numbers that are separated by blanks or tabs; empty lines are left out.

    Args:
      path: for messages.
      data: the lines.
      n_columns: how many numbers each line must have; None: as many as the first one.
      first_line: number of the first line in the file, for messages.

    Returns:
      (rows, n_columns) float64.

    Raises:
      FileError: a line holds something else.
    """
    table = _plain_table(data)
    if table is None or table.shape[1] != (n_columns or table.shape[1]):
        table = _table_by_lines(path, data, n_columns, first_line)
    return as_array(path, "the rows", table, (None, None), may_miss=True)


def _plain_table(data: bytes) -> np.ndarray | None:
    """Returns the numbers of a file without a flaw, which numpy reads fast; else None."""
    if not data.strip() or _STRAY_RETURN.search(data):
        return None
    try:
        return np.loadtxt(io.StringIO(data.decode("latin-1")), comments=None, ndmin=2)
    except ValueError:
        return None


def _table_by_lines(path, data: bytes, n_columns: int | None, first_line: int) -> np.ndarray:
    """Returns the numbers of a file, or says what is wrong where."""
    values = array("d")
    n_rows = 0
    for number, line in enumerate(data.split(b"\n"), first_line):
        words = line.split()
        if not words:
            continue
        n_columns = n_columns or len(words)
        if len(words) != n_columns:
            raise FileError(
                path,
                f"line {number}: expected {n_columns} numbers, found {len(words)}; the file is cut "
                "off or damaged",
            )
        values.extend(_floats_of(path, number, words))
        n_rows += 1
    return np.array(values).reshape(n_rows, n_columns or 0)


def numbers_of(path, data: bytes) -> np.ndarray:
    """Returns all numbers of a text file, whatever its lines (N,) float64.

    Raises:
      FileError: there is something else between them.
    """
    found = []
    for number, line in enumerate(data.split(b"\n"), 1):
        found.extend(_floats_of(path, number, line.split()))
    return as_array(path, "the numbers", found, (None,))


def _floats_of(path, line: int, words: list[bytes]) -> list[float]:
    try:
        return list(map(float, words))
    except ValueError:
        bad = next((word for word in words if read_plausible_number(word) is None), words[0])
        raise FileError(
            path, f"line {line}: expected numbers, found {quote(decode_text(bad))}"
        ) from None
