"""MATLAB files: what comes out, and what damaged ones end in."""

import io
import struct
import zlib

import h5py
import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations
from scipy.io import loadmat, savemat
from scipy.sparse import csc_array

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.mat import Mat73File, is_mat73, read_mat

GRID = np.arange(24.0).reshape(2, 3, 4)


def cell(*rows):
    made = np.empty((len(rows), len(rows[0])), object)
    for i, row in enumerate(rows):
        for k, value in enumerate(row):
            made[i, k] = value
    return made


CONTENT = {
    "grid": GRID,
    "counts": np.array([[1, 2, 300]], np.uint16),
    "flags": np.array([[True, False]]),
    "single": np.float32([[1.5], [2.5]]),
    "waves": np.array([[1 + 2j, 3 - 1j]]),
    "title": "Walk ä",
    "nothing": np.zeros((0, 0)),
    "people": cell([np.ones((2, 4)), "one"], [np.zeros((0, 3)), cell([np.eye(2)])]),
    "one": {"annot2": np.ones((2, 17)), "valid": 1.0, "deep": {"text": "x"}},
}


@pytest.fixture(params=[False, True], ids=["v6", "v7"])
def mat5(request, tmp_path):
    path = tmp_path / "five.mat"
    points = np.empty((1, 2), [("x", "O"), ("id", "O")])
    points[0, 0], points[0, 1] = (1.0, 10.0), (2.0, 20.0)
    savemat(path, CONTENT | {"points": points}, do_compression=request.param)
    return path


def test_v5_comes_out_in_matlab_shapes(mat5):
    found = read_mat(mat5)
    assert list(found) == [*CONTENT, "points"]
    np.testing.assert_array_equal(found["grid"], GRID)
    assert found["counts"].dtype == np.uint16 and found["counts"].tolist() == [[1, 2, 300]]
    assert found["flags"].dtype == bool and found["flags"].tolist() == [[True, False]]
    assert found["single"].dtype == np.float32 and found["single"].shape == (2, 1)
    assert found["waves"].tolist() == [[1 + 2j, 3 - 1j]]
    assert found["title"] == "Walk ä"
    assert found["nothing"].size == 0
    people = found["people"]
    assert people.shape == (2, 2) and people.dtype == object
    assert people[0, 0].shape == (2, 4) and people[0, 1] == "one"
    assert people[1, 0].shape == (0, 3)
    assert people[1, 1].shape == (1, 1) and people[1, 1][0, 0].tolist() == [[1, 0], [0, 1]]
    one = found["one"]
    assert one["annot2"].shape == (2, 17) and one["valid"].tolist() == [[1]]
    assert one["deep"] == {"text": "x"}
    assert found["points"].shape == (1, 2)
    assert found["points"][0, 1]["id"].tolist() == [[20]]


def test_double_stays_double_where_the_file_packs_it_small(samples):
    frames = read_mat(samples / "mocaptoolbox_demo" / "mcdemodata.mat", keys=["walk1"])["walk1"]
    assert frames["nFrames"].dtype == np.float64 and frames["nFrames"].shape == (1, 1)
    assert frames["data"].shape == (int(frames["nFrames"][0, 0]), 3 * int(frames["nMarkers"][0, 0]))
    assert frames["markerName"].shape == (28, 1) and isinstance(frames["markerName"][0, 0], str)


@pytest.mark.parametrize(
    "name",
    [
        "cmu_exercises/mocap6.mat",
        "mmpose_tests/shelf/actorsGT.mat",
        "mocaptoolbox_demo/mcdemodata.mat",
    ],
)
def test_v5_agrees_with_scipy(samples, name):
    expected = loadmat(samples / name, mat_dtype=True)
    found = read_mat(samples / name)
    assert set(found) == {key for key in expected if key[:2] != "__"}
    for key, value in found.items():
        compare_with_scipy(value, expected[key])


