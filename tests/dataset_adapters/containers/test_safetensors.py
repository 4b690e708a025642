import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers import FileError
from dataset_adapters.containers.safetensors import read_safetensors

VALUES = {
    "a": ("F32", np.arange(6, dtype="<f4").reshape(2, 3)),
    "b.c": ("I64", np.array(-5, "<i8")),
    "half": ("F16", np.array([1.5, -2], "<f2")),
    "double": ("F64", np.array([[np.pi]], "<f8")),
    "none": ("F32", np.zeros((0, 4), "<f4")),
}


def packed(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(kind="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": kind, "shape": list(shape), "data_offsets": list(offsets)}


def file_of(values):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, (kind, array) in values.items():
        raw = array.tobytes()
        header[name] = entry(kind, array.shape, (len(body), len(body) + len(raw)))
        body += raw
    return packed(header, body)


def test_tensors(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(file_of(VALUES))
    found = read_safetensors(path)
    assert list(found) == list(VALUES)
    for name, (_, array) in VALUES.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert np.array_equal(found[name], array) and not found[name].flags.writeable


def test_bfloat16_is_the_upper_half_of_float32():
    raw = np.array([0x3FC0, 0xC000, 0x7F80], "<u2")  # 1.5, -2, infinity
    found = read_safetensors("x", packed({"a": entry("BF16", (3,), (0, 6))}, raw.tobytes()))["a"]
    assert found.dtype == np.float32 and found.tolist() == [1.5, -2.0, np.inf]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x01\x00", "found 2 bytes only"),
        (file_of(VALUES)[:40], "it is cut off or of another kind"),
        (file_of(VALUES)[:-1], "bytes of data, found"),
        (file_of(VALUES) + b"\0", "bytes of data, found"),
        (packed(b"{]"), "expected a header of JSON"),
        (packed(b"[" * 100_000), "expected a header of JSON"),
        (packed(b"[" + b"1" * 10_000 + b"]"), "expected a header of JSON"),
        (packed(b"\xff\xfe{}"), "expected a header of JSON"),
        (packed([1]), "expected a JSON object as header, found list"),
        (packed(b'{"a": 1, "a": 2}'), "names 'a' twice"),
        (packed({"a": 1}), "tensor 'a': expected dtype, shape and data_offsets"),
        (packed({"a": {"dtype": "F32"}}), "tensor 'a': expected dtype, shape and data_offsets"),
        (packed({"a": entry("F8_E4M3")}, bytes(4)), "found 'F8_E4M3'"),
        (packed({"a": entry(["F32"])}, bytes(4)), "tensor 'a': expected numbers of type"),
        (packed({"a": entry(shape=(-1,))}, bytes(4)), "expected a shape"),
        (packed({"a": entry(shape=(True,))}, bytes(4)), "expected a shape"),
        (packed({"a": entry(shape=(1 << 50, 0))}, bytes(4)), "expected a shape"),
        (packed({"a": entry(shape=(0, 1 << 40, 1 << 40), offsets=(0, 0))}), "expected a shape"),
        (packed({"a": entry(shape=(1,) * 40)}, bytes(4)), "expected a shape"),
        (packed({"a": entry(offsets=(0,))}, bytes(4)), "expected two byte positions"),
        (packed({"a": entry(shape=(2,))}, bytes(4)), "expected 8 bytes for its shape, found 4"),
        (packed({"a": entry(offsets=(4, 0))}, bytes(4)), "expected 4 bytes for its shape"),
        (packed({"a": entry(offsets=(4, 8))}, bytes(8)), "expected its data at byte 0"),
        (packed({"a": entry(), "b": entry()}, bytes(4)), "tensor 'b': expected its data at byte 4"),
        (packed({"a": entry(shape=(1 << 30,), offsets=(0, 1 << 32))}, bytes(4)), "bytes of data"),
    ],
)
def test_errors(data, message):
    with pytest.raises(FileError) as caught:
        read_safetensors("some.safetensors", data)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        read_safetensors(tmp_path / "none.safetensors")


def test_damaged_files():
    for data in mutations(file_of(VALUES), 300):
        assert_result_or_user_error(read_safetensors, "damaged", data)
