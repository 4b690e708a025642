"""BVH motion capture files: a hierarchy of joints, then one row of channel values per frame.

The format: https://research.cs.wisc.edu/graphics/Courses/cs-838-1999/Jeff/BVH.html
"""

from __future__ import annotations

import io
import os
import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.kinematics import (
    accumulate_rotations,
    accumulate_steps,
    euler_rotations,
    frame_chunks,
    positions_fit,
    rotate,
)

MAX_JOINTS = 20_000
#: Beyond this a number is damage, and sums of such could overflow.
MAX_VALUE = 1e12

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}"
             for axis in "XYZ" for kind in ("position", "rotation")}  # fmt: skip
_TOKEN = re.compile(rb"[{}]|[^\s{}]+")
_NAME = re.compile(rb"[^\r\n{]*")
_MOTION_HEADER = re.compile(
    rb"\s*frames\s*(?::\s*)?(\S+)\s+frame[ \t]*time\s*(?::\s*)?(\S+)", re.IGNORECASE
)


@dataclass(frozen=True, eq=False)
class Bvh:
    """One BVH file.

    Attributes:
      joint_names: the `J` joints in file order, end sites among them as `<Joint>_End`. A name that
        comes a second time has `#2` appended.
      parents: index of each joint's parent (always a smaller one), -1 for a root.
      offsets: `(J, 3)` rest position relative to the parent, in the parent's axes; file units.
      channels: per joint its channels in file order, such as `("Zrotation", "Xrotation")`.
      end_sites: per joint whether it is an end site: the point where a chain ends.
      motion: `(T, C)` channel values, joint after joint; degrees and file units.
      frame_time: seconds per frame.
      fps: frames per second, or None where the frame time is 0. A whole number where the frame time
        is that number's inverse, rounded to the digits the file has (0.0333333 is 30 fps).
      displaced: whether position channels of joints below the root are displacements from their
        OFFSET; as a rule they replace it. See `_positions_are_displacements`.
      notes: one-line remarks on what is odd about the file.
    """

    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    end_sites: tuple[bool, ...]
    motion: np.ndarray
    frame_time: float
    fps: float | None
    displaced: bool = False
    notes: tuple[str, ...] = ()

    def positions(self) -> np.ndarray:
        """Compute `(T, J, 3)` world positions of all joints and end sites, in file units."""
        first_columns = np.cumsum([0, *map(len, self.channels)])
        result = np.empty((len(self.motion), len(self.parents), 3))
        for frames in frame_chunks(len(self.motion), len(self.parents)):
            result[frames] = self._positions_of(self.motion[frames], first_columns)
        return result

    def _positions_of(self, motion: np.ndarray, first_columns: np.ndarray) -> np.ndarray:
        shape = (len(motion), len(self.parents))
        steps = np.broadcast_to(self.offsets, (*shape, 3)).copy()
        rotations = np.broadcast_to(np.eye(3), (*shape, 3, 3)).copy()
        for joint, channels in enumerate(self.channels):
            turns = [k for k, channel in enumerate(channels) if channel.endswith("rotation")]
            values = motion[:, first_columns[joint] : first_columns[joint] + len(channels)]
            if turns:
                axes = "".join(channels[k][0] for k in turns)
                rotations[:, joint] = euler_rotations(np.radians(values[:, turns]), axes)
            for k in set(range(len(channels))) - set(turns):
                axis = "XYZ".index(channels[k][0])
                if self.displaced and self.parents[joint] >= 0:
                    steps[:, joint, axis] += values[:, k]
                else:
                    steps[:, joint, axis] = values[:, k]
        rotations = accumulate_rotations(self.parents, rotations)
        children = np.flatnonzero(np.array(self.parents) >= 0)
        parents = np.array(self.parents)[children]
        steps[:, children] = rotate(rotations[:, parents], steps[:, children])
        return accumulate_steps(self.parents, steps)


