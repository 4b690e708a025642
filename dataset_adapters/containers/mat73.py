"""MATLAB v7.3 files (HDF5), read variable by variable or in slices."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import FileError
from .file_text import list_names, quote
from .hdf5_storage import h5_errors
from .mat73_values import UnreadableError, ValueReader, members

__all__ = ["Mat73File", "UnreadableError", "is_mat73"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: MATLAB puts a block of text of 512 bytes before the HDF5 data.
_SIGNATURE_PLACES = (0, 512)


def is_mat73(path: str | os.PathLike) -> bool:
    """Tell whether a file is HDF5, as MATLAB v7.3 files are.

    Raises:
      FileError: it cannot be opened.
    """
    try:
        with Path(path).open("rb") as file:
            start = file.read(_SIGNATURE_PLACES[-1] + len(_SIGNATURE))
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    return any(start[at : at + len(_SIGNATURE)] == _SIGNATURE for at in _SIGNATURE_PLACES)


class Mat73File:
    """An open v7.3 file, from which variables or parts of them are read.

    >>> with Mat73File("annot_data.mat") as file:
    ...     first = file.read("annot3", np.s_[:, :, :, :100])

    Args:
      path: the file.

    Raises:
      FileError: it is no HDF5 file, or a damaged one.
    """

    def __init__(self, path: str | os.PathLike):
        import h5py

        self.path = os.fspath(path)
        if not is_mat73(path):
            raise FileError(path, "expected a MATLAB v7.3 file (HDF5), found another kind")
        with h5_errors(path):
            self._file = h5py.File(path, "r")
        try:
            with h5_errors(path):
                names = members(path, self._file["/"].id)
        except FileError:
            self.close()
            raise
        self._keys = tuple(name for name, _ in names if name[:1] != "#")

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Mat73File:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def keys(self) -> tuple[str, ...]:
        """Returns the names of the variables."""
        return self._keys

    def shape(self, key: str) -> tuple[int, ...]:
        """Returns the MATLAB shape of a variable; (1, 1) for a struct.

        Raises:
          FileError: there is no such variable, or it is damaged.
        """
        where = f"variable {quote(key)}: "
        with h5_errors(self.path, where=where):
            return ValueReader(self.path, self._file, where).shape(self._node(key))

    def read(self, key: str, index: tuple[slice, ...] | slice = ()) -> object:
        """Returns a variable in the form of `read_mat`.

        Args:
          key: its name.
          index: the part to read: slices of its leading MATLAB axes, with positive steps.

        Raises:
          FileError: there is no such variable, or it is damaged.
          UnreadableError: it is an object, a function handle or a sparse matrix.
        """
        where = f"variable {quote(key)}: "
        index = index if isinstance(index, tuple) else (index,)
        with h5_errors(self.path, where=where):
            return ValueReader(self.path, self._file, where).value(self._node(key), index)

    def _node(self, key: str):
        import h5py

        if key not in self._keys:
            raise FileError(
                self.path, f"expected a variable {quote(key)}, found {list_names(self._keys)}"
            )
        return h5py.h5o.open(self._file["/"].id, key.encode())
