import cv2
import numpy as np
import pytest

from dataset_adapters.adapters._opencv_yaml import matrix, read_matrices
from dataset_adapters.containers.errors import FileError

TEXT = b"""%YAML:1.0
Number of cameras: 2
Camera_1:
   K: !!opencv-matrix
      rows: 3
      cols: 3
      dt: f
      data: [ 523.6, 0., 351.5, 0., 524.8, 225.3, 0., 0.,
          1. ]
   Dist: !!opencv-matrix
      rows: 4
      cols: 1
      dt: f
      data: [ -0.307, 0.1196, 7.8e-06, -0.0018 ]
Camera_2:
   Dist: !!opencv-matrix
      rows: 1
      cols: 2
      dt: d
      data: [ 1., 2. ]
"""


def test_matrices_belong_to_their_maps():
    maps = read_matrices("cam.yml", TEXT)
    assert list(maps) == ["Camera_1", "Camera_2"]
    assert maps["Camera_1"]["K"].tolist() == [[523.6, 0, 351.5], [0, 524.8, 225.3], [0, 0, 1]]
    assert maps["Camera_1"]["Dist"].shape == (4, 1)
    assert matrix("cam.yml", maps, "Camera_1", "Dist", 4).tolist() == [
        -0.307, 0.1196, 7.8e-06, -0.0018,
    ]  # fmt: skip
    assert list(maps["Camera_2"]) == ["Dist"]


def test_no_maps_at_all():
    assert read_matrices("cam.yml", b"%YAML:1.0\nNumber of cameras: 2\n") == {}


def test_windows_line_ends():
    assert read_matrices("cam.yml", TEXT.replace(b"\n", b"\r\n"))["Camera_2"]["Dist"].size == 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_opencv_writes(tmp_path, dtype):
    path = str(tmp_path / "cam.yml")
    K = np.random.default_rng(0).normal(size=(3, 3)).astype(dtype)
    storage = cv2.FileStorage(path, cv2.FILE_STORAGE_WRITE)
    storage.startWriteStruct("Camera_1", cv2.FileNode_MAP)
    storage.write("K", K)
    storage.endWriteStruct()
    storage.release()
    data = (tmp_path / "cam.yml").read_bytes()
    np.testing.assert_allclose(read_matrices(path, data)["Camera_1"]["K"], K, rtol=1e-6)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (b"1. ]", b"]", "Camera_1.K: expected 3 x 3 numbers, found 8 words"),
        (b"351.5", b"x", "Camera_1.K: expected 3 x 3 numbers"),
        (b"351.5", b"nan", "Camera_1.K: expected 3 x 3 numbers"),
        (b"rows: 4", b"rows: 9999", "Camera_1.Dist: expected 9999 x 1"),
    ],
)
def test_wrong_matrices(old, new, message):
    with pytest.raises(FileError, match=message):
        read_matrices("cam.yml", TEXT.replace(old, new))


@pytest.mark.parametrize(
    "name, key, size, message",
    [
        ("Camera_3", "K", 9, "expected the map 'Camera_3', found Camera_1, Camera_2"),
        ("Camera_2", "K", 9, "Camera_2: expected a matrix 'K', found Dist"),
        ("Camera_2", "Dist", 4, "Camera_2.Dist: expected 4 numbers, found 2"),
    ],
)
def test_missing_matrices(name, key, size, message):
    with pytest.raises(FileError, match=message):
        matrix("cam.yml", read_matrices("cam.yml", TEXT), name, key, size)
