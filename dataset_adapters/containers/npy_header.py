"""The header of a `.npy` array: parsed without evaluating anything, checked before memory is taken.

Source: numpy's format description (NEP 1, `numpy.lib.format`, versions 1.0 to 3.0).
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .errors import FileError

MAGIC = b"\x93NUMPY"
#: numpy refuses longer headers too; those of plain arrays take 118 bytes.
MAX_HEADER_BYTES = 10_000
MAX_AXES = 32
#: Decimal digits reserved for the number of rows, so that a header can be rewritten in place.
_ROW_DIGITS = 20

_ENTRY = re.compile(
    r"""\s*(?P<quote>['"])(?P<name>\w{1,32})(?P=quote)\s*:\s*(?:
        (?P<flag>True|False)
      | \((?P<shape>[-\dL,\s]*)\)
      | '(?P<dtype>[^'\\]{0,32})' | "(?P<dtype2>[^"\\]{0,32})"
      | (?P<compound>[\[(].*)
    )\s*(?:,\s*)?""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_DTYPE = re.compile(r"[<>|=]?(?:[biufcSU]\d{1,9}|\?)")
_REFUSED_KINDS = {
    "O": "Python objects (pickled), which can run code when they are read; in Python, load it "
    "from a source you trust and save plain number arrays with numpy.savez instead",
    "V": "raw records; save one plain number array per field instead",
    "M": "dates; save them as numbers or text instead",
    "m": "time differences; save them as numbers instead",
}


@dataclass(frozen=True)
class NpyHeader:
    """What a `.npy` header says.

    Attributes:
      shape: the array's shape.
      stored_dtype: the dtype of the values in the file, in the file's byte order.
      fortran_order: whether the first axis varies fastest in the file.
      data_offset: bytes before the first value.
    """

    shape: tuple[int, ...]
    stored_dtype: np.dtype
    fortran_order: bool
    data_offset: int

    @property
    def dtype(self) -> np.dtype:
        """The dtype in this machine's byte order."""
        return self.stored_dtype.newbyteorder("=")

    @property
    def n_values(self) -> int:
        """How many values the header promises."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """How many bytes the header promises after itself."""
        return self.n_values * self.stored_dtype.itemsize


def read_npy_header(
    path: str | os.PathLike, read: Callable[[int], bytes], *, where: str = ""
) -> NpyHeader:
    """Reads and checks the header at the beginning of a `.npy` stream.

    Args:
      path: the file, for messages.
      read: returns the next n bytes (fewer at the end only).
      where: opens every message, e.g. `"key 'joints': "`.

    Raises:
      FileError: the stream is no `.npy` array, or one of objects, records or dates.
    """
    start = read(8)
    if len(start) < 8 or not start.startswith(MAGIC):
        raise FileError(path, where + _not_npy(start))
    version = tuple(start[6:8])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise FileError(
            path,
            f"{where}expected .npy version 1.0, 2.0 or 3.0, found {version[0]}.{version[1]}; "
            "save the array again with numpy.save",
        )
    size_bytes = read(2 if version == (1, 0) else 4)
    n_header = int.from_bytes(size_bytes, "little")
    if n_header > MAX_HEADER_BYTES:
        raise FileError(
            path,
            f"{where}expected a .npy header of at most {MAX_HEADER_BYTES} bytes, found one of "
            f"{n_header}; the file is damaged or holds records: save plain arrays",
        )
    text = read(n_header)
    if len(text) < n_header:
        raise FileError(path, f"{where}the file ends inside its .npy header; it is cut off")
    shape, dtype, fortran_order = _parse(path, text.decode("latin-1"), where)
    return NpyHeader(shape, dtype, fortran_order, 8 + len(size_bytes) + n_header)


def check_size(
    path: str | os.PathLike, header: NpyHeader, n_bytes: int, *, where: str = ""
) -> None:
    """Checks that `n_bytes`, the bytes after the header, are what the header promises."""
    itemsize = header.stored_dtype.itemsize
    if math.prod(max(n, 1) for n in header.shape) * max(itemsize, 4) > sys.maxsize:
        raise FileError(path, f"{where}no machine can hold the header's shape {header.shape}")
    # A text array of empty strings has no bytes, so its size proves nothing.
    if header.n_bytes == n_bytes and (itemsize or header.n_values <= 1_000_000):
        return
    n_found, rest = divmod(n_bytes, max(itemsize, 1))
    raise FileError(
        path,
        f"{where}header promises {header.n_values} values (shape {header.shape}, "
        f"{header.stored_dtype}), file holds {n_found}{f' and {rest} bytes' if rest else ''}; "
        "it is cut off or was never finished: write it again",
    )


def format_npy_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Returns a version 1.0 header whose length does not depend on the number of rows."""
    row_space = " " * (_ROW_DIGITS - len(str(shape[0]))) if shape else ""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {tuple(shape)!r}, }}"
    text += row_space
    text += " " * (-(len(MAGIC) + 4 + len(text) + 1) % 64) + "\n"
    return MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text.encode("ascii")


