"""Filling one dataset of a store: plan, shards, index, manifest; restartable at any moment."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .known import known_dataset, register_known
from .leftovers import nothing_left_of_nothing, remove_leftovers, remove_temporary
from .manifest import locked, written_to
from .plan import DatasetPlan, check_same_options, plan_path
from .progress import Progress
from .tasks import PROGRESS
from .unfinished import UnfinishedSplits


@dataclass(frozen=True)
class PrepareReport:
    """What a run did.

    Attributes:
      dataset: its name.
      splits: split -> its entry in the manifest.
      was_finished: nothing had to be done.
      seconds: that it took.
      new_shards: files that this run wrote; the others were there.
    """

    dataset: str
    splits: Mapping[str, Mapping[str, Any]]
    was_finished: bool = False
    seconds: float = 0.0
    new_shards: int = 0

    @property
    def n_examples(self) -> int:
        """Examples in the store, of these splits."""
        return sum(n for split in self.splits.values() for n in split["kept"].values())


def fill_dataset(
    store: Path,
    plan: DatasetPlan,
    *,
    version: str,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool = False,
    warn: Callable[[str], None] | None = None,
) -> PrepareReport:
    """Brings a dataset into a store, or goes on where an earlier run ended.

    Raises:
      UserError: it was begun with other options, is being filled by another process, cannot be
        written, or too many files cannot be read.
    """
    start = time.monotonic()
    folder = store / plan.name
    with contextlib.ExitStack() as held:
        held.enter_context(written_to(store))
        folder.mkdir(parents=True, exist_ok=True)
        held.enter_context(locked(folder, "is being prepared"))
        new = [split for split in plan.tasks if not plan_path(folder, split).exists()]
        held.enter_context(nothing_left_of_nothing(store, folder, new))
        register_known(store, plan.name)
        known = known_dataset(store, plan.name)
        if known is not None:
            check_same_options(folder, known["options"], dict(plan.options))
        missing = [s for s in plan.tasks if known is None or s not in known["splits"]]
        if missing:
            remove_leftovers(folder, keep_progress=True)
            with locked(store, "is being changed", wait=True):
                remove_temporary(store)
        elif (folder / PROGRESS).exists():
            remove_leftovers(folder, keep_progress=False)
        new_shards = 0
        if missing:
            tasks = {split: list(plan.tasks[split]()) for split in missing}
            work = UnfinishedSplits(folder, plan, tasks, version)
            with Progress(work.n_sources, plan.name, shown=progress) as bar:
                new_shards = work.make_shards(workers, scheduler, bar, warn)
            known = work.finish(store)
        splits = {split: known["splits"][split] for split in plan.tasks}
    return PrepareReport(plan.name, splits, not missing, time.monotonic() - start, new_shards)
