"""Several stores as one, without copying their pictures where the disk allows it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import SPLITS
from skeleton_defs import UserError

from ..atomic import atomic_path
from .manifest import empty_manifest, read_manifest, write_manifest, written_to
from .options import sha256_of
from .own_skeletons import FIELD
from .plan import check_same_options, plan_path
from .reading import Store

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES}


def merge_stores(
    sources: Sequence[str | os.PathLike], target: str | os.PathLike, *, verify: bool = False
) -> Store:
    """Makes a store of all datasets of several stores; files are hard links or copies.

    Args:
      sources: stores with different datasets, or different splits of one prepared alike.
      target: must not exist yet.
      verify: whether to compare all checksums first.

    Raises:
      UserError: the same split of a dataset is in two of them, or was prepared differently, or the
        target cannot be written.
    """
    target = Path(target)
    if target.exists():
        raise UserError(f"{target} exists already; give a new folder for the merged store")
    merged = empty_manifest()
    origin: dict[tuple[str, str], Path] = {}
    for source in map(Path, sources):
        Store(source)  # Complains about what cannot be read at all.
        if verify:
            check_checksums(source)
        for name, dataset in read_manifest(source)["datasets"].items():
            _take_over(merged["datasets"], name, dataset, source, origin)
    with written_to(target), atomic_path(target) as temporary:
        temporary.mkdir(parents=True)
        for (name, split), source in origin.items():
            (temporary / name).mkdir(exist_ok=True)
            for path in _files_of(source, name, split, merged["datasets"][name]):
                _link_or_copy(path, temporary / name / path.name)
        write_manifest(temporary, merged)
    return Store(target)


def check_checksums(store: str | os.PathLike) -> int:
    """Reads every file of a store and compares its checksum; returns how many there are.

    Raises:
      FileError: a file is missing or is not what was written.
    """
    files = Store(store).files()
    for path, size, digest in files:
        if not path.exists():
            raise FileError(path, "expected a file of the store, found none")
        if path.stat().st_size != size or sha256_of(path) != digest:
            raise FileError(path, "does not have the checksum of the manifest; it was damaged")
    return len(files)


def _take_over(
    merged: dict[str, Any], name: str, dataset: dict[str, Any], source: Path, origin: dict
) -> None:
    known = merged.get(name)
    if known is None:
        merged[name] = {**dataset, "splits": dict(dataset["splits"])}
    else:
        check_same_options(source / name, dataset["options"], known["options"])
        for field in ("skelbridge", "root"):
            if known.get(field) != dataset.get(field):
                raise UserError(
                    f"{name}: the stores have different {field} ({known.get(field)} and "
                    f"{dataset.get(field)}); prepare it in one store"
                )
        for split, facts in dataset["splits"].items():
            # All splits are prepared where the user names none, also those without any file.
            if split in known["splits"] and not facts["shards"]:
                continue
            if known["splits"].get(split, {}).get("shards"):
                where = origin[name, split]
                raise UserError(f"{name} {split} is in {where} and in {source}; leave one out")
            known["splits"][split] = facts
            origin[name, split] = source
        known["splits"] = {s: known["splits"][s] for s in SPLITS if s in known["splits"]}
        known["skeletons"] = dict(sorted({**known["skeletons"], **dataset["skeletons"]}.items()))
        own = {**known.get(FIELD, {}), **dataset.get(FIELD, {})}
        known[FIELD] = dict(sorted(own.items()))
        bones = {**known["mean_bones_mm"], **dataset["mean_bones_mm"]}
        known["mean_bones_mm"] = dict(sorted(bones.items()))
    for split in merged[name]["splits"]:
        origin.setdefault((name, split), source)


def _files_of(source: Path, name: str, split: str, dataset: dict[str, Any]) -> list[Path]:
    folder = source / name
    facts = dataset["splits"][split]
    files = [folder / entry["file"] for entry in (*facts["shards"], facts["index"])]
    plan = plan_path(folder, split)
    return [*files, plan] if plan.exists() else files


def _link_or_copy(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise FileError.unreadable(path, error) from None
        shutil.copyfile(path, target)
