"""Writing files so that they are either complete or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `target`, and moves it there when the block succeeds.

    The block writes a file (or makes a folder). When it raises, or is interrupted, the temporary
    file is removed and an existing target stays as it was. The data is flushed to disk before the
    rename, so that a power cut leaves the old file or the new one.

    Raises:
      OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    target = Path(target)
    # The suffix stays last: writers may choose their encoding by it.
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(6)}{target.suffix}")
    try:
        yield temporary
        if temporary.is_dir():
            _replace_folder(temporary, target)
        else:
            with open(temporary, "rb") as written:
                os.fsync(written.fileno())
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _replace_folder(temporary: Path, target: Path) -> None:
    """Moves a finished folder to its place; files of an existing folder are replaced one by one."""
    if not target.exists():
        temporary.rename(target)
        return
    for file in sorted(temporary.iterdir()):
        file.replace(target / file.name)
