"""The bytes of a file, or an error that says why there are none."""

from __future__ import annotations

import os

from .errors import FileError


def read_bytes(path: str | os.PathLike) -> bytes:
    """Read a whole file.

    Raises:
      FileError: the system refuses.
    """
    try:
        # Unbuffered: datasets have hundreds of thousands of small files.
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError as error:
        raise FileError.unreadable(path, error) from None
