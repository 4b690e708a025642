"""Making the shards of a dataset, in any order, and what is told of them, in theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import skeleton_defs
from dataset_adapters.examples import SPLITS
from skeleton_defs import UserError

from .finishing import finish_split, summed_bones
from .known import SAME_DEFINITION, known_dataset, register_known
from .leftovers import remove_leftovers
from .manifest import NAME, empty_manifest, locked, read_manifest, write_manifest
from .own_skeletons import FIELD, definitions_of, register_definitions
from .plan import DatasetPlan, settle_plan, shard_name
from .progress import Progress
from .running import run
from .tally import TooManyBadFilesError, bad_file_key
from .tasks import PROGRESS, ShardTask, finished_summary, progress_path, try_shard


@dataclass
class UnfinishedSplits:
    """The splits of one dataset that are not finished, and how far each of their shards is.

    Attributes:
      folder: of the dataset in the store.
      plan: of the dataset.
      tasks: split -> what makes each shard.
      version: of this package.
      summaries: split -> number of a shard -> note of what is in it, where it is finished.
      errors: what ended the making of a shard.
    """

    folder: Path
    plan: DatasetPlan
    tasks: dict[str, list[ShardTask]]
    version: str
    summaries: dict[str, dict[int, dict]] = field(default_factory=dict)
    errors: dict[tuple[str, int], UserError] = field(default_factory=dict)

    def __post_init__(self):
        for split, tasks in self.tasks.items():
            settle_plan(
                self.folder, split, tasks, options=dict(self.plan.options), version=self.version
            )
        (self.folder / PROGRESS).mkdir(exist_ok=True)
        for split, tasks in self.tasks.items():
            self.summaries[split] = {}
            for i in range(len(tasks)):
                if (summary := finished_summary(self.target(split, i))) is not None:
                    self._take(split, i, summary)

    @property
    def n_sources(self) -> int:
        """How many sources there are, finished or not."""
        return sum(len(task.keys) for tasks in self.tasks.values() for task in tasks)

    def target(self, split: str, number: int) -> Path:
        """Returns the path of a shard."""
        return self.folder / shard_name(split, number)

    def make_shards(self, workers: int, scheduler: str | None, bar: Progress, warn) -> int:
        """Makes the shards that are not there; returns how many."""
        for split, done in self.summaries.items():
            for number, summary in done.items():
                bar.skip(len(self.tasks[split][number].keys), _n_rows(summary))
        made = 0
        places = {self.target(*place): place for place in self._places()}
        report = self._reported_in_order(lambda line: warn and bar.write(warn, line))
        outcomes = run(try_shard, self._calls(), workers=workers, scheduler=scheduler)
        # Closed at once after an error: what comes then must not meet workers that still write.
        with contextlib.closing(outcomes):
            for call, outcome in outcomes:
                place = places[call[1]]
                if isinstance(outcome, UserError):
                    self.errors[place] = outcome
                else:
                    self._take(*place, outcome)
                    made += 1
                    bar.advance(len(call[0].keys), _n_rows(outcome))
                next(report)
        return made

    def _reported_in_order(self, say: Callable[[str], None]) -> Iterator[None]:
        """Reports bad files and errors as one worker would meet them, when that is known.

        What workers find in shards beyond the limit, they found in vain. Each step goes as far as
        there are outcomes.
        """
        known: set[str] = set()
        n_rows = dict.fromkeys(self.tasks, 0)
        for split, number in self._places():
            if self.plan.limit is not None and n_rows[split] >= self.plan.limit:
                continue
            while number not in self.summaries[split]:
                if (split, number) in self.errors:
                    raise self.errors[split, number]
                yield
            summary = self.summaries[split][number]
            n_rows[split] += _n_rows(summary)
            for file, problem in summary["tally"]["bad_files"]:
                if bad_file_key(file, problem) in known:
                    continue
                known.add(bad_file_key(file, problem))
                text = f"{file}: {problem}" if file else problem
                if len(known) > self.plan.max_bad_files:
                    raise TooManyBadFilesError.because(text, allowed=self.plan.max_bad_files)
                say(f"skipped {text}")
        while True:
            yield

    def _places(self) -> list[tuple[str, int]]:
        return [(split, i) for split, tasks in self.tasks.items() for i in range(len(tasks))]

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
            known = known_dataset(store, self.plan.name) or {}
            # Another process may have added a dataset meanwhile.
            register_known(store, self.plan.name)
            manifest = read_manifest(store) if (store / NAME).exists() else empty_manifest()
            entry = _dataset_entry(self.plan, self.version, known, entries, bones)
            manifest["datasets"][self.plan.name] = entry
            write_manifest(store, manifest)
        remove_leftovers(self.folder, keep_progress=False)
        return entry

    def _take(self, split: str, number: int, summary: dict[str, Any]) -> None:
        """Takes over a finished shard; the formats that only its worker knew become known here."""
        path = progress_path(self.target(split, number))
        remedy = SAME_DEFINITION.format(self.folder)
        register_definitions(path, summary.get(FIELD, {}), remedy=remedy)
        self.summaries[split][number] = summary

    def _calls(self) -> Iterator[tuple]:
        for split, tasks in self.tasks.items():
            for i, task in enumerate(tasks):
                # After an error either that one ends the work, or enough is there before it.
                if self._has_enough(split) or self._has_failed(split):
                    break
                if i not in self.summaries[split]:
                    target = self.target(split, i)
                    yield task, target, self.plan.name, self.plan.max_bad_files

    def _has_enough(self, split: str) -> bool:
        return self.plan.limit is not None and (
            sum(map(_n_rows, self._used_summaries(split))) >= self.plan.limit
        )

    def _has_failed(self, split: str) -> bool:
        return any(failed == split for failed, _ in self.errors)

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


def _n_rows(summary: dict) -> int:
    return sum(summary["rows"].values())


def _dataset_entry(plan: DatasetPlan, version: str, known: dict, splits: dict, bones: dict) -> dict:
    merged = {**known.get("splits", {}), **splits}
    skeletons = sorted({name for facts in merged.values() for name in facts["kept"]})
    named_bones = dict(known.get("mean_bones_mm", {}))
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
        FIELD: definitions_of(skeletons),
        "mean_bones_mm": dict(sorted(named_bones.items())),
        "splits": {split: merged[split] for split in SPLITS if split in merged},
    }
