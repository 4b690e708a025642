import pytest

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_bytes import read_bytes


def test_a_file_and_what_is_none(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x00\xff")
    assert read_bytes(tmp_path / "a.bin") == b"\x00\xff"
    with pytest.raises(FileError, match=r"none.bin: cannot be read: No such file"):
        read_bytes(tmp_path / "none.bin")
    with pytest.raises(FileError, match="cannot be read: Is a directory"):
        read_bytes(tmp_path)
