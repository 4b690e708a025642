"""What killed or failed runs leave behind, and who removes it."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from .plan import plan_path
from .tasks import PROGRESS

#: What `atomic_path` calls its files.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{12}(\.\w+)?")


def remove_leftovers(folder: Path, *, keep_progress: bool) -> None:
    """Removes what killed processes left: temporary files, and notes of finished work."""
    remove_temporary(folder)
    if keep_progress:
        remove_temporary(folder / PROGRESS)
    else:
        shutil.rmtree(folder / PROGRESS, ignore_errors=True)


def remove_temporary(folder: Path) -> None:
    """Removes files that were not finished."""
    for path in folder.glob(".*"):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def nothing_left_of_nothing(store: Path, folder: Path, splits: Sequence[str]) -> Iterator[None]:
    """After an error before any shard was finished, removes what would bind the next run."""
    try:
        yield
    except BaseException:
        remove_leftovers(folder, keep_progress=True)
        if not any((folder / PROGRESS).glob("*.json")):
            remove_leftovers(folder, keep_progress=False)
            for split in splits:
                plan_path(folder, split).unlink(missing_ok=True)
            for emptied in (folder, store):
                with contextlib.suppress(OSError):
                    emptied.rmdir()
        raise
