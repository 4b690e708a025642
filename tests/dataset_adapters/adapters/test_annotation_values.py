import numpy as np
import pytest

from dataset_adapters.adapters._folders import folders_in, names_in, recent_names
from dataset_adapters.adapters._number_text import number_table, numbers_of
from dataset_adapters.adapters._values import (
    RecentFiles,
    as_array,
    as_numbers,
    camera_of,
    first_implausible,
    member,
    natural_key,
    present_joints,
    read_json,
    rows_of,
    shown_count,
    without_partly_missing,
    without_zeros,
)
from dataset_adapters.containers.errors import FileError


def test_numbers_keep_single_precision_and_nothing_else():
    assert as_array("f", "k", np.zeros((2, 3), np.float32), (2, 3)).dtype == np.float32
    assert as_array("f", "k", [[1, 2]], (None, 2)).dtype == np.float64
    assert as_array("f", "k", np.zeros(3, np.int16), (3,)).dtype == np.float64


@pytest.mark.parametrize(
    "value, message",
    [
        ([[1, 2], [3]], r"k: expected numbers of shape \(n, 2\), found a list of 2"),
        ([["a", 2]], r"k: expected numbers of shape \(n, 2\)"),
        ([[10**400, 2]], "k: expected numbers"),
        ({"a": 1}, "found dict"),
        ([[1, 2, 3]], r"found shape \(1, 3\)"),
        ([[1, float("inf")]], r"expected finite numbers, found inf at \(0, 1\)"),
        ([[1, float("nan")]], "found nan"),
        ([[1, -2e7]], "found -20000000.0"),
    ],
)
def test_other_values_are_refused(value, message):
    with pytest.raises(FileError, match=message):
        as_array("f", "k", value, (None, 2))


@pytest.mark.parametrize(
    "value, found",
    [
        (["1", "2"], "text among them"),
        ([1, "2"], "text among them"),
        ([b"1", b"2"], "text among them"),
        ("12", "'12'"),
        ([1j, 2], "complex numbers among them"),
        (np.array([1, 2], complex), "an array of complex128 and shape"),
        (np.array(["1", "2"]), "an array of <U1 and shape"),
        (np.array([b"1", b"2"]), r"an array of \|S1 and shape"),
        (np.array(["1", 2], object), "an array of object and shape"),
        (np.array([1, 2j], object), "an array of object and shape"),
        (np.array(["2020-01-01"] * 2, "datetime64[D]"), "an array of datetime64"),
        (np.zeros(2, "V4"), r"an array of \|V4"),
        ([None, "2"], "a list of 2 that is no such array"),
        ([[], [1]], "a list of 2 that is no such array"),
    ],
)
def test_what_numpy_would_take_for_numbers(value, found):
    for convert in (
        lambda: as_array("f", "k", value, (2,)),
        lambda: as_numbers("f", "k", value, 2),
    ):
        with pytest.raises(FileError, match=f"k: expected numbers .*, found {found}") as caught:
            convert()
        assert "\n" not in str(caught.value)


def test_words_of_text_files_are_numbers_where_asked_for():
    words = [b"1", b"-2.5e1", b"nan"]
    found = as_array("f", "k", words, (3,), may_miss=True, from_text=True)
    np.testing.assert_array_equal(found, [1, -25, np.nan])
    assert as_numbers("f", "k", [["1"], ["2"]], 2, from_text=True).tolist() == [1, 2]
    with pytest.raises(FileError, match="expected numbers"):
        as_array("f", "k", ["one"], (1,), from_text=True)


def test_objects_that_are_numbers():
    value = np.array([None, 1, np.float32(2.5), True], object)
    found = as_array("f", "k", value, (4,), may_miss=True)
    np.testing.assert_array_equal(found, [np.nan, 1, 2.5, 1])
    assert found.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_first_implausible_number(dtype):
    numbers = np.zeros((3, 4), dtype)
    assert first_implausible(numbers) is None and first_implausible(numbers[:0]) is None
    numbers[0, 1] = np.nan
    numbers[2, 3] = -2e7
    assert first_implausible(numbers) == (0, 1)
    assert first_implausible(numbers, may_miss=True) == (2, 3)
    assert first_implausible(numbers[:2], may_miss=True) is None
    numbers[2] = np.inf
    assert first_implausible(numbers, may_miss=True) == (2, 0)


def test_missing_values_may_be_let_through():
    assert np.isnan(as_array("f", "k", [np.nan, 1], (2,), may_miss=True)[0])
    with pytest.raises(FileError, match="found inf"):
        as_array("f", "k", [np.nan, np.inf], (2,), may_miss=True)


