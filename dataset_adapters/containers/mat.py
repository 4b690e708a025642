"""MATLAB `.mat` files of all kinds that are in use: v5 to v7, and v7.3 (HDF5).

Both kinds come out alike: numeric arrays in MATLAB's own axis order and class, structs as
dictionaries (an object array of dictionaries where there is more than one), cells as object arrays
of their MATLAB shape, text as `str`. Nothing is squeezed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from .mat5 import read_mat5
from .mat73 import Mat73File, UnreadableError, is_mat73

__all__ = ["Mat73File", "is_mat73", "read_mat"]


def read_mat(path: str | os.PathLike, *, keys: Iterable[str] | None = None) -> dict[str, object]:
    """Read the variables of a MATLAB file.

    Args:
      path: the file; v5, v6, v7 and v7.3 are told apart by their content.
      keys: names of the variables to read; the others are passed over. Default: all of them, but
        for those that hold what only MATLAB understands (objects, function handles) or a sparse
        matrix.

    Returns:
      By name: numeric and logical arrays `(rows, columns, ...)` of the class that they have in
      MATLAB; `str` for text (an array of `str` for several rows of it); a `dict` for a 1x1 struct
      and an object array of them for others; an object array for a cell.

    Raises:
      FileError: no MATLAB file, one that is cut off or lies about its sizes, or a key that it does
        not have or that cannot be read.
    """
    keys = None if keys is None else list(keys)
    if not is_mat73(path):
        return read_mat5(path, keys)
    values = {}
    with Mat73File(path) as file:
        for key in file.keys() if keys is None else keys:
            try:
                values[key] = file.read(key)
            except UnreadableError:
                if keys is not None:
                    raise
    return values
