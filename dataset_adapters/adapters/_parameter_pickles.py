"""Many small pickles of the same parameters: one per frame and person.

Files that one program wrote differ in the contents of their arrays only. Where all other bytes of
files are those of one that has been read, their arrays are taken from the same places, all at once:
this is ten times as fast as reading the pickle's language again, and executes as little.
"""

from __future__ import annotations

import os
import pickletools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..containers.file_bytes import read_bytes
from ..containers.safe_pickle import load_pickle
from ._values import as_array, as_numbers, member

#: Opcodes of byte strings, with the width of the length that follows them.
_BYTE_STRINGS = {
    "SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8,
    "SHORT_BINSTRING": 1, "BINSTRING": 4,
}  # fmt: skip
#: Files whose layout does not recur are not searched for one for ever.
_MAX_ATTEMPTS = 8
_MAX_LAYOUTS = 4


class ParameterPickles:
    """Reads pickled dictionaries of arrays; layouts that were met before are known again.

    Args:
      sizes: key -> how many numbers it must have, however they are nested.
    """

    def __init__(self, sizes: Mapping[str, int]):
        self._sizes = sizes
        self._layouts: list[_Layout] = []

    def read(self, paths: Sequence[str | os.PathLike]) -> dict[str, np.ndarray]:
        """Returns the arrays of N files: key -> (N, size) float64.

        Raises:
          FileError: a file is damaged, lacks a key or has other numbers there.
        """
        columns = {key: np.empty((len(paths), size)) for key, size in self._sizes.items()}
        contents = [read_bytes(path) for path in paths]
        left = list(range(len(paths)))
        for layout in self._layouts:
            left = layout.take(contents, left, columns)
        attempts = 0
        while left:
            i = left.pop(0)
            values = load_pickle(paths[i], contents[i])
            for key, size in self._sizes.items():
                columns[key][i] = as_numbers(paths[i], key, member(paths[i], values, key), size)
            if attempts < _MAX_ATTEMPTS:
                attempts += 1
                layout = _layout(contents[i], values, self._sizes)
                if layout is not None:
                    self._layouts = [layout, *self._layouts[: _MAX_LAYOUTS - 1]]
                    left = layout.take(contents, left, columns)
        self._check(paths, columns)
        return columns

    def cache_clear(self) -> None:
        """Forgets the layouts."""
        self._layouts = []

    def _check(self, paths, columns: dict[str, np.ndarray]) -> None:
        for key, column in columns.items():
            bad = np.flatnonzero(~np.isfinite(column).all(axis=1))
            worst = bad[:1] if len(bad) else np.abs(column).max(axis=1).argsort()[-1:]
            for i in worst.tolist():
                as_array(paths[i], key, column[i], (self._sizes[key],))


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where arrays lie in files of one kind.

    Attributes:
      example: a file of this kind, as bytes.
      is_fixed: for each byte whether it is none of an array's contents.
      places: key -> offset and dtype of an array's contents.
    """

    example: np.ndarray
    is_fixed: np.ndarray
    places: dict[str, tuple[int, np.dtype]]

    def take(
        self, contents: list[bytes], files: list[int], columns: dict[str, np.ndarray]
    ) -> list[int]:
        """Puts the arrays of the files of this kind into columns; returns the other files."""
        size = len(self.example)
        alike = np.array([i for i in files if len(contents[i]) == size], int)
        if not len(alike):
            return files
        data = np.frombuffer(b"".join([contents[i] for i in alike.tolist()]), np.uint8)
        data = data.reshape(len(alike), size)
        fits = (data[:, self.is_fixed] == self.example[self.is_fixed]).all(axis=1)
        if fits.all() and len(alike) == len(files):
            taken, left = alike, []
        else:
            taken, data = alike[fits], data[fits]
            left = sorted(set(files).difference(taken.tolist()))
        for key, (start, dtype) in self.places.items():
            n_bytes = dtype.itemsize * columns[key].shape[1]
            part = np.ascontiguousarray(data[:, start : start + n_bytes])
            columns[key][taken] = part.view(dtype)
        return left


def _layout(data: bytes, values: dict, sizes: Mapping[str, int]) -> _Layout | None:
    """Returns the layout of a file that has been read; None where arrays cannot be located."""
    try:
        strings = [
            (at + 1 + _BYTE_STRINGS[code.name], argument)
            for code, argument, at in pickletools.genops(data)
            if code.name in _BYTE_STRINGS and argument
        ]
    except ValueError:
        # It takes some things more strictly than the reader of pickles does.
        return None
    # Arrays follow each other as the keys do. Equal contents at another place would be taken for
    # it only where a file does not keep this order.
    found = iter(strings)
    spans, places = [], {}
    for key, array in values.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or not array.size:
            continue
        start = _find(found, array.tobytes())
        if start is None:
            return None
        spans.append((start, start + array.nbytes))
        if key in sizes:
            places[key] = start, array.dtype
    if places.keys() != sizes.keys():
        return None
    is_fixed = np.ones(len(data), bool)
    for start, end in spans:
        is_fixed[start:end] = False
    return _Layout(np.frombuffer(data, np.uint8), is_fixed, places)


def _find(strings, contents: bytes) -> int | None:
    """Returns the offset of the next byte string with these contents."""
    for start, argument in strings:
        argument = argument.encode("latin-1") if isinstance(argument, str) else argument
        if argument == contents:
            return start
    return None