def compare_with_scipy(found, expected):
    if isinstance(found, dict):
        assert expected.shape == (1, 1) and tuple(found) == expected.dtype.names
        for name, value in found.items():
            compare_with_scipy(value, expected[name][0, 0])
    elif isinstance(found, str):
        assert expected.dtype.kind == "U" and (found == "" or [found] == expected.tolist())
    elif expected.dtype.names:
        assert found.shape == expected.shape
        for one, other in zip(found.ravel(), expected.ravel(), strict=True):
            compare_with_scipy(one, np.array([[other]]))
    elif found.dtype == object:
        assert found.shape == expected.shape
        for one, other in zip(found.ravel(), expected.ravel(), strict=True):
            compare_with_scipy(one, other)
    elif found.size:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_real_files(samples):
    shelf = read_mat(samples / "mmpose_tests" / "shelf" / "actorsGT.mat")
    assert set(shelf) == {"actor3D", "actor2D"}
    assert shelf["actor3D"].shape == (1, 4)
    mocap = read_mat(samples / "cmu_exercises" / "mocap6.mat")
    assert mocap["DataBySeq"].shape == (6, 1)
    assert mocap["ChannelNames"].shape == (1, 12)
    assert mocap["DataBySeq"][0, 0]["filename"][0, 0] == "13_29"


def test_keys_choose_and_the_last_of_a_name_counts(tmp_path):
    path = tmp_path / "twice.mat"
    first, second = io.BytesIO(), io.BytesIO()
    savemat(first, {"a": np.zeros((1, 1)), "b": "text"})
    savemat(second, {"a": np.ones((1, 1))}, do_compression=True)
    path.write_bytes(first.getvalue() + second.getvalue()[128:])
    assert read_mat(path, keys=["a"])["a"].tolist() == [[1]]
    assert set(read_mat(path)) == {"a", "b"}
    with pytest.raises(FileError, match="expected a variable 'c', found a, b"):
        read_mat(path, keys=["c"])


def test_what_only_matlab_understands_is_left_out_or_refused(tmp_path):
    path = tmp_path / "sparse.mat"
    savemat(path, {"sparse": csc_array(np.eye(3)), "plain": np.eye(2)})
    assert list(read_mat(path)) == ["plain"]
    with pytest.raises(FileError, match="'sparse' holds a sparse matrix"):
        read_mat(path, keys=["sparse"])


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + bytes(-len(body) % 8)


def matrix(kind: int, dims: tuple[int, ...], body: bytes, *, name: bytes = b"") -> bytes:
    start = element(6, struct.pack("<II", kind, 0))
    start += element(5, struct.pack(f"<{len(dims)}i", *dims)) + element(1, name)
    return element(14, start + body)


def write_mat5(path, *elements: bytes):
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements))
    return path


def nested(depth: int) -> bytes:
    inner = matrix(6, (1, 1), element(9, struct.pack("<d", 7)))
    for level in reversed(range(depth)):
        inner = matrix(1, (1, 1), inner, name=b"" if level else b"deep")
    return inner


def test_hand_written_elements(tmp_path):
    numbers = matrix(6, (1, 2), element(9, struct.pack("<dd", 7, 8)), name=b"numbers")
    packed = zlib.compress(matrix(4, (1, 2), element(4, b"h\0i\0"), name=b"text"))
    path = write_mat5(
        tmp_path / "a.mat", numbers, struct.pack("<II", 15, len(packed)) + packed, nested(3)
    )
    found = read_mat(path)
    assert found["numbers"].tolist() == [[7, 8]] and found["text"] == "hi"
    assert found["deep"][0, 0][0, 0][0, 0].tolist() == [[7]]


