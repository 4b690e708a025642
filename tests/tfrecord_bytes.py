"""Bytes of TFRecord files and `tf.train.Example` messages, written down from their format."""

import struct

import numpy as np

from dataset_adapters.containers.tfrecord import masked_crc32c


def varint(value):
    value %= 1 << 64
    data = b""
    while value > 127:
        data += bytes([value & 127 | 128])
        value >>= 7
    return data + bytes([value])


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def feature(value, *, packed=True):
    if isinstance(value, bytes):
        return field(1, field(1, value))
    if np.asarray(value).dtype.kind == "f":
        numbers = [struct.pack("<f", v) for v in value]
        inner = field(1, b"".join(numbers)) if packed else b"".join(b"\x0d" + n for n in numbers)
        return field(2, inner)
    numbers = [varint(v) for v in value]
    inner = field(1, b"".join(numbers)) if packed else b"".join(b"\x08" + n for n in numbers)
    return field(3, inner)


def example(features, *, packed=True):
    entries = [
        field(1, field(1, key.encode()) + field(2, feature(value, packed=packed)))
        for key, value in features.items()
    ]
    return field(1, b"".join(entries))


def record(data):
    length = struct.pack("<Q", len(data))
    return (
        length + struct.pack("<I", masked_crc32c(length))
        + data + struct.pack("<I", masked_crc32c(data))
    )  # fmt: skip
