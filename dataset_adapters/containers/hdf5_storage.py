"""Whether the values of an HDF5 dataset are in the file, before memory is taken for them.

The HDF5 library believes what a file says: values may lie in other files, and a small file may
promise any amount of them.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import FileError
from .file_text import printable

if TYPE_CHECKING:
    import h5py

#: A dataset may be this much larger than what is stored of it (and small ones always may).
MAX_GROWTH = 1000
SMALL_BYTES = 1 << 20
#: Reading one value takes a whole chunk into memory.
MAX_CHUNK_BYTES = 512 << 20

#: What h5py turns the errors of the HDF5 library into.
_H5_ERRORS = (
    OSError,
    KeyError,
    RuntimeError,
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    MemoryError,
    AttributeError,
)


@contextlib.contextmanager
def h5_errors(path: str | os.PathLike, *, where: str = "") -> Iterator[None]:
    """Turns errors of the HDF5 library into `FileError`; `where` opens the message."""
    try:
        yield
    except FileError:
        raise
    except _H5_ERRORS as error:
        reason = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        raise FileError(
            path, f"{where}cannot be read as HDF5 ({reason}); it is damaged or of another kind"
        ) from error


def storage_problem(dataset: h5py.h5d.DatasetID, item_bytes: int, file_size: int) -> str | None:
    """Returns why the values of a dataset must not be read, or None.

    Args:
      dataset: h5py's low-level object; it has a shape.
      item_bytes: of one value.
      file_size: of the file that it is in.
    """
    import h5py

    n_bytes = math.prod(dataset.shape) * item_bytes
    if dataset.get_offset() is not None and n_bytes <= file_size:
        return None  # One piece within this file.
    properties = dataset.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL or properties.get_external_count():
        return "its values lie in other files; copy them into this one"
    for i in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            name = printable(name.decode("utf-8", "replace")) or "no name"
            return (
                f"it is compressed with filter {code} ({name!r}), which is not installed; "
                "save it with gzip or uncompressed"
            )
    stored = dataset.get_storage_size()
    if stored > file_size:
        return f"it claims {stored} bytes of a file of {file_size}; the file is cut off"
    if n_bytes > max(SMALL_BYTES, MAX_GROWTH * stored):
        return (
            f"its shape {dataset.shape} promises {n_bytes} bytes, the file holds {stored} of them; "
            "it was never filled: write it again"
        )
    if layout == h5py.h5d.CHUNKED:
        chunk_bytes = math.prod(properties.get_chunk()) * item_bytes
        if chunk_bytes > MAX_CHUNK_BYTES:
            return f"its chunks of {chunk_bytes} bytes are too large; save it in smaller ones"
    return None
