"""The registry of skeleton formats: built-in definitions and the user's own."""

from __future__ import annotations

import fnmatch
import functools
import json
import os
import re
from pathlib import Path
from typing import Any

from .errors import UserError
from .names import simplified, suggestions
from .schema import SkeletonError
from .skeleton import Skeleton

_DATA = Path(__file__).parent / "data"
#: A definition of 555 joints with all fields takes about 100 kB.
_MAX_DEFINITION_BYTES = 10_000_000

_registered: dict[str, Skeleton] = {}


class UnknownFormatError(UserError):
    """A name that is no skeleton format, or that could be several."""


@functools.cache
def _builtin_names() -> tuple[str, ...]:
    return tuple(sorted(p.stem for p in _DATA.glob("[!_]*.json")))


def is_built_in(name: str) -> bool:
    """Tells whether a format of this name comes with the package (whatever the letters' case)."""
    return name.lower() in _builtin_names()


@functools.cache
def _builtin(name: str) -> Skeleton:
    return Skeleton.from_dict(_support_file(name))


@functools.cache
def _support_file(stem: str) -> Any:
    return json.loads((_DATA / f"{stem}.json").read_text(encoding="utf-8"))


def list_formats(pattern: str = "*") -> list[str]:
    """Returns the format names that fit a wildcard pattern (`*`, `?`, `[...]`), sorted.

    A pattern without wildcards lists every name that contains it.
    """
    if not re.search(r"[*?\[]", pattern):
        pattern = f"*{pattern}*"
    names = sorted({*_builtin_names(), *_registered})
    return [name for name in names if fnmatch.fnmatchcase(name, pattern.lower())]


def format_aliases() -> dict[str, str]:
    """Returns short name -> format name, e.g. `smpl` -> `smpl_24`."""
    return dict(_support_file("_aliases")["aliases"])


def get(name: str | Skeleton) -> Skeleton:
    """Returns the skeleton format of a name, a short alias, or a definition file.

    Args:
      name: `smpl_24`, `smpl`, `Human3.6M`, ..., or the path of a `.json` or `.toml` definition. A
        `Skeleton` is returned as it is.

    Raises:
      UnknownFormatError: there is no such format (the nearest names are suggested) or the word
        stands for several (they are told apart).

    >>> get("h36m").joints[:2]
    ('pelvis', 'right_hip')
    """
    if isinstance(name, Skeleton):
        return name
    if not isinstance(name, str):
        raise UnknownFormatError(f"a skeleton format must be given by name. Received {name!r}")
    if name.lower().endswith((".json", ".toml")):
        return load(name)
    word = name.strip().lower()
    if word in _registered:
        return _registered[word]
    if word in _builtin_names():
        return _builtin(word)
    return _by_alias(name)


def _by_alias(name: str) -> Skeleton:
    table = _support_file("_aliases")
    wanted = simplified(name)
    meanings = {simplified(word): text for word, text in table["ambiguous"].items()}
    if wanted in meanings:
        raise UnknownFormatError(f"'{name}' is ambiguous. It may mean {meanings[wanted]}")
    for word, target in table["aliases"].items():
        if simplified(word) == wanted:
            return get(target)
    for known in list_formats():
        if simplified(known) == wanted:
            return get(known)
    choices = [*list_formats(), *table["aliases"]]
    raise UnknownFormatError(
        f"unknown skeleton format '{name}'.{suggestions(name, choices)} "
        "(skelbridge formats lists all; a file of your own works too)"
    )


def register(skeleton: Skeleton) -> Skeleton:
    """Adds a format of your own to the registry for this process and returns it.

    Raises:
      UserError: the name is taken (by a format, or by a short alias of one).
    """
    name = skeleton.name.lower()
    if name in _builtin_names() or name in _registered or name in format_aliases():
        raise UserError(
            f"a skeleton format named '{skeleton.name}' exists already: choose another name"
        )
    _registered[name] = skeleton
    return skeleton


def load(path: str | os.PathLike) -> Skeleton:
    """Reads a skeleton definition from a JSON or TOML file (the schema of the built-in ones).

    The format is not registered; pass it to `register` to find it by name.

    Raises:
      UserError: the file is missing, no JSON/TOML, or breaks the schema (the field is named).
    """
    file = Path(path)
    try:
        if file.stat().st_size > _MAX_DEFINITION_BYTES:
            raise UserError(
                f"{file}: a skeleton definition is at most {_MAX_DEFINITION_BYTES} "
                f"bytes. Found {file.stat().st_size}"
            )
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{file}: cannot read the skeleton definition ({error.strerror}). "
            "Names without .json or .toml are looked up in the registry"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{file}: a skeleton definition must be UTF-8 text") from None
    try:
        return Skeleton.from_dict(_parse(file, text))
    except SkeletonError as error:
        raise SkeletonError(f"{file}: {error}") from None


def _parse(file: Path, text: str) -> Any:
    try:
        if file.suffix.lower() == ".toml":
            try:
                import tomllib
            except ImportError:  # Python 3.10
                import tomli as tomllib
            return tomllib.loads(text)
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = file.suffix.lstrip(".").upper()
        where = str(error).splitlines()[0]
        raise UserError(f"{file}: not valid {kind}: {where}") from None


def vocabulary() -> dict[str, str]:
    """Returns canonical joint name -> what the name means."""
    return dict(_support_file("_vocabulary"))


def definitions() -> list[dict[str, Any]]:
    """Returns the points that are by documentation a combination of others of their family."""
    return _support_file("_definitions")["definitions"]
