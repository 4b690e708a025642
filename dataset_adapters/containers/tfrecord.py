"""TFRecord files of `tf.train.Example` messages, read without TensorFlow.

A file is a row of records: length (uint64), checksum of the length, data, checksum of the data, all
little-endian. An Example is a protobuf map from feature names to lists of bytes, floats or
integers. Features that are not asked for (images, mostly) are skipped on disk; so the checksum of
the data cannot be compared.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

from .errors import FileError
from .file_text import decode_text
from .protobuf_wire import LENGTH, DamageError, Feature, plain_length, read_feature, read_varint

_HEADER_BYTES = 12
_FOOTER_BYTES = 4
#: So much is read at a time; a feature that is longer is read on its own.
_WINDOW_BYTES = 1 << 16
_MAX_KEY_BYTES = 4096


class TfRecordFile:
    """The records of a file; lengths are checked on opening.

    Args:
      path: the file.

    Raises:
      FileError: no TFRecord file, or one that is cut off.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        try:
            self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by close()
            self._size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise FileError.unreadable(path, error) from None
        self._window = (0, b"")
        try:
            self._records = self._listed()
        except FileError:
            self.close()
            raise

    def _listed(self) -> list[tuple[int, int]]:
        """Returns where the data of each record start and how long they are."""
        found, at = [], 0
        while at < self._size:
            header = self._read(at, _HEADER_BYTES)
            length, checksum = struct.unpack("<QI", header.ljust(_HEADER_BYTES, b"\0"))
            if len(header) < _HEADER_BYTES or masked_crc32c(header[:8]) != checksum:
                raise FileError(
                    self.path,
                    f"record {len(found) + 1} (byte {at}): expected a record of an uncompressed "
                    "TFRecord file, found something else; the file is damaged or of another kind",
                )
            start = at + _HEADER_BYTES
            if length + _FOOTER_BYTES > self._size - start:
                raise FileError(
                    self.path,
                    f"record {len(found) + 1}: expected {length} bytes, found "
                    f"{max(self._size - start - _FOOTER_BYTES, 0)}; the file is cut off",
                )
            found.append((start, length))
            at = start + length + _FOOTER_BYTES
        return found

    def __len__(self) -> int:
        return len(self._records)

    def features(self, record: int, is_wanted: Callable[[str], bool]) -> dict[str, Feature]:
        """Reads features of one record.

        Args:
          record: its number, from 0.
          is_wanted: tells of a feature's name whether it is to be read.

        Returns:
          By name: a list of bytes, float32 `(n,)` or int64 `(n,)`.

        Raises:
          FileError: the record holds something else than an Example.
        """
        start, length = self._records[record]
        found = {}
        try:
            for message in self._fields(start, start + length, 1):
                for entry in self._fields(*message, 1):
                    self._read_entry(*entry, is_wanted, found)
        except DamageError as problem:
            raise FileError(
                self.path, f"record {record + 1}: expected a tf.train.Example, found {problem}"
            ) from None
        return found

    def _read_entry(self, start: int, end: int, is_wanted, found: dict[str, Feature]) -> None:
        key, value = "", (end, end)
        for field, kind, at, stop in self._messages(start, end):
            if kind != LENGTH:
                raise DamageError("a feature that is none")
            if field == 1:
                if stop - at > _MAX_KEY_BYTES:
                    raise DamageError("a feature with an endless name")
                key = decode_text(self._read(at, stop - at))
            elif field == 2:
                value = (at, stop)
        if is_wanted(key):
            found[key] = read_feature(self._read(value[0], value[1] - value[0]), key)

    def _fields(self, start: int, end: int, number: int):
        """Yields where the sub-messages of one field lie."""
        for field, kind, at, stop in self._messages(start, end):
            if field == number and kind == LENGTH:
                yield at, stop

    def _messages(self, start: int, end: int):
        """Yields the fields of a message on disk: number, wire type, where the value lies."""
        at = start
        while at < end:
            tag, at = read_varint(self._read(at, min(10, end - at)), at)
            kind = tag & 7
            if kind == LENGTH:
                length, at = read_varint(self._read(at, min(10, end - at)), at)
            else:
                length = plain_length(self._read(at, min(10, end - at)), kind)
            if length > end - at:
                raise DamageError(f"a field of {length} bytes where {end - at} are left")
            yield tag >> 3, kind, at, at + length
            at += length

    def _read(self, at: int, n: int) -> bytes:
        """Returns bytes of the file; fewer at its end."""
        start, window = self._window
        if not (start <= at and at + n <= start + len(window)):
            try:
                window = os.pread(self._file.fileno(), max(n, _WINDOW_BYTES), at)
            except OSError as error:
                raise FileError.unreadable(self.path, error) from None
            if n > _WINDOW_BYTES:
                return window
            start, self._window = at, (at, window)
        return window[at - start : at - start + n]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> TfRecordFile:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """Returns the checksum that TFRecord files carry: CRC-32C, rotated and shifted."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
