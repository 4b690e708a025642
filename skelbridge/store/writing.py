"""Writing a store from examples made in memory: by a generator of synthetic people, or a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dataset_adapters.examples import ExampleBlock
from skeleton_defs import UserError

from .filling import DatasetPlan, PrepareReport, fill_dataset
from .preparing import version
from .resampling import to_jpeg
from .shard_file import ShardWriter

#: One picture per row: (height, width, 3) uint8 RGB, or the bytes of a JPEG, or None.
Pictures = Sequence[np.ndarray | bytes | None]
ROWS_PER_SHARD = 4096


class ShardSource(Protocol):
    """Makes the examples of one shard; picklable, and the same whenever it is called.

    Attributes:
      split: of all its examples.
      key: what tells it from the others (a seed, a number); stands in the plan.
    """

    split: str
    key: str

    def blocks(self) -> Iterable[tuple[ExampleBlock, Pictures | None]]:
        """Returns blocks in order, each with its rows' pictures (annotated in their pixels)."""


def write_store(
    store_path: str | os.PathLike,
    dataset: str,
    shards: Sequence[ShardSource],
    *,
    facts: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    jpeg_quality: int = 95,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = False,
) -> PrepareReport:
    """Writes a dataset of generated examples; restartable and parallel like `prepare`.

    Args:
      store_path: the store's folder; other datasets in it stay as they are.
      shards: what makes each shard, in order.
      facts: for the manifest, e.g. {"title": ..., "licence": ...}; JSON values.
      options: what decides the content; a second run must have the same.

    Raises:
      UserError: it was begun with other options.
    """
    tasks: dict[str, list[_GeneratedShard]] = {}
    for shard in shards:
        tasks.setdefault(shard.split, []).append(_GeneratedShard(shard, jpeg_quality))
    plan = DatasetPlan(
        name=dataset,
        facts={"title": dataset, "kind": "generated", **(facts or {})},
        options={**(options or {}), "images": "crop", "jpeg_quality": jpeg_quality},
        tasks={split: made.copy for split, made in tasks.items()},
    )
    return fill_dataset(
        Path(store_path),
        plan,
        version=version(),
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )


def write_blocks(
    store_path: str | os.PathLike,
    dataset: str,
    blocks: Iterable[tuple[ExampleBlock, Pictures | None]],
    *,
    rows_per_shard: int = ROWS_PER_SHARD,
    facts: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    jpeg_quality: int = 95,
) -> PrepareReport:
    """Writes blocks that are at hand; shards are cut after every `rows_per_shard` rows of a split.

    Not restartable: use `write_store` for what takes long to make.
    """
    by_split: dict[str, list] = {}
    for block, pictures in blocks:
        if pictures is not None and len(pictures) != len(block):
            raise UserError(f"{len(block)} rows need as many pictures. Received {len(pictures)}")
        by_split.setdefault(block.split, []).append((block, pictures))
    shards = [
        _Ready(split, f"{i:05d}", tuple(part))
        for split, given in sorted(by_split.items())
        for i, part in enumerate(_regrouped(given, rows_per_shard))
    ]
    return write_store(
        store_path, dataset, shards, facts=facts, options=options, jpeg_quality=jpeg_quality
    )


@dataclass(frozen=True)
class _Ready:
    """Examples in memory."""

    split: str
    key: str
    given: tuple

    def blocks(self) -> Iterable[tuple[ExampleBlock, Pictures | None]]:
        return self.given


@dataclass(frozen=True)
class _GeneratedShard:
    """The task of one shard of generated examples."""

    source: ShardSource
    jpeg_quality: int
    root: None = None

    @property
    def split(self) -> str:
        return self.source.split

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.source.key,)

    def fill(self, writer: ShardWriter) -> None:
        for block, pictures in self.source.blocks():
            writer.tally.examined += len(block)
            places = None
            if pictures is not None:
                places = [self._stored(picture, writer.picture) for picture in pictures]
            writer.add(block, places)

    def _stored(self, picture, sink: Callable[[bytes], tuple[int, int]]) -> tuple[int, int]:
        if picture is None:
            return 0, 0
        return sink(picture if isinstance(picture, bytes) else to_jpeg(picture, self.jpeg_quality))


def _regrouped(given: list, n_rows: int) -> list[list]:
    """Returns the rows in parts of `n_rows`, blocks being cut where necessary."""
    parts, part, room = [], [], n_rows
    for block, pictures in given:
        at = 0
        while at < len(block):
            rows = slice(at, at + min(room, len(block) - at))
            part.append((block.select(rows), None if pictures is None else pictures[rows]))
            room -= rows.stop - at
            at = rows.stop
            if room == 0:
                parts.append(part)
                part, room = [], n_rows
    return [*parts, part] if part else parts
