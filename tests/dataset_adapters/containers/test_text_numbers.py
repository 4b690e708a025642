import math

import pytest

from dataset_adapters.containers.text_numbers import read_number, read_plausible_number


@pytest.mark.parametrize("as_text", [str, str.encode])
@pytest.mark.parametrize(
    ("text", "number", "is_plausible"),
    [
        ("1.5", 1.5, True),
        ("-1e12", -1e12, True),
        ("1.1e12", 1.1e12, False),
        ("inf", math.inf, False),
        ("nan", math.nan, True),
        ("1_000", None, False),
        ("1,5", None, False),
        ("", None, False),
    ],
)
def test_numbers(as_text, text, number, is_plausible):
    expected = number if number is None else pytest.approx(number, nan_ok=True)
    assert read_number(as_text(text)) == expected
    assert read_plausible_number(as_text(text)) == (expected if is_plausible else None)
