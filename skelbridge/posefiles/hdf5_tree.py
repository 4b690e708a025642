"""What an HDF5 file holds, found out without following it outside itself or believing its sizes."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_adapters.containers.errors import FileError

if TYPE_CHECKING:
    import h5py

MAX_NODES = 10_000
#: A dataset may be this much larger than what is stored of it (and small ones always may).
MAX_GROWTH = 1000
SMALL_BYTES = 1 << 20
#: Reading one value takes a whole chunk into memory.
MAX_CHUNK_BYTES = 512 << 20
#: An attribute, or a dataset of text, has at most so many values.
MAX_TEXTS = 100_000
#: Stands for text of variable length, which `hdf5_texts` reads.
VARIABLE_TEXT = object()

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
)


@dataclass
class Tree:
    """The datasets of a file.

    Attributes:
      datasets: shape and dtype by path, for numbers and text.
      refused: by path, why a dataset is not read.
      notes: what was passed over.
    """

    datasets: dict[str, tuple[tuple[int, ...], np.dtype]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@contextlib.contextmanager
def h5_errors(path: str | os.PathLike, *, where: str = "") -> Iterator[None]:
    """Turns errors of the HDF5 library into `FileError`."""
    try:
        yield
    except FileError:
        raise
    except _H5_ERRORS as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(
            path, f"{where}cannot be read as HDF5 ({reason}); it is damaged or of another kind"
        ) from error


def walk(path: str | os.PathLike, file: h5py.File) -> Tree:
    """Lists the datasets that lie in the file itself.

    Links to other files, soft links, datasets whose values lie elsewhere and those that promise
    far more than is stored are left out; loops are walked once.

    Raises:
      FileError: the file is damaged, or has more than `MAX_NODES` groups and datasets.
    """
    import h5py

    file_size = os.stat(path).st_size
    tree = Tree()
    seen: set[int] = set()
    n_nodes = 0
    pending = [("", file["/"].id)]
    while pending:
        prefix, group = pending.pop()
        subgroups = []
        for raw_name in itertools.islice(group, MAX_NODES + 1):
            n_nodes += 1
            if n_nodes > MAX_NODES:
                raise FileError(
                    path, f"expected at most {MAX_NODES} groups and datasets, found more"
                )
            name = f"{prefix}/{raw_name.decode('utf-8', 'replace')}"
            if group.links.get_info(raw_name).type != h5py.h5l.TYPE_HARD:
                tree.notes.append(f"{name!r} is a link and is not followed")
                continue
            node = h5py.h5o.open(group, raw_name)
            address = h5py.h5o.get_info(node).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(node, h5py.h5g.GroupID):
                subgroups.append((name, node))
            elif isinstance(node, h5py.h5d.DatasetID):
                _add(tree, name, h5py.Dataset(node), file_size)
        pending.extend(reversed(subgroups))
    return tree


def _add(tree: Tree, name: str, dataset: h5py.Dataset, file_size: int) -> None:
    """Enters a dataset into the tree, with the reason where it is refused."""
    import h5py

    try:
        dtype, shape = dataset.dtype, dataset.shape
        is_text = h5py.check_string_dtype(dtype) is not None
    except (TypeError, ValueError, RuntimeError) as error:
        tree.refused[name] = f"its type is not understood ({' '.join(str(error).split())[:100]})"
        return
    if dtype.kind == "V" and dtype.names:
        tree.refused[name] = (
            "it holds records (a table of pandas or DeepLabCut?); export it as CSV or Parquet"
        )
        return
    if shape is None or not (dtype.kind in "biufcS" or is_text):
        return
    reason = _refusal(dataset, file_size)
    if reason:
        tree.refused[name] = reason
    else:
        tree.datasets[name] = (shape, dtype)


def _refusal(dataset: h5py.Dataset, file_size: int) -> str | None:
    """Returns why a dataset must not be read, or None."""
    import h5py

    properties = dataset.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL or properties.get_external_count():
        return "its values lie in other files; copy them into this one"
    for i in range(properties.get_nfilters()):
        code, _, _, filter_name = properties.get_filter(i)
        if not h5py.h5z.filter_avail(code):
            filter_name = filter_name.decode("utf-8", "replace") or "no name"
            return (
                f"it is compressed with filter {code} ({filter_name!r}), which is not installed; "
                "save it with gzip or uncompressed"
            )
    n_values = math.prod(dataset.shape)
    if dataset.dtype.kind in "OS" and n_values > MAX_TEXTS:
        return f"it holds {n_values} texts; expected at most {MAX_TEXTS}"
    n_bytes = n_values * dataset.dtype.itemsize
    stored = dataset.id.get_storage_size()
    if stored > file_size:
        return f"it claims {stored} bytes of a file of {file_size}; the file is cut off"
    if n_bytes > max(SMALL_BYTES, MAX_GROWTH * stored):
        return (
            f"its shape {dataset.shape} promises {n_bytes} bytes, the file holds {stored} of them; "
            "it was never filled: write it again"
        )
    if layout == h5py.h5d.CHUNKED:
        chunk_bytes = math.prod(properties.get_chunk()) * dataset.dtype.itemsize
        if chunk_bytes > MAX_CHUNK_BYTES:
            return f"its chunks of {chunk_bytes} bytes are too large; save it in smaller ones"
    return None


def read_values(path: str | os.PathLike, dataset: h5py.Dataset) -> np.ndarray:
    """Reads a whole dataset of numbers or of text of fixed length that `walk` accepted."""
    with h5_errors(path, where=f"key {dataset.name!r}: "):
        return _decoded(np.asarray(dataset[()]))


def read_attribute(path: str | os.PathLike, node: h5py.Group | h5py.Dataset, name: str) -> Any:
    """Reads an attribute of numbers or text.

    Returns:
      The value as an array; None where there is none or it is neither number nor text;
      `VARIABLE_TEXT` where it is text of variable length, which is not read here.
    """
    import h5py

    with h5_errors(path, where=f"attribute {name!r}: "):
        if name not in node.attrs:
            return None
        attribute = node.attrs.get_id(name)
        dtype = attribute.dtype
        is_text = h5py.check_string_dtype(dtype) is not None
        if attribute.shape is None or not (dtype.kind in "iufS" or is_text):
            return None
        if math.prod(attribute.shape) > MAX_TEXTS:
            raise FileError(path, f"attribute {name!r}: expected at most {MAX_TEXTS} values")
        return VARIABLE_TEXT if dtype.kind == "O" else _decoded(np.asarray(node.attrs[name]))


def _decoded(array: np.ndarray) -> np.ndarray:
    """Returns an array in this machine's byte order, bytes as text."""
    if array.dtype.kind != "S":
        return to_native(array)
    texts = [text.decode("utf-8", "replace") for text in array.ravel().tolist()]
    return np.array(texts, str).reshape(array.shape)


def to_native(array: np.ndarray) -> np.ndarray:
    """Returns an array in this machine's byte order."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
