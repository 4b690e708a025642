"""The words that a BVH file is made of, and errors that name the line they are in."""

from __future__ import annotations

import os
import re
from typing import NoReturn

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import decode, quote

TOKEN = re.compile(rb"[{}]|[^\s{}]+")


def next_token(data: bytes, position: int) -> bytes:
    """Return the first token from a position on, empty at the end of the file."""
    match = TOKEN.search(data, position)
    return match.group() if match else b""


def shown(token: bytes) -> str:
    """Quote a token for a message; unlike text of a file, NULs and quotes in it are told."""
    return quote(decode(token))


def refuse(
    path: str | os.PathLike, data: bytes, position: int, *, expected: str, found: bytes
) -> NoReturn:
    """Raise a `FileError` that names the line of a position; no `found` is the file's end."""
    line = data.count(b"\n", 0, position) + 1
    what = shown(found) if found else "the end of the file"
    raise FileError(path, f"line {line}: expected {expected}, found {what}; "
                          "is it a complete BVH file?")  # fmt: skip
