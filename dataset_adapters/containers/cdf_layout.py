"""The records of one variable of a CDF file, each held against the file's size.

A CDF file is a net of internal records that point to each other: the descriptor (CDR) and the
global descriptor (GDR), a chain of variable descriptors (zVDR), per variable a tree of indices
(VXR), whose leaves are the values (VVR, or CVVR where they are gzipped).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from .cdf_records import (
    CDR,
    CVVR,
    GDR,
    OFFSET_BYTES,
    VVR,
    VXR,
    ZVDR,
    Records,
    inflate,
    integer,
    unsigned,
)
from .errors import FileError
from .file_text import list_names, printable

#: The types that are plain numbers.
_DTYPES = {
    1: "i1", 2: "i2", 4: "i4", 8: "i8", 11: "u1", 12: "u2", 14: "u4", 21: "f4", 22: "f8",
    41: "i1", 44: "f4", 45: "f8",
}  # fmt: skip
_BYTE_ORDERS = {
    **dict.fromkeys((1, 2, 5, 7, 9, 11, 12, 18), ">"),
    **dict.fromkeys((4, 6, 13, 16, 17, 19), "<"),
}
_MAX_INDEX_RECORDS = 400
_MAX_VARIABLES = 1000
_MAX_DIMENSIONS = 16
_MAX_VALUES = 1 << 40


@dataclass(frozen=True)
class Variable:
    """A variable whose values are all there.

    Attributes:
      name: as the file spells it.
      n_records: the number of records (the first axis).
      shape: the axes of a record.
      dtype: of the stored numbers.
      is_row_major: whether the last axis of a record varies fastest.
      parts: the bytes of the values, some records in each.
    """

    name: str
    n_records: int
    shape: tuple[int, ...]
    dtype: np.dtype
    is_row_major: bool
    parts: tuple[bytes | memoryview, ...]


def find_variable(path, data: bytes, name: str) -> Variable:
    """Finds a variable in a plain CDF file and checks every record that reading it touches.

    Raises:
      FileError: there is no such variable of numbers, or a record is not what it must be.
    """
    width = OFFSET_BYTES[data[:4]]
    records = Records(path, data, width)
    descriptor = _descriptor(records)
    (offset, n_variables), names = _first_variable(records, descriptor), []
    for _ in range(n_variables):
        body = records.body(offset, ZVDR, _variable_header_bytes(width))
        found = _name(body, width)
        names.append(found)
        if found.strip().lower() == name.strip().lower():
            return _checked_variable(records, body, found, descriptor)
        offset = unsigned(body[:width])
    raise FileError(path, f"expected a variable {name!r}, found {list_names(names)}")


@dataclass(frozen=True)
class _Descriptor:
    """What the file's descriptor says: of all numbers in it, and where it goes on."""

    gdr_offset: int
    byte_order: str
    is_row_major: bool
    n_bytes: int


def _descriptor(records: Records) -> _Descriptor:
    width = records.width
    body = records.body(8, CDR, width + 44)
    version, release, encoding, flags = struct.unpack(">4i", body[width : width + 16])
    if version not in (2, 3) or (version == 2 and release < 6):
        raise records.error(f"expected CDF version 2.6 or later, found {version}.{release}")
    if encoding not in _BYTE_ORDERS or not flags & 2:
        what = "several files" if encoding in _BYTE_ORDERS else f"encoding {encoding}"
        raise FileError(
            records.path,
            f"expected one file with IEEE numbers, found {what}; convert it with NASA's cdfconvert",
        )
    order = _BYTE_ORDERS[encoding]
    return _Descriptor(unsigned(body[:width]), order, bool(flags & 1), len(body))


def _first_variable(records: Records, descriptor: _Descriptor) -> tuple[int, int]:
    """Returns the offset of the first zVariable, and how many there are."""
    width, gdr_offset = records.width, descriptor.gdr_offset
    if gdr_offset != 8 + width + 4 + descriptor.n_bytes:
        raise records.error(f"expected the global descriptor next, found it at byte {gdr_offset}")
    body = records.body(gdr_offset, GDR, 4 * width + 36)
    n_r_variables, _, _, n_r_dimensions, n_variables = struct.unpack(
        ">5i", body[4 * width : 4 * width + 20]
    )
    if n_r_variables or n_r_dimensions:
        raise FileError(
            records.path,
            f"expected zVariables only, found {n_r_variables} rVariables in {n_r_dimensions} "
            "dimensions; convert it with NASA's cdfconvert -zmode",
        )
    if not 0 <= n_variables <= _MAX_VARIABLES:
        raise records.error(f"expected 0 to {_MAX_VARIABLES} variables, found {n_variables}")
    return unsigned(body[width : 2 * width]), n_variables


def _variable_header_bytes(width: int) -> int:
    return 4 * width + 40 + _name_bytes(width) + 4


def _name_bytes(width: int) -> int:
    return 256 if width == 8 else 64


def _name(body: memoryview, width: int) -> str:
    start = 4 * width + 40
    raw = bytes(body[start : start + _name_bytes(width)])
    return printable(raw.replace(b"\0", b"").decode("latin-1"))


