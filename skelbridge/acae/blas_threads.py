"""Keeping the linear algebra library to one thread while many small products are made.

OpenBLAS shares products of more than 2^18 multiplications among all cores. Ours take a fraction of
a millisecond: handing them over costs as much, and on a machine that is busy the library's threads
wait for each other many times longer (measured: 155 s in place of 24 s). Cores serve better with a
fit each.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path

_MAPS = Path("/proc/self/maps")
#: How builds of OpenBLAS name the function; the first of each pair sets, the second tells.
_NAMES = [
    (f"{prefix}openblas_set_num_threads{suffix}", f"{prefix}openblas_get_num_threads{suffix}")
    for prefix in ("scipy_", "")
    for suffix in ("64_", "", "64", "_")
]


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Runs a block with OpenBLAS in one thread, where it is OpenBLAS and can be found (Linux)."""
    changed = []
    for setter, getter in _openblas():
        before = getter()
        if before > 1:
            setter(1)
            changed.append((setter, before))
    try:
        yield
    finally:
        for setter, before in changed:
            setter(before)


def _openblas() -> list[tuple]:
    """The setters and getters of the loaded libraries."""
    try:
        lines = _MAPS.read_text().splitlines()
    except OSError:
        return []
    paths = dict.fromkeys(line.split()[-1] for line in lines if "openblas" in line)
    found = []
    for path in paths:
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for setter, getter in _NAMES:
            if hasattr(library, setter) and hasattr(library, getter):
                found.append((getattr(library, setter), getattr(library, getter)))
                break
    return found
