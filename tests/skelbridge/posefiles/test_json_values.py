import json

import numpy as np
import pytest

from skelbridge.posefiles.json_values import (
    column,
    columns,
    joint_names,
    jsonable,
    jsonable_extras,
    number_lists,
    shortest,
)


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        ([1, 2], [1, 2], "i"),
        ([1, None], [1, np.nan], "f"),
        ([1, 2.5], [1, 2.5], "f"),
        (["a", "bc"], ["a", "bc"], "U"),
        ([True, False], [True, False], "b"),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]], "f"),
        ([[1, 2], None], [[1, 2], [np.nan, np.nan]], "f"),
    ],
)
def test_columns_become_arrays_where_they_can(values, expected, kind):
    result = column([{"k": v} for v in values], "k")
    assert result.dtype.kind == kind
    if kind == "U":
        assert result.tolist() == expected
    else:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("values", [[1, "a"], [[1], [2, 3]], [{}, {}], [2**70, 1], [10**400, 1.5]])
def test_other_columns_stay_lists(values):
    result = column([{"k": v} for v in values], "k")
    assert list(result) == values


def test_a_column_that_no_record_has_is_none():
    assert column([{"a": 1}, {}], "k") is None
    assert column([], "k") is None


def test_columns_are_those_that_some_record_has():
    found = columns([{"b": 1}, {"a": "x", "b": 2}], ("a", "c", "b"))
    assert list(found) == ["a", "b"]
    assert found["a"] == [None, "x"]
    assert found["b"].tolist() == [1, 2]


def test_one_long_text_does_not_widen_all_entries():
    records = [{"k": "x" * 1_000_000}] + [{"k": "y"}] * 10_000
    assert isinstance(column(records, "k"), list)


def test_float32_is_written_with_the_digits_it_has():
    array = np.array([0.1, 1 / 3, 1e-30, 16777216, -0.0], dtype=np.float32)
    assert number_lists(array)[:2] == [0.1, 0.33333334]
    again = np.array(json.loads(json.dumps(number_lists(array))), dtype=np.float32)
    assert again.tobytes() == array.tobytes()
    assert shortest(np.float16([0.1])).tolist() == [0.1]


def test_nan_becomes_none_at_any_depth():
    assert number_lists(np.array([[1.0, np.nan]])) == [[1.0, None]]


def test_jsonable_makes_strict_json():
    value = {"a": np.float32(0.1), "b": (1, np.int64(2)), "c": float("nan"), "d": np.array(["x"])}
    assert jsonable(value) == {"a": 0.1, "b": [1, 2], "c": None, "d": ["x"]}


def _nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_extras_that_json_cannot_hold_are_left_out():
    extras = {
        "kept": [1], "bytes": b"1", "set": {1}, "inf": float("inf"), "complex": np.array([1j]),
        "infs": np.array([np.inf]), "deep": _nested(500), "keys": {1: 2}, "object": object(),
    }  # fmt: skip
    assert jsonable_extras(extras) == {"kept": [1]}


def test_names_are_made_printable_and_counted():
    assert joint_names(["hip", "k\nee"], 2) == ("hip", "k?ee")
    assert joint_names(["hip"], 2) is None
    assert joint_names(["hip", 1], 2) is None
    assert joint_names(None, 0) is None
