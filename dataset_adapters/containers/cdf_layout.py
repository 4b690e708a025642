"""Where the records of one variable of a CDF file lie, held against the file's size.

A CDF file is a net of internal records that point to each other: the descriptor (CDR) and the
global descriptor (GDR), a chain of variable descriptors (zVDR), per variable a tree of indices
(VXR), whose leaves are the values (VVR, or CVVR where they are gzipped). Integers are big-endian;
sizes and offsets have 8 bytes since CDF 3.0, 4 before. The format: NASA GSFC, CDF Internal Format
Description 3.x, https://cdf.gsfc.nasa.gov/
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from .errors import FileError
from .file_text import list_names, printable

_OFFSET_BYTES = {b"\xcd\xf3\x00\x01": 8, b"\xcd\xf2\x60\x02": 4}
PLAIN = b"\x00\x00\xff\xff"
GZIPPED = b"\xcc\xcc\x00\x01"
_CDR, _GDR, _VXR, _VVR, _ZVDR, _CCR, _CVVR = 1, 2, 6, 7, 8, 10, 13
#: Bytes per value of the types that are plain numbers.
_VALUE_BYTES = {1: 1, 2: 2, 4: 4, 8: 8, 11: 1, 12: 2, 14: 4, 21: 4, 22: 8, 41: 1, 44: 4, 45: 8}
_VAX_ENCODINGS = (3, 14, 15)
#: cdflib follows chains by recursion.
_MAX_INDEX_RECORDS = 400
_MAX_VARIABLES = 1000
_MAX_DIMENSIONS = 16
_MAX_VALUES = 1 << 40
#: No gzip stream shrinks further than about 1030-fold.
_MAX_GZIP_RATIO = 1100
_DAMAGED = "the file is damaged: copy or download it again"


@dataclass(frozen=True)
class Variable:
    """A variable whose values were found to be all there.

    Attributes:
      name: as the file spells it.
      n_records: the number of records (the first axis).
      shape: the axes of a record.
    """

    name: str
    n_records: int
    shape: tuple[int, ...]


def inflated(path, data: bytes) -> bytes:
    """Returns the bytes of a plain CDF file; a file that is gzipped as a whole is unpacked.

    Raises:
      FileError: the file is no CDF file, or its compressed part is damaged.
    """
    width = _OFFSET_BYTES.get(data[:4])
    if width is None or data[4:8] not in (PLAIN, GZIPPED):
        raise FileError(
            path,
            "expected a NASA CDF file of version 2.6 or later (first bytes cdf30001 0000ffff), "
            f"found {data[:8].hex() or 'an empty file'}; check that this is the right file",
        )
    if data[4:8] == PLAIN:
        return data
    record = _Records(path, data, width).body(8, _CCR, 2 * width + 4)
    size = _unsigned(record[width : 2 * width])
    packed = record[2 * width + 4 :]
    return data[:4] + PLAIN + _inflate(path, packed, size, "the whole file")


def find_variable(path, data: bytes, name: str) -> Variable:
    """Finds a variable in a plain CDF file and checks every record that reading it touches.

    Raises:
      FileError: there is no such variable of numbers, or a record is not what it must be.
    """
    width = _OFFSET_BYTES[data[:4]]
    records = _Records(path, data, width)
    first, n_variables = _first_variable(records)
    offset, names = first, []
    for _ in range(n_variables):
        body = records.body(offset, _ZVDR, _variable_header_bytes(width))
        found = _name(body, width)
        names.append(found)
        if found.strip().lower() == name.strip().lower():
            return _checked_variable(records, body, found)
        offset = _unsigned(body[:width])
    raise FileError(path, f"expected a variable {name!r}, found {list_names(names)}")


@dataclass(frozen=True)
class _Records:
    """Reads internal records by their offset."""

    path: str
    data: bytes
    width: int

    def kind_and_body(self, offset: int) -> tuple[int, bytes]:
        header = self.width + 4
        if not 8 <= offset <= len(self.data) - header:
            raise self.error(f"expected a record at byte {offset}, found the file's end")
        size = _unsigned(self.data[offset : offset + self.width])
        if not header <= size <= len(self.data) - offset:
            raise self.error(
                f"record at byte {offset}: expected {size} bytes as it states, found "
                f"{len(self.data) - offset} up to the file's end"
            )
        kind = _unsigned(self.data[offset + self.width : offset + header])
        return kind, self.data[offset + header : offset + size]

    def body(self, offset: int, kind: int, least: int) -> bytes:
        found, body = self.kind_and_body(offset)
        if found != kind or len(body) < least:
            raise self.error(
                f"record at byte {offset}: expected type {kind} with at least {least} bytes, "
                f"found type {found} with {len(body)}"
            )
        return body

    def error(self, problem: str) -> FileError:
        return FileError(self.path, f"{problem}; {_DAMAGED}")


def _first_variable(records: _Records) -> tuple[int, int]:
    """Returns the offset of the first zVariable, and how many there are."""
    width = records.width
    descriptor = records.body(8, _CDR, width + 44)
    gdr_offset = _unsigned(descriptor[:width])
    version, release, encoding, flags = struct.unpack(">4i", descriptor[width : width + 16])
    if version not in (2, 3) or (version == 2 and release < 6):
        raise records.error(f"expected CDF version 2.6 or later, found {version}.{release}")
    if encoding in _VAX_ENCODINGS or not flags & 2:
        what = f"encoding {encoding}" if encoding in _VAX_ENCODINGS else "several files"
        raise FileError(
            records.path,
            f"expected one file with IEEE numbers, found {what}; convert it with NASA's cdfconvert",
        )
    if gdr_offset != 8 + width + 4 + len(descriptor):
        raise records.error(f"expected the global descriptor next, found it at byte {gdr_offset}")
    body = records.body(gdr_offset, _GDR, 4 * width + 36)
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
    return _unsigned(body[width : 2 * width]), n_variables


def _variable_header_bytes(width: int) -> int:
    return 4 * width + 40 + _name_bytes(width) + 4


def _name_bytes(width: int) -> int:
    return 256 if width == 8 else 64


def _name(body: bytes, width: int) -> str:
    start = 4 * width + 40
    raw = body[start : start + _name_bytes(width)]
    return printable(raw.replace(b"\0", b"").decode("latin-1"))


def _checked_variable(records: _Records, body: bytes, name: str) -> Variable:
    width = records.width
    kind, max_record = struct.unpack(">2i", body[width : width + 8])
    (index,) = struct.unpack(">q" if width == 8 else ">i", body[width + 8 : 2 * width + 8])
    flags, sparse = struct.unpack(">2i", body[3 * width + 8 : 3 * width + 16])
    n_elements = _integer(body, 3 * width + 28)
    compression = _unsigned(body[3 * width + 36 : 4 * width + 36])
    if kind not in _VALUE_BYTES or n_elements != 1:
        raise FileError(
            records.path, f"variable {name!r}: expected plain numbers, found CDF type {kind}"
        )
    if sparse:
        raise FileError(
            records.path,
            f"variable {name!r}: expected all records, found sparse ones; rewrite it with "
            "NASA's cdfconvert",
        )
    shape, end = _shape(records, body, name)
    if flags & 2 and len(body) < end + _VALUE_BYTES[kind]:
        raise records.error(f"variable {name!r}: its pad value is cut off")
    if flags & 4:
        records.kind_and_body(compression)
    n_records = max_record + 1
    if n_records < 0 or (not flags & 1 and n_records > 1):
        raise records.error(f"variable {name!r}: impossible last record {max_record}")
    record_bytes = _VALUE_BYTES[kind] * math.prod(shape)
    if n_records:
        _check_values(records, index, n_records, record_bytes)
    return Variable(name, n_records, shape)


def _shape(records: _Records, body: bytes, name: str) -> tuple[tuple[int, ...], int]:
    """Returns the axes of a record, and where the pad value would begin."""
    start = 4 * records.width + 40 + _name_bytes(records.width)
    n_axes = _integer(body, start)
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


def _check_values(records: _Records, index: int, n_records: int, record_bytes: int) -> None:
    """Checks that the leaves of the index hold all records, in order and without gaps."""
    next_record, n_indices = 0, 0
    # Depth first, in the order in which cdflib walks: the entries, then the next index.
    todo = [(index, None, None)]
    while todo and next_record < n_records:
        offset, first, last = todo.pop()
        kind, body = records.kind_and_body(offset)
        if kind == _VXR:
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
        _check_leaf(records, kind, body, (last - first + 1) * record_bytes, last + 1 >= n_records)
        next_record = last + 1
    if next_record < n_records:
        raise records.error(f"expected {n_records} records, found {next_record}")
    _check_rest(records, todo, n_indices)


def _check_rest(records: _Records, todo: list, n_indices: int) -> None:
    """Walks on behind the last record that is needed: cdflib reads the whole index first."""
    while todo:
        offset = todo.pop()[0]
        kind, body = records.kind_and_body(offset)
        if kind == _VXR:
            n_indices += 1
            if n_indices > _MAX_INDEX_RECORDS:
                raise records.error(f"expected at most {_MAX_INDEX_RECORDS} index records")
            todo.extend(reversed(_index_entries(records, offset, body)))


def _index_entries(records: _Records, offset: int, body: bytes) -> list[tuple[int, int, int]]:
    """Returns (offset, first record, last record) of an index's entries, then its successor."""
    width = records.width
    if len(body) < width + 8:
        raise records.error(f"index at byte {offset}: {len(body)} bytes are too few")
    successor = _unsigned(body[:width])
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


