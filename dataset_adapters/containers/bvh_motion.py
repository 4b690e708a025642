"""The second part of a BVH file: how many frames, how fast, and a row of numbers for each."""

from __future__ import annotations

import io
import os
import re
from array import array
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from dataset_adapters.containers.bvh_tokens import next_token, refuse, shown
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.text_numbers import MAX_VALUE, read_plausible_number

_HEADER = re.compile(
    rb"\s*frames\s*(?::\s*)?(\S+)\s+frame[ \t]*time\s*(?::\s*)?(\S+)", re.IGNORECASE
)


@dataclass(frozen=True)
class MotionHeader:
    """What stands between the word MOTION and the rows.

    Attributes:
      n_frames: how many rows are promised.
      frame_time: seconds per frame.
      fps: frames per second, or None where the frame time is 0. A whole number where the frame time
        is that number's inverse, rounded to the digits the file has (0.0333333 is 30 fps).
      end: where the rows begin, in bytes.
    """

    n_frames: int
    frame_time: float
    fps: float | None
    end: int


def read_motion_header(path: str | os.PathLike, data: bytes, start: int) -> MotionHeader:
    """Read `Frames:` and `Frame Time:` from a position on.

    Raises:
      FileError: one of them is absent, or no number of plausible size.
    """
    header = _HEADER.match(data, start)
    if header is None:
        refuse(path, data, start, expected="Frames: and Frame Time: after MOTION",
               found=next_token(data, start))  # fmt: skip
    count, time = header.groups()
    if not re.fullmatch(rb"\d{1,12}", count):
        refuse(path, data, header.start(1), expected="a number of frames after Frames:",
               found=count)  # fmt: skip
    seconds = read_plausible_number(time)
    if seconds is None or not (seconds == 0 or 1e-9 < seconds < 1e9):
        refuse(path, data, header.start(2), expected="seconds after Frame Time:", found=time)
    fps = None if seconds == 0 else _frame_rate(seconds, time)
    return MotionHeader(int(count), seconds, fps, header.end())


def _frame_rate(seconds: float, spelled: bytes) -> float:
    """Return frames per second, rid of the frame time's rounding."""
    half_digit = 0.5 * 10.0 ** Decimal(spelled.decode()).as_tuple().exponent
    whole = round(1 / seconds)
    is_whole = (
        whole > 0
        and abs(1 / whole - seconds) <= half_digit * (1 + 1e-9)
        and abs(whole * seconds - 1) < 2e-3
    )
    return float(whole) if is_whole else 1 / seconds


def read_motion(
    path: str | os.PathLike, data: bytes, start: int, *, n_frames: int, n_channels: int
) -> tuple[np.ndarray, int]:
    """Read the rows of numbers.

    Args:
      path: the file's name, for messages.
      data: its bytes.
      start: where the rows begin.
      n_frames: how many rows to read.
      n_channels: how many numbers each must have.

    Returns:
      `(n_frames, n_channels)`, and how many lines there are beyond the last row.

    Raises:
      FileError: a row is missing, too short or too long, or holds something else.
    """
    values = array("d")
    stream = io.BytesIO(data)
    stream.seek(start)
    read, more = 0, 0
    for number, line in enumerate(stream, start=data.count(b"\n", 0, start) + 1):
        # One piece too many is enough to see that a row is too long, whatever its length.
        row = line.split(None, n_channels)
        if not row or row[0] in (b"\x1a", b"\x00"):  # blank, or the end-of-file mark of DOS
            continue
        if read == n_frames:
            more += 1
            continue
        if len(row) != n_channels:
            found = str(len(row)) if len(row) < n_channels else "more"
            raise FileError(path, f"line {number}: expected {n_channels} numbers, one per channel, "
                                  f"found {found} (in frame {read + 1} of the {n_frames} that the "
                                  "header promises); the file is cut off or damaged")  # fmt: skip
        try:
            values.extend(map(float, row))
            is_number = b"_" not in line  # which float() takes for a thousands separator
        except ValueError:
            is_number = False
        if not is_number:
            bad = next(word for word in row if read_plausible_number(word) is None)
            raise FileError(path, f"line {number}: expected numbers, found {shown(bad)} (in frame "
                                  f"{read + 1}); the file is damaged")  # fmt: skip
        read += 1
    if read < n_frames:
        raise FileError(path, f"expected {n_frames} frames as the header promises, found {read}; "
                              "the file is cut off, or its Frames: number is wrong")  # fmt: skip
    motion = np.frombuffer(values, dtype=np.float64).reshape(n_frames, n_channels)
    _require_plausible(path, motion)
    return motion, more


def _require_plausible(path: str | os.PathLike, motion: np.ndarray) -> None:
    bad_frames = np.flatnonzero((np.abs(motion) > MAX_VALUE).any(axis=-1))
    if bad_frames.size:
        frame = int(bad_frames[0])
        worst = motion[frame][np.abs(motion[frame]) > MAX_VALUE][0]
        raise FileError(path, f"frame {frame + 1}: expected angles in degrees and positions, "
                              f"found {worst:g}; the file is damaged")  # fmt: skip
