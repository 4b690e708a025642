"""The lines that both kinds of Acclaim files are made of, and errors that name one of them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import NoReturn

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import quote


def split_lines(data: bytes, *, blanks: bytes = b"") -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and words of lines that have any, without comments."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    table = bytes.maketrans(blanks, b" " * len(blanks)) if blanks else None
    for number, line in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), start=1):
        line = line.partition(b"#")[0]
        words = (line.translate(table) if table else line).decode("latin-1").split()
        if words and words[0] != "\x1a":  # the end-of-file mark of DOS
            yield number, words


def refuse(path: str | os.PathLike, line: int, *, expected: str, found: str) -> NoReturn:
    """Raise a `FileError` that names a line."""
    raise FileError(path, f"line {line}: expected {expected}, found {quote(found)}; "
                          "is it a complete file of its kind?")  # fmt: skip
