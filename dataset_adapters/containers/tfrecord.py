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

import numpy as np

from .errors import FileError
from .file_text import decode_text, quote

_HEADER_BYTES = 12
_FOOTER_BYTES = 4
#: So much is read at a time; a feature that is longer is read on its own.
_WINDOW_BYTES = 1 << 16
_MAX_KEY_BYTES = 4096
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

Feature = list | np.ndarray


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
        except _DamageError as problem:
            raise FileError(
                self.path, f"record {record + 1}: expected a tf.train.Example, found {problem}"
            ) from None
        return found

    def _read_entry(self, start: int, end: int, is_wanted, found: dict[str, Feature]) -> None:
        key, value = "", (end, end)
        for field, kind, at, stop in self._messages(start, end):
            if kind != _LENGTH:
                raise _DamageError("a feature that is none")
            if field == 1:
                if stop - at > _MAX_KEY_BYTES:
                    raise _DamageError("a feature with an endless name")
                key = decode_text(self._read(at, stop - at))
            elif field == 2:
                value = (at, stop)
        if is_wanted(key):
            found[key] = _feature(self._read(value[0], value[1] - value[0]), key)

    def _fields(self, start: int, end: int, number: int):
        """Yields where the sub-messages of one field lie."""
        for field, kind, at, stop in self._messages(start, end):
            if field == number and kind == _LENGTH:
                yield at, stop

    def _messages(self, start: int, end: int):
        """Yields the fields of a message on disk: number, wire type, where the value lies."""
        at = start
        while at < end:
            tag, at = _varint(self._read(at, min(10, end - at)), at)
            kind = tag & 7
            if kind == _LENGTH:
                length, at = _varint(self._read(at, min(10, end - at)), at)
            else:
                length = _plain_length(self._read(at, min(10, end - at)), kind)
            if length > end - at:
                raise _DamageError(f"a field of {length} bytes where {end - at} are left")
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


class _DamageError(Exception):
    """What was found in place of a message, without the file's name."""


def _feature(data: bytes, key: str) -> Feature:
    """Returns the list of a `tf.train.Feature` message."""
    for field, _, value in _fields_of(data):
        if isinstance(value, bytes) and field in (1, 2, 3):
            return (_byte_strings, _floats, _integers)[field - 1](value, key)
    return []


def _byte_strings(data: bytes, key: str) -> list[bytes]:
    values = [value for field, _, value in _fields_of(data) if field == 1]
    if not all(isinstance(value, bytes) for value in values):
        raise _DamageError(f"numbers where {quote(key)} has bytes")
    return values


def _floats(data: bytes, key: str) -> np.ndarray:
    parts = [value for field, kind, value in _fields_of(data) if field == 1 and kind != _VARINT]
    packed = b"".join(
        part if isinstance(part, bytes) else struct.pack("<I", part) for part in parts
    )
    if len(packed) % 4:
        raise _DamageError(f"{len(packed)} bytes of floats under {quote(key)}")
    return np.frombuffer(packed, "<f4").astype(np.float32)


def _integers(data: bytes, key: str) -> np.ndarray:
    values = []
    for field, _, value in _fields_of(data):
        if field == 1 and isinstance(value, bytes):
            at = 0
            while at < len(value):
                number, at = _varint(value[at : at + 10], at)
                values.append(number)
        elif field == 1:
            values.append(value)
    return np.array(values, np.uint64).astype(np.int64)


def _fields_of(data: bytes):
    """Yields number, wire type and value of the fields of a message in memory."""
    at = 0
    while at < len(data):
        tag, at = _varint(data[at : at + 10], at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data[at : at + 10], at)
            yield tag >> 3, kind, value
            continue
        if kind == _LENGTH:
            length, at = _varint(data[at : at + 10], at)
        else:
            length = _plain_length(b"", kind)
        if length > len(data) - at:
            raise _DamageError(f"a field of {length} bytes where {len(data) - at} are left")
        value = data[at : at + length]
        at += length
        yield tag >> 3, kind, value if kind == _LENGTH else int.from_bytes(value, "little")


def _plain_length(data: bytes, kind: int) -> int:
    if kind == _VARINT:
        return _varint(data, 0)[1]
    if kind in (_FIXED64, _FIXED32):
        return 8 if kind == _FIXED64 else 4
    raise _DamageError(f"wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the number that `data` begins with, and `at` moved behind it."""
    value = 0
    for i, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at + i + 1
    raise _DamageError("a number that does not end")


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
