"""Videos that claim more frames than they hold: their headers are all that adapters look at."""

from __future__ import annotations

import struct
from pathlib import Path


def lengthen_videos(root: Path, times: int) -> None:
    """Multiplies the number of frames that the headers of all videos below `root` state."""
    for path in root.rglob("*"):
        change = {".mp4": _mp4, ".avi": _avi, ".mkv": _matroska}.get(path.suffix)
        if change is not None:
            data = bytearray(path.read_bytes())
            change(data, times)
            path.write_bytes(data)


def _mp4(data: bytearray, times: int) -> None:
    """The table of times has runs of (number of frames, duration of each)."""
    at = data.find(b"stts")
    if at < 0:  # A damaged one, as datasets have them.
        return
    for entry in range(struct.unpack_from(">I", data, at + 8)[0]):
        _multiply(data, ">I", at + 12 + 8 * entry, times)


def _avi(data: bytearray, times: int) -> None:
    """The frames are counted in the main header and in that of the stream."""
    _multiply(data, "<I", data.index(b"avih") + 8 + 16, times)
    _multiply(data, "<I", data.index(b"strh") + 8 + 32, times)


def _matroska(data: bytearray, times: int) -> None:
    """The duration is a number of 8 bytes, in ms."""
    _multiply(data, ">d", data.index(b"\x44\x89\x88") + 3, times)


def _multiply(data: bytearray, kind: str, at: int, times: int) -> None:
    struct.pack_into(kind, data, at, times * struct.unpack_from(kind, data, at)[0])