def parse_bvh(path: str | os.PathLike, data: bytes) -> Bvh:
    """Parse a BVH file.

    Any Euler order, order and number of channels per joint is read; several ROOTs make one forest.

    Args:
      path: the file's name, for messages.
      data: its bytes.

    Raises:
      FileError: the file is not a complete BVH.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    hierarchy = _HierarchyParser(path, data)
    hierarchy.parse()
    names, notes = _unique_names(hierarchy.names)
    channels = tuple(map(tuple, hierarchy.channels))
    offsets = np.array(hierarchy.offsets, dtype=np.float64).reshape(-1, 3)

    at = hierarchy.position
    header = _MOTION_HEADER.match(data, at)
    if header is None:
        _fail(path, data, at, "Frames: and Frame Time: after MOTION", _next_token(data, at))
    n_frames = _frame_count(path, data, header)
    frame_time, fps = _frame_time(path, data, header)
    n_channels = sum(map(len, channels))
    if n_frames and not n_channels:
        raise FileError(path, f"expected channels for {n_frames} frames, found CHANNELS on no "
                              "joint; a motion needs at least a root that moves")  # fmt: skip
    # A number takes two bytes at least: a header that lies about its frames is told so below.
    most_frames = (len(data) - header.end()) // (2 * n_channels) + 1 if n_channels else 0
    if not positions_fit(min(n_frames, most_frames), len(names), file_bytes=len(data)):
        raise FileError(path, f"expected a clip in proportion to its file ({len(data)} bytes), "
                              f"found {n_frames} frames of {len(names)} joints; cut the clip or "
                              "leave out joints without channels")  # fmt: skip
    motion, more = _motion(path, data, header.end(), n_frames=n_frames, n_channels=n_channels)
    if more:
        notes += (f"the header promises {n_frames} frames; {more} more lines after them "
                  "were left out",)  # fmt: skip
    if fps is None:
        notes += ("Frame Time is 0: the frame rate is not known",)
    displaced = _positions_are_displacements(hierarchy.parents, offsets, channels, motion)
    if displaced:
        notes += ("position channels below the root were read as displacements from the OFFSET, "
                  "because they stay near 0",)  # fmt: skip
    return Bvh(
        joint_names=names,
        parents=tuple(hierarchy.parents),
        offsets=offsets,
        channels=channels,
        end_sites=tuple(hierarchy.end_sites),
        motion=motion,
        frame_time=frame_time,
        fps=fps,
        displaced=displaced,
        notes=notes,
    )


class _HierarchyParser:
    """Reads the text up to and including the word MOTION, iteratively: nesting has no limit."""

    def __init__(self, path: str | os.PathLike, data: bytes):
        self.path, self.data = path, data
        self.position = 0  # where the next token is looked for
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float] | None] = []
        self.channels: list[list[str]] = []
        self.end_sites: list[bool] = []
        self._open: list[int] = []  # the joints whose braces are open

    def parse(self) -> None:
        start = self._token()
        if start.lower() != b"hierarchy":
            self._fail("a BVH file, which starts with HIERARCHY", start)
        statements: dict[bytes, Callable[[], None]] = {
            b"root": self._root,
            b"joint": self._joint,
            b"end": self._end_site,
            b"offset": self._offset,
            b"channels": self._channels,
            b"}": self._close,
        }
        while (token := self._token()).lower() != b"motion" or self._open:
            statement = statements.get(token.lower())
            if statement is None:
                inside = f"in {self._current()}" if self._open else "outside of any joint"
                self._fail(f"JOINT, End Site, OFFSET, CHANNELS or }} {inside}"
                           if self._open else "ROOT or MOTION", token)  # fmt: skip
            statement()
        if not self.names:
            self._fail("ROOT before MOTION", token)

    def _root(self) -> None:
        if self._open:
            self._fail(f"JOINT or }} in {self._current()}", b"ROOT")
        self._begin(self._name("ROOT"), parent=-1)

    def _joint(self) -> None:
        if not self._open or self.end_sites[self._open[-1]]:
            self._fail("JOINT inside of a ROOT or JOINT", b"JOINT")
        self._begin(self._name("JOINT"), parent=self._open[-1])

    def _end_site(self) -> None:
        if not self._open or self.end_sites[self._open[-1]]:
            self._fail("End Site inside of a ROOT or JOINT", b"End")
        self._name("End Site")
        parent = self._open[-1]
        self._begin(f"{self.names[parent]}_End", parent=parent, is_end_site=True)

    def _begin(self, name: str, *, parent: int, is_end_site: bool = False) -> None:
        brace = self._token()
        if brace != b"{":
            self._fail(f"{{ after {name!a}", brace)
        if len(self.names) == MAX_JOINTS:
            self._fail(f"at most {MAX_JOINTS} joints", name.encode())
        self._open.append(len(self.names))
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append(None)
        self.channels.append([])
        self.end_sites.append(is_end_site)

    def _offset(self) -> None:
        if not self._open:
            self._fail("ROOT or MOTION", b"OFFSET")
        offset = []
        for _ in range(3):
            token = self._token()
            value = _number(token)
            if value is None or value != value:
                self._fail(f"3 numbers as OFFSET of {self._current()}", token)
            offset.append(value)
        self.offsets[self._open[-1]] = offset

    def _channels(self) -> None:
        if not self._open:
            self._fail("ROOT or MOTION", b"CHANNELS")
        count = self._token()
        if not re.fullmatch(rb"\d{1,6}", count):
            self._fail(f"a number of CHANNELS of {self._current()}", count)
        channels = []
        for _ in range(int(count)):
            token = self._token()
            channel = _CHANNELS.get(token.decode("latin-1").lower())
            if channel is None or (channel.endswith("position") and channel in channels):
                self._fail(f"{int(count)} of Xposition, ..., Zrotation as CHANNELS of "
                           f"{self._current()}, each position once", token)  # fmt: skip
            channels.append(channel)
        if self.end_sites[self._open[-1]] and channels:
            self._fail("End Site without channels", channels[0].encode())
        self.channels[self._open[-1]] = channels

    def _close(self) -> None:
        if not self._open:
            self._fail("ROOT or MOTION", b"}")
        if self.offsets[self._open[-1]] is None:
            self._fail(f"OFFSET in {self._current()}", b"}")
        self._open.pop()

    def _current(self) -> str:
        return ascii(self.names[self._open[-1]])

    def _name(self, keyword: str) -> str:
        match = _NAME.match(self.data, self.position)
        self.position = match.end()
        words = match.group().split()
        if not words:
            self._fail(f"a name after {keyword}", _next_token(self.data, self.position))
        name = b" ".join(words)
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError:
            return name.decode("latin-1")

    def _token(self) -> bytes:
        match = _TOKEN.search(self.data, self.position)
        if match is None:
            missing = f"{len(self._open)} closing }} and MOTION" if self._open else "MOTION"
            _fail(self.path, self.data, len(self.data), f"HIERARCHY, then {missing}", b"")
        self.position = match.end()
        return match.group()

    def _fail(self, expected: str, found: bytes) -> NoReturn:
        _fail(self.path, self.data, self.position, expected, found)


def _motion(
    path: str | os.PathLike, data: bytes, start: int, *, n_frames: int, n_channels: int
) -> tuple[np.ndarray, int]:
    """Read the rows of numbers; also tell how many lines there are beyond the promised frames."""
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
            bad = next(word for word in row if _number(word) is None)
            raise FileError(path, f"line {number}: expected numbers, found {_shown(bad)} (in frame "
                                  f"{read + 1}); the file is damaged")  # fmt: skip
        read += 1
    if read < n_frames:
        raise FileError(path, f"expected {n_frames} frames as the header promises, found {read}; "
                              "the file is cut off, or its Frames: number is wrong")  # fmt: skip
    motion = np.frombuffer(values, dtype=np.float64).reshape(n_frames, n_channels)
    bad_frames = np.flatnonzero((np.abs(motion) > MAX_VALUE).any(axis=-1))
    if bad_frames.size:
        frame = int(bad_frames[0])
        worst = motion[frame][np.abs(motion[frame]) > MAX_VALUE][0]
        raise FileError(path, f"frame {frame + 1}: expected angles in degrees and positions, "
                              f"found {worst:g}; the file is damaged")  # fmt: skip
    return motion, more


def _positions_are_displacements(
    parents: list[int],
    offsets: np.ndarray,
    channels: tuple[tuple[str, ...], ...],
    motion: np.ndarray,
) -> bool:
    """Tell whether joints' position channels are relative to their OFFSET.

    Joints below the root have position channels in the files of a few programs. In most, the
    position replaces the OFFSET (and stays near it: bones keep their length); some older exporters
    wrote displacements (which stay near 0), and read as positions those would fold the body into a
    point. The majority of such joints decides, by which of the two their positions are nearer.
    """
    if not len(motion):
        return False
    votes, column = 0, 0
    for joint, names in enumerate(channels):
        columns = [names.index(c) for c in ("Xposition", "Yposition", "Zposition") if c in names]
        if parents[joint] >= 0 and len(columns) == 3:
            position = motion[:, np.array(columns) + column]
            from_zero = np.median(np.linalg.norm(position, axis=-1))
            from_offset = np.median(np.linalg.norm(position - offsets[joint], axis=-1))
            votes += int(from_zero < from_offset) - int(from_offset < from_zero)
        column += len(names)
    return votes > 0


def _frame_count(path: str | os.PathLike, data: bytes, header: re.Match) -> int:
    text = header.group(1)
    if not re.fullmatch(rb"\d{1,12}", text):
        _fail(path, data, header.start(1), "a number of frames after Frames:", text)
    return int(text)


def _frame_time(
    path: str | os.PathLike, data: bytes, header: re.Match
) -> tuple[float, float | None]:
    """Return seconds per frame, and frames per second rid of the frame time's rounding."""
    text = header.group(2)
    seconds = _number(text)
    if seconds is None or not (seconds == 0 or 1e-9 < seconds < 1e9):
        _fail(path, data, header.start(2), "seconds after Frame Time:", text)
    if seconds == 0:
        return 0.0, None
    half_digit = 0.5 * 10.0 ** Decimal(text.decode()).as_tuple().exponent
    whole = round(1 / seconds)
    is_whole = (
        whole > 0
        and abs(1 / whole - seconds) <= half_digit * (1 + 1e-9)
        and abs(whole * seconds - 1) < 2e-3
    )
    return seconds, float(whole) if is_whole else 1 / seconds


