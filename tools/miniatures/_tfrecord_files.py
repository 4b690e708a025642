"""TFRecord files of `tf.train.Example` messages, without TensorFlow."""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

#: CRC-32C (Castagnoli), reflected, and the constant with which TFRecord masks it.
_POLYNOMIAL, _MASK_DELTA = 0x82F63B78, 0xA282EAD8
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def write_tfrecord(path: Path, messages: Sequence[bytes]) -> None:
    """Writes one record per message: length, its checksum, data, its checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for data in messages:
            length = struct.pack("<Q", len(data))
            file.write(length + _masked_crc(length) + data + _masked_crc(data))


def example_message(features: Mapping[str, bytes | np.ndarray]) -> bytes:
    """Returns a serialized `tf.train.Example`.

    Args:
      features: bytes become a bytes list of one, float arrays a float list, integers an int64 list.
    """
    entries = [
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in features.items()
    ]
    return _field(1, b"".join(entries))


def _feature(value: bytes | np.ndarray) -> bytes:
    if isinstance(value, bytes):
        return _field(_BYTES_LIST, _field(1, value))
    numbers = np.ravel(value)
    # Lists of numbers are packed.
    if numbers.dtype.kind == "f":
        return _field(_FLOAT_LIST, _field(1, numbers.astype("<f4").tobytes()))
    return _field(_INT64_LIST, _field(1, b"".join(_varint(int(n)) for n in numbers)))


def _field(number: int, data: bytes) -> bytes:
    """Returns a field of the wire type that says its length."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    table = _crc_table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + _MASK_DELTA) & 0xFFFFFFFF)


@functools.cache
def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ _POLYNOMIAL * (value & 1)
        table.append(value)
    return table
