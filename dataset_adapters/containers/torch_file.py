"""Tensors of a file that `torch.save` wrote (a zip archive, since PyTorch 1.6); none of it is run.

`data.pkl` in the archive is a pickle of a dictionary whose tensors are calls of
`torch._utils._rebuild_tensor_v2` with persistent ids of storages; those are the members `data/KEY`,
raw and uncompressed. The machine of `pickle_machine` reads it with a vocabulary of its own.
"""

from __future__ import annotations

import math
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import FileError
from .npz import ZIP_ERRORS
from .pickle_machine import PickleMachine
from .pickle_shells import Global, RefusedError
from .safetensors import from_bfloat16

#: Classes of storages -> type of their numbers.
_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
#: How the format before PyTorch 1.6 begins: a pickled number.
_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
_SAVE_AGAIN = "save it again: torch.save(torch.load(FILE, weights_only=True), NEW)"
_MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors (`torch.save(model.state_dict(), path)`).

    Returns:
      Read-only arrays by name; bfloat16 becomes float32.

    Raises:
      FileError: the file is damaged, of the format before PyTorch 1.6, holds anything else than a
        dictionary of dense tensors, or names a class or function that such a file has no need of.
    """
    try:
        with open(path, "rb") as file:
            if file.read(len(_LEGACY)) == _LEGACY:
                raise FileError(path, f"is of PyTorch's old file format; {_SAVE_AGAIN}")
        with zipfile.ZipFile(path) as archive:
            return _Reader(path, archive).tensors()
    except FileError:
        raise
    except ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.strerror:
            raise FileError.unreadable(path, error) from None
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise FileError(
            path,
            f"expected a file of torch.save (a zip archive), found another ({reason}); it is "
            "damaged, cut off or of another kind",
        ) from None


class _Reader:
    """One archive while it is read."""

    def __init__(self, path, archive: zipfile.ZipFile):
        self._path, self._archive = path, archive
        members = archive.infolist()
        # Members that share bytes (overlapping zip bombs) add up to more than the file.
        if sum(info.compress_size for info in members) > Path(path).stat().st_size:
            raise FileError(path, "its members add up to more than the file; it is damaged")
        pickles = [x.filename for x in members if x.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise FileError(
                path, f"expected one data.pkl in a file of torch.save, found {len(pickles)}"
            )
        self._folder = pickles[0].removesuffix("data.pkl")
        self._storages: dict[_Storage, np.ndarray] = {}

    def tensors(self) -> dict[str, np.ndarray]:
        names = self._archive.namelist()
        order = f"{self._folder}byteorder"
        if order in names and self._member("byteorder") != b"little":
            raise FileError(self._path, f"expected little-endian numbers; {_SAVE_AGAIN}")
        machine = _TorchMachine(self._member("data.pkl"))
        try:
            found = machine.run()
        except RefusedError as problem:
            raise FileError(self._path, f"pickle refused: not loaded because {problem}") from None
        if type(found) is not dict:
            raise FileError(
                self._path, "expected a dictionary of tensors, found another object; save "
                "model.state_dict()"
            )  # fmt: skip
        return {self._name(name): self._array(name, value) for name, value in found.items()}

    def _name(self, name) -> str:
        if type(name) is not str:
            raise FileError(self._path, f"expected names of tensors, found {str(name)[:40]!a}")
        return name

    def _member(self, name: str) -> bytes:
        info = self._archive.getinfo(self._folder + name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise FileError(self._path, f"expected uncompressed members, found {name[:40]!a}")
        return self._archive.read(info)

    def _array(self, name, tensor) -> np.ndarray:
        where = f"{name[:80]!a}: "
        if type(tensor) is not _Tensor:
            raise FileError(
                self._path,
                f"{where}expected a tensor, found {type(tensor).__name__}; save the dictionary of "
                "tensors (model.state_dict()) alone",
            )
        values = self._storage(where, tensor.storage)
        sizes = list(zip(tensor.shape, tensor.strides, strict=True))
        count = math.prod(tensor.shape)
        last = tensor.offset + sum((size - 1) * stride for size, stride in sizes)
        # An array larger than its storage repeats numbers: nothing that a network's weights need.
        if count and (last >= len(values) or count > len(values)):
            raise FileError(
                self._path,
                f"{where}expected numbers within its storage of {len(values)}, found shape "
                f"{tensor.shape} with strides {tensor.strides} from {tensor.offset}",
            )
        if not count:
            return values[:0].reshape(tensor.shape)
        strides = [stride * values.itemsize for stride in tensor.strides]
        return np.lib.stride_tricks.as_strided(
            values[tensor.offset :], tensor.shape, strides, writeable=False
        )

    def _storage(self, where: str, storage: _Storage) -> np.ndarray:
        if storage not in self._storages:
            try:
                raw = self._member(f"data/{storage.key}")
            except KeyError:
                raise FileError(
                    self._path, f"{where}expected its numbers in data/{storage.key}, found none"
                ) from None
            if len(raw) != storage.count * np.dtype(storage.dtype).itemsize:
                raise FileError(
                    self._path,
                    f"{where}expected {storage.count} numbers in data/{storage.key}, found "
                    f"{len(raw)} bytes",
                )
            values = np.frombuffer(raw, storage.dtype)
            is_short = storage.dtype == _STORAGES["BFloat16Storage"]
            self._storages[storage] = from_bfloat16(values) if is_short else values
        return self._storages[storage]


class _TorchMachine(PickleMachine):
    """Reads the pickle of a dictionary of tensors and knows no other class or function."""

    def __init__(self, data: bytes):
        super().__init__(data, "utf-8")

    def find_global(self, module: str, name: str) -> Global:
        """Returns what stands for the few functions and classes in such files."""
        full_name = f"{module}.{name}"[:100]
        if module == "torch" and name in _STORAGES:
            return Global(full_name, _not_called)
        build = _PERMITTED.get((module, name))
        if build is None:
            raise RefusedError(
                f"it names {full_name!r}, which a dictionary of tensors has no need of; save "
                "model.state_dict() alone"
            )
        return Global(full_name, build)

    def find_persistent(self, key) -> _Storage:
        """Returns the storage ("storage", class, key, device, count)."""
        if type(key) is not tuple or len(key) != 5 or key[0] != "storage":
            raise RefusedError("it refers to objects outside the file that are no storages")
        _, kind, name, _, count = key
        storage = kind.name.removeprefix("torch.") if type(kind) is Global else None
        is_name = type(name) is str and name.isascii() and name.isalnum() and len(name) < 40
        if storage not in _STORAGES or not is_name or not _is_size(count):
            raise RefusedError("it refers to a malformed storage")
        return _Storage(name, _STORAGES[storage], count)

    def set_state(self, target, state) -> None:
        """Passes over the attributes of the dictionary (`_metadata`: versions of layers)."""
        if type(target) is not dict or type(state) is not dict:
            super().set_state(target, state)


def _is_size(value) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _is_shape(value) -> bool:
    is_tuple = type(value) is tuple and len(value) <= _MAX_DIMENSIONS
    # The product without zeros: numpy refuses larger ones even of empty arrays.
    return is_tuple and all(map(_is_size, value)) and math.prod(x or 1 for x in value) < 1 << 48


def _are_strides(value, shape) -> bool:
    return type(value) is tuple and len(value) == len(shape) and all(map(_is_size, value))


def _not_called(budget, args):
    raise RefusedError("a class of storages is called directly")


def _rebuild_tensor(budget, args):
    if len(args) not in (6, 7):
        raise RefusedError("torch's _rebuild_tensor_v2 is called with unexpected arguments")
    storage, offset, shape, strides = args[:4]
    is_sound = type(storage) is _Storage and _is_size(offset)
    if not (is_sound and _is_shape(shape) and _are_strides(strides, shape)):
        raise RefusedError("a tensor has a malformed storage, offset, shape or strides")
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(budget, args):
    if not args or type(args[0]) is not _Tensor:
        raise RefusedError("torch's _rebuild_parameter is called without a tensor")
    return args[0]


def _new_dictionary(budget, args):
    if args:
        raise RefusedError("an ordered dictionary is made with unexpected arguments")
    return {}


_PERMITTED = {
    ("collections", "OrderedDict"): _new_dictionary,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
