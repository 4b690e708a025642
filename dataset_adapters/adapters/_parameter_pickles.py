"""Many small pickles of the same parameters: one per frame and person.

Files that one program wrote differ in the contents of their arrays only. Where all other bytes of a
file are those of one that has been read, its arrays are taken from the same places: this is ten
times as fast as reading the pickle's language again, and executes as little.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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


def read_parameter_pickles(
    paths: Sequence[Path], sizes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Reads arrays from pickled dictionaries.

    Args:
      paths: N files.
      sizes: key -> how many numbers it must have, however they are nested.

    Returns:
      Key -> (N, size) float64.

    Raises:
      FileError: a file is damaged, lacks a key or has other numbers there.
    """
    columns = {key: np.empty((len(paths), size)) for key, size in sizes.items()}
    layout, attempts = None, 0
    for i, path in enumerate(paths):
        data = read_bytes(path)
        if layout is not None and layout.fits(data):
            for key, (start, dtype) in layout.places.items():
                columns[key][i] = np.frombuffer(data, dtype, sizes[key], start)
            continue
        values = load_pickle(path, data)
        for key, size in sizes.items():
            columns[key][i] = as_numbers(path, key, member(path, values, key), size)
        if attempts < _MAX_ATTEMPTS:
            attempts += 1
            layout = _layout(data, values, sizes)
    for key, column in columns.items():
        bad = np.flatnonzero(~np.isfinite(column).all(axis=1))
        i = bad[0] if len(bad) else int(np.abs(column).max(axis=1).argmax()) if len(column) else -1
        if i >= 0:
            as_array(paths[i], key, column[i], (sizes[key],))
    return columns


@dataclass(frozen=True, eq=False)
class _Layout:
    """Where arrays lie in files of one kind.

    Attributes:
      size: of the file in bytes.
      fixed: (start, bytes) of all that is no contents of an array.
      places: key -> offset and dtype of an array's contents.
    """

    size: int
    fixed: tuple[tuple[int, bytes], ...]
    places: dict[str, tuple[int, np.dtype]]

    def fits(self, data: bytes) -> bool:
        return len(data) == self.size and all(data.startswith(b, at) for at, b in self.fixed)


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
    edges = [0, *(edge for span in spans for edge in span), len(data)]
    fixed = tuple((a, data[a:b]) for a, b in zip(edges[::2], edges[1::2], strict=True))
    return _Layout(len(data), fixed, places)


def _find(strings, contents: bytes) -> int | None:
    """Returns the offset of the next byte string with these contents."""
    for start, argument in strings:
        argument = argument.encode("latin-1") if isinstance(argument, str) else argument
        if argument == contents:
            return start
    return None
