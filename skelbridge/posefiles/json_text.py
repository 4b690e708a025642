"""JSON that nobody vouches for: parsing it, and turning its nested lists into arrays.

Both end in a `FileError` that names the place (line and column while the text is parsed, the index
path such as `positions[3][0]` afterwards), whatever the file holds.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from itertools import chain
from typing import Any, NoReturn

import numpy as np

from dataset_adapters.containers.errors import FileError

#: Poses nest four or five lists deep; what nests deeper than this is something else.
MAX_AXES = 8

#: Missing joints and people are filled up with NaN to this many numbers (128 MiB) in any case, and
#: beyond it to `MAX_FILL_RATIO` times the numbers that the file really holds.
FREE_FILL = 1 << 24
MAX_FILL_RATIO = 64

_NUMBER_TYPES = frozenset({int, float, type(None)})
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'


class _InfinityFoundError(Exception):
    """`Infinity` stands where a number should."""


def load_json(path: str | os.PathLike, data: bytes) -> Any:
    """Parses one JSON document.

    A byte order mark and UTF-16 are understood, and so is the token `NaN`, which Python writes for
    a missing number; `Infinity` is not, as no coordinate is infinite.

    Args:
      path: the file's name, for messages.
      data: its content.

    Returns:
      Dicts, lists, strings, ints, floats, bools and None.

    Raises:
      FileError: with the line and column at fault.
    """
    text = _decode(path, data)
    if not text or text.isspace():
        raise FileError(path, "expected a JSON document, found an empty file")
    try:
        document = json.loads(text, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise FileError(path, _syntax_problem(text, error)) from None
    except _InfinityFoundError:
        place = _place(text, _outside_strings(text, "-?Infinity"))
        raise FileError(path, f"{place}: expected a finite number, found Infinity") from None
    except RecursionError:
        place = _place(text, _too_deep(text))
        raise FileError(
            path, f"{place}: expected poses, found brackets nested hundreds deep"
        ) from None
    except ValueError:  # Python refuses to convert integers of more than a few thousand digits.
        place = _place(text, _outside_strings(text, r"\d{4000,}"))
        raise FileError(
            path, f"{place}: expected a coordinate, found an integer of thousands of digits"
        ) from None
    _refuse_lone_surrogates(path, text)
    return document


def _constant(token: str) -> float:
    if token == "NaN":
        return math.nan
    raise _InfinityFoundError


def _decode(path, data: bytes) -> str:
    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise FileError(
            path,
            f"line {line}, column {column}: expected JSON text, found bytes that are not "
            f"{encoding.upper()}; the file is damaged or not JSON",
        ) from None


def _syntax_problem(text: str, error: json.JSONDecodeError) -> str:
    place = f"line {error.lineno}, column {error.colno}"
    if error.msg == "Extra data":
        return (
            f"{place}: expected one JSON document, found more text after its end; "
            "put several documents into one list"
        )
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"{place}: the JSON text ends in the middle; the file is cut short"
    return f"{place}: not valid JSON ({error.msg[:1].lower()}{error.msg[1:]})"


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def _outside_strings(text: str, pattern: str) -> int:
    """Position of the first `pattern` that is not inside a string."""
    for match in re.finditer(f"{_STRING}|({pattern})", text):
        if match.group(1) is not None:
            return match.start()
    return 0


def _too_deep(text: str, limit: int = 100) -> int:
    depth = 0
    for match in re.finditer(rf"{_STRING}|([\[{{])|([\]}}])", text):
        depth += bool(match.group(1)) - bool(match.group(2))
        if depth > limit:
            return match.start()
    return 0


def _refuse_lone_surrogates(path, text: str) -> None:
    """Refuses halves of surrogate pairs: Python reads them, but cannot write or print them."""
    if re.search(r"\\u[dD][89a-fA-F]", text) is None:
        return
    pair = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    for match in re.finditer(rf"{pair}|(\\u[dD][89a-fA-F])|\\.", text):
        if match.group(1) is not None:
            raise FileError(
                path,
                f"{_place(text, match.start())}: expected text, found half of a surrogate pair "
                f"({match.group(1)}..)",
            )


def found(value: Any) -> str:
    """Says in a few words what a parsed JSON value is, for messages."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        keys = ", ".join(_shortened(key) for key in list(value)[:6])
        more = ", ..." if len(value) > 6 else ""
        return f"an object with the keys {keys}{more}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, str):
        return f"the text {_shortened(value)}"
    return f"the number {_shortened(value)}"


def _shortened(value: Any) -> str:
    text = ascii(value[:40] if isinstance(value, str) else value)
    return text if len(text) <= 42 else f"{text[:40]}.."


