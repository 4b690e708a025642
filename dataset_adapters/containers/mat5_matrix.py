"""One variable of a MATLAB v5 file: its tags, sizes and depth checked while it is decoded.

`scipy.io` believes the sizes that a file states and follows nested cells with the machine's stack
(20 thousand of them, a file of 1.1 MB, end the process), so that a file would have to be walked
through before it is handed over. Decoding on that walk takes half the time of both.

Source: The MathWorks, MAT-File Format, chapter 1 (level 5).
"""

from __future__ import annotations

import math
import os
import struct

import numpy as np

from .errors import FileError
from .file_text import printable

MATRIX = 14
_CELL, _STRUCT, _CHAR, _OPAQUE = 1, 2, 4, 17
_UNSUPPORTED = {3: "an object", 5: "a sparse matrix", 16: "a function handle", _OPAQUE: "an object"}
#: What numbers are stored as, by the type of their element, and what they are, by MATLAB class.
_STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
#: Bytes of a unit and encoding of text, by the type of its element.
_TEXTS = {
    1: (1, "latin-1"), 2: (1, "latin-1"), 3: (2, "utf-16"), 4: (2, "utf-16"),
    16: (1, "utf-8"), 17: (2, "utf-16"), 18: (4, "utf-32"),
}  # fmt: skip
_IS_COMPLEX, _IS_LOGICAL = 0x0800, 0x0200
_MAX_DIMENSIONS = 32
_MAX_DEPTH = 60
_MAX_FIELD_NAME = 256


class UnsupportedError(Exception):
    """A variable of a kind that only MATLAB itself understands."""