def _checked_variable(
    records: Records, body: memoryview, name: str, descriptor: _Descriptor
) -> Variable:
    width = records.width
    kind, max_record = struct.unpack(">2i", body[width : width + 8])
    (index,) = struct.unpack(">q" if width == 8 else ">i", body[width + 8 : 2 * width + 8])
    flags, sparse = struct.unpack(">2i", body[3 * width + 8 : 3 * width + 16])
    n_elements = integer(body, 3 * width + 28)
    compression = unsigned(body[3 * width + 36 : 4 * width + 36])
    if kind not in _DTYPES or n_elements != 1:
        raise FileError(
            records.path, f"variable {name!r}: expected plain numbers, found CDF type {kind}"
        )
    if sparse:
        raise FileError(
            records.path,
            f"variable {name!r}: expected all records, found sparse ones; rewrite it with "
            "NASA's cdfconvert",
        )
    dtype = np.dtype(descriptor.byte_order + _DTYPES[kind])
    shape, end = _shape(records, body, name)
    if flags & 2 and len(body) < end + dtype.itemsize:
        raise records.error(f"variable {name!r}: its pad value is cut off")
    if flags & 4:
        records.kind_and_body(compression)
    n_records = max_record + 1
    if n_records < 0 or (not flags & 1 and n_records > 1):
        raise records.error(f"variable {name!r}: impossible last record {max_record}")
    record_bytes = dtype.itemsize * math.prod(shape)
    parts = _values(records, index, n_records, record_bytes) if n_records else ()
    return Variable(name, n_records, shape, dtype, descriptor.is_row_major, tuple(parts))


def _shape(records: Records, body: memoryview, name: str) -> tuple[tuple[int, ...], int]:
    """Returns the axes of a record, and where the pad value would begin."""
    start = 4 * records.width + 40 + _name_bytes(records.width)
    n_axes = integer(body, start)
    end = start + 4 + 8 * n_axes
    if not 0 <= n_axes <= _MAX_DIMENSIONS or end > len(body):
        raise records.error(f"variable {name!r}: impossible number of dimensions {n_axes}")
    numbers = struct.unpack(f">{2 * n_axes}i", body[start + 4 : end])
    shape = tuple(
        size for size, varies in zip(numbers[:n_axes], numbers[n_axes:], strict=True) if varies
    )
    if any(size <= 0 for size in shape) or math.prod(shape) > _MAX_VALUES:
        raise records.error(f"variable {name!r}: impossible dimensions {shape}")
    return shape, end


def _values(
    records: Records, index: int, n_records: int, record_bytes: int
) -> list[bytes | memoryview]:
    """Returns the leaves of the index, which hold all records in order and without gaps."""
    parts, next_record, n_indices = [], 0, 0
    # Depth first: the entries, then the next index.
    todo = [(index, None, None)]
    while todo and next_record < n_records:
        offset, first, last = todo.pop()
        kind, body = records.kind_and_body(offset)
        if kind == VXR:
            n_indices += 1
            if n_indices > _MAX_INDEX_RECORDS:
                raise records.error(f"expected at most {_MAX_INDEX_RECORDS} index records")
            todo.extend(reversed(_index_entries(records, offset, body)))
            continue
        if first is None:
            raise records.error(f"record at byte {offset}: expected an index, found type {kind}")
        if first != next_record or last < first:
            raise records.error(
                f"records {first} to {last} follow, where {next_record} was expected"
            )
        next_record = last + 1
        # Space behind the last record may have been set aside for more.
        spare = max(0, next_record - n_records) * record_bytes
        part = _leaf(
            records, kind, body, (next_record - first) * record_bytes, next_record >= n_records
        )
        parts.append(part[: len(part) - spare])
    if next_record < n_records:
        raise records.error(f"expected {n_records} records, found {next_record}")
    return parts


def _index_entries(records: Records, offset: int, body: memoryview) -> list[tuple[int, int, int]]:
    """Returns (offset, first record, last record) of an index's entries, then its successor."""
    width = records.width
    if len(body) < width + 8:
        raise records.error(f"index at byte {offset}: {len(body)} bytes are too few")
    successor = unsigned(body[:width])
    n_entries, n_used = struct.unpack(">2i", body[width : width + 8])
    if not 0 <= n_used <= n_entries or len(body) < width + 8 + n_entries * (8 + width):
        raise records.error(f"index at byte {offset}: impossible number of entries {n_entries}")
    firsts = struct.unpack(f">{n_entries}i", body[width + 8 :][: 4 * n_entries])
    lasts = struct.unpack(f">{n_entries}i", body[width + 8 + 4 * n_entries :][: 4 * n_entries])
    places = struct.unpack(
        f">{n_entries}{'q' if width == 8 else 'i'}",
        body[width + 8 + 8 * n_entries :][: width * n_entries],
    )
    entries = list(zip(places[:n_used], firsts, lasts, strict=False))
    return [*entries, (successor, None, None)] if successor else entries


def _leaf(
    records: Records, kind: int, body: memoryview, size: int, is_last: bool
) -> bytes | memoryview:
    """Returns the `size` bytes of values in a leaf."""
    if kind == CVVR:
        width = records.width
        packed_size = unsigned(body[4 : 4 + width])
        packed = body[4 + width : 4 + width + packed_size]
        return inflate(records.path, packed, size, "a block of values")
    if kind != VVR or len(body) < size or (len(body) > size and not is_last):
        raise records.error(
            f"expected {size} bytes of values, found {len(body)} in a record of type {kind}"
        )
    return body[:size]
