"""Copies of the datasets' miniatures that a test may damage."""

import atexit
import functools
import itertools
import os
import shutil
import tempfile
from pathlib import Path

from fuzzing import assert_result_or_user_error, mutations
from miniatures import write_miniature

_moments = itertools.count(1)


@functools.cache
def master(name: str) -> Path:
    """Returns a dataset's miniature, written once: not to be changed."""
    root = Path(tempfile.mkdtemp(prefix="miniature-")) / name
    atexit.register(shutil.rmtree, root.parent, ignore_errors=True)
    root.mkdir()
    write_miniature(name, root)
    return root


def copy_of(name: str, folder: Path) -> Path:
    """Copies a dataset's miniature into a test's own folder."""
    return Path(shutil.copytree(master(name), folder / name))


def overwrite(path: Path, data: bytes) -> None:
    """Writes a file so that its time tells it from the one before, however fast that was."""
    path.write_bytes(data)
    moment = 1_000_000_000_000_000_000 + next(_moments)
    os.utime(path, ns=(moment, moment))


def read_damaged(adapter, root: Path, source, path: Path, *, count: int, seed: int = 0) -> int:
    """Reads a source with damaged copies of one of its files; returns how many were still read.

    Each reading must give examples or a one-line error.
    """
    original = path.read_bytes()
    n_read = 0
    for damaged in mutations(original, count, seed):
        overwrite(path, damaged)
        found = assert_result_or_user_error(lambda: list(adapter.read(root, source)))
        n_read += found is not None
    overwrite(path, original)
    assert list(adapter.read(root, source))
    return n_read
