"""The wire format of protobuf, as far as `tf.train.Feature` messages need it.

A message is a row of fields: a tag (number and wire type as one varint), then the value.
"""

from __future__ import annotations

import struct

import numpy as np

from .file_text import quote

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

Feature = list | np.ndarray


class DamageError(Exception):
    """What was found in place of a message, without the file's name."""


def read_feature(data: bytes, key: str) -> Feature:
    """Returns the list that a `tf.train.Feature` message holds.

    Raises:
      DamageError: it is no such message; `key` names it.
    """
    for field, _, value in _fields_of(data):
        if isinstance(value, bytes) and field in (1, 2, 3):
            return (_byte_strings, _floats, _integers)[field - 1](value, key)
    return []


def _byte_strings(data: bytes, key: str) -> list[bytes]:
    values = [value for field, _, value in _fields_of(data) if field == 1]
    if not all(isinstance(value, bytes) for value in values):
        raise DamageError(f"numbers where {quote(key)} has bytes")
    return values


def _floats(data: bytes, key: str) -> np.ndarray:
    packed = b""
    for field, kind, value in _fields_of(data):
        if field == 1 and kind in (LENGTH, FIXED32):
            packed += value if kind == LENGTH else struct.pack("<I", value)
    if len(packed) % 4:
        raise DamageError(f"{len(packed)} bytes of floats under {quote(key)}")
    return np.frombuffer(packed, "<f4").astype(np.float32)


def _integers(data: bytes, key: str) -> np.ndarray:
    values = []
    for field, _, value in _fields_of(data):
        if field == 1 and isinstance(value, bytes):
            at = 0
            while at < len(value):
                number, at = read_varint(value[at : at + 10], at)
                values.append(number)
        elif field == 1:
            values.append(value)
    return np.array(values, np.uint64).astype(np.int64)


def _fields_of(data: bytes):
    """Yields number, wire type and value of the fields of a message in memory."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data[at : at + 10], at)
        kind = tag & 7
        if kind == VARINT:
            value, at = read_varint(data[at : at + 10], at)
            yield tag >> 3, kind, value
            continue
        if kind == LENGTH:
            length, at = read_varint(data[at : at + 10], at)
        else:
            length = plain_length(b"", kind)
        if length > len(data) - at:
            raise DamageError(f"a field of {length} bytes where {len(data) - at} are left")
        value = data[at : at + length]
        at += length
        yield tag >> 3, kind, value if kind == LENGTH else int.from_bytes(value, "little")


def plain_length(data: bytes, kind: int) -> int:
    """Returns how many bytes a value takes that states no length itself."""
    if kind == VARINT:
        return read_varint(data, 0)[1]
    if kind in (FIXED64, FIXED32):
        return 8 if kind == FIXED64 else 4
    raise DamageError(f"wire type {kind}")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the number that `data` begins with, and `at` moved behind it.

    Raises:
      DamageError: it does not end.
    """
    value = 0
    for i, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, at + i + 1
    raise DamageError("a number that does not end")
