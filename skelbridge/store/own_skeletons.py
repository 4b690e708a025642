"""Skeleton formats of a user's own: a store carries their definitions, to open anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import skeleton_defs
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import printable, quote
from skeleton_defs import Skeleton, UserError

#: Where the manifest's entry of a dataset has them: name -> definition, as in a skeleton file.
FIELD = "skeleton_definitions"
#: Checking a definition takes time with the square of this.
MAX_JOINTS = 2000
_REMEDY = "give one of them another name and prepare it again"
#: What a definition of wrong types raises before the schema names the field.
_WRONG_TYPES = (AttributeError, OverflowError, TypeError, ValueError)


def definitions_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns the definitions of those formats that are not built in, as JSON values by name."""
    found = {skeleton.name: skeleton for skeleton in map(skeleton_defs.get, names)}
    own = sorted(name for name in found if not skeleton_defs.is_built_in(name))
    return {name: json.loads(_as_text(found[name])) for name in own}


def register_manifest(
    path: str | os.PathLike, manifest: Mapping[str, Any], *, remedy: str = _REMEDY
) -> None:
    """Registers the formats that the datasets of a manifest define.

    Raises:
      FileError: see `register_definitions`.
    """
    for name, dataset in manifest["datasets"].items():
        if not isinstance(dataset, dict):
            raise FileError(path, f"expected an object for dataset {quote(name)}")
        register_definitions(path, dataset.get(FIELD, {}), remedy=remedy)


def register_definitions(path: str | os.PathLike, tree: Any, *, remedy: str = _REMEDY) -> None:
    """Registers formats for this process; those that it has with the same definition stay.

    Args:
      path: where they are from, for messages.
      tree: name -> definition, from a file.
      remedy: what to do where the process has another format of the same name.

    Raises:
      FileError: a definition is damaged, or differs from the format of that name.
    """
    if not isinstance(tree, dict):
        raise FileError(path, f"{FIELD}: expected an object of definitions by name")
    for name, definition in tree.items():
        skeleton = _checked(path, name, definition)
        if name.lower() not in skeleton_defs.list_formats():
            try:
                skeleton_defs.register(skeleton)
            except UserError as error:
                raise FileError(path, f"{FIELD}: {printable(str(error))}") from None
        elif field := _difference(skeleton_defs.get(name), skeleton):
            raise FileError(
                path,
                f"its skeleton {quote(name)} has other {field} than the {quote(name)} that is "
                f"known already; {remedy}",
            )


def known_format(name: str) -> Skeleton | None:
    """Returns the format of a name out of a file; None where there is none.

    Unlike `skeleton_defs.get` it never takes the name for that of a definition file.
    """
    try:
        return None if _is_file_name(name) else skeleton_defs.get(name)
    except UserError:
        return None


def _is_file_name(name: str) -> bool:
    return name.lower().endswith((".json", ".toml"))


def _checked(path: str | os.PathLike, name: str, definition: Any) -> Skeleton:
    place = f"{FIELD}[{quote(name)}]"
    joints = definition.get("joints") if isinstance(definition, dict) else None
    if not isinstance(joints, list) or len(joints) > MAX_JOINTS:
        raise FileError(path, f"{place}: expected a definition with at most {MAX_JOINTS} joints")
    if definition.get("name") != name or _is_file_name(name):
        raise FileError(path, f"{place}: expected that name in the definition")
    try:
        return Skeleton.from_dict(definition)
    except UserError as error:
        raise FileError(path, f"{place}: {printable(str(error))}") from None
    except _WRONG_TYPES as error:
        raise FileError(
            path, f"{place}: expected a skeleton definition: {' '.join(str(error).split())}"
        ) from None


def _difference(one: Skeleton, other: Skeleton) -> str:
    """Returns the first field in which two definitions differ; "" where they are the same."""
    if _as_text(one) == _as_text(other):
        return ""
    a, b = (json.loads(_as_text(skeleton)) for skeleton in (one, other))
    fields = dict.fromkeys(["joints", *a, *b])
    return next((f for f in fields if json.dumps(a.get(f)) != json.dumps(b.get(f))), "fields")


def _as_text(skeleton: Skeleton) -> str:
    # TOML knows dates, which JSON does not; sorted, so that the order in a file does not count.
    return json.dumps(skeleton.to_dict(), sort_keys=True, default=str)
