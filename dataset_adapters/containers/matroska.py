"""The header of Matroska videos (.mkv, .webm): size, number of frames and rate, without a decoder.

The number of frames is stated nowhere: it is the duration times the rate, as decoders tell it.

Source: RFC 8794 (EBML) and RFC 9559 (Matroska).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from .errors import FileError
from .video_header import VideoHeader

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_INFO, _TIMESTAMP_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_TYPE, _DEFAULT_DURATION = 0x1654AE6B, 0xAE, 0x83, 0x23E383
_VIDEO, _WIDTH, _HEIGHT = 0xE0, 0xB0, 0xBA
#: What changes the picture that is shown: crops and projections.
_CHANGES = {0x54AA, 0x54BB, 0x54CC, 0x54DD, 0x7670}
_VIDEO_TRACK = 1
_MAX_HEADER_BYTES = 16 << 20
_MAX_ELEMENTS = 10_000


class _DamagedError(Exception):
    """An element does not fit where it lies."""


def read_matroska_header(path: str | os.PathLike) -> VideoHeader | None:
    """Read the header of a Matroska file.

    Returns:
      None where the file is of another kind, damaged, without a constant rate, or to be cropped or
      turned for display: ask a decoder then.

    Raises:
      FileError: it cannot be opened.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            parts = _header_parts(file)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    except _DamagedError:
        return None
    if parts is None:
        return None
    try:
        return _header(*parts)
    except (_DamagedError, OverflowError, ValueError):
        return None


def _header_parts(file: BinaryIO) -> tuple[bytes, bytes] | None:
    """Returns the contents of the elements `Info` and `Tracks`, which precede the frames."""
    found = {}
    file_bytes = os.fstat(file.fileno()).st_size
    at = 0
    for _ in range(_MAX_ELEMENTS):
        file.seek(at)
        head = file.read(12)
        kind, n_bytes, start = _element(head, 0)
        if at == 0 and kind != _EBML:
            return None
        if kind == _SEGMENT:
            at += start
            continue
        if kind == _CLUSTER or n_bytes is None or n_bytes > file_bytes - at - start:
            return None
        if kind in (_INFO, _TRACKS):
            if n_bytes > _MAX_HEADER_BYTES:
                return None
            file.seek(at + start)
            found[kind] = file.read(n_bytes)
            if len(found) == 2:
                return found[_INFO], found[_TRACKS]
        at += start + n_bytes
    return None


def _header(info: bytes, tracks: bytes) -> VideoHeader | None:
    described = dict(_elements(info))
    scale = _integer(described.get(_TIMESTAMP_SCALE, b"\x0f\x42\x40"))
    duration = scale * _real(described.get(_DURATION, b""))
    entries = [dict(_elements(track)) for kind, track in _elements(tracks) if kind == _TRACK]
    videos = [entry for entry in entries if _integer(entry.get(_TRACK_TYPE, b"")) == _VIDEO_TRACK]
    if len(videos) != 1:
        return None
    step = _integer(videos[0].get(_DEFAULT_DURATION, b""))
    video = dict(_elements(videos[0].get(_VIDEO, b"")))
    width, height = (_integer(video.get(key, b"")) for key in (_WIDTH, _HEIGHT))
    if _CHANGES & video.keys() or not (width and height and step and duration > 0):
        return None
    return VideoHeader(width, height, round(duration / step), 1e9 / step)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields kind and content of the elements in another one."""
    at = 0
    while at < len(data):
        kind, n_bytes, start = _element(data, at)
        if n_bytes is None or n_bytes > len(data) - start:
            raise _DamagedError
        yield kind, data[start : start + n_bytes]
        at = start + n_bytes


def _element(data: bytes, at: int) -> tuple[int, int | None, int]:
    """Returns kind, number of bytes (None: unknown) and start of the content of an element."""
    kind, at = _number(data, at, 4, keeps_marker=True)
    n_bytes, start = _number(data, at, 8, keeps_marker=False)
    is_unknown = n_bytes == (1 << 7 * (start - at)) - 1
    return kind, None if is_unknown else n_bytes, start


def _number(data: bytes, at: int, most: int, *, keeps_marker: bool) -> tuple[int, int]:
    """Returns a number whose leading zero bits tell its length, and where it ends."""
    length = 9 - data[at].bit_length() if at < len(data) else 9
    if length > most or at + length > len(data):
        raise _DamagedError
    value = int.from_bytes(data[at : at + length], "big")
    return value if keeps_marker else value & ((1 << 7 * length) - 1), at + length


def _integer(data: bytes) -> int:
    return int.from_bytes(data[:8], "big")


def _real(data: bytes) -> float:
    form = {4: ">f", 8: ">d"}.get(len(data))
    return struct.unpack(form, data)[0] if form else 0.0