def number(path: str | os.PathLike, where: str, value: Any) -> float:
    """Returns one finite number.

    Raises:
      FileError: if `value` is anything else; the message opens with `where`.
    """
    if type(value) in (int, float):
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
        if math.isfinite(result):
            return result
    raise FileError(path, f"{where}: expected a finite number, found {found(value)}")


def number_array(
    path: str | os.PathLike,
    where: str,
    value: Any,
    *,
    shape: tuple[int | None, ...] | None = None,
) -> np.ndarray:
    """Turns nested lists of numbers into an array; null stands for NaN, at any depth.

    Args:
      path: the file's name, for messages.
      where: what holds `value`, e.g. `annotations[3].keypoints`, for messages.
      value: the parsed JSON value.
      shape: what the shape must be, None for any length of that axis; None for any shape.

    Returns:
      A float64 array.

    Raises:
      FileError: for ragged lists, entries that are not numbers, infinite ones, and nulls that
        stand for far more numbers than the file holds; the message names the index path.
    """
    level, sizes, nulls, filled = [value], [], 0, 0
    while list in (kinds := set(map(type, level))):
        if not kinds <= {list, type(None)}:
            odd = next(i for i, item in enumerate(level) if type(item) not in (list, type(None)))
            _refuse(path, where, sizes, odd, f"is {found(level[odd])}, expected a list")
        if len(sizes) == MAX_AXES:
            raise FileError(path, f"{where}: expected poses, found lists nested {MAX_AXES}+ deep")
        length, lists = _common_length(path, where, level, sizes)
        if lists < len(level):
            nulls += len(level) - lists - filled
            filled = (len(level) - lists) * length
            check_fill(path, where, len(level) * length, lists * length + nulls)
            level = [[None] * length if item is None else item for item in level]
        sizes.append(length)
        level = list(chain.from_iterable(level))
    if not sizes:
        raise FileError(path, f"{where}: expected a list of numbers, found {found(value)}")
    array = _leaves(path, where, level, sizes).reshape(sizes)
    if shape is not None and (
        len(shape) != array.ndim
        or any(want not in (None, has) for want, has in zip(shape, array.shape, strict=True))
    ):
        wanted = " x ".join("any" if size is None else str(size) for size in shape)
        has = " x ".join(map(str, array.shape))
        raise FileError(path, f"{where}: expected {wanted} numbers, found {has}")
    return array


def _common_length(path, where: str, level: list, sizes: list[int]) -> tuple[int, int]:
    """Returns the length that the lists of one level share, and how many lists there are."""
    lengths = Counter(len(item) for item in level if item is not None)
    ((length, _),) = lengths.most_common(1)
    if len(lengths) > 1:
        has = [None if item is None else len(item) for item in level]
        odd = next(i for i, n in enumerate(has) if n not in (None, length))
        regular = _path(where, sizes, has.index(length))
        _refuse(path, where, sizes, odd, f"has {has[odd]} entries where {regular} has {length}")
    return length, lengths.total()


def _leaves(path, where: str, level: list, sizes: list[int]) -> np.ndarray:
    if not set(map(type, level)) <= _NUMBER_TYPES:
        odd = next(i for i, item in enumerate(level) if type(item) not in _NUMBER_TYPES)
        _refuse(path, where, sizes, odd, f"is {found(level[odd])}, expected a number")
    try:
        array = np.array(level, dtype=np.float64)
    except OverflowError:  # an integer beyond the largest float
        odd = next(i for i, n in enumerate(level) if n is not None and abs(n) > 1e308)
        _refuse(path, where, sizes, odd, f"is {found(level[odd])}, which is no coordinate")
    if np.isinf(array).any():
        odd = int(np.flatnonzero(np.isinf(array))[0])
        _refuse(path, where, sizes, odd, "is infinite, expected a finite number")
    return array


def _refuse(path, where: str, sizes: list[int], flat: int, problem: str) -> NoReturn:
    raise FileError(path, f"{_path(where, sizes, flat)} {problem}")


def _path(where: str, sizes: list[int], flat: int) -> str:
    indices = np.unravel_index(flat, sizes) if sizes else ()
    return where + "".join(f"[{index}]" for index in indices)


def check_fill(path: str | os.PathLike, where: str, total: int, held: int) -> None:
    """Refuses to blow a file up: an array of `total` numbers of which the file holds `held`.

    Raises:
      FileError: if nearly all of a large array would be missing values.
    """
    if total > FREE_FILL and total > MAX_FILL_RATIO * held:
        raise FileError(
            path,
            f"{where}: expected mostly present joints, found {held} numbers in what would be an "
            f"array of {total}; split the file",
        )
