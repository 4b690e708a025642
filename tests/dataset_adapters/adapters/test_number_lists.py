import numpy as np
import pytest

from dataset_adapters.adapters._number_lists import described, number_lists, texts, whole_numbers
from dataset_adapters.containers.errors import FileError


def test_lists_become_rows():
    found = number_lists("f", "k", [[1, 2.5], [True, -3]], 2)
    assert found.dtype == np.float64 and found.tolist() == [[1, 2.5], [1, -3]]
    assert number_lists("f", "k", [], 3).shape == (0, 3)


def test_null_is_missing_where_that_may_be():
    found = number_lists("f", "k", [[1, None], [float("nan"), 2]], 2, may_miss=True)
    np.testing.assert_array_equal(found, [[1, np.nan], [np.nan, 2]])
    with pytest.raises(FileError, match="found null among them"):
        number_lists("f", "k", [[1, None]], 2)
    with pytest.raises(FileError, match="found inf"):
        number_lists("f", "k", [[None, float("inf")]], 2, may_miss=True)


@pytest.mark.parametrize(
    "row, found",
    [
        ([1], "found 1$"),
        ([1, 2, 3], "found 3$"),
        (["1", 2], "found '1' among them"),
        ([1, [2]], "found a list of 1 among them"),
        ([10**400, 2], "found a number of more than 30 digits among them"),
        ("12", "found '12'"),
        (None, "found null"),
        ({"a": 1, "b": 2}, "found an object"),
        ([1, float("nan")], "finite numbers, found nan"),
        ([1, 2e7], "finite numbers, found 2e\\+07"),
    ],
)
def test_other_rows_are_refused_by_name(row, found):
    with pytest.raises(FileError, match=f"f: k of entry 2: expected .*{found}") as caught:
        number_lists("f", "k", [[1, 2], row], 2)
    assert "\n" not in str(caught.value)


def test_as_many_numbers_in_other_lists():
    with pytest.raises(FileError, match="entry 1: expected 2 numbers, found 1"):
        number_lists("f", "k", [[1], [2, 3, 4]], 2)


def test_whole_numbers():
    assert whole_numbers("f", "k", [3, 0]).tolist() == [3, 0]
    assert whole_numbers("f", "k", []).shape == (0,)
    for value, found in [
        (1.0, "1.0"),
        ("1", "'1'"),
        (2**63, "9223372036854775808"),
        (None, "null"),
    ]:
        with pytest.raises(
            FileError, match=f"k of entry 2: expected a whole number, found {found}"
        ):
            whole_numbers("f", "k", [1, value])
    with pytest.raises(FileError, match="k of x7: expected a whole number of at least 1, found 0"):
        whole_numbers("f", "k", [1, 0], name=lambda row: "x7", least=1)


def test_texts_and_ids():
    assert texts("f", "k", ["a", 7]) == ["a", "7"]
    for value, found in [(1.5, "1.5"), (True, "true"), ([], "a list of 0"), (None, "null")]:
        with pytest.raises(FileError, match=f"entry 2: expected text or a whole number, .*{found}"):
            texts("f", "k", ["a", value])
    # Python refuses to write such a number.
    with pytest.raises(FileError, match="a number of more than 30 digits"):
        texts("f", "k", [10**5000])


def test_descriptions_are_short():
    values = ["x" * 100, [0] * 100, {"a": 1}, 10**4000, "two\nlines", 1e300]
    assert max(len(described(value)) for value in values) < 50
    assert "\n" not in described("two\nlines")
