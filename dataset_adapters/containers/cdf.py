"""Variables of NASA CDF files (Human3.6M keeps its poses in such).

The values are decoded by the `cdflib` library. It believes the sizes and offsets that a file
states, so `cdf_layout` walks every record that it will touch before it does.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from .cdf_layout import Variable, find_variable, inflated
from .errors import FileError
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
      UserError: the `cdflib` package is not installed.
    """
    stored = read_bytes(path)
    data = inflated(path, stored)
    found = find_variable(path, data, variable)
    if data is stored:
        values = _decode(path, path, found)
    else:
        with tempfile.TemporaryDirectory(prefix="cdf-") as folder:
            plain = Path(folder) / "plain.cdf"
            plain.write_bytes(data)
            values = _decode(path, plain, found)
    if not isinstance(values, np.ndarray) or values.size != found.n_records * _size(found):
        raise FileError(
            path,
            f"variable {found.name!r}: cdflib decoded {np.shape(values)} instead of "
            f"{(found.n_records, *found.shape)}; please report this file",
        )
    return values.reshape(found.n_records, *found.shape)


def _decode(path, plain, variable: Variable) -> np.ndarray:
    try:
        import cdflib
    except ImportError:
        raise UserError(
            f"{path}: reading CDF files needs the package 'cdflib', which is not installed; "
            "install it (pip install cdflib)"
        ) from None
    try:
        file = cdflib.CDF(Path(plain), string_encoding="latin-1")
        if not variable.n_records:
            return np.empty(0, file.varget(variable.name).dtype)
        return file.varget(variable.name)
    except (OSError, ValueError, TypeError, RuntimeError, KeyError, EOFError, zlib.error) as error:
        line = " ".join(str(error).split())
        raise FileError(path, f"cdflib cannot decode {variable.name!r}: {line}") from None


def _size(variable: Variable) -> int:
    return int(np.prod(variable.shape, dtype=np.int64))
