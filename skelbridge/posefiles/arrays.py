"""Poses in numpy's own files: `.npy` (one array) and `.npz` (named arrays)."""

from __future__ import annotations

import math
import os

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npy import (
    NpyFile,
    NpyWriter,
    open_npz,
    read_npy_bytes,
    write_npz_archive,
)

from .array_keys import MAX_EXTRAS_BYTES, choose_pose_key, describe_poses, entries_of
from .array_shapes import STREAM_BYTES, poses_from_array, row_chunks
from .data import PoseData

#: Writes a `.npy` file chunk by chunk.
npy_stream_writer = NpyWriter


def read_npy(
    path: str | os.PathLike, *, n_joints: int | None = None, data: bytes | None = None
) -> PoseData:
    """Reads a `.npy` file of poses, see `poses_from_array` for the shapes.

    Args:
      path: the file. Above 64 MB its positions stay on disk (`PoseData.streams`).
      n_joints: how many joints the source format has, so that flat rows can be folded.
      data: all of the file, where it was read already.

    Raises:
      FileError: no array of poses, objects inside, or a header that lies.
    """
    if data is not None:
        return poses_from_array(path, read_npy_bytes(os.fspath(path), data), n_joints=n_joints)
    file = NpyFile(path)
    if file.n_bytes > STREAM_BYTES:
        return poses_from_array(path, file, n_joints=n_joints)
    with file:
        return poses_from_array(path, file.read(), n_joints=n_joints)


def read_npz(
    path: str | os.PathLike,
    *,
    key: str | None = None,
    n_joints: int | None = None,
    data: bytes | None = None,
) -> PoseData:
    """Reads the poses of an `.npz` file, and carries its other arrays along.

    Args:
      path: the file.
      key: the name of the pose array; else the one array that has the shape of poses, or the one
        with the likeliest name among several (`array_keys.POSE_KEYS`).
      n_joints: how many joints the source format has.
      data: all of the file, where it was read already.

    Raises:
      FileError: no `.npz` file, no fitting array (the message lists keys and shapes), a damaged
        or lying member.
    """
    with open_npz(path, data=data) as archive:
        headers, refused = {}, {}
        for name in archive:
            try:
                headers[name] = archive.header(name)
            except FileError as error:
                refused[name] = error
        if refused and (key in refused or not headers):
            raise refused.get(key) or next(iter(refused.values()))
        try:
            pose_key = choose_pose_key(path, headers, key=key, n_joints=n_joints)
        except FileError as error:
            if refused and key is None:
                raise next(iter(refused.values())) from error
            raise
        notes = [f"{error.problem.split(';')[0]}; it is left out" for error in refused.values()]
        array = archive[pose_key]
        where = f"key {pose_key!r}: "
        entries, n_bytes = {}, 0
        for name, (shape, dtype) in headers.items():
            if name == pose_key:
                continue
            size = math.prod(shape) * dtype.itemsize
            if n_bytes + size > MAX_EXTRAS_BYTES:
                notes.append(f"key {name!r} is left out: it is too large to be carried along")
                continue
            n_bytes += size
            entries[name] = archive[name]
    poses = poses_from_array(path, array, n_joints=n_joints, notes=tuple(notes), where=where)
    return describe_poses(path, poses, entries)


def write_npy(path: str | os.PathLike, poses: PoseData) -> None:
    """Writes the positions, and nothing else, as one `.npy` array; streams what streams."""
    positions = poses.positions
    with NpyWriter(path, positions.shape[1:], positions.dtype, n_rows=positions.shape[0]) as writer:
        for chunk in row_chunks(positions):
            writer.append(chunk)


def write_npz(path: str | os.PathLike, poses: PoseData, *, key: str = "positions") -> None:
    """Writes poses with all that is known of them as an `.npz` file.

    Args:
      path: the file.
      poses: the poses; positions that are on disk are streamed.
      key: the name of the pose array. Extras keep their names (one that is taken is prefixed with
        `extra_`); those that are no arrays are stored as JSON text.
    """
    positions = poses.positions
    entries = {key: (positions.shape, positions.dtype, row_chunks(positions))}
    for name, value in entries_of(poses).items():
        while name in entries:
            name = f"extra_{name}"
        entries[name] = value
    write_npz_archive(path, entries)
