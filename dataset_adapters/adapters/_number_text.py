"""Text files that are tables or sequences of numbers."""

from __future__ import annotations

from array import array

import numpy as np

from ..containers.errors import FileError
from ..containers.file_text import decode_text, quote
from ..containers.text_numbers import read_plausible_number
from ._values import as_array


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
    return as_array(
        path, "the rows", np.array(values).reshape(n_rows, n_columns or 0), (None, None),
        may_miss=True,
    )  # fmt: skip


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
