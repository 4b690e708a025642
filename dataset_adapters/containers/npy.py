"""`.npy` arrays read row by row and written chunk by chunk, without pickles and memory maps."""

from __future__ import annotations

import io
import os
import stat
import threading
import weakref
from pathlib import Path

import numpy as np

from .errors import FileError
from .npy_header import (
    check_size,
    decode_values,
    format_npy_header,
    read_npy_header,
)
from .npz import NpzArchive, open_npz, write_npz_archive

__all__ = [
    "NpyFile",
    "NpyWriter",
    "NpzArchive",
    "open_npz",
    "read_npy_bytes",
    "write_npz_archive",
]

#: A Fortran-ordered file has no contiguous rows: up to this size it is read whole.
MAX_FORTRAN_BYTES = 256 << 20
#: The most that one read asks of the system (Linux itself stops below 2 GiB).
_MAX_READ_BYTES = 1 << 30
#: So much is written before its way to the disk begins.
_FLUSH_BYTES = 64 << 20


class NpyFile:
    """A `.npy` file whose rows are read when they are asked for.

    `array[10:20]` reads these rows only, into fresh memory in this machine's byte order. (A memory
    map would count as resident memory once read.) Header and file size are checked on opening.

    Args:
      path: the file.

    Raises:
      FileError: no `.npy` file, objects inside, or another size than the header promises.

    >>> with NpyFile("walk.npy") as walk:
    ...     first_second = walk[:60]
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for a writer.
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise FileError(path, f"cannot be opened: {error.strerror}") from error
        # Closes the file when the object goes: poses that are streamed have no owner to close them.
        self._closer = weakref.finalize(self, os.close, self._descriptor)
        try:
            self._header = self._checked_header()
        except FileError:
            self.close()
            raise
        self.shape = self._header.shape
        self.dtype = self._header.dtype
        self._whole: np.ndarray | None = None

    def _checked_header(self):
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileError(self.path, "expected a file, found a folder or device")
        # Longer than any header that is accepted, so one read is enough.
        beginning = np.empty(min(status.st_size, 16_384), np.uint8)
        self._read_into(beginning, 0)
        header = read_npy_header(self.path, io.BytesIO(beginning.tobytes()).read)
        check_size(self.path, header, status.st_size - header.data_offset)
        if header.fortran_order and len(header.shape) > 1 and header.n_bytes > MAX_FORTRAN_BYTES:
            raise FileError(
                self.path,
                f"expected rows in C order, found Fortran order in a file of {header.n_bytes} "
                "bytes; save numpy.ascontiguousarray(array) instead",
            )
        return header

    @property
    def n_bytes(self) -> int:
        """Bytes that the values take."""
        return self._header.n_bytes

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        if not isinstance(rows, slice) or not self.shape:
            raise TypeError(f"an NpyFile of shape {self.shape} takes a slice. Received {rows!r}")
        if self._header.fortran_order and len(self.shape) > 1:
            return self.read()[rows].copy()
        start, stop, step = rows.indices(self.shape[0])
        indices = range(start, stop, step)
        row_bytes = self.n_bytes // self.shape[0] if self.shape[0] else 0
        raw = np.empty(len(indices) * row_bytes, np.uint8)
        offset = self._header.data_offset
        if step == 1:
            self._read_into(raw, offset + start * row_bytes)
        else:
            for position, index in enumerate(indices):
                row = raw[position * row_bytes : (position + 1) * row_bytes]
                self._read_into(row, offset + index * row_bytes)
        return self._decode(raw, (len(indices), *self.shape[1:]))

    def read(self) -> np.ndarray:
        """Returns the whole array."""
        if self._whole is not None:
            return self._whole
        raw = np.empty(self.n_bytes, np.uint8)
        self._read_into(raw, self._header.data_offset)
        array = self._decode(raw, self.shape)
        if self._header.fortran_order:
            self._whole = array
        return array

    def _decode(self, raw: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        header = type(self._header)(
            shape, self._header.stored_dtype, self._header.fortran_order, self._header.data_offset
        )
        return decode_values(self.path, header, raw)

    def _read_into(self, raw: np.ndarray, offset: int) -> None:
        if not self._closer.alive:
            raise ValueError(f"{self.path} is closed")
        buffer = memoryview(raw)
        while buffer:
            try:
                n_read = os.preadv(self._descriptor, [buffer[:_MAX_READ_BYTES]], offset)
            except OSError as error:
                raise FileError(self.path, f"cannot be read: {error.strerror}") from error
            if n_read == 0:
                raise FileError(self.path, "ended early: it was cut off while being read")
            buffer = buffer[n_read:]
            offset += n_read

    def close(self) -> None:
        """Closes the file; reading from it is an error afterwards."""
        self._closer()

    def __enter__(self) -> NpyFile:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class NpyWriter:
    """Writes a `.npy` file of C-ordered rows as they come.

    Args:
      path: the file; what it held is lost.
      shape_tail: the shape of one row.
      dtype: the dtype of the file; chunks are cast to it (never from float to int).
      n_rows: the number of rows where it is known. Without it, `close` writes it into the header;
        a file that was left open or abandoned by an exception does not read as a complete one.

    >>> with NpyWriter("walk.npy", (17, 3), "float32") as walk:
    ...     walk.append(np.zeros((60, 17, 3), np.float32))
    """

    def __init__(
        self,
        path: str | os.PathLike,
        shape_tail: tuple[int, ...],
        dtype: np.typing.DTypeLike,
        *,
        n_rows: int | None = None,
    ):
        self.shape_tail = tuple(shape_tail)
        self.dtype = np.dtype(dtype).newbyteorder("=")
        if self.dtype.kind not in "biufcSU":
            raise ValueError(f"dtype must be of numbers or text. Received {self.dtype}")
        self.n_rows = n_rows
        self._n_written = 0
        self._unflushed_bytes = 0
        self._flushing: threading.Thread | None = None
        self._flush_error: OSError | None = None
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115 - closed by close()
        self._write(format_npy_header((n_rows or 0, *self.shape_tail), self.dtype))

    def append(self, chunk: np.ndarray) -> None:
        """Writes further rows, `(n, *shape_tail)`."""
        chunk = np.asarray(chunk)
        if chunk.ndim == 0 or chunk.shape[1:] != self.shape_tail:
            raise ValueError(f"rows must have shape {self.shape_tail}. Received {chunk.shape}")
        chunk = chunk.astype(self.dtype, order="C", casting="same_kind", copy=False)
        self._write(chunk.reshape(-1).view(np.uint8))
        self._n_written += len(chunk)

    def _write(self, values: bytes | np.ndarray) -> None:
        buffer = memoryview(values)
        while buffer:
            buffer = buffer[self._file.write(buffer[:_MAX_READ_BYTES]) :]
        self._unflushed_bytes += len(values)
        if self._unflushed_bytes >= _FLUSH_BYTES and not (
            self._flushing and self._flushing.is_alive()
        ):
            self._unflushed_bytes = 0
            self._flushing = threading.Thread(target=self._flush)
            self._flushing.start()

    def _flush(self) -> None:
        """Sends what was written so far to the disk while more is being made."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:  # Told once only, so it must not get lost here.
            self._flush_error = error

    def _finish_flushing(self) -> None:
        if self._flushing is not None:
            self._flushing.join()

    def close(self) -> None:
        """Completes the header and closes the file.

        Raises:
          ValueError: not as many rows were written as were announced.
        """
        if self._file.closed:
            return
        self._finish_flushing()
        with self._file:
            if self._flush_error is not None:
                raise self._flush_error
            if self.n_rows is None:
                self._file.seek(0)
                self._write(format_npy_header((self._n_written, *self.shape_tail), self.dtype))
            elif self._n_written != self.n_rows:
                raise ValueError(
                    f"{self.n_rows} rows must be written. Received {self._n_written} rows"
                )

    def __enter__(self) -> NpyWriter:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.close()
        else:
            self._finish_flushing()
            self._file.close()


def read_npy_bytes(name: str, data: bytes) -> np.ndarray:
    """Reads a `.npy` array from memory, e.g. from standard input.

    Args:
      name: what messages call it.
      data: all of the file.

    Raises:
      FileError: as for `NpyFile`.
    """
    header = read_npy_header(name, io.BytesIO(data).read)
    check_size(name, header, len(data) - header.data_offset)
    raw = (
        np.frombuffer(data, np.uint8, offset=header.data_offset).copy()
        if header.n_bytes
        else (np.empty(0, np.uint8))
    )
    return decode_values(name, header, raw)
