"""Numbers in text files, which may hold something else in their place."""

from __future__ import annotations

#: Beyond this a coordinate or an angle is damage, and sums and products of such could overflow.
MAX_VALUE = 1e12


def read_number(text: str | bytes) -> float | None:
    """Read a number, NaN and infinity among them; None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    # `float` takes 1_000, which no other program does.
    return None if (b"_" if isinstance(text, bytes) else "_") in text else value


def read_plausible_number(text: str | bytes) -> float | None:
    """Read a number of plausible size; NaN, the mark of missing values, is one."""
    value = read_number(text)
    return None if value is None or abs(value) > MAX_VALUE else value
