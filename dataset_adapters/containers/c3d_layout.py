"""Where the points of a C3D file lie: its header, held against its parameters and its size.

A C3D file is a sequence of 512-byte blocks: a header, the parameter section, and the frames, each
of four words per point followed by the analog samples. The format:
https://www.c3d.org/HTML/Documents/ (C3D file format user guide).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from dataset_adapters.containers.c3d_parameters import (
    DEC,
    INTEL,
    SGI,
    Parameters,
    decode_float,
    read_parameters,
)
from dataset_adapters.containers.errors import FileError

BLOCK = 512
_MAGIC = 0x50
#: The header and `POINT:FRAMES` count no further.
_MAX_COUNT = 65535
_DAMAGED = "the file is damaged: copy or export it again"


@dataclass(frozen=True)
class Layout:
    """What a reader of the points needs to know.

    Attributes:
      processor: `INTEL`, `DEC` or `SGI`: byte order and float format.
      n_points, n_frames: how many there are; the file is long enough for them.
      first_frame: the number that the file gives its first frame.
      data_offset: the first frame's first byte.
      frame_words: words per frame, analog samples included.
      word_bytes: 2 (integers, to be multiplied by the scale) or 4 (floats).
      scale: four bytes, a float in the processor's format.
      rate: frames per second, or None.
      parameters: all of them.
      notes: one-line remarks about where the file contradicts itself.
    """

    processor: int
    n_points: int
    n_frames: int
    first_frame: int
    data_offset: int
    frame_words: int
    word_bytes: int
    scale: bytes
    rate: float | None
    parameters: Parameters
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Header:
    n_points: int
    n_analog: int
    first_frame: int
    last_frame: int
    scale: bytes
    data_block: int
    analog_per_frame: int
    rate: bytes

    @classmethod
    def from_block(cls, block: bytes, processor: int) -> _Header:
        words = np.frombuffer(block, f"{'>' if processor == SGI else '<'}u2").tolist()
        return cls(*words[1:5], block[12:16], *words[8:10], block[20:24])


def read_layout(path, file: BinaryIO, size: int) -> Layout:
    """Read header and parameters from the start of a file of `size` bytes.

    Raises:
      FileError: the file is no C3D file, is cut off, or contradicts itself.
    """
    block = file.read(BLOCK)
    if not block:
        raise FileError(path, "expected a C3D file, found an empty one; copy or export it again")
    if len(block) < BLOCK or block[1] != _MAGIC:
        raise FileError(
            path,
            "expected a C3D file, a header of 512 bytes whose second is 0x50, found "
            f"{len(block)} bytes that start with 0x{block[:2].hex()}; is this a C3D file?",
        )
    section_at = (block[0] - 1) * BLOCK
    if not BLOCK <= section_at <= size - BLOCK:
        raise FileError(
            path,
            f"expected parameters in block {block[0]}, found {size // BLOCK} blocks; {_DAMAGED}",
        )
    file.seek(section_at)
    _, _, n_blocks, processor = file.read(4)
    if processor not in (INTEL, DEC, SGI):
        raise FileError(
            path, f"expected processor type 84, 85 or 86, found {processor}; {_DAMAGED}"
        )
    header = _Header.from_block(block, processor)
    # The header is to be believed: the section's own count of blocks is wrong in real files.
    data_offset = (header.data_block - 1) * BLOCK
    if not header.data_block:
        data_offset = section_at + n_blocks * BLOCK
    if not section_at < data_offset < size:
        raise FileError(
            path,
            f"expected frames from byte {data_offset} on, behind the parameters at {section_at}, "
            f"found {size} bytes in all; {_DAMAGED}",
        )
    parameters = read_parameters(path, file.read(data_offset - section_at - 4), processor)
    file.seek(max(data_offset, size - BLOCK))
    tail = file.read()
    padding = len(tail) - len(tail.rstrip(b"\0"))
    return _check(path, header, parameters, processor, data_offset, size - data_offset, padding)


def _check(
    path, header: _Header, parameters: Parameters, processor, data_offset, n_bytes, padding
) -> Layout:
    """Holds header, parameters and size against each other; `padding` bytes at the end are zero."""
    used = parameters.number("POINT", "USED")
    if used != header.n_points:
        raise FileError(
            path,
            f"POINT:USED must be the header's count of points ({header.n_points}), found {used:g}; "
            f"{_DAMAGED}",
        )
    if not header.n_points:
        raise FileError(path, "expected points, found analog channels only; there is no pose in it")
    rate = parameters.number("POINT", "RATE")
    if not 0 < rate < math.inf:
        rate = decode_float(header.rate, processor)
    _check_analog(path, header, parameters, rate)
    scale = _find_scale(path, header, parameters, processor)
    word_bytes = 4 if decode_float(scale, processor) < 0 else 2
    frame_words = 4 * header.n_points + header.n_analog
    n_frames, notes = _count_frames(
        path, header, parameters, n_bytes, padding, frame_bytes=frame_words * word_bytes
    )
    start = parameters.get(("TRIAL", "ACTUAL_START_FIELD"))
    first_frame = start.long_integer() if start else None
    return Layout(
        processor=processor,
        n_points=header.n_points,
        n_frames=n_frames,
        first_frame=header.first_frame if first_frame is None else first_frame,
        data_offset=data_offset,
        frame_words=frame_words,
        word_bytes=word_bytes,
        scale=scale,
        rate=rate if 0 < rate < math.inf else None,
        parameters=parameters,
        notes=notes,
    )


def _check_analog(path, header: _Header, parameters: Parameters, rate: float) -> None:
    """Checks the analog samples per frame: a wrong count would shift every frame but the first."""
    channels = parameters.number("ANALOG", "USED")
    ratio = parameters.number("ANALOG", "RATE") / rate if rate else math.nan
    expected = {channels * header.analog_per_frame, channels * np.round(ratio)}
    if not math.isnan(channels) and header.n_analog not in expected:
        raise FileError(
            path,
            f"expected {channels:g} analog channels with {header.analog_per_frame} samples per "
            f"frame (ANALOG:USED), found {header.n_analog} samples in the header; {_DAMAGED}",
        )


def _find_scale(path, header: _Header, parameters: Parameters, processor: int) -> bytes:
    parameter = parameters.get(("POINT", "SCALE"))
    scale = header.scale
    if parameter is not None and parameter.kind == 4 and parameter.raw:
        scale = parameter.raw[:4]
    value = decode_float(scale, processor)
    if not 0 < abs(value) < math.inf:
        raise FileError(path, f"POINT:SCALE must be finite and not 0, found {value:g}; {_DAMAGED}")
    return scale


def _count_frames(
    path, header: _Header, parameters: Parameters, n_bytes: int, padding: int, *, frame_bytes: int
) -> tuple[int, tuple[str, ...]]:
    """Returns the number of frames and notes.

    Four places may tell it, the later ones where the number outgrew the earlier; real files have
    some of them wrong. The first that the file is long enough for is taken.
    """
    bounds = [
        parameters[key].long_integer() if key in parameters else None
        for key in (("TRIAL", "ACTUAL_START_FIELD"), ("TRIAL", "ACTUAL_END_FIELD"))
    ]
    counts = {
        "POINT:LONG_FRAMES": parameters.number("POINT", "LONG_FRAMES"),
        "TRIAL:ACTUAL_END_FIELD": math.nan if None in bounds else bounds[1] - bounds[0] + 1,
        "POINT:FRAMES": parameters.number("POINT", "FRAMES"),
        "the header": header.last_frame - header.first_frame + 1,
    }
    counts = {place: int(n) for place, n in counts.items() if 0 < n < math.inf}
    room = n_bytes // frame_bytes
    fitting = [n for n in counts.values() if n <= room]
    if not fitting:
        place, n = next(iter(counts.items()), ("the header", 0))
        raise FileError(
            path,
            f"expected {n} frames of {frame_bytes} bytes ({place}), found {n_bytes} bytes; the "
            "file is cut off or damaged: copy or export it again",
        )
    in_file = -(-(n_bytes - padding) // frame_bytes)  # the last one may end with zeros
    if fitting[0] == _MAX_COUNT < in_file <= room:
        return in_file, (f"the header counts {_MAX_COUNT} frames at most; all {in_file} are read",)
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{place} {n}" for place, n in counts.items())
        return fitting[0], (f"the file contradicts itself ({told} frames); {fitting[0]} are read",)
    return fitting[0], ()
