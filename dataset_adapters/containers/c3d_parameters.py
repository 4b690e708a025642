"""The parameter section of a C3D file: named values in groups.

A section is a chain of records, each with the distance to the next. Words are in the byte order and
float format of one of three processors. The format: https://www.c3d.org/HTML/Documents/ (C3D file
format user guide, "The parameter section").
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import decode_text, quote

INTEL, DEC, SGI = 84, 85, 86
_MAX_AXES = 7


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
      kind: -1 text, 1 bytes, 2 integers, 4 floats.
      shape: the first axis is the fastest; that of a text is the length of one string.
      raw: the values as stored.
      processor: `INTEL`, `DEC` or `SGI`.
    """

    kind: int
    shape: tuple[int, ...]
    raw: bytes
    processor: int

    def number(self) -> float:
        """Returns the first value, integers as unsigned, or NaN where there is none."""
        size = abs(self.kind)
        if self.kind < 0 or len(self.raw) < size:
            return math.nan
        if self.kind == 4:
            return decode_float(self.raw[:4], self.processor)
        return float(int.from_bytes(self.raw[:size], byte_order(self.processor)))

    def long_integer(self) -> int | None:
        """Returns a 32-bit count that is stored as two integers, the low one first."""
        if self.kind != 2 or len(self.raw) < 4:
            return None
        order = byte_order(self.processor)
        low, high = (int.from_bytes(self.raw[at : at + 2], order) for at in (0, 2))
        return low + (high << 16)

    def texts(self) -> list[str]:
        """Returns the strings of a text parameter without their padding, none of another kind."""
        if self.kind != -1:
            return []
        length = self.shape[0] if self.shape else len(self.raw)
        starts = range(0, len(self.raw), length) if length else ()
        return [decode_text(self.raw[start : start + length]) for start in starts]


class Parameters(dict[tuple[str, str], Parameter]):
    """Parameters by group and name, both in upper case; what is absent reads as NaN or no text."""

    def number(self, group: str, name: str) -> float:
        """Returns a parameter's first value, or NaN."""
        parameter = self.get((group, name))
        return parameter.number() if parameter else math.nan

    def texts(self, group: str, name: str) -> list[str]:
        """Returns a text parameter's strings."""
        parameter = self.get((group, name))
        return parameter.texts() if parameter else []


def byte_order(processor: int) -> str:
    """Returns `"big"` or `"little"`."""
    return "big" if processor == SGI else "little"


def decode_float(raw: bytes, processor: int) -> float:
    """Decodes four bytes; a DEC float is an IEEE one with its halves swapped, times four."""
    if processor == DEC:
        return struct.unpack("<f", raw[2:] + raw[:2])[0] / 4
    return struct.unpack(">f" if processor == SGI else "<f", raw)[0]


def read_parameters(path, section: bytes, processor: int) -> Parameters:
    """Walk the records of a parameter section, its four leading bytes left out.

    Raises:
      FileError: a record does not fit between its start and the next one's.
    """
    order = byte_order(processor)
    groups: dict[int, str] = {}
    found: list[tuple[int, str, Parameter]] = []
    at = 0
    while at + 2 <= len(section) and section[at]:
        name_length, number = struct.unpack_from("bb", section, at)
        name_end = at + 2 + abs(name_length)  # negative where the record is locked
        name = decode_text(section[at + 2 : name_end]).upper()
        step = int.from_bytes(section[name_end : name_end + 2], order)
        next_at = name_end + step
        # The last record has step 0, or, as some tools write it, one out of the section.
        is_last = step == 0 or next_at >= len(section)
        if not is_last and step < 2:
            raise FileError(
                path,
                f"parameter {quote(name)} must be at least 2 bytes long, found {step}; the "
                "parameters are damaged: copy or export the file again",
            )
        if number < 0:
            groups.setdefault(-number, name)
        else:
            record = section[name_end + 2 : None if is_last else next_at]
            found.append((number, name, _read_parameter(path, name, record, processor)))
        if is_last:
            break
        at = next_at
    parameters = Parameters()
    for number, name, parameter in found:
        parameters.setdefault((groups.get(number, ""), name), parameter)
    return parameters


def _read_parameter(path, name: str, record: bytes, processor: int) -> Parameter:
    kind, n_axes = struct.unpack_from("bB", record) if len(record) >= 2 else (0, 0)
    shape = tuple(record[2 : 2 + n_axes])
    size = abs(kind) * math.prod(shape[:_MAX_AXES])
    raw = record[2 + n_axes : 2 + n_axes + size]
    if kind not in (-1, 1, 2, 4) or len(shape) < n_axes or n_axes > _MAX_AXES or len(raw) < size:
        raise FileError(
            path,
            f"parameter {quote(name)} must be of type -1, 1, 2 or 4 and end before the next one, "
            f"found type {kind} and {len(raw)} of {size} bytes; the parameters are damaged: copy "
            "or export the file again",
        )
    return Parameter(kind, shape, raw, processor)
