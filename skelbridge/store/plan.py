"""The plan of a dataset: which sources make which shard. It is fixed before any work starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

from .manifest import read_json, write_json
from .tasks import ShardTask

#: So many shards of a split at most, where the user says nothing: enough to share among workers.
MAX_SHARDS = 512


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


def plan_path(folder: Path, split: str) -> Path:
    """Returns where the plan of a split is."""
    return folder / f"{split}-plan.json"


def shard_name(split: str, number: int) -> str:
    """Returns the file name of a shard."""
    return f"{split}-{number:05d}.h5"


def settle_plan(
    folder: Path,
    split: str,
    tasks: Sequence[ShardTask],
    *,
    options: dict[str, Any],
    version: str,
) -> None:
    """Writes the plan of a split, or checks that it is the one that was begun.

    Raises:
      UserError: the work was begun with other options, another version, or other files.
    """
    path = plan_path(folder, split)
    plan = {
        "options": options,
        "skelbridge": version,
        "shards": [
            {"file": shard_name(split, i), "sources": list(task.keys)}
            for i, task in enumerate(tasks)
        ],
    }
    if not path.exists():
        write_json(path, plan)
        return
    begun = read_json(path)
    if not isinstance(begun, dict) or not isinstance(begun.get("options"), dict):
        raise FileError(path, f"expected the plan of a store; delete {folder} to start again")
    check_same_options(folder, begun["options"], options)
    if begun.get("skelbridge") != version:
        raise UserError(
            f"{folder} was begun with skelbridge {begun.get('skelbridge')}, this is {version}; "
            "finish it with that version, or delete the folder to start again"
        )
    if begun.get("shards") != plan["shards"]:
        raise UserError(
            f"{folder} was begun with other source files of split {split} than are there now; "
            "put them back, or delete the folder to start again"
        )


def check_same_options(folder: Path, begun: dict[str, Any], options: dict[str, Any]) -> None:
    """Raises a UserError that names the first option which differs."""
    for name in dict.fromkeys([*begun, *options]):
        before, now = begun.get(name), options.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            check_same_options(folder, before, now)
        elif before != now:
            raise UserError(
                f"{folder} was prepared with {name} = {_shown(before)}, not {_shown(now)}; "
                "use the same options, another store, or delete the folder to start again"
            )


def sources_per_shard(n_sources: int) -> int:
    """Returns how many sources share a shard, where the user says nothing."""
    return max(1, -(-n_sources // MAX_SHARDS))


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
