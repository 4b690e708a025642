"""Matrices of OpenCV's FileStorage YAML, which YAML parsers refuse for its header and tags."""

from __future__ import annotations

import re

import numpy as np

from ..containers.errors import FileError
from ..containers.file_text import decode, list_names
from ..containers.text_numbers import read_plausible_number

_MAP = re.compile(r"^(\w[\w ]*):[ \t]*\r?$", re.MULTILINE)
_MATRIX = re.compile(
    r"^[ \t]+(\w+):[ \t]*!!opencv-matrix\s+rows:[ \t]*(\d{1,4})\s+cols:[ \t]*(\d{1,4})\s+"
    r"dt:[ \t]*\"?\w+\"?\s+data:[ \t]*\[([^\]]*)\]",
    re.MULTILINE,
)


def read_matrices(path, data: bytes) -> dict[str, dict[str, np.ndarray]]:
    """Reads the matrices of the maps at the top level.

    Returns:
      Map -> matrix -> (rows, columns) float64.

    Raises:
      FileError: a matrix does not have the numbers that it promises.
    """
    text = decode(data)
    places = [(match[1], match.end()) for match in _MAP.finditer(text)]
    ends = [*(end for _, end in places[1:]), len(text)][: len(places)]
    return {
        name: {
            match[1]: _matrix(path, f"{name}.{match[1]}", *match.group(2, 3, 4))
            for match in _MATRIX.finditer(text, start, end)
        }
        for (name, start), end in zip(places, ends, strict=True)
    }


def matrix(path, maps: dict, name: str, key: str, size: int) -> np.ndarray:
    """Returns the `size` numbers of a matrix, row after row, whichever way it lies.

    Raises:
      FileError: it is not there, or is of another size.
    """
    if name not in maps:
        raise FileError(path, f"expected the map {name!r}, found {list_names(maps)}")
    if key not in maps[name]:
        raise FileError(path, f"{name}: expected a matrix {key!r}, found {list_names(maps[name])}")
    values = maps[name][key]
    if values.size != size:
        raise FileError(path, f"{name}.{key}: expected {size} numbers, found {values.size}")
    return values.ravel()


def _matrix(path, where: str, rows: str, columns: str, data: str) -> np.ndarray:
    words = data.replace(",", " ").split()
    values = [read_plausible_number(word) for word in words]
    if len(values) != int(rows) * int(columns) or None in values or np.isnan(values).any():
        raise FileError(
            path, f"{where}: expected {rows} x {columns} numbers, found {len(values)} words"
        )
    return np.array(values).reshape(int(rows), int(columns))
