"""The last step of a split: which rows of its shards are examples of the store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_path
from .mapped_shard import MappedShard, read_layout
from .options import sha256_of
from .plausibility import BoneSums, bone_lengths, plausible
from .tally import Tally

IMPOSSIBLE = "impossible bone"
BEYOND_LIMIT = "beyond the limit"
_ROWS_AT_ONCE = 1 << 15


def summed_bones(summaries: Sequence[dict]) -> dict[str, BoneSums]:
    """Returns the bone sums per skeleton format of shards, added in their order."""
    sums: dict[str, BoneSums] = {}
    for summary in summaries:
        for skeleton, tree in summary["bones"].items():
            part = BoneSums.from_json(tree)
            sums[skeleton] = sums[skeleton] + part if skeleton in sums else part
    return sums


def finish_split(
    folder: Path,
    split: str,
    summaries: Sequence[dict],
    *,
    limit: int | None,
    mean_bones: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Writes the index of a split and returns its entry of the manifest.

    The index holds for each skeleton format the row numbers that count, shard after shard.

    Args:
      summaries: of all shards, in order.
      limit: at most so many examples.
      mean_bones: skeleton format -> (bones,) mm; rows with impossible bones go.
    """
    tally = Tally()
    shards, rows = [], {}
    left = limit
    for summary in summaries:
        tally.add(Tally.from_json(summary["tally"]))
        kept = {}
        for skeleton, n in summary["rows"].items():
            chosen = np.arange(n, dtype=np.uint32)
            if left is not None:
                tally.drop(BEYOND_LIMIT, max(0, n - left))
                chosen = chosen[:left]
                left -= len(chosen)
            if skeleton in mean_bones:
                good = _possible(folder / summary["file"], skeleton, mean_bones[skeleton])
                tally.drop(IMPOSSIBLE, int((~good[chosen]).sum()))
                chosen = chosen[good[chosen]]
            rows.setdefault(skeleton, []).append(chosen)
            kept[skeleton] = len(chosen)
        entry = {key: summary[key] for key in ("file", "bytes", "sha256", "rows")}
        shards.append({**entry, "kept": kept})
    joined = {skeleton: np.concatenate(parts) for skeleton, parts in sorted(rows.items())}
    joined = {skeleton: chosen for skeleton, chosen in joined.items() if len(chosen)}
    return {
        "kept": {skeleton: len(chosen) for skeleton, chosen in joined.items()},
        **tally.to_json(),
        "index": _write_index(folder / f"{split}-index.h5", joined),
        "shards": shards,
    }


def _possible(path: Path, skeleton: str, mean: np.ndarray) -> np.ndarray:
    shard = MappedShard(path, read_layout(path))
    joints, validity = shard.column(skeleton, "joints3d"), shard.column(skeleton, "validity")
    good = np.ones(len(validity), bool)
    if joints is not None:
        for at in range(0, len(good), _ROWS_AT_ONCE):
            rows = slice(at, at + _ROWS_AT_ONCE)
            lengths = bone_lengths(skeleton, joints[rows].astype(float), validity[rows])
            good[rows] = plausible(lengths, mean)
    return good


def _write_index(path: Path, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
    import h5py

    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", libver=("earliest", "v110")) as file:
            group = file.create_group("rows")
            for skeleton, chosen in rows.items():
                group.create_dataset(skeleton, data=chosen, track_times=False)
        return {
            "file": path.name,
            "bytes": os.path.getsize(temporary),
            "sha256": sha256_of(temporary),
        }
