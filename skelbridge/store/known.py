"""What a store holds already, for who adds to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dataset_adapters.containers.errors import FileError

from .manifest import NAME, read_manifest
from .own_skeletons import register_manifest

#: What to do where a format was stored with another definition, in the same dataset or another.
SAME_DEFINITION = "put that definition back, or delete {} to start again"
_OTHER_NAME = "give yours another name, or use another store"


def known_dataset(store: Path, name: str) -> dict[str, Any] | None:
    """Returns the entry of a dataset with the splits that are there; None where there is none.

    Raises:
      FileError: the manifest is damaged.
    """
    if not (store / NAME).exists():
        return None
    known = read_manifest(store)["datasets"].get(name)
    if known is None:
        return None
    # Messages tell to delete the folder to start again: what it held is unknown then.
    try:
        splits = {
            split: facts
            for split, facts in known["splits"].items()
            if (store / name / facts["index"]["file"]).exists()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(store / NAME, f"expected a manifest of this version: {error!r}") from None
    return {**known, "splits": splits} if splits else None


def register_known(store: Path, name: str) -> None:
    """Registers the formats that are defined in a store, so that they cannot be contradicted.

    Raises:
      FileError: this process has another one of such a name.
    """
    if not (store / NAME).exists():
        return
    known = known_dataset(store, name)
    own = {} if known is None else {name: known}
    others = {k: v for k, v in read_manifest(store)["datasets"].items() if k != name}
    for datasets, remedy in (
        (own, SAME_DEFINITION.format(store / name)), (others, _OTHER_NAME),
    ):  # fmt: skip
        register_manifest(store / NAME, {"datasets": datasets}, remedy=remedy)
