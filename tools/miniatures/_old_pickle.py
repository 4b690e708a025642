"""Pickles as older Pythons and numpy 1 wrote them."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any


class _Numpy1Pickler(pickle._Pickler):
    """Names numpy's inner modules as numpy 1 did.

    The pickler in Python, whose methods can be replaced; the usual one is compiled.
    """

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", None) or ""
        if not module.startswith("numpy._core"):
            return super().save_global(obj, name)
        old = module.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{old}\n{obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch[type(len)] = save_global
    dispatch[type(lambda: None)] = save_global


class _Python2Pickler(_Numpy1Pickler):
    """Writes texts and bytes as Python 2's only string type."""

    dispatch = dict(_Numpy1Pickler.dispatch)  # noqa: RUF012

    def save_string(self, obj):
        data = obj.encode("latin-1") if isinstance(obj, str) else obj
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(obj)

    dispatch[str] = save_string
    dispatch[bytes] = save_string


def write_pickle(path: Path, value: Any, *, python: int = 3) -> None:
    """Writes a pickle of protocol 2 (python=2) or 3; makes the folders."""
    buffer = io.BytesIO()
    made = _Python2Pickler(buffer, 2) if python == 2 else _Numpy1Pickler(buffer, 3)
    made.dump(value)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
