import struct

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from tfrecord_bytes import example, field, record

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.tfrecord import TfRecordFile, masked_crc32c

FEATURES = {
    "image": bytes(range(256)) * 1000,
    "joints": [1.5, -2.25, 3e8],
    "count": [3, -1, 1 << 40],
    "late": [0.5],
}


def write(path, *datas):
    path.write_bytes(b"".join(map(record, datas)))
    return path


def read(path, *keys):
    with TfRecordFile(path) as file:
        return [file.features(i, lambda key: not keys or key in keys) for i in range(len(file))]


def test_checksum_is_the_published_one():
    # RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8A9136AA; the mask is TensorFlow's.
    crc = 0x8A9136AA
    expected = ((crc >> 15 | crc << 17) + 0xA282EAD8) % (1 << 32)
    assert masked_crc32c(bytes(32)) == expected


@pytest.mark.parametrize("packed", [True, False])
def test_features(tmp_path, packed):
    path = write(tmp_path / "a.tfrecord", example(FEATURES, packed=packed), example({"x": [1]}))
    first, second = read(path)
    assert first["image"] == [FEATURES["image"]]
    np.testing.assert_array_equal(first["joints"], np.array([1.5, -2.25, 3e8], np.float32))
    assert first["count"].tolist() == [3, -1, 1 << 40] and first["count"].dtype == np.int64
    assert list(second) == ["x"] and second["x"].tolist() == [1]


def test_large_features_are_skipped_on_disk(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tfrecord", *[example(FEATURES)] * 3)
    read_bytes = []
    pread = __import__("os").pread
    monkeypatch.setattr("os.pread", lambda fd, n, at: read_bytes.append(n) or pread(fd, n, at))
    with TfRecordFile(path) as file:
        assert len(file) == 3
        listed = len(read_bytes)
        assert file.features(1, lambda key: key == "late")["late"].tolist() == [0.5]
    assert sum(read_bytes[listed:]) < len(FEATURES["image"])


def test_numbers_of_another_width_are_passed_over(tmp_path):
    # Field 1 of a float list as a 64-bit number, then as a 32-bit one.
    floats = field(2, b"\x09" + b"\xff" * 8 + b"\x0d" + b"\0\0\x80\x3f")
    entry = field(1, field(1, b"x") + field(2, floats))
    (values,) = read(write(tmp_path / "a.tfrecord", field(1, entry)))
    assert values["x"].tolist() == [1.0]


def test_an_empty_file_has_no_records(tmp_path):
    assert read(write(tmp_path / "a.tfrecord")) == []


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: data[:-1], "record 1: expected \\d+ bytes, found \\d+; the file is cut off"),
        (lambda data: data[:7], "record 1 \\(byte 0\\): expected a record"),
        (lambda data: b"\x1f\x8b" + data[2:], "expected a record of an uncompressed"),
        (lambda data: data[:12] + b"\xff" * (len(data) - 12), "found a number that does not end"),
        (lambda data: data[:12] + b"\x0f" * (len(data) - 12), "found wire type 7"),
        (lambda data: data[:12] + b"\x0a\x7f\x0a\x7d\x0a\x7e" + data[18:], "field of 126 bytes"),
    ],
)
def test_damage(tmp_path, change, message):
    path = write(tmp_path / "a.tfrecord", example(FEATURES))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FileError, match=message):
        read(path)


def test_a_length_that_lies(tmp_path):
    length = struct.pack("<Q", 1 << 60)
    path = tmp_path / "a.tfrecord"
    path.write_bytes(length + struct.pack("<I", masked_crc32c(length)) + b"abc")
    with pytest.raises(FileError, match=f"expected {1 << 60} bytes, found 0"):
        read(path)
    with pytest.raises(FileError, match="cannot be read"):
        read(tmp_path / "missing.tfrecord")


def test_any_damage_is_told_in_one_line(tmp_path):
    small = example({**FEATURES, "image": b"abc"})
    path = write(tmp_path / "a.tfrecord", small, small)
    good = path.read_bytes()
    for damaged in mutations(good, 150):
        path.write_bytes(damaged)
        assert_result_or_user_error(read, path)
    for damaged in mutations(small, 150):
        write(path, damaged)
        assert_result_or_user_error(read, path)
