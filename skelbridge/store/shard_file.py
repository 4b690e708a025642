"""Writing a shard: one HDF5 file, written once, the same bytes for the same content.

/<skeleton format>/<column>     contiguous arrays with one row per example (see `columns`)
/<skeleton format>/texts/...    vocabularies of the text columns
/<skeleton format>/extras/...   whatever else the dataset says
/jpeg                           the bytes of all pictures
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dataset_adapters.examples import ExampleBlock

from ..atomic import atomic_path
from .columns import columns_of
from .options import sha256_of
from .own_skeletons import FIELD, definitions_of
from .plausibility import BoneSums
from .tally import Tally

SCHEMA = 1
_COPY_BYTES = 4 << 20
_ALIGNMENT = 64


class ShardWriter:
    """Collects the examples of one shard; `write` makes the file.

    Pictures go to an unnamed temporary file at once, annotations stay in memory.

    Args:
      target: the shard's path.
      dataset, split: of all its examples.
      tally: counts of what happens.
    """

    def __init__(self, target: Path, *, dataset: str, split: str, tally: Tally):
        self.tally = tally
        self._target = target
        self._about = {"dataset": dataset, "split": split}
        self._blocks: dict[str, list[ExampleBlock]] = {}
        self._places: dict[str, list[list[tuple[int, int]] | None]] = {}
        self._n_bytes = 0
        # Without a name it vanishes with the process, however that ends.
        self._pictures = tempfile.TemporaryFile(dir=target.parent)  # noqa: SIM115

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_error) -> None:
        self._pictures.close()

    def __len__(self) -> int:
        return sum(len(block) for blocks in self._blocks.values() for block in blocks)

    def picture(self, jpeg: bytes) -> tuple[int, int]:
        """Takes the bytes of a JPEG; returns where they will be: (start, length)."""
        self._pictures.write(jpeg)
        start, self._n_bytes = self._n_bytes, self._n_bytes + len(jpeg)
        return start, len(jpeg)

    def add(self, block: ExampleBlock, places: list[tuple[int, int]] | None) -> None:
        """Takes examples, and where their pictures are."""
        if len(block):
            self._blocks.setdefault(block.skeleton, []).append(block)
            self._places.setdefault(block.skeleton, []).append(places)

    def write(self) -> dict:
        """Writes the file and returns its entry of the manifest, with bone sums and counts."""
        import h5py

        rows, bones = {}, {}
        with atomic_path(self._target) as temporary:
            # A fixed format version and no times: the bytes depend on the content alone.
            with h5py.File(
                temporary,
                "w",
                libver=("earliest", "v110"),
                alignment_threshold=_ALIGNMENT,
                alignment_interval=_ALIGNMENT,
            ) as file:
                file.attrs["schema"] = SCHEMA
                for key, value in self._about.items():
                    file.attrs[key] = value
                for skeleton in sorted(self._blocks):
                    columns = columns_of(
                        self._blocks.pop(skeleton), self._places.pop(skeleton), self.tally
                    )
                    rows[skeleton] = len(columns["frame"])
                    if "joints3d" in columns:
                        parts = skeleton, columns["joints3d"].astype(float), columns["validity"]
                        bones[skeleton] = BoneSums.of(*parts).to_json()
                    _write_columns(file.create_group(skeleton), columns)
                self._write_pictures(file)
            entry = {"file": self._target.name, "bytes": os.path.getsize(temporary)}
            entry["sha256"] = sha256_of(temporary)
        return {
            **entry,
            "rows": rows,
            "bones": bones,
            FIELD: definitions_of(rows),
            "tally": self.tally.to_json(),
        }

    def _write_pictures(self, file) -> None:
        if not self._n_bytes:
            return
        dataset = file.create_dataset("jpeg", (self._n_bytes,), np.uint8, track_times=False)
        at = 0
        for part in _parts(self._pictures):
            dataset[at : at + len(part)] = part
            at += len(part)


def _write_columns(group, columns: dict[str, np.ndarray]) -> None:
    for name in sorted(columns):
        group.create_dataset(name, data=columns[name], track_times=False)


def _parts(file) -> Iterator[np.ndarray]:
    file.seek(0)
    while part := file.read(_COPY_BYTES):
        yield np.frombuffer(part, np.uint8)
