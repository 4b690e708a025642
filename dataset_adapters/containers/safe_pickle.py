"""Read pickles of arrays and plain containers without executing them.

`pickle` runs whatever callables a file names and believes the lengths it states. Here a machine of
our own reads the pickle language (protocols 0 to 5, Python 2 and 3): it imports nothing, calls only
the constructors of `pickle_constructors`, compares every length with the bytes that are there
before it takes memory, and keeps count of what the file makes it build.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib

import numpy as np

from .errors import FileError
from .file_bytes import read_bytes
from .pickle_machine import PickleMachine
from .pickle_shells import RefusedError, SparseMatrix, StandIn, Walk

__all__ = ["SparseMatrix", "StandIn", "load_object_npy", "load_object_npz", "load_pickle"]

_ENCODINGS = ("latin1", "ascii", "utf-8", "bytes")
_NPY_HEADER = re.compile(
    rb"\{'descr': '\|O8?', 'fortran_order': (?:True|False), 'shape': \(([\d, L]*)\),? *\}[ \n]*"
)


def load_pickle(
    path: str | os.PathLike,
    data: bytes | None = None,
    *,
    encoding: str = "latin1",
    start: int = 0,
) -> object:
    """Read a pickle of arrays and plain containers; nothing in it is executed.

    Understood are numbers, text, bytes, lists, tuples, dictionaries (also ordered and default ones,
    which come back as `dict`), sets and numpy arrays and scalars. A chumpy array comes back as the
    numpy array it holds, a scipy sparse matrix as `SparseMatrix`, any other chumpy or pandas object
    as an inert `StandIn`.

    Args:
      path: the file; only named in messages where `data` is given.
      data: the file's bytes, where they have been read already.
      encoding: how text of Python 2 is decoded: latin1, ascii, utf-8, or bytes to leave it alone.
      start: where among the bytes it begins.

    Returns:
      What the pickle holds. Bytes after its end are ignored.

    Raises:
      FileError: where the file is damaged, lies about its sizes, or names a class or function that
        is not one of the above; the message names it.
    """
    if encoding not in _ENCODINGS:
        raise ValueError(f"encoding must be one of {_ENCODINGS}. Received {encoding!r}")
    if data is None:
        data = read_bytes(path)
    machine = PickleMachine(data, encoding)
    machine.at = start
    try:
        value = machine.run()
    except RefusedError as problem:
        raise _refusal(path, f"{problem} (byte {machine.at} of {len(data)})") from None
    try:
        return Walk(machine).resolve(value)
    except RefusedError as problem:
        raise _refusal(path, str(problem)) from None


def _refusal(path, problem: str) -> FileError:
    return FileError(path, f"pickle refused: not loaded because {problem}")


def load_object_npy(path: str | os.PathLike, data: bytes | None = None) -> np.ndarray:
    """Read a `.npy` file (or npz member) of dtype object: its body is a pickle, not executed here.

    Args:
      path: the file; only named in messages where `data` is given.
      data: the bytes of the `.npy` file or member.

    Returns:
      An array of dtype object with the shape that the header states.

    Raises:
      FileError: as `load_pickle`, and where the header is not that of an object array.
    """
    if data is None:
        data = read_bytes(path)
    major = data[6] if data[:6] == b"\x93NUMPY" and len(data) > 10 else 0
    start = 10 if major == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = _NPY_HEADER.fullmatch(data[start:end]) if 1 <= major <= 3 else None
    if header is None:
        raise FileError(path, "expected a .npy array of dtype object, found another header")
    array = load_pickle(path, data, start=end)
    shape = tuple(int(size) for size in re.findall(rb"\d{1,18}", header[1]))
    if not isinstance(array, np.ndarray) or array.shape != shape:
        found = getattr(array, "shape", type(array).__name__)
        raise FileError(path, f"expected an object array of shape {shape}, found {found}")
    return array


def load_object_npz(path: str | os.PathLike, key: str) -> np.ndarray:
    """Read one member of dtype object of an `.npz` file, as `load_object_npy` does.

    Raises:
      FileError: as `load_object_npy`, and where the archive is damaged or has no such member.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{key}.npy")
            # Deflate shrinks at most about 1030-fold; a member that claims more is a lie.
            if info.file_size > 1100 * info.compress_size + 1024:
                raise FileError(
                    path, f"member {key!r} claims {info.file_size} bytes, which is a lie"
                )
            with archive.open(info) as member:
                data = member.read(info.file_size)
    except KeyError:
        raise FileError(path, f"expected a member {key!r}, found none of that name") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise FileError(path, f"damaged npz archive at member {key!r}: {error}") from None
    except (NotImplementedError, RuntimeError, OSError) as error:
        raise FileError(path, f"member {key!r} cannot be read: {error}") from None
    return load_object_npy(path, data)
