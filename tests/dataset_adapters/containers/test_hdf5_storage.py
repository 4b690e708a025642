"""Datasets whose values are not in the file, or far fewer of them than they promise."""

import h5py
import numpy as np
import pytest

from dataset_adapters.containers import hdf5_storage
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.hdf5_storage import h5_errors, storage_problem


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as made:
        yield made


def problem_of(dataset, file_size=1 << 20):
    return storage_problem(dataset.id, dataset.dtype.itemsize, file_size)


@pytest.mark.parametrize("options", [{}, {"chunks": (2, 3)}, {"compression": "gzip"}])
def test_what_is_there_is_read(file, options):
    assert problem_of(file.create_dataset("x", data=np.ones((4, 6)), **options)) is None


def test_values_elsewhere(file):
    outside = file.create_dataset("x", (4,), "f8", external=[("other.bin", 0, 32)])
    assert "lie in other files" in problem_of(outside)
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    assert "lie in other files" in problem_of(file.create_virtual_dataset("v", layout))


def test_promises(file):
    never_filled = file.create_dataset("x", (1 << 40,), "f8", chunks=(100,))
    assert "promises 8796093022208 bytes, the file holds 0" in problem_of(never_filled)
    small = file.create_dataset("small", (100,), "f8", chunks=(100,))
    assert problem_of(small) is None
    whole = file.create_dataset("whole", data=np.ones(1000), chunks=(1000,))
    assert "claims 8000 bytes of a file of 100; the file is cut off" in problem_of(whole, 100)


def test_large_chunks(file, monkeypatch):
    monkeypatch.setattr(hdf5_storage, "MAX_CHUNK_BYTES", 100)
    dataset = file.create_dataset("x", data=np.ones(50), chunks=(50,))
    assert "its chunks of 400 bytes are too large" in problem_of(dataset)


def test_errors_of_the_library_name_the_file():
    message = r"a.h5: key 'x': cannot be read as HDF5 \(odd thing\)"
    with pytest.raises(FileError, match=message), h5_errors("a.h5", where="key 'x': "):
        raise RuntimeError("odd\nthing")
    with pytest.raises(FileError, match="mine"), h5_errors("a.h5"):
        raise FileError("a.h5", "mine")
