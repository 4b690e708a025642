import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import json_text
from skelbridge.posefiles.json_text import check_fill, found, load_json, number, number_array


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": [1, 2.5, null]}',
        b'\xef\xbb\xbf{"a": [1, 2.5, null]}',
        '{"a": [1, 2.5, null]}'.encode("utf-16"),
        '{"a": [1, 2.5, null]}'.encode("utf-32-le"),
    ],
)
def test_encodings_with_and_without_byte_order_mark(data):
    assert load_json("poses.json", data) == {"a": [1, 2.5, None]}


def test_nan_is_a_missing_number():
    (value,) = load_json("poses.json", b"[NaN]")
    assert np.isnan(value)


def test_surrogate_pairs_and_escaped_backslashes_are_text():
    assert load_json("a.json", rb'["\ud83d\ude00", "\\ud800"]') == ["\U0001f600", "\\ud800"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty file"),
        (b" \n\t ", "empty file"),
        (b"[1, 2", "line 1, column 6: the JSON text ends in the middle; the file is cut short"),
        (b'{"a": "nos', "line 1, column 7: the JSON text ends in the middle"),
        (b"[1,\n 2 3]", "line 2, column 4: not valid JSON"),
        (b"[1]\n[2]", "line 2, column 1: expected one JSON document"),
        (b"[1,\n Infinity]", "line 2, column 2: expected a finite number, found Infinity"),
        (b'["Infinity", -Infinity]', "line 1, column 14: expected a finite number"),
        (b"\n[" * 100_000, "line 102, column 1: expected poses, found brackets nested"),
        (b'{"a":' * 100_000, "brackets nested hundreds deep"),
        (
            b"[1,\n" + b"9" * 5000 + b"]",
            "line 2, column 1: expected a coordinate",
        ),
        (
            b'["abc",\n "\xff"]',
            "line 2, column 3: expected JSON text, found bytes",
        ),
        (b"\x80\x04\x95pickle", "line 1, column 1: expected JSON text"),
        (rb'["a\ud800b"]', "line 1, column 4: expected text, found half of a surrogate pair"),
    ],
)
def test_errors_name_line_and_column(data, problem):
    with pytest.raises(FileError, match=r"^poses\.json: ") as error:
        load_json("poses.json", data)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_nested_lists_become_an_array():
    array = number_array("f", "positions", [[[1, 2], [3, 4.5]], [[5, 6], [None, 8]]])
    np.testing.assert_array_equal(array, [[[1, 2], [3, 4.5]], [[5, 6], [np.nan, 8]]])
    assert array.dtype == np.float64


def test_null_stands_for_whole_joints_and_frames():
    array = number_array("f", "positions", [[[1, 2], None], None, [[3, 4], [5, 6]]])
    np.testing.assert_array_equal(
        array, [[[1, 2], [np.nan] * 2], [[np.nan] * 2] * 2, [[3, 4], [5, 6]]]
    )


def test_only_nulls_and_empty_lists_keep_the_shape_they_have():
    assert number_array("f", "a", [None, None]).shape == (2,)
    assert number_array("f", "a", [[], []]).shape == (2, 0)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([[1, 2, 3], [1, 2, 3], [1, 2]], "a[2] has 2 entries where a[0] has 3"),
        ([[1, 2], [1, 2, 3], [1, 2, 3]], "a[0] has 2 entries where a[1] has 3"),
        ([None, [[1], [2]], [[1], [2, 3]]], "a[2][1] has 2 entries where a[1][0] has 1"),
        ([[1, 2], 3], "a[1] is the number 3, expected a list"),
        ([1, [2]], "a[0] is the number 1, expected a list"),
        ([[1, 2], {"x": 1}], "a[1] is an object with the keys 'x', expected a list"),
        ([[1, "2"]], "a[0][1] is the text '2', expected a number"),
        ([True], "a[0] is true, expected a number"),
        ([1.0, 10**400], "a[1] is the number 1000"),
        ([[0, float("inf")]], "a[0][1] is infinite"),
        (7, "a: expected a list of numbers, found the number 7"),
        (None, "a: expected a list of numbers, found null"),
        ({}, "a: expected a list of numbers, found an empty object"),
        ([[[[[[[[[[1]]]]]]]]]], "nested 8+ deep"),
    ],
)
def test_errors_name_the_index_path(value, problem):
    with pytest.raises(FileError) as error:
        number_array("f", "a", value)
    assert str(error.value).startswith("f: a")
    assert problem in str(error.value)


def test_a_wrong_shape_is_told():
    with pytest.raises(FileError, match="a: expected any x 3 numbers, found 2 x 2"):
        number_array("f", "a", [[1, 2], [3, 4]], shape=(None, 3))
    with pytest.raises(FileError, match="a: expected 4 numbers, found 2 x 2"):
        number_array("f", "a", [[1, 2], [3, 4]], shape=(4,))


def test_nulls_cannot_blow_the_array_up():
    # 216 kB of text would become 21 million frames of 216000 numbers.
    frame = [[[0] * 60] * 60] * 60
    with bounded(), pytest.raises(FileError, match="split the file"):
        number_array("f", "a", [frame] + [None] * 100_000)


def test_filled_nulls_do_not_count_as_numbers_of_the_file():
    # Each level alone multiplies by less than the limit; together they do not.
    ratio = json_text.MAX_FILL_RATIO - 1
    value = [[[[0] * ratio] * ratio] * ratio] + [None] * 5000
    with bounded(), pytest.raises(FileError, match="split the file"):
        number_array("f", "a", value)


def test_moderate_gaps_are_filled():
    array = number_array("f", "a", [[[1.0] * 3] * 100] + [None] * 1000)
    assert array.shape == (1001, 100, 3)
    assert np.isnan(array[1:]).all()
    check_fill("f", "a", json_text.FREE_FILL, 1)


@pytest.mark.parametrize("value", [None, True, "1", [1], float("nan"), 10**400])
def test_number_refuses_everything_else(value):
    with pytest.raises(FileError, match="fps: expected a finite number, found"):
        number("f", "fps", value)


def test_number_takes_ints_and_floats():
    assert number("f", "fps", 25) == 25.0
    assert number("f", "fps", 29.97) == 29.97


def test_found_is_short_and_printable():
    values = ["a\nb" * 1000, {"k\n" * 90: 1}, 10**4000, [1] * 9999, {str(i): i for i in range(99)}]
    for value in values:
        assert len(found(value)) < 350
        assert found(value).isprintable()


def test_fuzz():
    data = json.dumps([[[0.25, 1, None]] * 4, ["a\u00e9\n", True, {"k": -1e9}]]).encode()
    results = [assert_result_or_user_error(load_json, "f", d) for d in mutations(data, 300)]
    assert any(result is not None for result in results)
