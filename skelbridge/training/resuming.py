"""Whether a run may begin, or go on, in a folder; and what is kept to tell."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skeleton_defs import UserError

from ..data import BatchPlan
from ..store import Store
from .checkpoints import checkpoint_steps
from .config import TrainConfig
from .config_file import as_mapping
from .run_folder import CHECKPOINTS, CONFIG, read_run, versions_and_machine

#: Values that may differ when a run is resumed: the weights do not depend on them, or, of threads,
#: in the last bit only, which a warning says.
FREE = ("workers", "keep", "checkpoint_every", "log_every", "store", "threads")
#: Names that `atomic_path` gives to a run's files while they are written.
_UNFINISHED = re.compile(r"\.(config|facts|log|acae|step_\d{9})\.[0-9a-f]{12}\.\w+")


def check_folder(run: str | os.PathLike, *, resume: bool) -> None:
    """Checks that a run may begin, or go on, in a folder.

    Raises:
      UserError: it holds other files, or a run that is not to be resumed.
    """
    run = Path(run)
    if (run / CONFIG).exists():
        if not resume:
            raise UserError(
                f"{run}: holds a run already; go on with --resume, or give another folder"
            )
        return
    # Hidden files: what a process left that was killed while it wrote the configuration.
    if run.is_dir() and any(not path.name.startswith(".") for path in run.iterdir()):
        raise UserError(f"{run}: expected an empty folder or a run, found other files in it")


def remove_leftovers(run: Path) -> None:
    """Removes what a killed process had not finished writing. No other may be at work there."""
    for folder in (run, run / CHECKPOINTS):
        for name in os.listdir(folder):
            if _UNFINISHED.fullmatch(name):
                (folder / name).unlink(missing_ok=True)


def check_is_the_same(run: Path, config: TrainConfig) -> None:
    """Checks that a run that goes on has the configuration that it was begun with.

    Raises:
      UserError: another value decides about its weights; it is named.
    """
    if not checkpoint_steps(run / CHECKPOINTS):
        return  # Nothing depends on the configuration that it was begun with.
    before, _ = read_run(run)
    for key, old, new in _differences(as_mapping(before), as_mapping(config)):
        if key.partition(".")[0] not in FREE:
            raise UserError(
                f"{run}: the run was begun with {key} = {old!r}, now it is {new!r}; "
                "give another folder for another configuration"
            )


def facts_of_run(
    run: Path, config: TrainConfig, store: Store, plan: BatchPlan, *, replicas: int = 1
) -> dict[str, Any]:
    """Returns the facts of a run, and compares them with those that it was begun with.

    Warns of other versions, another machine or another number of replicas.

    Raises:
      UserError: the store's examples are others.
    """
    before = _facts_before(run)
    datasets, stated = plan.datasets, store.manifest["datasets"]
    facts = {
        "datasets": list(dict.fromkeys(datasets)),
        "is_synthetic_only": all(bool(stated[name].get("synthetic")) for name in datasets),
        "batches": plan.fingerprint(),
        "made_with": versions_and_machine(config) | {"replicas": replicas},
    }
    if before.get("batches", facts["batches"]) != facts["batches"]:
        raise UserError(
            f"{config.store}: holds other examples than when the run was begun; give the store of "
            "then, or begin another run"
        )
    begun_with, now = before.get("made_with"), facts["made_with"]
    if isinstance(begun_with, Mapping):
        facts |= {name: before[name] for name in ("made_with", "resumed_with") if name in before}
        _warn_of_other_machine(begun_with, now)
        if begun_with != now:
            others = [other for other in facts.get("resumed_with", ()) if other != now]
            facts["resumed_with"] = [*others, now]
    return facts


def _facts_before(run: Path) -> dict[str, Any]:
    """Returns the facts of a run that goes on; nothing for one that begins."""
    if not checkpoint_steps(run / CHECKPOINTS):
        return {}
    return read_run(run)[1]


def _warn_of_other_machine(before: Mapping, now: Mapping) -> None:
    changes = [f"{key} {new!r}, not {old!r}" for key, old, new in _differences(before, now)]
    if changes:
        warnings.warn(
            f"the run goes on with {'; '.join(sorted(changes))}: its weights may differ in the "
            "last bits from those of an uninterrupted run",
            stacklevel=4,
        )


def _differences(old: Mapping, new: Mapping, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    for key in old.keys() | new.keys():
        before, now, name = old.get(key), new.get(key), f"{place}{key}"
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield from _differences(before, now, f"{name}.")
        elif before != now:
            yield name, before, now
