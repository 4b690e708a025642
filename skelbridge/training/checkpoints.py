"""Checkpoints: everything that changes in training, in one `.npz` that is complete or not there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npz import open_npz, write_npz_archive

from ..atomic import atomic_path

FORMAT, VERSION = "skelbridge-checkpoint", 1
_NAME = re.compile(r"step_(\d{9})\.npz")


def checkpoint_path(folder: str | os.PathLike, step: int) -> Path:
    """Returns the path of the checkpoint that so many steps led to."""
    return Path(folder) / f"step_{step:09d}.npz"


def checkpoint_steps(folder: str | os.PathLike) -> list[int]:
    """Returns the steps of a folder's checkpoints, ascending."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def save_checkpoint(path: str | os.PathLike, variables: Sequence[Any], facts: dict) -> None:
    """Writes variables (`keras.Variable`) and facts (JSON)."""
    arrays = {f"v{i:05d}": np.asarray(v.numpy()) for i, v in enumerate(variables)}
    header = {"format": FORMAT, "version": VERSION, "names": [v.path for v in variables]} | facts
    with atomic_path(path) as temporary:
        write_npz_archive(temporary, arrays | {"header": np.array(json.dumps(header))})


def load_checkpoint(path: str | os.PathLike, variables: Sequence[Any]) -> dict:
    """Sets variables to what a checkpoint holds of them, and returns its facts.

    Args:
      path: the file.
      variables: all of those that were saved, or the first ones (the network's).

    Raises:
      FileError: the file is missing or damaged, or was saved from other variables.
    """
    path = Path(path)
    with open_npz(path) as arrays:
        if "header" not in arrays:
            raise FileError(path, "expected a checkpoint (an array named header), found none")
        try:
            facts = json.loads(str(arrays["header"]))
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise FileError(path, "expected a checkpoint of skelbridge, found another file")
        if facts.get("version") != VERSION:
            raise FileError(path, f"expected version {VERSION}, found {facts.get('version')!r}")
        values = []
        for i, variable in enumerate(variables):
            name = f"v{i:05d}"
            value = arrays.get(name)
            if value is None or value.shape != tuple(variable.shape) or value.dtype.kind in "SU":
                found = "nothing" if value is None else f"{value.dtype} of shape {value.shape}"
                raise FileError(
                    path,
                    f"expected {variable.path} of shape {tuple(variable.shape)}, found {found}; "
                    "it belongs to another configuration",
                )
            values.append(value)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return facts


def remove_old(folder: str | os.PathLike, *, keep: int, always: Sequence[int] = ()) -> None:
    """Removes all checkpoints but the last ones and those that always stay."""
    steps = checkpoint_steps(folder)
    for step in steps[:-keep]:
        if step not in always:
            checkpoint_path(folder, step).unlink(missing_ok=True)
