"""Filling one dataset of a store: plan, shards, index, manifest; restartable at any moment."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import skeleton_defs
from dataset_adapters.examples import SPLITS

from .finishing import finish_split, summed_bones
from .manifest import NAME, empty_manifest, locked, read_manifest, write_manifest
from .plan import check_same_options, settle_plan, shard_name
from .progress import Progress
from .running import run
from .tally import TooManyBadFilesError
from .tasks import PROGRESS, ShardTask, finished_summary, make_shard

#: What `atomic_path` calls its files.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}(\.\w+)?")


@dataclass(frozen=True)
class DatasetPlan:
    """What fills one dataset.

    Attributes:
      name: of the dataset.
      facts: for the manifest (title, licence, ...).
      options: what decides the content; a second run must have the same.
      tasks: per split, makes the tasks of its shards, in order.
      limit: at most so many examples per split.
      drops_impossible: whether training examples with impossible bones go.
      max_bad_files: of the whole dataset.
    """

    name: str
    facts: Mapping[str, Any]
    options: Mapping[str, Any]
    tasks: Mapping[str, Callable[[], Sequence[ShardTask]]]
    limit: int | None = None
    drops_impossible: bool = False
    max_bad_files: int = 0


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
      UserError: it was begun with other options, is being filled by another process, or too many
        files cannot be read.
    """
    start = time.monotonic()
    folder = store / plan.name
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "is being prepared"):
        known = _known_dataset(store, plan.name)
        if known is not None:
            check_same_options(folder, known["options"], dict(plan.options))
        missing = [s for s in plan.tasks if known is None or s not in known["splits"]]
        if missing:
            _remove_leftovers(folder, keep_progress=True)
            with locked(store, "is being changed", wait=True):
                _remove_temporary(store)
        elif (folder / PROGRESS).exists():
            _remove_leftovers(folder, keep_progress=False)
        new_shards = 0
        if missing:
            work = _Work(folder, plan, {s: list(plan.tasks[s]()) for s in missing}, version)
            with Progress(work.n_sources, plan.name, shown=progress) as bar:
                new_shards = work.make_shards(workers, scheduler, bar, warn)
            known = work.finish(store)
        splits = {split: known["splits"][split] for split in plan.tasks}
    return PrepareReport(plan.name, splits, not missing, time.monotonic() - start, new_shards)


