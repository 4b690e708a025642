"""Reading a shard in place: its columns are mapped into memory, nothing is parsed or copied.

HDF5 is asked once where each column lies in the file; after that no HDF5 handle is open, so that
a store can be used by forked and spawned processes alike.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.errors import FileError


@dataclass(frozen=True)
class Column:
    """Where a column lies in the file."""

    dtype: np.dtype
    shape: tuple[int, ...]
    start: int


#: Skeleton format -> column -> place; the pictures are under "" -> "jpeg".
Layout = dict[str, dict[str, Column]]


def read_layout(path: str | os.PathLike) -> Layout:
    """Asks an HDF5 file for the places of its columns.

    Raises:
      FileError: it is no whole HDF5 file, or a column is stored in another way.
    """
    import h5py

    layout: Layout = {}
    try:
        size = os.path.getsize(path)
        with h5py.File(path, "r") as file:

            def visit(name: str, item) -> None:
                if isinstance(item, h5py.Dataset):
                    skeleton, _, column = (
                        name.rpartition("/") if "/" not in name else (name.partition("/"))
                    )
                    layout.setdefault(skeleton, {})[column] = _place(path, name, item, size)

            file.visititems(visit)
    except FileError:
        raise
    except OSError as error:
        raise _damaged(path, error) from None
    except (KeyError, RuntimeError, ValueError, TypeError) as error:
        raise _damaged(path, error) from None
    return layout


class MappedShard:
    """A shard whose columns are numpy arrays on the file.

    Args:
      path: the file.
      layout: what `read_layout` said of it.
    """

    def __init__(self, path: str | os.PathLike, layout: Layout):
        self.path = path
        self._layout = layout
        self._arrays: dict[tuple[str, str], np.ndarray] = {}
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise FileError.unreadable(path, error) from None
        except ValueError:
            raise FileError(path, "expected a shard of a store, found an empty file") from None

    def columns(self, skeleton: str) -> dict[str, Column]:
        """Returns the columns of one skeleton format."""
        return self._layout.get(skeleton, {})

    def column(self, skeleton: str, name: str) -> np.ndarray | None:
        """Returns a column, or None where there is no such."""
        array = self._arrays.get((skeleton, name))
        if array is None:
            place = self._layout.get(skeleton, {}).get(name)
            if place is None:
                return None
            array = np.ndarray(place.shape, place.dtype, self._map, place.start)
            self._arrays[skeleton, name] = array
        return array

    def text(self, skeleton: str, name: str, number: int) -> str | None:
        """Returns text `number` of a text column's vocabulary; None for -1."""
        if number < 0:
            return None
        bounds = self.column(skeleton, f"texts/{name}_bounds")
        start, stop = int(bounds[number]), int(bounds[number + 1])
        return self.column(skeleton, f"texts/{name}")[start:stop].tobytes().decode("utf-8")

    def picture(self, start: int, length: int) -> bytes:
        """Returns the bytes of a JPEG."""
        return self.column("", "jpeg")[start : start + length].tobytes()


@contextlib.contextmanager
def damage_told(path: str | os.PathLike) -> Iterator[None]:
    """Turns what damaged bytes lead to into a FileError."""
    try:
        yield
    except FileError:
        raise
    except (IndexError, KeyError, TypeError, ValueError) as error:
        text = " ".join(str(error).split())[:120]
        raise FileError(path, f"holds damaged data ({text}); compare its checksum") from None


def _place(path, name: str, dataset, size: int) -> Column:
    start = dataset.id.get_offset()
    if start is None:
        if dataset.size or dataset.chunks is not None:
            raise FileError(path, f"{name!r}: expected an array in one piece; prepare again")
        start = 0
    if start + dataset.nbytes > size:
        raise FileError(path, f"{name!r} ends beyond the file; it is truncated: prepare again")
    return Column(dataset.dtype, dataset.shape, start)


def _damaged(path, error: Exception) -> FileError:
    text = " ".join(str(error).split())
    return FileError(path, f"expected a shard of a store, found a damaged file ({text[:120]})")