def _unique_names(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    seen: dict[str, int] = {}
    taken = set(names)
    unique, repeated = [], []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            repeated.append(name)
            while f"{name}#{seen[name]}" in taken:
                seen[name] += 1
            taken.add(f"{name}#{seen[name]}")
            name = f"{name}#{seen[name]}"
        unique.append(name)
    if not repeated:
        return tuple(unique), ()
    return tuple(unique), (f"joint names come more than once ({repeated[0]!a}, {len(repeated)} "
                           "repeats); repeats have #2, #3, ... appended",)  # fmt: skip


def _number(token: bytes) -> float | None:
    """Read a number; NaN, the mark of missing values, is one, and infinity is not."""
    try:
        value = float(token)
    except ValueError:
        return None
    return None if abs(value) > MAX_VALUE or b"_" in token else value


def _next_token(data: bytes, position: int) -> bytes:
    match = _TOKEN.search(data, position)
    return match.group() if match else b""


def _fail(
    path: str | os.PathLike, data: bytes, position: int, expected: str, found: bytes
) -> NoReturn:
    line = data.count(b"\n", 0, position) + 1
    what = _shown(found) if found else "the end of the file"
    raise FileError(path, f"line {line}: expected {expected}, found {what}; "
                          "is it a complete BVH file?")  # fmt: skip


def _shown(found: bytes) -> str:
    text = found[:40].decode("latin-1")
    return ascii(text + ("..." if len(found) > 40 else ""))
