"""`.safetensors` files: named tensors behind a JSON header of their types, shapes and places.

Source: the format's description in the README of huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import os

import numpy as np

from .errors import FileError
from .file_bytes import read_bytes

#: The type's largest header.
_MAX_HEADER_BYTES = 100_000_000
_METADATA = "__metadata__"
#: Types that are read. BF16 is the upper half of a float32.
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}


class _RepeatedKeyError(ValueError):
    pass


def read_safetensors(path: str | os.PathLike, data: bytes | None = None) -> dict[str, np.ndarray]:
    """Reads all tensors of a file.

    Args:
      path: the file; only for messages where `data` is given.
      data: its bytes, where they have been read already.

    Returns:
      Read-only arrays by name; bfloat16 becomes float32.

    Raises:
      FileError: the file is damaged, places tensors beside, over or outside of its data, or holds
        other numbers than float16, 32, 64, bfloat16 and int64.
    """
    data = read_bytes(path) if data is None else data
    if len(data) < 8:
        raise FileError(path, f"expected a safetensors file, found {len(data)} bytes only")
    length = int.from_bytes(data[:8], "little")
    if length > min(len(data) - 8, _MAX_HEADER_BYTES):
        raise FileError(
            path,
            f"expected a safetensors file, found a header of {length} bytes promised in a file of "
            f"{len(data)}; it is cut off or of another kind",
        )
    header = _header(path, data[8 : 8 + length])
    header.pop(_METADATA, None)
    body = memoryview(data)[8 + length :]
    places = {name: _place(path, name, entry) for name, entry in header.items()}
    end = 0
    for name, (_, _, begin, stop) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != end:
            raise FileError(
                path,
                f"tensor {name!r}: expected its data at byte {end}, where the one before ends, "
                f"found {begin}",
            )
        end = stop
    if end != len(body):
        raise FileError(
            path, f"expected {end} bytes of data, found {len(body)}; it is damaged or cut off"
        )
    return {name: _array(body, *place) for name, place in places.items()}


def _header(path, raw: bytes) -> dict:
    try:
        header = json.loads(raw, object_pairs_hook=_without_repeats)
    except _RepeatedKeyError as error:
        raise FileError(path, f"the header names {str(error)[:60]!a} twice") from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise FileError(path, f"expected a header of JSON, found another ({reason})") from None
    if not isinstance(header, dict):
        raise FileError(path, f"expected a JSON object as header, found {type(header).__name__}")
    return header


def _without_repeats(pairs):
    found = {}
    for name, value in pairs:
        if name in found:
            raise _RepeatedKeyError(name)
        found[name] = value
    return found


def _place(path, name: str, entry) -> tuple[str, tuple[int, ...], int, int]:
    """Returns type, shape, first byte and last byte + 1 of a tensor."""
    where = f"tensor {name[:60]!a}: "
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise FileError(path, f"{where}expected dtype, shape and data_offsets, found other facts")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise FileError(
            path,
            f"{where}expected numbers of type {', '.join(_DTYPES)}, found {str(dtype)[:20]!a}",
        )
    # The product without zeros: numpy refuses larger ones even of empty arrays.
    if not _are_sizes(shape) or len(shape) > 32 or math.prod(x or 1 for x in shape) >= 1 << 48:
        raise FileError(path, f"{where}expected a shape, found {str(shape)[:40]!a}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise FileError(path, f"{where}expected two byte positions, found {str(offsets)[:40]!a}")
    needed = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
    if offsets[1] - offsets[0] != needed:
        raise FileError(
            path,
            f"{where}expected {needed} bytes for its shape, found {offsets[1] - offsets[0]}",
        )
    return dtype, tuple(shape), *offsets


def _are_sizes(values) -> bool:
    return isinstance(values, list) and all(type(x) is int and 0 <= x < 1 << 48 for x in values)


def _array(body, dtype: str, shape: tuple[int, ...], begin: int, stop: int) -> np.ndarray:
    values = np.frombuffer(body[begin:stop], _DTYPES[dtype])
    if dtype == "BF16":
        values = from_bfloat16(values)
    return values.reshape(shape)


def from_bfloat16(values: np.ndarray) -> np.ndarray:
    """Returns float32 numbers whose upper halves are given as 16-bit integers."""
    found = (values.astype(np.uint32) << 16).view(np.float32)
    found.flags.writeable = False
    return found
