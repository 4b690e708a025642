"""The internal records of a CDF file, by their offset: sizes are held against the file's.

Integers are big-endian; sizes and offsets have 8 bytes since CDF 3.0, 4 before. The format: NASA
GSFC, CDF Internal Format Description 3.x, https://cdf.gsfc.nasa.gov/
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from .errors import FileError

OFFSET_BYTES = {b"\xcd\xf3\x00\x01": 8, b"\xcd\xf2\x60\x02": 4}
PLAIN = b"\x00\x00\xff\xff"
GZIPPED = b"\xcc\xcc\x00\x01"
#: Kinds of records.
CDR, GDR, VXR, VVR, ZVDR, CCR, CVVR = 1, 2, 6, 7, 8, 10, 13
#: No gzip stream shrinks further than about 1030-fold.
_MAX_GZIP_RATIO = 1100
_DAMAGED = "the file is damaged: copy or download it again"


def inflated(path, data: bytes) -> bytes:
    """Returns the bytes of a plain CDF file; a file that is gzipped as a whole is unpacked.

    Raises:
      FileError: the file is no CDF file, or its compressed part is damaged.
    """
    width = OFFSET_BYTES.get(data[:4])
    if width is None or data[4:8] not in (PLAIN, GZIPPED):
        raise FileError(
            path,
            "expected a NASA CDF file of version 2.6 or later (first bytes cdf30001 0000ffff), "
            f"found {data[:8].hex() or 'an empty file'}; check that this is the right file",
        )
    if data[4:8] == PLAIN:
        return data
    record = Records(path, data, width).body(8, CCR, 2 * width + 4)
    size = unsigned(record[width : 2 * width])
    packed = record[2 * width + 4 :]
    return data[:4] + PLAIN + inflate(path, packed, size, "the whole file")


@dataclass(frozen=True)
class Records:
    """Reads internal records by their offset.

    Attributes:
      path: for messages.
      data: all of the file.
      width: bytes of sizes and offsets.
    """

    path: str
    data: bytes
    width: int

    def kind_and_body(self, offset: int) -> tuple[int, memoryview]:
        """Returns the kind of the record at an offset, and what follows its header.

        Raises:
          FileError: it is not all in the file.
        """
        header = self.width + 4
        if not 8 <= offset <= len(self.data) - header:
            raise self.error(f"expected a record at byte {offset}, found the file's end")
        size = unsigned(self.data[offset : offset + self.width])
        if not header <= size <= len(self.data) - offset:
            raise self.error(
                f"record at byte {offset}: expected {size} bytes as it states, found "
                f"{len(self.data) - offset} up to the file's end"
            )
        kind = unsigned(self.data[offset + self.width : offset + header])
        return kind, memoryview(self.data)[offset + header : offset + size]

    def body(self, offset: int, kind: int, least: int) -> memoryview:
        """Returns what follows the header of a record of a certain kind, at least so many bytes.

        Raises:
          FileError: there is another record, or a shorter one.
        """
        found, body = self.kind_and_body(offset)
        if found != kind or len(body) < least:
            raise self.error(
                f"record at byte {offset}: expected type {kind} with at least {least} bytes, "
                f"found type {found} with {len(body)}"
            )
        return body

    def error(self, problem: str) -> FileError:
        """Returns the error to raise for a file that contradicts itself."""
        return FileError(self.path, f"{problem}; {_DAMAGED}")


def inflate(path, packed: memoryview, size: int, what: str) -> bytes:
    """Unpacks a gzip stream that must yield exactly `size` bytes.

    Raises:
      FileError: it yields more, less, or is damaged; `what` says of what.
    """
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


def integer(body: memoryview, at: int) -> int:
    """Returns the signed 4-byte integer at a place of a record."""
    return struct.unpack(">i", body[at : at + 4])[0]


def unsigned(raw: bytes | memoryview) -> int:
    """Returns bytes as one integer."""
    return int.from_bytes(raw, "big")