@dataclass
class _Work:
    """The splits of one dataset that are not finished."""

    folder: Path
    plan: DatasetPlan
    tasks: dict[str, list[ShardTask]]
    version: str
    summaries: dict[str, dict[int, dict]] = field(default_factory=dict)

    def __post_init__(self):
        for split, tasks in self.tasks.items():
            settle_plan(
                self.folder, split, tasks, options=dict(self.plan.options), version=self.version
            )
        (self.folder / PROGRESS).mkdir(exist_ok=True)
        self.summaries = {
            split: {
                i: summary
                for i in range(len(tasks))
                if (summary := finished_summary(self.target(split, i))) is not None
            }
            for split, tasks in self.tasks.items()
        }

    @property
    def n_sources(self) -> int:
        return sum(len(task.keys) for tasks in self.tasks.values() for task in tasks)

    def target(self, split: str, number: int) -> Path:
        return self.folder / shard_name(split, number)

    def make_shards(self, workers: int, scheduler: str | None, bar: Progress, warn) -> int:
        """Makes the shards that are not there; returns how many."""
        for split, done in self.summaries.items():
            for number, summary in done.items():
                bar.skip(len(self.tasks[split][number].keys), _n_rows(summary))
        made = bad = 0
        numbers = {
            self.target(split, i): (split, i)
            for split, tasks in self.tasks.items()
            for i in range(len(tasks))
        }
        for call, summary in run(make_shard, self._calls(), workers=workers, scheduler=scheduler):
            split, number = numbers[call[1]]
            self.summaries[split][number] = summary
            made += 1
            bar.advance(len(call[0].keys), _n_rows(summary))
            for file, problem in summary["tally"]["bad_files"]:
                bad += 1
                if bad > self.plan.max_bad_files:
                    allowed = self.plan.max_bad_files
                    raise TooManyBadFilesError.because(f"{file}: {problem}", allowed=allowed)
                if warn is not None:
                    bar.write(warn, f"skipped {file}: {problem}")
        return made

    def finish(self, store: Path) -> dict[str, Any]:
        """Writes indices and the manifest; returns the dataset's entry."""
        bones = {}
        if "train" in self.tasks:
            bones = summed_bones(self._used_summaries("train"))
        entries = {}
        for split in self.tasks:
            summaries = self._used_summaries(split)
            for number in range(len(summaries), len(self.tasks[split])):
                self.target(split, number).unlink(missing_ok=True)
            checked = self.plan.drops_impossible and split == "train"
            entries[split] = finish_split(
                self.folder,
                split,
                summaries,
                limit=self.plan.limit,
                mean_bones={name: sums.mean for name, sums in bones.items()} if checked else {},
            )
        with locked(store, "is being changed", wait=True):
            known = _known_dataset(store, self.plan.name) or {}
            manifest = read_manifest(store) if (store / NAME).exists() else empty_manifest()
            entry = _dataset_entry(self.plan, self.version, known, entries, bones)
            manifest["datasets"][self.plan.name] = entry
            write_manifest(store, manifest)
        _remove_leftovers(self.folder, keep_progress=False)
        return entry

    def _calls(self) -> Iterator[tuple]:
        for split, tasks in self.tasks.items():
            for i, task in enumerate(tasks):
                if self._has_enough(split):
                    break
                if i not in self.summaries[split]:
                    target = self.target(split, i)
                    yield task, target, self.plan.name, self.plan.max_bad_files

    def _has_enough(self, split: str) -> bool:
        return self.plan.limit is not None and (
            sum(map(_n_rows, self._used_summaries(split))) >= self.plan.limit
        )

    def _used_summaries(self, split: str) -> list[dict]:
        """Returns the summaries of the shards from the first on, as far as the limit needs."""
        used, n = [], 0
        for number in range(len(self.tasks[split])):
            if self.plan.limit is not None and n >= self.plan.limit:
                break
            summary = self.summaries[split].get(number)
            if summary is None:
                break
            used.append(summary)
            n += _n_rows(summary)
        return used


def _known_dataset(store: Path, name: str) -> dict[str, Any] | None:
    if not (store / NAME).exists():
        return None
    return read_manifest(store)["datasets"].get(name)


def _remove_leftovers(folder: Path, *, keep_progress: bool) -> None:
    """Removes what killed processes left: temporary files, and notes of finished work."""
    _remove_temporary(folder)
    if keep_progress:
        _remove_temporary(folder / PROGRESS)
    else:
        shutil.rmtree(folder / PROGRESS, ignore_errors=True)


def _remove_temporary(folder: Path) -> None:
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


def _n_rows(summary: dict) -> int:
    return sum(summary["rows"].values())


def _dataset_entry(plan: DatasetPlan, version: str, known: dict, splits: dict, bones: dict) -> dict:
    merged = {**known.get("splits", {}), **splits}
    skeletons = sorted({name for facts in merged.values() for name in facts["kept"]})
    named_bones = dict(known.get("bones", {}))
    for name, sums in sorted(bones.items()):
        skeleton = skeleton_defs.get(name)
        names = skeleton.joints
        named_bones[name] = {
            f"{names[a]} - {names[b]}": round(float(mean), 1)
            for (a, b), mean in zip(skeleton.edges, sums.mean, strict=True)
            if mean == mean
        }
    return {
        **plan.facts,
        "skelbridge": version,
        "options": dict(plan.options),
        "skeletons": {name: list(skeleton_defs.get(name).joints) for name in skeletons},
        "mean_bones_mm": named_bones,
        "splits": {split: merged[split] for split in SPLITS if split in merged},
    }
