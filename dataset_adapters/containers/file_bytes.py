"""The bytes of a file, or an error that says why there are none."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import FileError


def read_bytes(path: str | os.PathLike) -> bytes:
    """Read a whole file.

    Raises:
      FileError: the system refuses.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileError.unreadable(path, error) from None
