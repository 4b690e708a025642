"""One shard's work: reads sources of an adapter, or whatever else makes examples, and writes it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dataset_adapters.adapter import Adapter, Source
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

from .cropping import cropped
from .manifest import read_json, write_json
from .options import PrepareOptions
from .selection import select
from .shard_file import ShardWriter
from .tally import Tally

PROGRESS = "unfinished"
_ONE_AT_A_TIME = threading.Lock()


class ShardTask(Protocol):
    """What fills one shard. It is sent to worker processes, so it must be picklable.

    Attributes:
      split: of all its examples.
      keys: what it is made from, as the plan states it.
      root: folder that bad files are named relative to, or None.
    """

    split: str
    keys: tuple[str, ...]
    root: Path | None

    def fill(self, writer: ShardWriter) -> None:
        """Adds the examples, in an order that depends on nothing but the task."""


@dataclass(frozen=True)
class PrepareTask:
    """Some sources of an adapter, thinned, filtered and cut out of their images."""

    adapter: Adapter
    root: Path
    sources: tuple[Source, ...]
    options: PrepareOptions

    @property
    def split(self) -> str:
        """The split of all its sources."""
        return self.sources[0].split

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its sources."""
        return tuple(source.key for source in self.sources)

    def fill(self, writer: ShardWriter) -> None:
        """Adds the examples of the sources, in their order."""
        for source in self.sources:
            limit = self.options.limit
            if limit is not None and len(writer) >= limit:
                return
            counted = Tally(self.root, writer.tally.max_bad_files)
            try:
                blocks = self.adapter.read(self.root, source)
                selected = select(blocks, self.adapter.info, self.options, counted)
            except FileError as error:
                writer.tally.bad_file(error)
                continue
            writer.tally.add(counted)
            self._store(selected, writer)

    def _store(self, blocks: list, writer: ShardWriter) -> None:
        limit = self.options.limit
        room = None if limit is None else limit - len(writer)
        for part in _pieces(blocks, room):
            with_images = [b for b in part if b.images is not None]
            if self.options.images == "crop" and with_images:
                made = cropped(with_images, self.root, self.options, writer.tally, writer.picture)
                for block, places in made:
                    writer.add(block, places)
                part = [b for b in part if b.images is None]
            for block in part:
                writer.add(block, None)
            if limit is not None and len(writer) >= limit:
                return


def _pieces(blocks: list, room: int | None) -> Iterator[list]:
    """Yields the rows in pieces of at most `room`, so that few pictures are cut in vain."""
    if room is None:
        yield blocks
        return
    piece, n = [], 0
    for block in blocks:
        at = 0
        while at < len(block):
            take = min(room - n, len(block) - at)
            piece.append(block.select(slice(at, at + take)))
            at, n = at + take, n + take
            if n == room:
                yield piece
                piece, n = [], 0
    if piece:
        yield piece


def make_shard(task: ShardTask, target: Path, dataset: str, max_bad_files: int) -> dict[str, Any]:
    """Writes a shard and a note beside it that it is finished; returns the note.

    Raises:
      TooManyBadFilesError: more files than allowed cannot be read.
    """
    # A Dask worker may call this from several threads; adapters and OpenCV's settings are shared.
    with _ONE_AT_A_TIME, _one_opencv_thread():
        tally = Tally(task.root, max_bad_files)
        with ShardWriter(target, dataset=dataset, split=task.split, tally=tally) as writer:
            task.fill(writer)
            summary = writer.write()
    write_json(progress_path(target), summary)
    return summary


def try_shard(
    task: ShardTask, target: Path, dataset: str, max_bad_files: int
) -> dict[str, Any] | UserError:
    """Returns what `make_shard` returns, or the error that it raises.

    A worker that runs ahead may fail on what is not needed in the end: others decide that.
    """
    try:
        return make_shard(task, target, dataset, max_bad_files)
    except UserError as error:
        return error


def progress_path(target: Path) -> Path:
    """Returns where it is noted that a shard is finished."""
    return target.parent / PROGRESS / f"{target.stem}.json"


def finished_summary(target: Path) -> dict[str, Any] | None:
    """Returns the note of a finished shard; None where it must be made (again).

    Shards that left out bad files are made again: the files may have been mended.
    """
    try:
        size = target.stat().st_size
        summary = read_json(progress_path(target))
        done = summary["bytes"] == size and not summary["tally"]["bad_files"]
    except (OSError, FileError, KeyError, TypeError):
        return None
    return summary if done else None


@contextlib.contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Workers share the cores by being several; within one, more threads would be in the way."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
