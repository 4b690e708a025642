"""What an HDF5 file holds, found out without following it outside itself or believing its sizes."""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.hdf5_storage import h5_errors, storage_problem

if TYPE_CHECKING:
    import h5py

MAX_NODES = 10_000
#: An attribute, or a dataset of text, has at most so many values.
MAX_TEXTS = 100_000
#: Stands for text of variable length, which `hdf5_texts` reads.
VARIABLE_TEXT = object()


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
    n_values = math.prod(dataset.shape)
    if dataset.dtype.kind in "OS" and n_values > MAX_TEXTS:
        return f"it holds {n_values} texts; expected at most {MAX_TEXTS}"
    return storage_problem(dataset.id, dataset.dtype.itemsize, file_size)


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
