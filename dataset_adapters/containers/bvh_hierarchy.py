"""The first part of a BVH file: joints within joints, each with an offset and channels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from dataset_adapters.containers.bvh_tokens import TOKEN, next_token, refuse
from dataset_adapters.containers.file_text import decode
from dataset_adapters.containers.text_numbers import read_plausible_number

MAX_JOINTS = 20_000

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}"
             for axis in "XYZ" for kind in ("position", "rotation")}  # fmt: skip
_NAME = re.compile(rb"[^\r\n{]*")


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The joints of a BVH file.

    Attributes:
      names: the `J` joints in file order, end sites among them as `<Joint>_End`; they may repeat.
      parents: index of each joint's parent (always a smaller one), -1 for a root.
      offsets: `(J, 3)` rest position relative to the parent, in the parent's axes; file units.
      channels: per joint its channels in file order, such as `("Zrotation", "Xrotation")`.
      end_sites: per joint whether it is an end site.
      end: where the text goes on behind the word MOTION, in bytes.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    end_sites: tuple[bool, ...]
    end: int


def read_hierarchy(path: str | os.PathLike, data: bytes) -> Hierarchy:
    """Read a BVH file up to and including the word MOTION.

    Raises:
      FileError: naming the line and the joint at fault.
    """
    return _Parser(path, data).parse()


class _Parser:
    """Reads joint by joint, iteratively: nesting has no limit."""

    def __init__(self, path: str | os.PathLike, data: bytes):
        self.path, self.data = path, data
        self.position = 0  # where the next token is looked for
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float] | None] = []
        self.channels: list[list[str]] = []
        self.end_sites: list[bool] = []
        self._open: list[int] = []  # the joints whose braces are open

    def parse(self) -> Hierarchy:
        start = self._token()
        if start.lower() != b"hierarchy":
            self._refuse("a BVH file, which starts with HIERARCHY", start)
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
                self._refuse(f"JOINT, End Site, OFFSET, CHANNELS or }} in {self._current()}"
                             if self._open else "ROOT or MOTION", token)  # fmt: skip
            statement()
        if not self.names:
            self._refuse("ROOT before MOTION", token)
        return Hierarchy(
            names=tuple(self.names),
            parents=tuple(self.parents),
            offsets=np.array(self.offsets, dtype=np.float64).reshape(-1, 3),
            channels=tuple(map(tuple, self.channels)),
            end_sites=tuple(self.end_sites),
            end=self.position,
        )

    def _root(self) -> None:
        if self._open:
            self._refuse(f"JOINT or }} in {self._current()}", b"ROOT")
        self._begin(self._name("ROOT"), parent=-1)

    def _joint(self) -> None:
        if not self._open or self.end_sites[self._open[-1]]:
            self._refuse("JOINT inside of a ROOT or JOINT", b"JOINT")
        self._begin(self._name("JOINT"), parent=self._open[-1])

    def _end_site(self) -> None:
        if not self._open or self.end_sites[self._open[-1]]:
            self._refuse("End Site inside of a ROOT or JOINT", b"End")
        self._name("End Site")
        parent = self._open[-1]
        self._begin(f"{self.names[parent]}_End", parent=parent, is_end_site=True)

    def _begin(self, name: str, *, parent: int, is_end_site: bool = False) -> None:
        brace = self._token()
        if brace != b"{":
            self._refuse(f"{{ after {name!a}", brace)
        if len(self.names) == MAX_JOINTS:
            self._refuse(f"at most {MAX_JOINTS} joints", name.encode())
        self._open.append(len(self.names))
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append(None)
        self.channels.append([])
        self.end_sites.append(is_end_site)

    def _offset(self) -> None:
        if not self._open:
            self._refuse("ROOT or MOTION", b"OFFSET")
        offset = []
        for _ in range(3):
            token = self._token()
            value = read_plausible_number(token)
            if value is None or value != value:
                self._refuse(f"3 numbers as OFFSET of {self._current()}", token)
            offset.append(value)
        self.offsets[self._open[-1]] = offset

    def _channels(self) -> None:
        if not self._open:
            self._refuse("ROOT or MOTION", b"CHANNELS")
        count = self._token()
        if not re.fullmatch(rb"\d{1,6}", count):
            self._refuse(f"a number of CHANNELS of {self._current()}", count)
        channels = []
        for _ in range(int(count)):
            token = self._token()
            channel = _CHANNELS.get(token.decode("latin-1").lower())
            if channel is None or (channel.endswith("position") and channel in channels):
                self._refuse(f"{int(count)} of Xposition, ..., Zrotation as CHANNELS of "
                             f"{self._current()}, each position once", token)  # fmt: skip
            channels.append(channel)
        if self.end_sites[self._open[-1]] and channels:
            self._refuse("End Site without channels", channels[0].encode())
        self.channels[self._open[-1]] = channels

    def _close(self) -> None:
        if not self._open:
            self._refuse("ROOT or MOTION", b"}")
        if self.offsets[self._open[-1]] is None:
            self._refuse(f"OFFSET in {self._current()}", b"}")
        self._open.pop()

    def _current(self) -> str:
        return ascii(self.names[self._open[-1]])

    def _name(self, keyword: str) -> str:
        match = _NAME.match(self.data, self.position)
        self.position = match.end()
        words = match.group().split()
        if not words:
            self._refuse(f"a name after {keyword}", next_token(self.data, self.position))
        return decode(b" ".join(words))

    def _token(self) -> bytes:
        match = TOKEN.search(self.data, self.position)
        if match is None:
            self.position = len(self.data)
            missing = f"{len(self._open)} closing }} and MOTION" if self._open else "MOTION"
            self._refuse(f"HIERARCHY, then {missing}", b"")
        self.position = match.end()
        return match.group()

    def _refuse(self, expected: str, found: bytes) -> NoReturn:
        refuse(self.path, self.data, self.position, expected=expected, found=found)