def many_cells(n=60):
    """Returns cells of which runs have one form, interrupted by others."""
    rng = np.random.default_rng(0)
    cells = np.empty((1, 4 * n), object)
    for i in range(4 * n):
        part, shape = divmod(i, n)[0], (2 if i % 23 == 11 and i < n else 19, 3)
        dtype = (float, np.float32, np.uint8, bool)[part]
        cells[0, i] = rng.integers(0, 200, shape).astype(dtype)
    cells[0, 3 * n // 2] = np.zeros((0, 3))
    cells[0, 5 * n // 3] = "text"
    return cells


@pytest.mark.parametrize("packed", [False, True])
def test_runs_of_cells_are_those_of_scipy(tmp_path, packed):
    path = tmp_path / "cells.mat"
    savemat(path, {"cells": many_cells(), "few": many_cells(5)}, do_compression=packed)
    for name, expected in ((k, v) for k, v in loadmat(path).items() if not k.startswith("__")):
        found = read_mat(path)[name]
        assert found.shape == expected.shape
        for ours, theirs in zip(found.ravel(), expected.ravel(), strict=True):
            if isinstance(ours, str):
                assert [ours] == theirs.tolist()
                continue
            # It takes logical arrays for numbers.
            assert ours.dtype == theirs.dtype or (ours.dtype, theirs.dtype) == (bool, np.uint8)
            np.testing.assert_array_equal(ours, theirs)
            assert ours.flags.writeable


@pytest.mark.parametrize("order", ["<", ">"])
def test_runs_by_hand(tmp_path, order):
    def cell(value):
        packed = struct.pack(f"{order}2h", value, -value) + bytes(4)
        head = struct.pack(f"{order}8I2i4I", 14, 56, 6, 8, 6, 0, 5, 8, 1, 2, 1, 0, 3, 4)
        return head + packed

    # Doubles that are stored as 16-bit integers; a short cell after them, then more.
    short = struct.pack(f"{order}8I2i2I", 14, 48, 6, 8, 9, 0, 5, 8, 1, 2, 1, 0)
    short += struct.pack(f"{order}I", 2 << 16 | 2) if order == "<" else b"\0\2\0\2"
    short += b"\7\x08\0\0"
    cells = [cell(i) for i in range(40)] + [short] + [cell(i) for i in range(20)]
    body = struct.pack(f"{order}6I2i2I", 6, 8, 1, 0, 5, 8, 1, len(cells), 1, 5) + b"cells\0\0\0"
    body += b"".join(cells)
    path = tmp_path / "a.mat"
    mark = b"\0\1IM" if order == "<" else b"\1\0MI"
    head = b"MATLAB 5.0 MAT-file".ljust(124) + mark
    path.write_bytes(head + struct.pack(f"{order}2I", 14, len(body)) + body)
    found = read_mat(path)["cells"].ravel()
    assert found[40].tolist() == [[7, 8]] and found[40].dtype == np.uint8
    values = [found[i].tolist() for i in range(61) if i != 40]
    assert values == [[[i, -i]] for i in (*range(40), *range(20))]
    assert {cell.dtype.str for i, cell in enumerate(found) if i != 40} == {"<f8"}


def test_large_arrays_can_be_written_to_and_do_not_overlap(tmp_path):
    path = tmp_path / "large.mat"
    values = {"a": np.arange(20_000.0).reshape(100, 200), "b": np.ones((3, 100, 100), np.float32)}
    savemat(path, values)
    found = read_mat(path)
    for name, array in found.items():
        np.testing.assert_array_equal(array, values[name])
        assert array.dtype == values[name].dtype
    found["a"][:] = -1
    np.testing.assert_array_equal(found["b"], values["b"])
    np.testing.assert_array_equal(read_mat(path)["a"], values["a"])


@pytest.mark.parametrize(
    "elements, message",
    [
        ([matrix(1, (1000, 1000000), b"", name=b"lie")], "found 1000000000 of them"),
        ([matrix(6, (2, 2), element(9, bytes(8)), name=b"lie")], "expected 4 numbers, found 8"),
        ([matrix(6, (-1, 2), element(9, b""), name=b"lie")], "dimensions of at least 0"),
        ([matrix(4, (1, 9), element(4, b"h\0"), name=b"lie")], "expected 9 characters"),
        ([nested(5000)], "at most 60 levels"),
        ([struct.pack("<II", 14, 4000) + bytes(64)], "the file is cut off"),
        ([struct.pack("<II", 15, 16) + bytes(16)], "packed data are damaged"),
        ([struct.pack("<II", 77, 8) + bytes(8)], "expected a variable"),
        ([matrix(2, (1, 1), element(5, bytes(4)) + element(1, b""), name=b"s")], "field names"),
    ],
)
def test_v5_lies_are_told(tmp_path, elements, message):
    path = write_mat5(tmp_path / "lie.mat", *elements)
    with bounded(seconds=5), pytest.raises(FileError, match=message):
        read_mat(path)


def test_a_packed_bomb_is_refused_before_it_unpacks(tmp_path):
    inner = matrix(9, (1, 200 << 20), element(2, bytes(200 << 20)), name=b"bomb")
    packed = zlib.compress(inner, 9)
    assert len(packed) < 300_000
    path = write_mat5(tmp_path / "bomb.mat", struct.pack("<II", 15, len(packed)) + packed)
    with bounded(extra_bytes=100 << 20), pytest.raises(FileError, match="promises 2097"):
        read_mat(path)


@pytest.mark.parametrize("cut", [0, 60, 128, 131, 200, -1])
def test_truncated_v5(mat5, cut):
    data = mat5.read_bytes()
    mat5.write_bytes(data[:cut])
    if cut == 128:
        assert read_mat(mat5) == {}
        return
    with pytest.raises(FileError, match="MATLAB|cut off|expected a variable"):
        read_mat(mat5)


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_v5(tmp_path, packed):
    good = io.BytesIO()
    savemat(good, CONTENT | {"cells": many_cells(18)}, do_compression=packed)
    path = tmp_path / "damaged.mat"
    for data in mutations(good.getvalue(), 100):
        path.write_bytes(data)
        assert_result_or_user_error(read_mat, path)


def write_mat73(path):
    """Writes a file as MATLAB does, but for what it says about itself in the user block."""

    def marked(node, kind, **others):
        node.attrs["MATLAB_class"] = np.bytes_(kind)
        for name, value in others.items():
            node.attrs[name] = value
        return node

    with h5py.File(path, "w", userblock_size=512) as file:
        hidden = file.create_group("#refs#")
        marked(file.create_dataset("grid", data=GRID.T, chunks=True, compression="gzip"), "double")
        marked(
            file.create_dataset("title", data=np.array([[ord(c)] for c in "Walk"], "u2")), "char"
        )
        marked(file.create_dataset("flags", data=np.uint8([[1], [0]])), "logical")
        empty = file.create_dataset("nothing", data=np.uint64([0, 3]))
        marked(empty, "double", MATLAB_empty=np.uint8(1))
        eye = marked(hidden.create_dataset("a", data=np.eye(2)), "double")
        word = marked(hidden.create_dataset("b", data=np.array([[111], [107]], "u2")), "char")
        inner = marked(hidden.create_dataset("c", (1, 1), h5py.ref_dtype), "cell")
        inner[0, 0] = eye.ref
        people = marked(file.create_dataset("people", (3, 2), h5py.ref_dtype), "cell")
        for k, node in enumerate([eye, word, inner, word, eye, inner]):
            people[k // 2, k % 2] = node.ref
        one = marked(file.create_group("one"), "struct")
        marked(one.create_dataset("fps", data=[[50.0]]), "double")
        marked(one.create_dataset("names", (1, 1), h5py.ref_dtype), "cell")[0, 0] = word.ref
        many = marked(file.create_group("many"), "struct")
        for name in ("x", "y"):
            field = many.create_dataset(name, (2, 1), h5py.ref_dtype)
            field[0, 0], field[1, 0] = eye.ref, word.ref
        wave = np.zeros((2, 1), [("real", "f8"), ("imag", "f8")])
        wave["imag"] = [[1], [2]]
        marked(file.create_dataset("wave", data=wave), "double")
        sparse = marked(file.create_group("sparse"), "double")
        sparse.attrs["MATLAB_sparse"] = np.uint64(3)
    data = bytearray(path.read_bytes())
    data[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM"
    path.write_bytes(data)
    return path


@pytest.fixture
def mat73(tmp_path):
    return write_mat73(tmp_path / "seven.mat")


def test_v73_comes_out_as_v5_does(mat73):
    assert is_mat73(mat73)
    found = read_mat(mat73)
    np.testing.assert_array_equal(found["grid"], GRID)
    assert found["title"] == "Walk"
    assert found["flags"].dtype == bool and found["flags"].tolist() == [[True, False]]
    assert found["nothing"].shape == (0, 3)
    people = found["people"]
    assert people.shape == (2, 3)
    assert people[0, 0].tolist() == [[1, 0], [0, 1]] and people[1, 0] == "ok"
    assert people[0, 1].shape == (1, 1) and people[0, 1][0, 0].tolist() == [[1, 0], [0, 1]]
    assert found["one"]["fps"].tolist() == [[50]]
    assert found["one"]["names"].shape == (1, 1) and found["one"]["names"][0, 0] == "ok"
    assert found["many"].shape == (1, 2)
    assert found["many"][0, 1] == {"x": "ok", "y": "ok"}
    assert found["wave"].tolist() == [[1j, 2j]]
    assert "sparse" not in found


def test_v73_parts_of_variables(mat73):
    with Mat73File(mat73) as file:
        assert set(file.keys()) == {
            "grid", "title", "flags", "nothing", "people", "one", "many", "wave", "sparse",
        }  # fmt: skip
        assert file.shape("grid") == (2, 3, 4) and file.shape("nothing") == (0, 3)
        np.testing.assert_array_equal(file.read("grid", np.s_[:, 1:3, ::2]), GRID[:, 1:3, ::2])
        np.testing.assert_array_equal(file.read("grid", slice(1, 2)), GRID[1:2])
        part = file.read("people", np.s_[1:, :2])
        assert part.shape == (1, 2) and part[0, 0] == "ok"
        with pytest.raises(FileError, match="expected a variable 'x', found"):
            file.read("x")
        with pytest.raises(FileError, match="holds a sparse matrix"):
            file.read("sparse")
    with pytest.raises(FileError, match="expected a variable 'x', found"):
        read_mat(mat73, keys=["x"])


def test_v73_file_of_another_writer(tmp_path):
    path = tmp_path / "plain.mat"
    with h5py.File(path, "w") as file:
        file["annot3"] = np.arange(6.0).reshape(3, 1, 2)
        file.create_dataset("list", (2, 1), h5py.ref_dtype)[0, 0] = file["annot3"].ref
    found = read_mat(path)
    assert found["annot3"].shape == (2, 1, 3) and found["annot3"][1, 0, 2] == 5
    assert found["list"].shape == (1, 2)
    assert found["list"][0, 0].shape == (2, 1, 3) and found["list"][0, 1].size == 0


def lying_h5(path, kind):
    with h5py.File(path, "w") as file:
        if kind == "unfilled":
            file.create_dataset("x", (1 << 40, 8), "f8", chunks=(1024, 8))
        elif kind == "external":
            (path.parent / "secret").write_bytes(bytes(64))
            file.create_dataset("x", (8,), "f8", external=[(str(path.parent / "secret"), 0, 64)])
        elif kind == "loop":
            loop = file.create_dataset("x", (2, 1), h5py.ref_dtype)
            loop[0, 0] = loop[1, 0] = loop.ref
        elif kind == "empty":
            file.create_dataset("x", data=np.uint64([1 << 40, 1 << 20])).attrs["MATLAB_empty"] = 1
        elif kind == "text":
            file.create_dataset("x", data=["a"], dtype=h5py.string_dtype())
        elif kind == "cells":
            file.create_dataset("x", (1 << 27,), h5py.ref_dtype, chunks=(1 << 20,))[0] = file.ref


@pytest.mark.parametrize(
    "kind, message",
    [
        ("unfilled", "promises"),
        ("external", "lie in other files"),
        ("loop", "holds itself"),
        ("empty", "dimensions of an empty array"),
        ("text", "variable length"),
        ("cells", "promises"),
    ],
)
def test_v73_lies_are_told(tmp_path, kind, message):
    path = tmp_path / "lie.mat"
    lying_h5(path, kind)
    with bounded(), pytest.raises(FileError, match=message):
        read_mat(path, keys=["x"])


def test_damaged_v73(mat73):
    good = mat73.read_bytes()
    for data in mutations(good, 150):
        mat73.write_bytes(data)
        assert_result_or_user_error(read_mat, mat73)


def test_no_such_file(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        read_mat(tmp_path / "none.mat")
    (tmp_path / "text.mat").write_text("hello\n" * 100)
    with pytest.raises(FileError, match=r"expected a MATLAB \.mat file"):
        read_mat(tmp_path / "text.mat")