def test_joints_are_missing_as_a_whole():
    joints = np.array([[0, 0, 0], [0, 1, 0], [np.nan, 1, 2]])
    assert np.isnan(without_partly_missing(joints)).tolist() == [
        [False] * 3,
        [False] * 3,
        [True] * 3,
    ]
    assert np.isnan(without_zeros(joints)).tolist() == [[True] * 3, [False] * 3, [True] * 3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_dims", [2, 3])
def test_missing_joints_by_definition(n_dims, dtype):
    rng = np.random.default_rng(n_dims)
    joints = rng.integers(0, 2, (50, 7, n_dims)).astype(dtype)
    joints[rng.random(joints.shape) < 0.1] = np.nan
    partly = np.isnan(joints).any(axis=-1, keepdims=True)
    expected = np.where(partly, np.nan, joints)
    np.testing.assert_array_equal(without_partly_missing(joints), expected)
    zero = (joints == 0).all(axis=-1, keepdims=True)
    found = without_zeros(joints)
    np.testing.assert_array_equal(found, np.where(zero, np.nan, expected))
    assert found.dtype == dtype
    checked = present_joints(joints)
    np.testing.assert_array_equal(checked.values, found)
    np.testing.assert_array_equal(checked.is_present, ~np.isnan(found[..., 0]))
    whole = np.ones((3, 7, n_dims), dtype)
    assert without_partly_missing(whole) is whole and without_zeros(whole) is whole


def test_all_rows_are_chosen_without_a_copy():
    assert rows_of(np.ones(3, bool)) == slice(None)
    assert rows_of(np.array([True, False, True])).tolist() == [0, 2]
    assert np.arange(0)[rows_of(np.ones(0, bool))].tolist() == []


def test_names_in_folders(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("")
    assert names_in(tmp_path) == ["a.txt", "b"] and folders_in(tmp_path) == ["b"]
    for nowhere in (tmp_path / "none", tmp_path / "a.txt"):
        assert names_in(nowhere) == folders_in(nowhere) == []
    assert recent_names(tmp_path) == {"a.txt", "b"}
    for function in (names_in, folders_in):
        with pytest.raises(FileError, match="cannot be read"):
            function(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    "data, message",
    [
        (b'{"a": 1', "line 1: expected JSON"),
        (b'{"a": 1,\n"b" 2}', r"line 2: expected JSON .* found '2}'"),
        (b"[" * 100_000, "expected JSON, found something else"),
        (b"\xff\xfe\x00", "expected JSON"),
        (b"1" * 10_000, "expected JSON, found something else"),
    ],
)
def test_damaged_json(data, message):
    with pytest.raises(FileError, match=message) as caught:
        read_json("a.json", data)
    assert "\n" not in str(caught.value)


def test_members_are_named_with_their_place():
    document = {"extrinsics": {"R": 1}}
    assert member("f", document, "extrinsics", "R") == 1
    with pytest.raises(FileError, match="expected the key 'extrinsics.T', found R"):
        member("f", document, "extrinsics", "T")
    with pytest.raises(FileError, match="expected the key 'extrinsics.R.x', found '1'"):
        member("f", document, "extrinsics", "R", "x")


def test_tables_of_numbers():
    table = number_table("f", b"\n1 2\t3\r\n\n 4 5 6 \n", 3)
    assert table.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert number_table("f", b"", 3).shape == (0, 3)
    assert numbers_of("f", b"1 2\n3").tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"1 2\n3 x", "line 8: expected numbers, found 'x'"),
        (b"1 2\n3", "line 8: expected 2 numbers, found 1"),
        (b"1 inf\n", "expected finite numbers, found inf"),
    ],
)
def test_other_lines_are_named(data, message):
    with pytest.raises(FileError, match=message):
        number_table("f", data, first_line=7)


def test_cameras_that_are_none():
    with pytest.raises(FileError, match="f: camera 3: no usable camera: R must be a rotation"):
        camera_of("f", "camera 3", R=2 * np.eye(3), t=np.zeros(3), K=np.eye(3))


def test_several_files_are_read_together(tmp_path):
    calls = []
    recent = RecentFiles(lambda *paths: calls.append(paths) or len(calls))
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_text("1")
    assert recent(*paths) == recent(*paths) == 1
    assert calls == [tuple(map(str, paths))]
    paths[1].write_text("22")
    assert recent(*paths) == 2
    recent.cache_clear()
    assert recent(*paths) == 3


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\t\n", "\n\n"])
def test_tables_are_those_of_their_lines(line_end):
    rows = np.random.default_rng(0).normal(0, 100, (20, 4)).round(6)
    lines = ["\t".join(f"{a} {b}" for a, b in ((r[0], r[1]), (r[2], r[3]))) for r in rows.tolist()]
    data = (line_end.join(lines) + line_end).encode()
    np.testing.assert_array_equal(number_table("f", data), rows)
    np.testing.assert_array_equal(number_table("f", data, 4), rows)
    with pytest.raises(FileError, match="line 1: expected 5 numbers, found 4"):
        number_table("f", data, 5)


def test_odd_tables():
    assert number_table("f", b" \n\n", 3).shape == (0, 3)
    # A return alone is a blank, as it does not end a line elsewhere.
    assert number_table("f", b"1 2\r3\n4 5 6\n").tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.isnan(number_table("f", b"nan 1\n")[0, 0])
    with pytest.raises(FileError, match="line 2: expected numbers, found '#'"):
        number_table("f", b"1 2\n# 3\n")
    with pytest.raises(FileError, match="found inf"):
        number_table("f", b"1 inf\n")


def test_files_are_read_again_when_they_change(tmp_path):
    calls = []

    def read(path):
        calls.append(path)
        return len(calls)

    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("1")
    recent = RecentFiles(read, keep=1)
    assert [recent(first), recent(first)] == [1, 1]
    first.write_text("22")
    assert recent(first) == 2
    assert [recent(second), recent(first)] == [3, 4]
    with pytest.raises(FileError, match="cannot be read"):
        recent(tmp_path / "none")


def test_order_of_names_and_lengths_of_videos():
    names = ["Grab 10", "Grab 4", "Grab", "F_2_b", "F_10_a"]
    assert sorted(names, key=natural_key) == ["F_2_b", "F_10_a", "Grab", "Grab 4", "Grab 10"]
    assert shown_count(10, 7, 8) == 7
    assert shown_count(10, 0, -1) == 10
