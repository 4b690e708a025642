"""Variables of NASA CDF files (Human3.6M keeps its poses in such).

Libraries for the format believe the sizes and offsets that a file states, so every record that they
would touch had to be walked first: with that done, the values are at hand.
"""

from __future__ import annotations

import os

import numpy as np

from .cdf_layout import Variable, find_variable
from .cdf_records import inflated
from .file_bytes import read_bytes


def read_cdf(path: str | os.PathLike, variable: str) -> np.ndarray:
    """Reads a variable of numbers.

    Args:
      path: the file: CDF 2.6 or later, its variables zVariables, plain or gzipped.
      variable: the name, in any case.

    Returns:
      `(records, ...)` in the machine's byte order, with the file's number type.

    Raises:
      FileError: the file is no CDF file, is cut off, contradicts itself or has no such variable.
    """
    return _array(find_variable(path, inflated(path, read_bytes(path)), variable))


def _array(variable: Variable) -> np.ndarray:
    parts = variable.parts
    values = np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), variable.dtype)
    if variable.is_row_major:
        values = values.reshape(variable.n_records, *variable.shape)
    else:
        values = values.reshape(variable.n_records, *variable.shape[::-1])
        values = values.transpose(0, *range(values.ndim - 1, 0, -1))
    # A copy: what lies over bytes cannot be written to.
    return values.astype(variable.dtype.newbyteorder("="))
