"""MATLAB v5 files (and v6, v7, which are the same, packed or not): their list of variables."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import FileError
from .file_text import list_names, quote
from .mat5_matrix import MatrixReader, UnsupportedError
from .mat5_types import MATRIX

_HEADER_BYTES = 128
_COMPRESSED = 15
#: A variable may unpack to so many times its stored size (and a small one always may).
_MAX_GROWTH = 1000
_SMALL_BYTES = 100 << 20
#: Every cell and field becomes an array of its own, which takes far more than its bytes here.
_MAX_PARTS = 1_000_000
_PARTS_PER_BYTE = 4
#: The name of a variable lies within so many bytes.
_NAME_REACH = 4096


@dataclass(frozen=True)
class _Variable:
    """A variable of the file, not read yet: its name, where its element starts, its size."""

    name: str
    offset: int
    n_bytes: int
    is_packed: bool


def read_mat5(path: str | os.PathLike, keys: list[str] | None) -> dict[str, object]:
    """Read the variables of a file; `read_mat` says in what form, and what it raises."""
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            order = _byte_order(path, file.read(_HEADER_BYTES))
            # A variable that was appended later replaces the earlier one of its name.
            variables = {v.name: v for v in _list_variables(path, file, size, order)}
            return _read_all(path, file, variables, keys, order)
    except OSError as error:
        raise FileError.unreadable(path, error) from None


def _read_all(path, file: BinaryIO, variables, keys, order: str) -> dict[str, object]:
    values = {}
    for key in variables if keys is None else keys:
        if key not in variables:
            raise FileError(
                path, f"expected a variable {quote(key)}, found {list_names(variables)}"
            )
        variable, where = variables[key], f"variable {quote(key)}"
        element = _read_element(path, file, variable, where, order)
        n_parts = max(_MAX_PARTS, _PARTS_PER_BYTE * variable.n_bytes)
        try:
            values[key] = MatrixReader(path, where, element, order, n_parts).read()
        except UnsupportedError as found:
            if keys is not None:
                raise FileError(
                    path, f"{where} holds {found}; expected numbers, text, cells or structs"
                ) from None
    return values


def _byte_order(path, header: bytes) -> str:
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128])
    if len(header) < _HEADER_BYTES or order is None:
        raise FileError(
            path,
            "expected a MATLAB .mat file (v5, v6, v7 or v7.3), found something else; a v4 file can "
            "be saved again in MATLAB with -v7",
        )
    if (version := struct.unpack(order + "H", header[124:126])[0]) != 0x0100:
        raise FileError(path, f"expected MATLAB file version 0x0100, found 0x{version:04x}")
    return order


def _list_variables(path, file: BinaryIO, size: int, order: str) -> Iterator[_Variable]:
    """Yields the variables in file order; those without a name (MATLAB's own) are left out."""
    at = _HEADER_BYTES
    while at < size:
        file.seek(at)
        tag = file.read(8)
        kind, n_bytes = struct.unpack(order + "II", tag) if len(tag) == 8 else (0, 0)
        if kind not in (MATRIX, _COMPRESSED):
            raise FileError(
                path, f"byte {at}: expected a variable (type 14 or 15), found type {kind}; damaged"
            )
        if n_bytes > size - at - 8:
            raise FileError(
                path,
                f"byte {at}: expected a variable of {n_bytes} bytes, found {size - at - 8}; "
                "the file is cut off",
            )
        start = file.read(min(n_bytes, _NAME_REACH))
        where = f"the variable at byte {at}"
        if kind == _COMPRESSED:
            start = _unpack(path, where, start, _NAME_REACH)[8:]
        name = MatrixReader(path, where, start, order, 0).read_name() if start else ""
        if name:
            yield _Variable(name, at, n_bytes, kind == _COMPRESSED)
        at += 8 + n_bytes


def _read_element(
    path, file: BinaryIO, variable: _Variable, where: str, order: str
) -> bytes | memoryview:
    """Returns the whole element of a variable, its tag included, unpacked."""
    file.seek(variable.offset)
    stored = memoryview(np.empty(8 + variable.n_bytes, np.uint8))
    if file.readinto(stored) < len(stored):
        raise FileError(path, "became shorter while it was read; try again")
    if not variable.is_packed:
        return stored
    tag = _unpack(path, where, stored[8 : 8 + _NAME_REACH], 8)
    n_bytes = struct.unpack(order + "II", tag)[1] if len(tag) == 8 else 0
    if n_bytes > max(_SMALL_BYTES, _MAX_GROWTH * variable.n_bytes):
        raise FileError(
            path,
            f"{where}: promises {n_bytes} bytes out of {variable.n_bytes} packed ones; if that is "
            "meant, save it with -v6",
        )
    # One byte more than there is: it makes zlib compare the checksum.
    return _unpack(path, where, stored[8:], 8 + n_bytes + 1)


def _unpack(path, where: str, packed: bytes | memoryview, most: int) -> bytes:
    """Returns the first bytes of packed data, at most so many."""
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error as error:
        raise FileError(path, f"{where}: its packed data are damaged ({error})") from None
