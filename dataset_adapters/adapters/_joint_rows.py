"""Text files with one joint per line."""

from __future__ import annotations

import numpy as np

from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ._number_text import number_table
from ._values import MAX_COORDINATE


def read_joint_rows(path, *, min_rows: int, min_columns: int) -> np.ndarray:
    """Reads the numbers of a file (rows, columns); there may be more than asked for.

    Raises:
      FileError: the file is missing, a line holds something else, or there are too few.
    """
    data = read_bytes(path)
    if not data.strip():
        raise FileError(path, f"expected {min_rows} lines of numbers, found none")
    rows = number_table(path, data)
    if rows.shape[0] < min_rows or rows.shape[1] < min_columns:
        raise FileError(
            path,
            f"expected {min_rows} lines of {min_columns} numbers, found {rows.shape[0]} of "
            f"{rows.shape[1]}; the file is cut off or of another kind",
        )
    if not (np.abs(rows) <= MAX_COORDINATE).all():
        line, column = np.argwhere(~(np.abs(rows) <= MAX_COORDINATE))[0]
        raise FileError(
            path, f"row {line + 1}: expected finite numbers, found {rows[line, column]}"
        )
    return rows