def decode_values(
    path: str | os.PathLike, header: NpyHeader, raw: np.ndarray, *, where: str = ""
) -> np.ndarray:
    """Views the bytes after a header as its array: C order, this machine's byte order.

    Args:
      path: the file, for messages.
      header: the header that the bytes were checked against.
      raw: uint8 `(header.n_bytes,)`, owned by the caller (it may be changed in place).
      where: opens every message.
    """
    if header.stored_dtype.itemsize == 0:
        return np.zeros(header.shape, header.dtype)
    array = raw.view(header.stored_dtype)
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(header.dtype)
    if array.dtype.kind == "U" and array.size:
        code_points = array.view(np.uint32)
        surrogates = (code_points >= 0xD800) & (code_points <= 0xDFFF)
        if code_points.max() > 0x10FFFF or surrogates.any():
            raise FileError(path, f"{where}the text holds what is no Unicode; the file is damaged")
    if header.fortran_order:
        return np.asarray(array.reshape(header.shape, order="F"), order="C")
    return array.reshape(header.shape)


def _parse(path, text: str, where: str) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Returns shape, dtype and order from the header's text, a Python dict of three entries."""
    found = {}
    end = text.rstrip(" \n")
    at = 1
    while end.startswith("{") and at < len(end) - 1:
        entry = _ENTRY.match(end, at, len(end) - 1)
        if entry is None or entry["name"] in found:
            break
        if entry["compound"] and entry["name"] == "descr":
            raise FileError(path, f"{where}it holds {_REFUSED_KINDS['V']}")
        found[entry["name"]] = entry
        at = entry.end()
    dtype_entry, order_entry, shape_entry = (
        found.get(name) for name in ("descr", "fortran_order", "shape")
    )
    dtype_text = dtype_entry and (dtype_entry["dtype"] or dtype_entry["dtype2"])
    if (
        not (dtype_text and order_entry and order_entry["flag"] and shape_entry)
        or shape_entry["shape"] is None
        or len(found) != 3
        or not (at == len(end) - 1 and end.endswith("}"))
    ):
        raise FileError(
            path,
            f"{where}expected a .npy header with 'descr', 'fortran_order' and 'shape', found "
            f"{text[:80]!r}; the file is damaged: save it again",
        )
    dtype = _parse_dtype(path, dtype_text, where)
    return _parse_shape(path, shape_entry["shape"], where), dtype, order_entry["flag"] == "True"


def _parse_dtype(path, text: str, where: str) -> np.dtype:
    kind = text.lstrip("<>|=")[:1]
    if kind in _REFUSED_KINDS:
        raise FileError(path, f"{where}it holds {_REFUSED_KINDS[kind]}")
    if _PLAIN_DTYPE.fullmatch(text):
        try:
            return np.dtype(text)
        except (TypeError, ValueError):
            pass
    raise FileError(
        path,
        f"{where}expected a dtype of numbers or text, found {text!r}; save it again",
    )


def _parse_shape(path, text: str, where: str) -> tuple[int, ...]:
    # Python 2 wrote long integers as 10L.
    parts = [part.strip().removesuffix("L") for part in text.split(",")]
    if (parts[-1] == "" and len(parts) > 1) or parts == [""]:
        parts.pop()
    if not all(re.fullmatch(r"-?\d{1,19}", part) for part in parts) or len(parts) > MAX_AXES:
        raise FileError(path, f"{where}expected a shape in the header, found ({text[:60]!r})")
    shape = tuple(int(part) for part in parts)
    if any(n < 0 for n in shape):
        raise FileError(path, f"{where}expected a shape without negative numbers, found {shape}")
    return shape


def _not_npy(start: bytes) -> str:
    if start.startswith(b"PK"):
        return "expected a .npy array, found a zip archive; if it is an .npz file, name it so"
    if start[:1] == b"\x80":
        return (
            "expected a .npy array, found a Python pickle, which can run code when it is read; "
            "save plain number arrays with numpy.savez instead"
        )
    return f"expected a .npy array (its first bytes are {MAGIC!r}), found {start!r}"
