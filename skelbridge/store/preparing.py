"""Bringing a dataset from its owners' files into a store."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dataset_adapters.adapter import Adapter, DatasetInfo
from skeleton_defs import UserError

from .detections import DEFAULT_MIN_OVERLAP, MIN_OVERLAP, load_detections
from .filling import DatasetPlan, PrepareReport, fill_dataset
from .options import MARGIN_FACTORS, PrepareOptions, recorded_adapter_options
from .plan import sources_per_shard as usual_sources_per_shard
from .plausibility import EXEMPT
from .tasks import PrepareTask


def prepare(
    adapter: Adapter,
    root: str | os.PathLike,
    store_path: str | os.PathLike,
    *,
    split: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    images: str = "crop",
    max_box_px: int = 384,
    jpeg_quality: int = 95,
    margin: float | None = None,
    thinning: bool = True,
    plausibility: bool = True,
    boxes: str | os.PathLike | None = None,
    masks: str | os.PathLike | None = None,
    min_overlap: float | None = None,
    unmatched: str = "drop",
    limit: int | None = None,
    sources_per_shard: int | None = None,
    max_bad_files: int = 0,
    progress: bool = False,
    warn: Callable[[str], None] | None = None,
) -> PrepareReport:
    """Brings a dataset into a store; goes on where an interrupted run ended.

    The result does not depend on the number of workers, nor on interruptions. With several
    workers, a script must guard its call by `if __name__ == "__main__":`.

    Args:
      adapter: of the dataset, with its options.
      root: the dataset's folder.
      store_path: the store's folder; other datasets in it stay as they are.
      split: None for all that the dataset has.
      workers: local processes.
      scheduler: address of a Dask scheduler, instead of local processes.
      images: `crop` stores person-centred crops, `reference` leaves images where they are.
      max_box_px: the larger side of the person's box in a crop is at most this.
      jpeg_quality: of the crops.
      margin: factor on the usual margin around people; None is the dataset's.
      thinning: whether to keep only the frames that the dataset's rule keeps.
      plausibility: whether to drop training examples with impossible bones or out of their boxes.
      boxes, masks: files of your detector's boxes and segmenter's silhouettes.
      min_overlap: intersection over union from which a detection fits; None is the dataset's.
      unmatched: `drop` or `keep` people whom no detection fits.
      limit: at most so many examples per split.
      sources_per_shard: how many sources share a file; None makes at most 512 files per split.
      max_bad_files: so many unreadable files are skipped and listed in the manifest.
      progress: whether to show a bar on the terminal.
      warn: called with a line for each file that is skipped.

    Raises:
      UserError: one line that says what is wrong and what to do.
    """
    root = adapter.checked_root(root)
    _check_is_there(adapter, root, adapter.chosen_splits(split))
    name = adapter.info.name
    for what, value, least in (
        ("workers", workers, 1), ("max_bad_files", max_bad_files, 0),
        ("sources_per_shard", sources_per_shard, 1),
    ):  # fmt: skip
        if value is not None and value < least:
            raise UserError(f"{what} must be at least {least}. Received {value}")
    for path, what in ((boxes, "boxes"), (masks, "masks")):
        if path is not None:
            load_detections(path, what)
    options = PrepareOptions(
        images=images,
        max_box_px=max_box_px,
        jpeg_quality=jpeg_quality,
        margin=MARGIN_FACTORS.get(name, 1.0) if margin is None else margin,
        thinning=thinning,
        plausibility=plausibility,
        boxes=None if boxes is None else os.fspath(boxes),
        masks=None if masks is None else os.fspath(masks),
        min_overlap=MIN_OVERLAP.get(name, DEFAULT_MIN_OVERLAP)
        if min_overlap is None
        else min_overlap,
        unmatched=unmatched,
        limit=limit,
    )
    recorded = options.recorded()
    recorded["sources_per_shard"] = sources_per_shard
    recorded["adapter"] = recorded_adapter_options(adapter.options())
    plan = DatasetPlan(
        name=name,
        facts=dataset_facts(adapter.info, root=root if images == "reference" else None),
        options=recorded,
        tasks={
            chosen: functools.partial(_tasks, adapter, root, chosen, options, sources_per_shard)
            for chosen in adapter.chosen_splits(split)
        },
        limit=limit,
        drops_impossible=plausibility and name not in EXEMPT,
        max_bad_files=max_bad_files,
    )
    return fill_dataset(
        Path(store_path),
        plan,
        version=version(),
        workers=workers,
        scheduler=scheduler,
        progress=progress,
        warn=warn,
    )


def _check_is_there(adapter: Adapter, root: Path, splits: Sequence[str]) -> None:
    """Refuses a folder without the dataset: an empty store would look like success."""
    if any(True for split in splits for _ in adapter.sources(root, split)):
        return
    required = [finding for finding in adapter.check(root) if finding.item.required]
    if required and all(finding.is_missing for finding in required):
        name, item = adapter.info.name, required[0].item
        raise UserError(
            f"{root}: expected {adapter.info.title}, found none of its files, such as "
            f"{item.pattern} (skelbridge datasets show {name} tells how to arrange them)"
        )


def dataset_facts(info: DatasetInfo, *, root: Path | None = None) -> dict[str, Any]:
    """Returns what the manifest says of a dataset; `root` where images are left in place."""
    facts: dict[str, Any] = {
        name: getattr(info, name)
        for name in ("title", "kind", "homepage", "licence", "access", "paper")
    }
    facts["thinning"] = dataclasses.asdict(info.thinning)
    facts["thinning"]["splits"] = list(info.thinning.splits)
    if info.bone_limits is not None:
        facts["bone_limits"] = dataclasses.asdict(info.bone_limits)
    facts["box_expansion"] = info.box_expansion
    if root is not None:
        facts["root"] = os.path.abspath(root)
    return facts


def version() -> str:
    """Returns the installed version of this package."""
    try:
        return importlib.metadata.version("skelbridge")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _tasks(
    adapter: Adapter, root: Path, split: str, options: PrepareOptions, per_shard: int | None
) -> Sequence[PrepareTask]:
    sources = list(adapter.sources(root, split))
    n = per_shard or usual_sources_per_shard(len(sources))
    return [
        PrepareTask(adapter, root, tuple(sources[i : i + n]), options)
        for i in range(0, len(sources), n)
    ]
