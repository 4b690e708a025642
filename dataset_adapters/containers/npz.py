"""`.npz` archives: arrays by key, each checked before it takes memory."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from .errors import FileError
from .npy_header import (
    NpyHeader,
    check_size,
    decode_values,
    format_npy_header,
    read_npy_header,
)

#: A member that grows more than this in reading, and beyond `BOMB_BYTES`, is refused. (Deflate
#: cannot grow more than 1032-fold, and only constant data comes near.)
MAX_GROWTH = 1000
BOMB_BYTES = 100 << 20
#: An archive that promises more in total, and more than `TOTAL_GROWTH` times its size, is refused.
MAX_TOTAL_BYTES = 16 << 30
TOTAL_GROWTH = 10
_READ_BYTES = 1 << 20

#: What `zipfile` raises on damaged archives, by experience and by its source.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    KeyError,
)


class NpzArchive(Mapping[str, np.ndarray]):
    """The arrays of an `.npz` file, each read when it is asked for.

    Keys are the members' names without `.npy`; members that are no `.npy` are left out.
    `archive[key]` raises `FileError` where the array is damaged, lies about its size or holds
    Python objects.

    Args:
      path: the file.
      data: all of it, where it was read already (then `path` is only for messages).

    Raises:
      FileError: no zip archive, an encrypted one, or one that promises far more than it can hold.
    """

    def __init__(self, path: str | os.PathLike, *, data: bytes | None = None):
        self.path = os.fspath(path)
        if data is None and Path(path).exists() and not Path(path).is_file():
            raise FileError(path, "expected a file, found a folder or device")
        try:
            size = len(data) if data is not None else Path(path).stat().st_size
            self._zip = zipfile.ZipFile(io.BytesIO(data) if data is not None else self.path)
        except ZIP_ERRORS as error:
            if isinstance(error, OSError) and error.strerror:
                raise FileError(path, f"cannot be opened: {error.strerror}") from error
            raise FileError(
                path,
                f"expected an .npz file (a zip archive), found {_one_line(error)}; "
                "it is cut off or of another kind",
            ) from error
        self._members = {
            info.filename.removesuffix(".npy"): info
            for info in self._zip.infolist()
            if info.filename.endswith(".npy")
        }
        try:
            self._check_members(size)
        except FileError:
            self.close()
            raise

    def _check_members(self, size: int) -> None:
        members = self._members.values()
        # Members that share bytes (overlapping zip bombs) add up to more than the file.
        if sum(info.compress_size for info in members) > size:
            raise FileError(self.path, "its members add up to more than the file; it is damaged")
        total = sum(info.file_size for info in members)
        if total > MAX_TOTAL_BYTES and total > TOTAL_GROWTH * size:
            raise FileError(
                self.path,
                f"it promises {total} bytes in a file of {size}; expected at most "
                f"{MAX_TOTAL_BYTES}: split it, or save it uncompressed with numpy.savez",
            )

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: object) -> bool:
        return key in self._members

    def header(self, key: str) -> tuple[tuple[int, ...], np.dtype]:
        """Returns shape and dtype of an array, reading no more than its header."""
        header, stream = self._open(key)
        stream.close()
        return header.shape, header.dtype

    def __getitem__(self, key: str) -> np.ndarray:
        header, stream = self._open(key)
        where = f"key {key!r}: "
        with stream:
            try:
                raw = np.empty(header.n_bytes, np.uint8)
            except MemoryError as error:
                raise FileError(
                    self.path, f"{where}it needs {header.n_bytes} bytes of memory"
                ) from error
            at = 0
            try:
                while block := stream.read(_READ_BYTES):
                    end = at + len(block)
                    if end > len(raw):
                        raise EOFError("more values than it promises")
                    raw[at:end] = np.frombuffer(block, np.uint8)
                    at = end
                if at < len(raw):
                    raise EOFError("fewer values than it promises")
            except ZIP_ERRORS as error:
                raise self._damaged(key, error) from error
        return decode_values(self.path, header, raw, where=where)

    def _open(self, key: str) -> tuple[NpyHeader, zipfile.ZipExtFile]:
        info = self._members[key]
        where = f"key {key!r}: "
        if info.flag_bits & 1:
            raise FileError(self.path, f"{where}it is encrypted; save it without a password")
        # Other methods (lzma) take memory as the file asks; numpy writes these two only.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(
                self.path,
                f"{where}expected stored or deflated data, found zip method "
                f"{info.compress_type}; save it with numpy.savez_compressed",
            )
        if info.file_size > max(BOMB_BYTES, MAX_GROWTH * info.compress_size):
            raise FileError(
                self.path,
                f"{where}it promises {info.file_size} bytes out of {info.compress_size}; "
                "if that is meant, save it uncompressed with numpy.savez",
            )
        try:
            stream = self._zip.open(info)
        except ZIP_ERRORS as error:
            raise self._damaged(key, error) from error
        try:
            header = read_npy_header(self.path, stream.read, where=where)
            check_size(self.path, header, info.file_size - header.data_offset, where=where)
        except FileError:
            stream.close()
            raise
        except ZIP_ERRORS as error:
            stream.close()
            raise self._damaged(key, error) from error
        return header, stream

    def _damaged(self, key: str, error: Exception) -> FileError:
        return FileError(
            self.path,
            f"key {key!r}: cannot be read ({_one_line(error)}); the file is damaged: "
            "copy or save it again",
        )

    def close(self) -> None:
        """Closes the file."""
        self._zip.close()

    def __enter__(self) -> NpzArchive:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def open_npz(path: str | os.PathLike, *, data: bytes | None = None) -> NpzArchive:
    """Opens an `.npz` file for reading its arrays one by one; see `NpzArchive`."""
    return NpzArchive(path, data=data)


def write_npz_archive(
    path: str | os.PathLike,
    arrays: Mapping[str, np.ndarray | tuple[tuple[int, ...], np.dtype, Iterable[np.ndarray]]],
) -> None:
    """Writes an uncompressed `.npz` file that numpy reads.

    Args:
      path: the file; what it held is lost.
      arrays: by key, an array of numbers or text, or a triple of its shape, its dtype and its rows
        in chunks, which are then never held together.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, value in arrays.items():
            if isinstance(value, np.ndarray):
                value = (value.shape, value.dtype, [value])
            shape, dtype, chunks = value
            dtype = np.dtype(dtype).newbyteorder("=")
            if dtype.kind not in "biufcSU":
                raise ValueError(f"{key!r} must be of numbers or text. Received {dtype}")
            # A fixed date: equal arrays make equal files.
            info = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as stream:
                stream.write(format_npy_header(shape, dtype))
                for chunk in chunks:
                    chunk = chunk.astype(dtype, order="C", copy=False)
                    if chunk.size and dtype.itemsize:
                        stream.write(chunk.reshape(-1).view(np.uint8))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
