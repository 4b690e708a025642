"""An adapter from the texts of a command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from dataset_adapters import Adapter, adapter_class, get_adapter
from skeleton_defs import UserError

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def adapter_from_texts(name: str, texts: Sequence[str]) -> Adapter:
    """Returns the adapter of a dataset with options given as `key=value`.

    Raises:
      UserError: no such adapter or option, or the value is not of the option's kind.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(adapter_class(name))}
    options = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"an option must be KEY=VALUE. Received {text!r}")
        key = key.strip().replace("-", "_")
        # Unknown keys are refused by `get_adapter`, which lists those that there are.
        options[key] = _value(name, key, value.strip(), defaults.get(key, ""))
    return get_adapter(name, **options)


def _value(name: str, key: str, text: str, default: Any) -> Any:
    kind = type(default)
    if kind is bool:
        if text.lower() not in _WORDS:
            raise UserError(f"{name}: option {key} must be true or false. Received {text!r}")
        return _WORDS[text.lower()]
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            what = "a whole number" if kind is int else "a number"
            raise UserError(f"{name}: option {key} must be {what}. Received {text!r}") from None
    return text
