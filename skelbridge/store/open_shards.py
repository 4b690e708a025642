"""The shards that are mapped at the moment: as many as are allowed, those used last."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping

from dataset_adapters.containers.errors import FileError

from .mapped_shard import Layout, MappedShard, read_layout


class OpenShards:
    """Opens shards on demand and lets go of those not used for longest.

    Args:
      sizes: path -> bytes that the file must have.
      max_open: at most so many are mapped at a time.
    """

    def __init__(self, sizes: Mapping[str, int], max_open: int):
        self._sizes = sizes
        self._max_open = max_open
        # A layout is small, and costs more than the mapping: it is kept.
        self._layouts: dict[str, Layout] = {}
        self._opened: OrderedDict[str, MappedShard] = OrderedDict()

    def __getitem__(self, path: str) -> MappedShard:
        """Returns the shard of a path.

        Raises:
          FileError: it is missing, truncated or damaged.
        """
        shard = self._opened.get(path)
        if shard is not None:
            self._opened.move_to_end(path)
            return shard
        self._check_size(path)
        if path not in self._layouts:
            self._layouts[path] = read_layout(path)
        shard = self._opened[path] = MappedShard(path, self._layouts[path])
        while len(self._opened) > self._max_open:
            self._opened.popitem(last=False)
        return shard

    def _check_size(self, path: str) -> None:
        expected = self._sizes[path]
        try:
            found = os.path.getsize(path)
        except OSError as error:
            raise FileError.unreadable(path, error) from None
        if found != expected:
            raise FileError(
                path,
                f"expected {expected} bytes as the manifest says, found {found}; "
                "copy the store again, or delete this dataset's folder and prepare again",
            )