def _check_leaf(records: _Records, kind: int, body: bytes, size: int, is_last: bool) -> None:
    if kind == _CVVR:
        width = records.width
        packed_size = _unsigned(body[4 : 4 + width])
        packed = body[4 + width : 4 + width + packed_size]
        _inflate(records.path, packed, size, "a block of values")
    # Space behind the last record may have been set aside for more.
    elif kind != _VVR or len(body) < size or (len(body) > size and not is_last):
        raise records.error(
            f"expected {size} bytes of values, found {len(body)} in a record of type {kind}"
        )


def _inflate(path, packed: bytes, size: int, what: str) -> bytes:
    """Unpacks a gzip stream that must yield exactly `size` bytes."""
    problem = f"expected gzip data of {size} bytes for {what}"
    if size > _MAX_GZIP_RATIO * len(packed) + 1024:
        raise FileError(path, f"{problem}, found {len(packed)} packed bytes; {_DAMAGED}")
    stream = zlib.decompressobj(wbits=31)
    try:
        values = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise FileError(path, f"{problem}, found none: {error}; {_DAMAGED}") from None
    if len(values) != size or not stream.eof or stream.unused_data.strip(b"\0"):
        raise FileError(path, f"{problem}, found {len(values)}; {_DAMAGED}")
    return values


def _integer(body: bytes, at: int) -> int:
    return struct.unpack(">i", body[at : at + 4])[0]


def _unsigned(raw: bytes) -> int:
    return int.from_bytes(raw, "big")
