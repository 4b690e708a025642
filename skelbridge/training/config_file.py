"""Configurations as YAML: read, changed on the command line, written.

Types are checked by pydantic; names of keys are checked here, because a suggestion helps.
"""

from __future__ import annotations

import dataclasses
import os
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError, suggestions

from ..atomic import atomic_path
from .config import TrainConfig

_MOST_BYTES = 1 << 18
#: What PyYAML raises on texts that it cannot make sense of, beside its own errors.
_YAML_ERRORS = (ValueError, RecursionError, OverflowError)


def read_config(
    path: str | os.PathLike, *, changes: Iterable[str] = (), defaults: Mapping | None = None
) -> TrainConfig:
    """Reads a configuration.

    Args:
      path: a YAML file; what it does not state is as in `defaults`, or as in `TrainConfig`.
      changes: texts `key=value` with dots in the key (`data.crop=128`), values in YAML.
      defaults: nested, as `as_mapping` returns it.

    Raises:
      FileError: the file cannot be read, or is no YAML.
      UserError: an unknown key, or a value of the wrong type or out of range.
    """
    path, changes = Path(path), tuple(changes)
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from None
    if len(data) > _MOST_BYTES:
        raise FileError(path, f"expected a configuration, found more than {_MOST_BYTES >> 10} kB")
    try:
        found = _loaded(data)
    except UserError as error:
        raise FileError(path, str(error)) from None
    if not isinstance(found, dict):
        raise FileError(path, f"expected keys and values, found {type(found).__name__}")
    mapping = merged(defaults or {}, found)
    try:
        return config_of(mapping, changes=changes)
    except UserError as error:
        if changes and _is_valid(mapping):
            raise
        raise FileError(path, str(error)) from None


def config_of(mapping: Mapping, *, changes: Iterable[str] = ()) -> TrainConfig:
    """Returns the configuration that nested dictionaries describe, with some changes.

    Raises:
      UserError: an unknown key, or a value of the wrong type or out of range.
    """
    from pydantic import TypeAdapter, ValidationError

    mapping = merged({}, mapping)
    for change in changes:
        mapping = merged(mapping, _change(change))
    _check_keys(TrainConfig, mapping, ())
    try:
        return TypeAdapter(TrainConfig).validate_python(mapping)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if isinstance(told := first.get("ctx", {}).get("error"), UserError):
            is_named = not place or str(told).startswith(f"{first['loc'][0]}.")
            raise told if is_named else UserError(f"{place}: {told}") from None
        raise UserError(
            f"{place}: {first['msg'].removesuffix('.')}. Received {first['input']!r:.80}"
        ) from None


def as_mapping(config: TrainConfig) -> dict[str, Any]:
    """Returns a configuration as nested dictionaries of plain values."""
    return _plain(dataclasses.asdict(config))


def config_text(config: TrainConfig) -> str:
    """Returns a configuration as YAML; reading it gives an equal one."""
    import yaml

    return yaml.safe_dump(as_mapping(config), sort_keys=False, width=100)


def write_config(path: str | os.PathLike, config: TrainConfig) -> None:
    """Writes a configuration as YAML."""
    with atomic_path(path) as temporary:
        temporary.write_text(config_text(config), encoding="utf-8")


def merged(old: Mapping, new: Mapping) -> dict:
    """Returns nested dictionaries with the values of `new` in place of those of `old`.

    Dictionaries of datasets (`three_d`, `two_d`, `background_of`) are replaced as a whole.
    """
    result = dict(old)
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        is_list = key in ("three_d", "two_d", "background_of")
        result[key] = merged(result[key], value) if both and not is_list else value
    return result


def _is_valid(mapping: Mapping) -> bool:
    try:
        config_of(mapping)
    except UserError:
        return False
    return True


def _change(text: str) -> dict:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(
            f"a change must be written key=value, e.g. data.crop=128. Received {text!r}"
        )
    try:
        nested: Any = _loaded(value)
    except UserError as error:
        raise UserError(f"the value of {key}: {error}") from None
    for part in reversed(key.strip().split(".")):
        nested = {part: nested}
    return nested


def _loaded(text: str | bytes) -> Any:
    """Returns what a YAML text says; plain values only.

    Aliases are refused: a few lines of them can stand for gigabytes.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent, index):
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError(f"the alias *{self.peek_event().anchor}; write it out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node, deep=False):
            names: set[str] = set()
            for key in (k.value for k, _ in node.value if isinstance(k, yaml.ScalarNode)):
                if key in names:
                    raise yaml.YAMLError(f"the key '{key}' twice")
                names.add(key)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, *_YAML_ERRORS) as error:
        raise UserError(f"expected YAML, found {' '.join(str(error).split())[:200]}") from None


def _check_keys(kind: type, mapping: Mapping, place: tuple[str, ...]) -> None:
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]
    for key, value in mapping.items():
        if key not in names:
            where = ".".join((*place, str(key)))
            hint = suggestions(str(key), names)
            raise UserError(f"{where}: no such key.{hint} There are: {', '.join(names)}")
        if isinstance(value, bool) and hints[key] is not bool:
            where = ".".join((*place, key))
            raise UserError(f"{where}: expected another value than yes or no. Received {value}")
        inner = _dataclass_in(hints[key])
        if inner is not None and isinstance(value, Mapping):
            _check_keys(inner, value, (*place, key))


def _dataclass_in(hint: Any) -> type | None:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
