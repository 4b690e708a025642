"""The header of MP4 videos: size, number of frames and rate, without a decoder.

Opening a video with a decoder takes milliseconds, and adapters ask for the length of thousands.

Source: ISO/IEC 14496-12, the boxes moov, trak, mdhd, hdlr, stsd and stts.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .errors import FileError

_MAX_HEADER_BYTES = 256 << 20
_MAX_BOXES = 10_000
#: The track's 3x3 matrix, in 16.16 and 2.30 fixed point, of a video that is shown as it is stored.
_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass(frozen=True)
class VideoHeader:
    """What a video says about itself: px, frames in decoding order, frames per second (mean)."""

    width: int
    height: int
    n_frames: int
    rate: float


def read_mp4_header(path: str | os.PathLike) -> VideoHeader | None:
    """Read the header of an MP4 file.

    Returns:
      None where the file is of another kind, damaged, in fragments or to be turned for display: ask
      a decoder then.

    Raises:
      FileError: it cannot be opened.
    """
    try:
        with Path(path).open("rb") as file:
            movie = _movie_box(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    if movie is None:
        return None
    try:
        boxes = list(_boxes(movie, 0, len(movie)))
        if any(kind == b"mvex" for kind, _, _ in boxes):
            return None
        tracks = [_video_track(movie, at, end) for kind, at, end in boxes if kind == b"trak"]
    except struct.error:  # A box ends before its fields do.
        return None
    videos = [track for track in tracks if track is not None]
    return videos[0] if len(videos) == 1 else None


def _movie_box(file: BinaryIO, size: int) -> bytes | None:
    """Returns the content of the `moov` box."""
    at = 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return None
        n_bytes, kind = struct.unpack_from(">I4s", head)
        n_head = 8
        if n_bytes == 1 and len(head) == 16:
            n_bytes, n_head = struct.unpack_from(">Q", head, 8)[0], 16
        elif n_bytes == 0:
            n_bytes = size - at
        if n_bytes < n_head or n_bytes > size - at:
            return None
        if kind == b"moov":
            if n_bytes > _MAX_HEADER_BYTES:
                return None
            file.seek(at + n_head)
            return file.read(n_bytes - n_head)
        if at == 0 and kind not in (b"ftyp", b"mdat", b"free", b"skip", b"wide", b"styp"):
            return None
        at += n_bytes
    return None


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of the content of the boxes in a range."""
    while at + 8 <= end:
        n_bytes, kind = struct.unpack_from(">I4s", data, at)
        if n_bytes < 8 or n_bytes > end - at:
            raise struct.error("a box does not fit in the one around it")
        yield kind, at + 8, at + n_bytes
        at += n_bytes


def _find(data: bytes, at: int, end: int, *kinds: bytes) -> tuple[int, int] | None:
    """Returns start and end of the box of the first kind in the range, of the second in it, ..."""
    for kind in kinds:
        found = next(((a, e) for k, a, e in _boxes(data, at, end) if k == kind), None)
        if found is None:
            return None
        at, end = found
    return at, end


def _video_track(data: bytes, at: int, end: int) -> VideoHeader | None:
    handler = _find(data, at, end, b"mdia", b"hdlr")
    if handler is None or data[handler[0] + 8 : handler[0] + 12] != b"vide":
        return None
    places = [
        _find(data, at, end, *kinds)
        for kinds in (
            (b"tkhd",),
            (b"mdia", b"mdhd"),
            (b"mdia", b"minf", b"stbl", b"stsd"),
            (b"mdia", b"minf", b"stbl", b"stts"),
        )
    ]
    if None in places:
        return None
    track, media, description, times = places
    # The matrix and the size for display end the track header.
    if data[track[1] - 44 : track[1] - 8] != _UPRIGHT:
        return None
    ticks = struct.unpack_from(">I", data, media[0] + (20 if data[media[0]] == 1 else 12))[0]
    width, height = struct.unpack_from(">HH", data, description[0] + 8 + 32)
    n_frames, duration = _time_table(data, *times)
    if not (width and height and n_frames and duration):
        return None
    return VideoHeader(width, height, n_frames, ticks * n_frames / duration)


def _time_table(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Returns the number of frames and how long they take, in ticks."""
    n_entries = struct.unpack_from(">I", data, at + 4)[0]
    if n_entries > (end - at - 8) // 8:
        raise struct.error("the time table is cut off")
    numbers = struct.unpack_from(f">{2 * n_entries}I", data, at + 8)
    counts, steps = numbers[::2], numbers[1::2]
    return sum(counts), sum(n * step for n, step in zip(counts, steps, strict=True))
