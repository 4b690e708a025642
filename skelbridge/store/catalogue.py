"""Which example of a store lies where: groups, their shards, and the rows that count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import quote

from .manifest import NAME
from .mapped_shard import MappedShard, damage_told
from .open_shards import OpenShards
from .own_skeletons import known_format


class Group(NamedTuple):
    """Examples of one dataset, split and skeleton format: consecutive in a store."""

    dataset: str
    split: str
    skeleton: str


class Segment(NamedTuple):
    """The examples of a group that lie in one shard.

    Attributes:
      path: of the shard.
      index_path: of the split's index, whose rows `first`, `first + 1`, ... they are.
    """

    group: Group
    path: str
    index_path: str
    first: int


class Catalogue:
    """What a manifest says of the places of examples.

    Attributes:
      groups: group -> the range of its examples, in the store's order.

    Args:
      store: the store's folder.
      manifest: what its file says.
      max_open: at most so many files are mapped at a time.

    Raises:
      FileError: the manifest lacks something.
    """

    def __init__(self, store: Path, manifest: dict[str, Any], max_open: int):
        self._store = store
        self._segments: list[Segment] = []
        self.groups: dict[Group, range] = {}
        starts = [0]
        try:
            for name, dataset in manifest["datasets"].items():
                for skeleton, joints in dataset["skeletons"].items():
                    self._check_joints(skeleton, joints)
                for split, facts in dataset["splits"].items():
                    self._read_split(name, split, facts, starts)
            self.files = _files(store, manifest)
        except FileError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise FileError(
                store / NAME, f"expected a manifest of this version: {error!r}"
            ) from None
        self._starts = np.array(starts, np.int64)
        self._firsts = np.array([segment.first for segment in self._segments], np.int64)
        order = {group: number for number, group in enumerate(self.groups)}
        self._group_numbers = np.array([order[s.group] for s in self._segments], np.int64)
        self._shards = OpenShards({os.fspath(p): size for p, size, _ in self.files}, max_open)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def locate(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns for each index (N,) the number of its segment and its row in that shard.

        Raises:
          IndexError: an index is out of range.
        """
        n = len(self)
        if len(indices) and not (-n <= indices.min() and indices.max() < n):
            raise IndexError(f"an index is out of range of a store of {n} examples")
        indices = np.where(indices < 0, indices + n, indices)
        numbers = np.searchsorted(self._starts, indices, side="right") - 1
        at = indices - self._starts[numbers] + self._firsts[numbers]
        rows = np.empty(len(indices), np.int64)
        group_numbers = self._group_numbers[numbers]
        for group_number in np.unique(group_numbers):
            chosen = group_numbers == group_number
            segment = self._segments[int(numbers[chosen.argmax()])]
            with damage_told(segment.index_path):
                kept = self._shards[segment.index_path].column("rows", segment.group.skeleton)
                rows[chosen] = kept[at[chosen]]
        return numbers, rows

    def group(self, number: int) -> Group:
        """Returns the group of a segment."""
        return self._segments[number].group

    def shard(self, number: int) -> MappedShard:
        """Returns the shard of a segment."""
        return self._shards[self._segments[number].path]

    def _read_split(self, name: str, split: str, facts: dict[str, Any], starts: list[int]) -> None:
        folder = os.path.join(self._store, name)
        index_path = os.path.join(folder, facts["index"]["file"])
        for skeleton in facts["kept"]:
            group, begin, first = Group(name, split, skeleton), starts[-1], 0
            for entry in facts["shards"]:
                n = entry["kept"].get(skeleton, 0)
                if n:
                    path = os.path.join(folder, entry["file"])
                    self._segments.append(Segment(group, path, index_path, first))
                    starts.append(starts[-1] + n)
                    first += n
            self.groups[group] = range(begin, starts[-1])

    def _check_joints(self, skeleton: str, joints: list[str]) -> None:
        known = known_format(skeleton)
        if known is None:
            raise FileError(
                self._store / NAME,
                f"skeleton {quote(skeleton)} is not built in and its definition is not stored; "
                "register it (skeleton_defs.register) or prepare again",
            )
        if list(known.joints) != joints:
            raise FileError(
                self._store / NAME,
                f"{skeleton} was stored with other joints than this version has; prepare again",
            )


def _files(store: Path, manifest: dict[str, Any]) -> list[tuple[Path, int, str]]:
    """Returns (path, bytes, sha256) of all data files that the manifest lists."""
    return [
        (store / name / entry["file"], entry["bytes"], entry["sha256"])
        for name, dataset in manifest["datasets"].items()
        for split in dataset["splits"].values()
        for entry in (*split["shards"], split["index"])
    ]
