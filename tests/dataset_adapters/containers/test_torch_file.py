import zipfile

import numpy as np
import pytest
import torch_files
from fuzzing import assert_result_or_user_error, mutations
from torch_files import dictionary, storage_id, tensor, text

from dataset_adapters.containers import FileError
from dataset_adapters.containers.torch_file import read_torch_tensors

ARRAYS = {
    "conv1.weight": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2),
    "bn1.running_mean": np.array([1.5, -2], "<f2"),
    "bn1.num_batches_tracked": np.array(7, "<i8"),
    "double": np.array([[np.pi]], "<f8"),
    "empty": np.zeros((0, 4), "<f4"),
}
NUMBERS = np.arange(12, dtype="<f4")


def written(tmp_path, value, storages=None, **options):
    path = tmp_path / "x.pth"
    pickle = value if value[:1] == b"\x80" else dictionary({"a": value})
    storages = {"0": NUMBERS.tobytes()} if storages is None else storages
    torch_files.write(path, pickle, storages, **options)
    return path


def test_tensors(tmp_path):
    path = tmp_path / "x.pth"
    torch_files.write_tensors(path, ARRAYS)
    found = read_torch_tensors(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert np.array_equal(found[name], array) and not found[name].flags.writeable


def test_views_of_one_storage(tmp_path):
    storage = storage_id("0", "Float", 12)
    entries = {
        "all": tensor(storage, [3, 4], [4, 1]),
        "transposed": tensor(storage, [4, 3], [1, 4]),
        "part": tensor(storage, [2, 2], [4, 1], 5),
        "number": tensor(storage, [], [], 11),
    }
    found = read_torch_tensors(written(tmp_path, dictionary(entries)))
    whole = NUMBERS.reshape(3, 4)
    assert np.array_equal(found["all"], whole) and np.array_equal(found["transposed"], whole.T)
    assert np.array_equal(found["part"], whole[1:, 1:3]) and found["number"] == 11


def test_bfloat16_and_parameters(tmp_path):
    value = tensor(storage_id("0", "BFloat16", 2), [2], [1])
    value = b"ctorch._utils\n_rebuild_parameter\n(" + value + b"\x88}tR"
    raw = np.array([0x3FC0, 0xC000], "<u2").tobytes()
    found = read_torch_tensors(written(tmp_path, value, {"0": raw}))["a"]
    assert found.dtype == np.float32 and found.tolist() == [1.5, -2.0]


FLOATS = storage_id("0", "Float", 12)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (tensor(FLOATS, [13], [1]), "'a': expected numbers within its storage of 12"),
        (tensor(FLOATS, [12], [1], 1), "'a': expected numbers within its storage of 12"),
        (tensor(FLOATS, [2, 2], [12, 1]), "'a': expected numbers within its storage of 12"),
        (tensor(FLOATS, [1 << 30], [0]), "'a': expected numbers within its storage of 12"),
        (tensor(FLOATS, [-1], [1]), "a tensor has a malformed"),
        (tensor(FLOATS, [2], [-1]), "a tensor has a malformed"),
        (tensor(FLOATS, [0, 1 << 30, 1 << 30], [1, 1, 1]), "a tensor has a malformed"),
        (tensor(FLOATS, [2], [1, 1]), "a tensor has a malformed"),
        (tensor(FLOATS, [1] * 40, [1] * 40), "a tensor has a malformed"),
        (tensor(text("0"), [1], [1]), "a tensor has a malformed storage"),
        (tensor(storage_id("1", "Float", 12), [1], [1]), "data/1, found none"),
        (tensor(storage_id("0", "Float", 11), [1], [1]), "expected 11 numbers in data/0"),
        (tensor(storage_id("0", "Double", 12), [1], [1]), "expected 12 numbers in data/0"),
        (tensor(storage_id("../0", "Float", 12), [1], [1]), "a malformed storage"),
        (tensor(storage_id("0", "Float", -1), [1], [1]), "a malformed storage"),
        (tensor(storage_id("0", "Complex", 12), [1], [1]), "it names 'torch.ComplexStorage'"),
        (tensor(storage_id("0", "Float", 12, tag="module"), [1], [1]), "that are no storages"),
        (b"cos\nsystem\n(" + text("true") + b"tR", "it names 'os.system'"),
        (b"cbuiltins\neval\n(" + text("1") + b"tR", "it names 'builtins.eval'"),
        (b"ctorch\nFloatStorage\n(tR", "called directly"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(tR", "unexpected arguments"),
        (b"}", "'a': expected a tensor, found dict"),
        (b"\x80\x02]." , "expected a dictionary of tensors, found another object"),
        (b"\x80\x02}(K\x01K\x02u.", "expected names of tensors, found '1'"),
        (b"\x80\x02}(", "truncated"),
    ],
)  # fmt: skip
def test_errors(tmp_path, value, message):
    path = written(tmp_path, value)
    with pytest.raises(FileError) as caught:
        read_torch_tensors(path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_other_files(tmp_path):
    path = tmp_path / "x.pth"

    def problem():
        with pytest.raises(FileError) as caught:
            read_torch_tensors(path)
        return str(caught.value)

    assert "No such file" in problem()
    path.write_bytes(torch_files.LEGACY + b"rest")
    assert "PyTorch's old file format; save it again" in problem()
    path.write_bytes(b"")
    assert "expected a file of torch.save" in problem()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.npy", b"")
    assert "expected one data.pkl in a file of torch.save, found 0" in problem()
    written(tmp_path, tensor(FLOATS, [12], [1]), byteorder=b"big")
    assert "expected little-endian numbers" in problem()
    written(tmp_path, tensor(FLOATS, [12], [1]), compression=zipfile.ZIP_DEFLATED)
    assert "expected uncompressed members" in problem()
    torch_files.write_tensors(path, ARRAYS)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "damaged, cut off or of another kind" in problem()


def test_damaged_files(tmp_path):
    path = tmp_path / "x.pth"
    torch_files.write_tensors(path, ARRAYS)
    for data in mutations(path.read_bytes(), 200):
        path.write_bytes(data)
        assert_result_or_user_error(read_torch_tensors, path)
