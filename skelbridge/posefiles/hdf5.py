"""Poses in HDF5 files (`.h5`, `.hdf5`)."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.hdf5_storage import h5_errors

from .array_keys import (
    FIELD_KEYS,
    MAX_EXTRAS_BYTES,
    choose_pose_key,
    describe_poses,
    entries_of,
)
from .array_shapes import STREAM_BYTES, poses_from_array, row_slices
from .data import PoseData
from .hdf5_texts import UnreadableTextError, read_texts
from .hdf5_tree import (
    VARIABLE_TEXT,
    Tree,
    read_attribute,
    read_values,
    to_native,
    walk,
)

if TYPE_CHECKING:
    import h5py

_CHUNK_BYTES = 1 << 20
#: HDF5 keeps attributes of up to 64 KB beside the values; a longer list becomes a dataset.
_MAX_ATTRIBUTE_NAMES = 1000


class H5Rows:
    """A numeric dataset of an open HDF5 file, read in slices of its first axis (an `ArrayLike`)."""

    def __init__(self, path: str | os.PathLike, dataset: h5py.Dataset):
        self.path = os.fspath(path)
        self.shape = dataset.shape
        self.dtype = dataset.dtype.newbyteorder("=")
        self._dataset = dataset

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(self.shape[0])
        indices = range(start, stop, step)
        if not indices:
            return np.empty((0, *self.shape[1:]), self.dtype)
        # HDF5 knows steps forwards only.
        forwards = slice(min(indices[0], indices[-1]), max(indices[0], indices[-1]) + 1, abs(step))
        with h5_errors(self.path, where=f"key {self._dataset.name!r}: "):
            values = to_native(self._dataset[forwards])
        return values if step > 0 else values[::-1]

    def close(self) -> None:
        """Closes the file."""
        self._dataset.file.close()


def read_h5(
    path: str | os.PathLike, *, key: str | None = None, n_joints: int | None = None
) -> PoseData:
    """Reads poses from a dataset of an HDF5 file.

    Names of joints, skeleton, fps, units and `up` are read from attributes of the dataset, of the
    groups around it or of the file, or from datasets beside it; the other datasets beside it are
    carried along.

    Args:
      path: the file. A dataset above 64 MB stays on disk (`PoseData.streams`).
      key: the dataset's path in the file; else it is chosen by shape and name.
      n_joints: how many joints the source format has.

    Raises:
      FileError: no HDF5 file, no fitting dataset (the message lists them), values outside the
        file, a filter that is not installed, or a shape that the file cannot hold.
    """
    import h5py

    if not Path(path).is_file():
        raise FileError(path, "cannot be opened: no such file")
    with h5_errors(path):
        file = h5py.File(path, "r")
    stays_open = False
    try:
        with h5_errors(path):
            tree = walk(path, file)
            name = _choose(path, tree, key, n_joints)
            dataset = file[name]
            entries, notes = _surroundings(path, file, tree, name)
            is_large = dataset.size * dataset.dtype.itemsize > STREAM_BYTES
            array = H5Rows(path, dataset) if is_large else read_values(path, dataset)
        poses = poses_from_array(
            path, array, n_joints=n_joints, notes=tuple(notes), where=f"key {name!r}: "
        )
        poses = describe_poses(path, poses, entries)
        stays_open = poses.streams
        return poses
    finally:
        if not stays_open:
            file.close()


def _choose(path, tree: Tree, key: str | None, n_joints: int | None) -> str:
    """Returns the path of the pose dataset."""
    if key is not None and not key.startswith("/"):
        key = f"/{key}"
    if key in tree.refused:
        raise FileError(path, f"key {key!r}: {tree.refused[key]}")
    try:
        return choose_pose_key(path, tree.datasets, key=key, n_joints=n_joints)
    except FileError as error:
        if tree.refused and key is None:
            name, reason = next(iter(tree.refused.items()))
            raise FileError(path, f"key {name!r}: {reason}") from error
        raise


def _surroundings(path, file: h5py.File, tree: Tree, name: str) -> tuple[dict, list[str]]:
    """Returns attributes and datasets that belong to a dataset, and notes on those left out."""
    entries, texts, notes, n_bytes = {}, {}, list(tree.notes), 0
    group_name = name.rpartition("/")[0]
    for other, (shape, dtype) in tree.datasets.items():
        if other == name or other.rpartition("/")[0] != group_name:
            continue
        size = math.prod(shape) * dtype.itemsize
        if n_bytes + size > MAX_EXTRAS_BYTES:
            notes.append(f"key {other!r} is left out: it is too large to be carried along")
            continue
        n_bytes += size
        label = other.rpartition("/")[2]
        if dtype.kind == "O":
            texts[label] = (other, None)
        else:
            entries[label] = read_values(path, file[other])
    for other, reason in tree.refused.items():
        if other.rpartition("/")[0] == group_name:
            notes.append(f"key {other!r} is left out: {reason.split(';')[0]}")
    parts = name.split("/")
    nodes = [file, *(file["/".join(parts[:i])] for i in range(2, len(parts) + 1))]
    for attribute in (attribute for names in FIELD_KEYS.values() for attribute in names):
        for node in reversed(nodes):
            value = read_attribute(path, node, attribute)
            if value is not None and attribute not in entries and attribute not in texts:
                if value is VARIABLE_TEXT:
                    texts[attribute] = (node.name, attribute)
                else:
                    entries[attribute] = value
                break
    if texts:
        try:
            entries |= zip(texts, read_texts(path, list(texts.values())), strict=True)
        except UnreadableTextError as error:
            raise FileError(
                path, f"text {', '.join(map(repr, texts))} cannot be read ({error}); it is damaged"
            ) from error
    return entries, notes


def write_h5(path: str | os.PathLike, poses: PoseData) -> None:
    """Writes poses as an HDF5 file: dataset `positions`, the rest as attributes and datasets.

    Positions are written in chunks of frames of about 1 MB; those that are on disk are streamed.
    """
    import h5py

    positions = poses.positions
    row_bytes = math.prod(positions.shape[1:]) * positions.dtype.itemsize
    chunk_rows = min(positions.shape[0], max(1, _CHUNK_BYTES // row_bytes))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "positions",
            positions.shape,
            positions.dtype,
            chunks=(chunk_rows, *positions.shape[1:]) if chunk_rows else None,
        )
        for rows in row_slices(positions):
            dataset[rows] = positions[rows]
        attributes = {keys[0] for keys in FIELD_KEYS.values()} - {"confidence"}
        for name, value in entries_of(poses).items():
            name = name.replace("/", "_").strip(".") or "_"
            while name in file:
                name = f"extra_{name}"
            dtype = value.dtype
            if dtype.kind == "U":
                # Text of fixed length, for it is read without a detour (see hdf5_texts).
                encoded = np.asarray(np.char.encode(value, "utf-8"))
                dtype = h5py.string_dtype("utf-8", max(encoded.dtype.itemsize, 1))
                value = encoded.astype(dtype)
            if name in attributes and value.size <= _MAX_ATTRIBUTE_NAMES:
                file.attrs.create(name, value, dtype=dtype)
            else:
                file.create_dataset(name, data=value, dtype=dtype)