class MatrixReader:
    """Reads the element of one variable.

    Args:
      path: the file, for messages.
      where: what messages call the variable.
      data: its element, unpacked.
      order: `<` or `>`.
      n_parts: so many cells and fields may be made of it.
    """

    def __init__(self, path: str | os.PathLike, where: str, data: bytes, order: str, n_parts: int):
        self.path, self.where, self.data, self.n_parts = path, where, data, n_parts
        self._order = order
        self._tag = struct.Struct(order + "II")
        # A plain 2D array without a name, as cells and structs are full of: one look is enough.
        self._plain = struct.Struct(order + "IIIIIIIIiiIIII")
        self._stored = {kind: np.dtype(order + code) for kind, code in _STORED.items()}
        self._classes = {kind: np.dtype(code) for kind, code in _CLASSES.items()}

    def read_name(self) -> str:
        """Returns the name of the variable whose body (without its tag) starts the data."""
        at, _, _ = self._flags_and_dimensions(0, len(self.data))
        return self._name(at, len(self.data))[1]

    def read(self):
        """Returns the variable.

        Raises:
          FileError: it contradicts itself.
          UnsupportedError: it holds an object, a function handle or a sparse matrix.
        """
        return self._matrix(0, len(self.data), 0)[0]

    def _fail(self, problem: str) -> FileError:
        return FileError(self.path, f"{self.where}: {problem}; the file is damaged")

    def _element(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Returns the type, the place and the size of a data element, and where it ends."""
        if at + 8 > end:
            raise self._fail(f"expected an element at byte {at}, found the end")
        kind, n_bytes = self._tag.unpack_from(self.data, at)
        if kind >> 16:  # Up to four bytes, within the tag.
            if kind >> 16 > 4:
                raise self._fail(f"expected at most 4 bytes in a short element, found {kind >> 16}")
            return kind & 0xFFFF, at + 4, kind >> 16, at + 8
        after = at + 8 + n_bytes + -n_bytes % 8
        if after > end:
            raise self._fail(f"expected {n_bytes} bytes at byte {at}, found {end - at - 8}")
        return kind, at + 8, n_bytes, after

    def _matrix(self, at: int, end: int, depth: int):
        """Returns the matrix at a place and where it ends."""
        if (plain := self._plain_matrix(at, end)) is not None:
            return plain
        if at + 8 > end:
            raise self._fail(f"expected a matrix at byte {at}, found the end")
        kind, n_bytes = self._tag.unpack_from(self.data, at)
        if kind != MATRIX or n_bytes > end - at - 8:
            raise self._fail(f"expected a matrix at byte {at}, found type {kind}, {n_bytes} bytes")
        if depth > _MAX_DEPTH:
            raise self._fail(f"expected at most {_MAX_DEPTH} levels of cells and structs")
        after = at + 8 + n_bytes
        if not n_bytes:
            return np.zeros((0, 0)), after
        value, found = self._body(at + 8, after, depth)
        if found != after:
            raise self._fail(f"expected a matrix up to byte {after}, found its end at {found}")
        return value, after

    def _plain_matrix(self, at: int, end: int):
        """Returns a matrix of the most frequent form and its end, None for another one."""
        if at + 56 > end:
            return None
        (kind, n_bytes, a, b, flags, _, c, d, rows, columns, e, f, data_kind, data_bytes) = (
            self._plain.unpack_from(self.data, at)
        )
        if (kind, a, b, c, d, e, f) != (MATRIX, 6, 8, 5, 8, 1, 0) or flags & _IS_COMPLEX:
            return None
        wanted, place, padded = self._classes.get(flags & 0xFF), at + 56, 0
        if data_kind >> 16:
            data_kind, data_bytes, place = data_kind & 0xFFFF, data_kind >> 16, at + 52
        else:
            padded = data_bytes + -data_bytes % 8
        stored = self._stored.get(data_kind)
        if stored is None or wanted is None or rows < 0 or columns < 0:
            return None
        if data_bytes != rows * columns * stored.itemsize or data_bytes > end - place:
            return None
        if n_bytes != 48 + padded or n_bytes > end - at - 8:
            return None
        if flags & _IS_LOGICAL:
            wanted = np.dtype(bool)
        values = np.ndarray((rows, columns), stored, self.data, place, None, "F")
        return values.astype(wanted), at + 8 + n_bytes

    def _body(self, at: int, end: int, depth: int):
        at, flags, shape = self._flags_and_dimensions(at, end)
        at, _ = self._name(at, end)
        kind, count = flags & 0xFF, math.prod(shape)
        if kind in _UNSUPPORTED:
            raise UnsupportedError(_UNSUPPORTED[kind])
        if kind in _CLASSES:
            return self._numbers(at, end, flags, shape)
        if kind == _CHAR:
            return self._text(at, end, shape)
        if kind == _CELL:
            cells, at = self._parts(at, end, count, depth)
            return np.fromiter(cells, object, count).reshape(shape, order="F"), at
        if kind != _STRUCT:
            raise self._fail(f"expected a MATLAB class of 1 to 17, found {kind}")
        names, at = self._field_names(at, end)
        if not names and count > 1:
            raise self._fail(f"expected a struct with fields, found {count} without")
        fields, at = self._parts(at, end, count * len(names), depth)
        n = len(names)
        structs = [dict(zip(names, fields[i * n : i * n + n], strict=True)) for i in range(count)]
        if count == 1 and len(shape) == 2:
            return structs[0], at
        return np.fromiter(structs, object, count).reshape(shape, order="F"), at

    def _parts(self, at: int, end: int, count: int, depth: int) -> tuple[list, int]:
        """Returns the cells or fields that follow, and where they end."""
        self.n_parts -= count
        if count > (end - at) // 8 or self.n_parts < 0:
            raise self._fail(f"expected cells or fields in {end - at} bytes, found {count} of them")
        parts = []
        for _ in range(count):
            part, at = self._matrix(at, end, depth + 1)
            parts.append(part)
        return parts, at

    def _flags_and_dimensions(self, at: int, end: int) -> tuple[int, int, tuple[int, ...]]:
        kind, place, n_bytes, at = self._element(at, end)
        if kind != 6 or n_bytes != 8:
            raise self._fail(f"expected array flags, found type {kind} with {n_bytes} bytes")
        flags = self._tag.unpack_from(self.data, place)[0]
        if flags & 0xFF == _OPAQUE:
            return at, flags, ()  # It has no dimensions.
        kind, place, n_bytes, at = self._element(at, end)
        n = n_bytes // 4
        if kind not in (5, 6) or n_bytes % 4 or not 1 <= n <= _MAX_DIMENSIONS:
            raise self._fail(f"expected 2 to {_MAX_DIMENSIONS} dimensions, found {n_bytes} bytes")
        shape = struct.unpack_from(f"{self._order}{n}i", self.data, place)
        if min(shape) < 0:
            raise self._fail(f"expected dimensions of at least 0, found {shape}")
        if math.prod(d for d in shape if d) >= 1 << 60:
            raise self._fail(f"expected dimensions of a real array, found {shape}")
        return at, flags, shape

    def _name(self, at: int, end: int) -> tuple[int, str]:
        kind, place, n_bytes, at = self._element(at, end)
        if kind not in (1, 2, 16):
            raise self._fail(f"expected a name, found an element of type {kind}")
        return at, printable(self.data[place : place + n_bytes].decode("latin-1"))

    def _numbers(self, at: int, end: int, flags: int, shape) -> tuple[np.ndarray, int]:
        wanted = self._classes[flags & 0xFF]
        values, at = self._values(at, end, shape)
        if flags & _IS_COMPLEX:
            imaginary, at = self._values(at, end, shape)
            wanted = np.result_type(wanted, np.complex64)
            return values.astype(wanted) + 1j * imaginary.astype(wanted), at
        return values.astype(bool if flags & _IS_LOGICAL else wanted), at

    def _values(self, at: int, end: int, shape) -> tuple[np.ndarray, int]:
        """Returns a view of the numbers as they are stored, and where they end."""
        kind, place, n_bytes, at = self._element(at, end)
        stored = self._stored.get(kind)
        if stored is None or n_bytes != math.prod(shape) * stored.itemsize:
            raise self._fail(
                f"expected {math.prod(shape)} numbers, found {n_bytes} bytes of type {kind}"
            )
        return np.ndarray(shape, stored, self.data, place, None, "F"), at

    def _text(self, at: int, end: int, shape) -> tuple[str | np.ndarray, int]:
        kind, place, n_bytes, at = self._element(at, end)
        unit_bytes, encoding = _TEXTS.get(kind, (0, ""))
        count = math.prod(shape)
        # A character may take several units.
        if not unit_bytes or n_bytes % unit_bytes or count * unit_bytes > n_bytes:
            raise self._fail(f"expected {count} characters, found {n_bytes} bytes of type {kind}")
        if unit_bytes > 1:
            encoding += "-le" if self._order == "<" else "-be"
        text = self.data[place : place + n_bytes].decode(encoding, "replace")
        if not count:
            return "", at
        rows = shape[0]
        return text if rows == 1 else np.array([text[i::rows] for i in range(rows)], str), at

    def _field_names(self, at: int, end: int) -> tuple[list[str], int]:
        kind, place, n_bytes, at = self._element(at, end)
        if kind != 5 or n_bytes != 4:
            raise self._fail(f"expected the length of field names, found {n_bytes} bytes")
        length = struct.unpack_from(f"{self._order}i", self.data, place)[0]
        if not 1 <= length <= _MAX_FIELD_NAME:
            raise self._fail(
                f"expected field names of 1 to {_MAX_FIELD_NAME} bytes, found {length}"
            )
        kind, place, n_bytes, at = self._element(at, end)
        if kind not in (1, 2) or n_bytes % length:
            raise self._fail(f"expected field names of {length} bytes each, found {n_bytes} bytes")
        raw = self.data[place : place + n_bytes].decode("latin-1")
        names = [raw[i : i + length].split("\0")[0] for i in range(0, n_bytes, length)]
        if len(set(names)) != len(names) or "" in names:
            raise self._fail("expected different field names, found one twice or an empty one")
        return names, at
