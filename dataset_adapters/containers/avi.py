"""The header of AVI videos: size, number of frames and rate, without a decoder.

Source: Microsoft, AVI RIFF File Reference: the list `hdrl` with a list `strl` per stream, of which
`strh` says rate and length, and `strf` of a video is a BITMAPINFOHEADER.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from .errors import FileError
from .video_header import VideoHeader

_MAX_HEADER_BYTES = 1 << 20


def read_avi_header(path: str | os.PathLike) -> VideoHeader | None:
    """Read the header of an AVI file.

    Returns:
      None where the file is of another kind, damaged or was not finished: ask a decoder then.

    Raises:
      FileError: it cannot be opened.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(24)
            if len(head) < 24 or head[:4] != b"RIFF" or head[8:16] != b"AVI LIST":
                return None
            n_bytes = struct.unpack_from("<I", head, 16)[0] - 4
            if head[20:24] != b"hdrl" or not 0 < n_bytes <= _MAX_HEADER_BYTES:
                return None
            header = file.read(n_bytes)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    try:
        streams = [
            _video_stream(header, at + 4, end)
            for kind, at, end in _chunks(header, 0, n_bytes)
            if kind == b"LIST" and header[at : at + 4] == b"strl"
        ]
    except struct.error:  # A chunk ends before its fields do.
        return None
    videos = [stream for stream in streams if stream is not None]
    return videos[0] if len(videos) == 1 else None


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of the content of the chunks in a range."""
    while at + 8 <= end:
        kind, n_bytes = struct.unpack_from("<4sI", data, at)
        if n_bytes > min(end, len(data)) - at - 8:
            raise struct.error("a chunk does not fit in the list around it")
        yield kind, at + 8, at + 8 + n_bytes
        at += 8 + n_bytes + n_bytes % 2


def _video_stream(data: bytes, at: int, end: int) -> VideoHeader | None:
    places = {kind: start for kind, start, _ in _chunks(data, at, end)}
    if b"strh" not in places or b"strf" not in places:
        return None
    if data[places[b"strh"] : places[b"strh"] + 4] != b"vids":
        return None
    scale, rate, _, n_frames = struct.unpack_from("<4I", data, places[b"strh"] + 20)
    width, height = struct.unpack_from("<2i", data, places[b"strf"] + 4)
    if not (scale and rate and n_frames and width > 0 and height):
        return None
    return VideoHeader(width, abs(height), n_frames, rate / scale)
