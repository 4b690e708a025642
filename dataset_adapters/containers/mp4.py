"""The header of MP4 videos: size, number of frames and rate, without a decoder.

Source: ISO/IEC 14496-12, the boxes moov, trak, mdhd, hdlr, stsd and stts.
"""

from __future__ import annotations

import os
import struct

from .errors import FileError
from .video_header import VideoHeader

_MAX_HEADER_BYTES = 256 << 20
_MAX_BOXES = 10_000
_BOX = struct.Struct(">I4s")
#: The track's 3x3 matrix, in 16.16 and 2.30 fixed point, of a video that is shown as it is stored.
_UPRIGHT = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


def read_mp4_header(path: str | os.PathLike) -> VideoHeader | None:
    """Read the header of an MP4 file.

    Returns:
      None where the file is of another kind, damaged, in fragments or to be turned for display: ask
      a decoder then.

    Raises:
      FileError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            movie = _movie_box(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    if movie is None:
        return None
    try:
        boxes = _boxes(movie, 0, len(movie))
        if any(kind == b"mvex" for kind, _, _ in boxes):
            return None
        tracks = [_video_track(movie, at, end) for kind, at, end in boxes if kind == b"trak"]
    except struct.error:  # A box ends before its fields do.
        return None
    videos = [track for track in tracks if track is not None]
    return videos[0] if len(videos) == 1 else None


def _movie_box(descriptor: int) -> bytes | None:
    """Returns the content of the `moov` box."""
    size, at = os.fstat(descriptor).st_size, 0
    for _ in range(_MAX_BOXES):
        head = os.pread(descriptor, 16, at)
        if len(head) < 8:
            return None
        n_bytes, kind = _BOX.unpack_from(head)
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
            return os.pread(descriptor, n_bytes - n_head, at + n_head)
        if at == 0 and kind not in (b"ftyp", b"mdat", b"free", b"skip", b"wide", b"styp"):
            return None
        at += n_bytes
    return None


def _boxes(data: bytes, at: int, end: int) -> list[tuple[bytes, int, int]]:
    """Returns kind, start and end of the content of the boxes in a range."""
    found = []
    while at + 8 <= end:
        n_bytes, kind = _BOX.unpack_from(data, at)
        if n_bytes < 8 or n_bytes > end - at:
            raise struct.error("a box does not fit in the one around it")
        found.append((kind, at + 8, at + n_bytes))
        at += n_bytes
    return found


def _find(data: bytes, at: int, end: int, *kinds: bytes) -> list[tuple[int, int] | None]:
    """Returns start and end of the first box of each kind in a range."""
    found = dict.fromkeys(kinds)
    missing = len(kinds)
    while missing and at + 8 <= end:
        n_bytes, kind = _BOX.unpack_from(data, at)
        if n_bytes < 8 or n_bytes > end - at:
            raise struct.error("a box does not fit in the one around it")
        if kind in found and found[kind] is None:
            found[kind] = at + 8, at + n_bytes
            missing -= 1
        at += n_bytes
    return list(found.values())


def _video_track(data: bytes, at: int, end: int) -> VideoHeader | None:
    track, media = _find(data, at, end, b"tkhd", b"mdia")
    if track is None or media is None:
        return None
    media_head, handler, info = _find(data, *media, b"mdhd", b"hdlr", b"minf")
    if not (media_head and handler and info):
        return None
    if data[handler[0] + 8 : handler[0] + 12] != b"vide":
        return None
    (table,) = _find(data, *info, b"stbl")
    description, times = _find(data, *table, b"stsd", b"stts") if table else (None, None)
    # The matrix and the size for display end the track header.
    if not (description and times) or data[track[1] - 44 : track[1] - 8] != _UPRIGHT:
        return None
    (version,) = struct.unpack_from(">B", data, media_head[0])
    (ticks,) = struct.unpack_from(">I", data, media_head[0] + (20 if version == 1 else 12))
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
    if n_entries == 1:
        count, step = struct.unpack_from(">2I", data, at + 8)
        return count, count * step
    numbers = struct.unpack_from(f">{2 * n_entries}I", data, at + 8)
    counts, steps = numbers[::2], numbers[1::2]
    return sum(counts), sum(n * step for n, step in zip(counts, steps, strict=True))
