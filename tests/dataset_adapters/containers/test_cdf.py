import struct

import cdflib
import numpy as np
import pytest
from cdflib.cdfwrite import CDF
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.cdf import read_cdf
from dataset_adapters.containers.errors import FileError

CDF_REAL4, CDF_REAL8, CDF_INT4, CDF_CHAR = 21, 22, 4, 51


def write(path, values, *, kind=CDF_REAL4, sizes, spec=None, names=("Pose",), **variable):
    file = CDF(str(path), cdf_spec=spec or {})
    for name in names:
        file.write_var(
            {
                "Variable": name, "Data_Type": kind, "Num_Elements": 1, "Rec_Vary": True,
                "Var_Type": "zVariable", "Dim_Sizes": sizes, **variable,
            },
            var_data=values,
        )  # fmt: skip
    file.close()
    return path


@pytest.fixture
def values():
    return np.random.default_rng(1).normal(0, 500, (1, 13, 96)).astype(np.float32)


@pytest.fixture
def plain(tmp_path, values):
    # Without compression the values lie as they are: what a hand-made lie needs.
    return write(tmp_path / "Directions 1.cdf", values, sizes=[13, 96], Compress=0)


@pytest.mark.parametrize(
    "spec, variable",
    [
        ({}, {"Compress": 0}),
        ({}, {"Compress": 9}),
        ({"Compressed": 6}, {"Compress": 0}),
        ({"Encoding": 1}, {"Compress": 0}),
    ],
    ids=["plain", "gzipped variable", "gzipped file", "big-endian"],
)
def test_values_come_back(tmp_path, values, spec, variable):
    path = write(tmp_path / "a.cdf", values, sizes=[13, 96], spec=spec, **variable)
    found = read_cdf(path, "Pose")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


def test_name_is_found_in_any_case_among_others(tmp_path, values):
    path = write(tmp_path / "a.cdf", values, sizes=[13, 96], names=("Mask", "Pose"))
    np.testing.assert_array_equal(read_cdf(path, "pose"), values)


def test_records_over_several_blocks(tmp_path):
    values = np.arange(5000 * 6, dtype=np.float64).reshape(5000, 6)
    path = write(tmp_path / "a.cdf", values, sizes=[6], kind=CDF_REAL8, Compress=5, Block_Factor=64)
    found = read_cdf(path, "Pose")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, values)


def test_column_major_axes_come_in_the_order_of_the_dimensions(tmp_path, values):
    path = write(
        tmp_path / "a.cdf", values, sizes=[13, 96], spec={"Majority": "column_major"}, Compress=0
    )
    # Within a record the first dimension varies fastest: so the bytes say, whoever wrote them.
    raw = path.read_bytes()
    start = raw.index(values.tobytes()[:64]) if values.tobytes()[:64] in raw else None
    assert start is not None
    stored = np.frombuffer(raw, "<f4", 13 * 96, start).reshape(96, 13).T
    np.testing.assert_array_equal(read_cdf(path, "Pose")[0], stored)


def test_values_need_no_dimensions(tmp_path):
    values = np.arange(7, dtype=np.int32)
    path = write(tmp_path / "a.cdf", values, sizes=[], kind=CDF_INT4)
    np.testing.assert_array_equal(read_cdf(path, "Pose"), values)


def patched(path, at, value, form=">i"):
    data = bytearray(path.read_bytes())
    data[at : at + struct.calcsize(form)] = struct.pack(form, value)
    path.write_bytes(data)


def variable_start(path):
    """Returns where the variable descriptor begins: its name lies 84 bytes on."""
    return path.read_bytes().index(b"Pose\0") - 84


def index_start(path):
    start = variable_start(path)
    return struct.unpack(">q", path.read_bytes()[start + 28 : start + 36])[0]


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda p: p.write_bytes(b""), "expected a NASA CDF file .* found an empty file"),
        (lambda p: p.write_bytes(b"\x93NUMPY" + bytes(99)), "found 934e554d50590000"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1000]), "found the file's end"),
        (lambda p: p.write_bytes(p.read_bytes()[:200]), "up to the file's end"),
        # One record becomes three: only one is there.
        (lambda p: patched(p, variable_start(p) + 24, 2), "expected 3 records, found 1"),
        (lambda p: patched(p, variable_start(p) + 24, 2**31 - 1), "found 1"),
        # 13 rows become 2 000 000 000.
        (lambda p: patched(p, variable_start(p) + 344, 2 * 10**9), "bytes of values, found 4992"),
        (lambda p: patched(p, variable_start(p) + 340, 10**6), "number of dimensions 1000000"),
        (lambda p: patched(p, variable_start(p) + 20, CDF_CHAR), "expected plain numbers"),
        (lambda p: patched(p, variable_start(p) + 48, 1), "found sparse ones"),
        # The index has no entries and points at itself.
        (
            lambda p: (
                patched(p, index_start(p) + 12, index_start(p), ">q")
                or patched(p, index_start(p) + 24, 0)
            ),
            "at most 400 index records",
        ),
        (lambda p: patched(p, index_start(p) + 20, 10**9), "impossible number of entries"),
    ],
)
def test_damaged_and_lying_files(plain, damage, message):
    damage(plain)
    with pytest.raises(FileError, match=message) as caught:
        read_cdf(plain, "Pose")
    assert str(plain) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_variables_are_listed(plain):
    with pytest.raises(FileError, match="expected a variable 'Masks', found Pose"):
        read_cdf(plain, "Masks")


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_cdf(tmp_path / "none.cdf", "Pose")


def test_gzip_that_grows_beyond_its_promise_is_refused(tmp_path):
    zeros = np.zeros((1, 4000, 96), np.float32)
    path = write(tmp_path / "a.cdf", zeros, sizes=[4000, 96], Compress=9)
    assert path.stat().st_size < 20_000
    patched(path, variable_start(path) + 344, 4)
    with pytest.raises(FileError, match="expected gzip data of 1536 bytes"):
        read_cdf(path, "Pose")


@pytest.mark.parametrize("compressed", [0, 9])
def test_mutations(tmp_path, values, compressed):
    path = write(tmp_path / "a.cdf", values[:, :3], sizes=[3, 96], Compress=compressed)
    damaged_path = tmp_path / "damaged.cdf"
    for damaged in mutations(path.read_bytes(), 100, seed=compressed):
        damaged_path.write_bytes(damaged)
        found = assert_result_or_user_error(read_cdf, damaged_path, "Pose")
        assert found is None or found.dtype.kind in "fiu"


@pytest.mark.parametrize("encoding", [1, 6])
@pytest.mark.parametrize("compressed", [0, 6])
@pytest.mark.parametrize(
    "kind, dtype",
    [(1, "i1"), (2, "i2"), (4, "i4"), (8, "i8"), (11, "u1"), (12, "u2"), (14, "u4"), (21, "f4"),
     (22, "f8"), (41, "i1"), (44, "f4"), (45, "f8")],
)  # fmt: skip
def test_cdflib_agrees(tmp_path, kind, dtype, compressed, encoding):
    values = np.random.default_rng(kind).integers(0, 100, (300, 2, 3)).astype(dtype)
    path = write(
        tmp_path / "a.cdf", values, kind=kind, sizes=[2, 3], Compress=compressed,
        spec={"Encoding": encoding}, Block_Factor=64,
    )  # fmt: skip
    found, expected = read_cdf(path, "Pose"), cdflib.CDF(path).varget("Pose")
    assert found.dtype == expected.dtype == dtype and found.flags.writeable
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, values)
