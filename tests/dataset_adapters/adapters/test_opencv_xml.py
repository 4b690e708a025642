import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.adapters._opencv_xml import read_xml_matrices, xml_matrix
from dataset_adapters.containers.errors import FileError

GOOD = b"""<?xml version="1.0"?>
<opencv_storage>
<!-- a comment -->
<name>first</name>
<Intrinsics type_id="opencv-matrix"><rows>2</rows><cols>3</cols><dt>d</dt>
  <data>3500. 0. 2056.5 0.
    -3.5e-1 1.</data></Intrinsics>
<Distortion type_id="opencv-matrix"><rows>2</rows><cols>1</cols><dt>d</dt><data>.1 2</data>
</Distortion>
</opencv_storage>
"""


@pytest.fixture
def read(tmp_path):
    def run(data):
        (tmp_path / "camera.xml").write_bytes(data)
        return read_xml_matrices(tmp_path / "camera.xml")

    return run


def test_matrices(read):
    matrices = read(GOOD)
    assert list(matrices) == ["Intrinsics", "Distortion"]
    np.testing.assert_array_equal(matrices["Intrinsics"], [[3500, 0, 2056.5], [0, -0.35, 1]])
    np.testing.assert_array_equal(xml_matrix("x", matrices, "Distortion", (2, 1)), [[0.1], [2]])


@pytest.mark.parametrize(
    "data, message",
    [
        (GOOD[:-40], "expected XML of OpenCV, found something else"),
        (GOOD.replace(b"<cols>3", b"<cols>4"), "Intrinsics: expected 2 x 4 numbers, found 6 words"),
        (GOOD.replace(b"<rows>2", b"<rows>x"), "Intrinsics: expected x x 3 numbers"),
        (GOOD.replace(b"-3.5e-1", b"1e99"), "Intrinsics: expected 2 x 3 numbers, found 6 words"),
        (GOOD.replace(b"<opencv", b"<!DOCTYPE a><opencv", 1), "found a document type or entities"),
        (GOOD + b" " * (1 << 20), "expected a few matrices, found a file of"),
        (b"", "expected XML of OpenCV, found something else: no element found"),
    ],
)
def test_errors(read, data, message):
    with pytest.raises(FileError, match=message):
        read(data)


def test_other_encodings_hide_no_entities(read):
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'
    with pytest.raises(FileError):
        read(text.encode("utf-16"))


def test_wrong_matrices(read):
    with pytest.raises(FileError, match="expected a matrix 'K', found Intrinsics, Distortion"):
        xml_matrix("x", read(GOOD), "K", (3, 3))
    with pytest.raises(FileError, match="Distortion: expected 5 x 1 numbers, found 2 x 1"):
        xml_matrix("x", read(GOOD), "Distortion", (5, 1))


def test_damaged_files(read):
    for data in mutations(GOOD, 150):
        assert_result_or_user_error(read, data)
