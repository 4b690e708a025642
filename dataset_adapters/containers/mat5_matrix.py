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
from .mat5_types import (
    CELL,
    CHAR,
    CLASSES,
    IS_COMPLEX,
    IS_LOGICAL,
    MATRIX,
    OPAQUE,
    STORED,
    STRUCT,
    TEXTS,
    UNSUPPORTED,
)

_MAX_DIMENSIONS = 32
_MAX_DEPTH = 60
_MAX_FIELD_NAME = 256
#: Bytes before the numbers of a matrix of the most frequent form: plain, 2D, without a name.
_PLAIN_BYTES = 56
#: Such matrices of one form that follow each other are read at once.
_LEAST_RUN, _LONGEST_RUN, _LARGEST_IN_RUN = 16, 4096, 1 << 16
#: Arrays of so many bytes are not copied out of what was read of the file.
_VIEWED_BYTES = 1 << 16


class UnsupportedError(Exception):
    """A variable of a kind that only MATLAB itself understands."""


class MatrixReader:
    """Reads the element of one variable.

    Args:
      path: the file, for messages.
      where: what messages call the variable.
      data: its element, unpacked. Large arrays become views of it where it can be written to.
      order: `<` or `>`.
      n_parts: so many cells and fields may be made of it.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        where: str,
        data: bytes | memoryview,
        order: str,
        n_parts: int,
    ):
        self.path, self.where, self.data, self.n_parts = path, where, data, n_parts
        self._order = order
        self._tag = struct.Struct(order + "II")
        # A plain 2D array without a name, as cells and structs are full of: one look is enough.
        self._plain = struct.Struct(order + "IIIIIIIIiiIIII")
        self._stored = {kind: np.dtype(order + code) for kind, code in STORED.items()}
        self._classes = {kind: np.dtype(code) for kind, code in CLASSES.items()}
        self._is_own = isinstance(data, memoryview) and not data.readonly

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
        if at + _PLAIN_BYTES > end:
            return None
        (kind, n_bytes, a, b, flags, _, c, d, rows, columns, e, f, data_kind, data_bytes) = (
            self._plain.unpack_from(self.data, at)
        )
        if (kind, a, b, c, d, e, f) != (MATRIX, 6, 8, 5, 8, 1, 0) or flags & IS_COMPLEX:
            return None
        wanted, place, padded = self._classes.get(flags & 0xFF), at + _PLAIN_BYTES, 0
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
        if flags & IS_LOGICAL:
            wanted = np.dtype(bool)
        values = np.ndarray((rows, columns), stored, self.data, place, None, "F")
        if data_bytes >= _VIEWED_BYTES:
            return self._owned(values, wanted), at + 8 + n_bytes
        return values.astype(wanted), at + 8 + n_bytes

    def _owned(self, values: np.ndarray, wanted: np.dtype) -> np.ndarray:
        """Returns numbers that can be written to, of the dtype that they have in MATLAB."""
        if self._is_own and values.nbytes >= _VIEWED_BYTES and values.dtype == wanted:
            return values
        return values.astype(wanted)

    def _body(self, at: int, end: int, depth: int):
        at, flags, shape = self._flags_and_dimensions(at, end)
        at, _ = self._name(at, end)
        kind, count = flags & 0xFF, math.prod(shape)
        if kind in UNSUPPORTED:
            raise UnsupportedError(UNSUPPORTED[kind])
        if kind in CLASSES:
            return self._numbers(at, end, flags, shape)
        if kind == CHAR:
            return self._text(at, end, shape)
        if kind == CELL:
            cells, at = self._parts(at, end, count, depth)
            return np.fromiter(cells, object, count).reshape(shape, order="F"), at
        if kind != STRUCT:
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
        while len(parts) < count:
            if (run := self._run(at, end, count - len(parts))) is not None:
                parts += run[0]
                at = run[1]
            else:
                part, at = self._matrix(at, end, depth + 1)
                parts.append(part)
        return parts, at

    def _run(self, at: int, end: int, most: int) -> tuple[list[np.ndarray], int] | None:
        """Returns plain matrices of one form that follow each other, and where they end.

        Cells have a small matrix per frame, thousands of them. None where the next few are not of
        one form, or large.
        """
        if most < _LEAST_RUN or at + _PLAIN_BYTES > end:
            return None
        if self._tag.unpack_from(self.data, at + 16)[0] & 0xFF not in CLASSES:
            return None
        size = 8 + self._tag.unpack_from(self.data, at)[1]
        if not _PLAIN_BYTES < size <= _LARGEST_IN_RUN or at + _LEAST_RUN * size > end:
            return None
        second = at + size
        if self.data[at : at + _PLAIN_BYTES] != self.data[second : second + _PLAIN_BYTES]:
            return None  # As in most structs; told without the cost of arrays.
        if self._count_alike(at, size, _LEAST_RUN) < _LEAST_RUN:
            return None
        matrix, after = self._plain_matrix(at, end) or (np.empty(0), at)
        kind, n_bytes = self._tag.unpack_from(self.data, at + _PLAIN_BYTES - 8)
        if not matrix.size or after != at + size or size < _PLAIN_BYTES + n_bytes:
            return None
        n = self._count_alike(at, size, min(most, _LONGEST_RUN, (end - at) // size))
        (rows, columns), stored = matrix.shape, self._stored[kind]
        strides = (size, stored.itemsize, rows * stored.itemsize)
        stack = np.ndarray((n, rows, columns), stored, self.data, at + _PLAIN_BYTES, strides)
        return list(stack.astype(matrix.dtype)), at + n * size

    def _count_alike(self, at: int, size: int, most: int) -> int:
        """Counts elements of a size that begin as the first of them does."""
        heads = np.ndarray((most, _PLAIN_BYTES), np.uint8, self.data, at, (size, 1))
        is_alike = (heads == heads[0]).all(axis=1)
        return most if is_alike.all() else int(is_alike.argmin())

    def _flags_and_dimensions(self, at: int, end: int) -> tuple[int, int, tuple[int, ...]]:
        kind, place, n_bytes, at = self._element(at, end)
        if kind != 6 or n_bytes != 8:
            raise self._fail(f"expected array flags, found type {kind} with {n_bytes} bytes")
        flags = self._tag.unpack_from(self.data, place)[0]
        if flags & 0xFF == OPAQUE:
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
        return at, printable(bytes(self.data[place : place + n_bytes]).decode("latin-1"))

    def _numbers(self, at: int, end: int, flags: int, shape) -> tuple[np.ndarray, int]:
        wanted = self._classes[flags & 0xFF]
        values, at = self._values(at, end, shape)
        if flags & IS_COMPLEX:
            imaginary, at = self._values(at, end, shape)
            wanted = np.result_type(wanted, np.complex64)
            return values.astype(wanted) + 1j * imaginary.astype(wanted), at
        return self._owned(values, np.dtype(bool) if flags & IS_LOGICAL else wanted), at

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
        unit_bytes, encoding = TEXTS.get(kind, (0, ""))
        count = math.prod(shape)
        # A character may take several units.
        if not unit_bytes or n_bytes % unit_bytes or count * unit_bytes > n_bytes:
            raise self._fail(f"expected {count} characters, found {n_bytes} bytes of type {kind}")
        if unit_bytes > 1:
            encoding += "-le" if self._order == "<" else "-be"
        text = bytes(self.data[place : place + n_bytes]).decode(encoding, "replace")
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
        raw = bytes(self.data[place : place + n_bytes]).decode("latin-1")
        names = [raw[i : i + length].split("\0")[0] for i in range(0, n_bytes, length)]
        if len(set(names)) != len(names) or "" in names:
            raise self._fail("expected different field names, found one twice or an empty one")
        return names, at
