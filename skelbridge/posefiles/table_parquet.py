"""Poses in Parquet files: the wide table of `tables`, with what a table cannot say beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dataset_adapters.containers.errors import FileError

from .array_keys import FIELD_KEYS, describe_poses, entries_of
from .data import PoseData
from .table_body import Labels, TableBody, labels_of, numbers_of
from .table_columns import Columns, DuplicateColumnError, no_joints_problem
from .table_header import read_columns
from .table_poses import poses_from_table
from .table_writing import tables_of

#: Constant columns shrink to nothing; beyond this size and growth a file is refused.
MAX_GROWTH = 1000
SMALL_BYTES = 1 << 30
MAX_COLUMNS = 100_000
_METADATA_KEY = b"skelbridge"
_MAX_METADATA_BYTES = 4 << 20


def read_parquet(path: str | os.PathLike, *, n_joints: int | None = None) -> PoseData:
    """Reads a Parquet table of poses, of the same columns as `read_csv`.

    Args:
      path: the file.
      n_joints: how many joints the source format has, for numbered joints.

    Raises:
      FileError: no Parquet file, a damaged one, or one without columns of joints.
    """
    import pyarrow.parquet

    if not Path(path).is_file():
        raise FileError(path, "cannot be opened: no such file")
    with _arrow_errors(path), pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names
        _check_size(path, file, len(names))
        columns = _columns(path, names)
        if not columns.is_understood:
            raise FileError(path, no_joints_problem(names))
        wanted = [*columns.numeric, *columns.roles.values(), *columns.others]
        metadata = (file.schema_arrow.metadata or {}).get(_METADATA_KEY)
        table = file.read(columns=[names[i] for i in wanted])
        body = _body(path, table, names, columns)
        kinds = {table.schema.field(names[i]).type for i in columns.coordinates}
    poses = poses_from_table(path, columns, body, n_joints=n_joints)
    if kinds == {pyarrow.float32()}:
        poses = dataclasses.replace(poses, positions=poses.positions.astype(np.float32))
    return _described(path, poses, metadata)


def write_parquet(path: str | os.PathLike, poses: PoseData) -> None:
    """Writes poses as a Parquet table, one row per frame (and person).

    float32 and float64 keep their precision. Joint names, skeleton, fps, units and `up` are stored
    in the file's metadata. Positions that are on disk are streamed.
    """
    import pyarrow.parquet

    fields = {
        name: value.tolist()
        for name, value in entries_of(dataclasses.replace(poses, extras={})).items()
        if name in FIELD_KEYS and name not in ("confidence", "joint_names")
    }
    fields["leading"] = list(poses.leading)
    writer = None
    try:
        for table in tables_of(poses, layout="wide"):
            table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(fields)})
            if writer is None:
                writer = pyarrow.parquet.ParquetWriter(os.fspath(path), table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


@contextlib.contextmanager
def _arrow_errors(path) -> Iterator[None]:
    """Turns errors of the Parquet library into `FileError`."""
    import pyarrow as pa

    try:
        yield
    except FileError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileError(
            path, f"cannot be read as Parquet ({reason}); it is damaged or of another kind"
        ) from error


def _check_size(path, file, n_columns: int) -> None:
    """Refuses a table that would take far more memory than the file."""
    if n_columns > MAX_COLUMNS:
        raise FileError(path, f"expected at most {MAX_COLUMNS} columns, found {n_columns}")
    n_rows = file.metadata.num_rows
    size = os.stat(path).st_size
    if n_rows < 0 or n_rows * n_columns * 8 > max(SMALL_BYTES, MAX_GROWTH * size):
        raise FileError(
            path, f"it promises {n_rows} rows of {n_columns} columns in {size} bytes; it is damaged"
        )


def _columns(path, names: list[str]) -> Columns:
    if len(set(names)) < len(names):
        raise FileError(path, "expected columns of different names, found two of the same")
    try:
        return read_columns(names)
    except DuplicateColumnError as error:
        raise FileError(path, f"column {str(error)!r} is there twice; rename one") from error


def _body(path, table, names: list[str], columns: Columns) -> TableBody:
    """Returns numbers and labels of a pyarrow table."""
    import pyarrow as pa

    numeric = [names[i] for i in columns.numeric]
    for name in numeric:
        kind = table.schema.field(name).type
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            raise FileError(path, f"expected numbers in column {name!r}, found {kind}")
        if not pa.types.is_floating(kind):
            place = table.schema.get_field_index(name)
            column = table.column(name).cast(pa.float64(), safe=False)
            table = table.set_column(place, name, column)
    labels = {}
    for i in (*columns.roles.values(), *columns.others):
        column = table.column(names[i])
        try:
            labels[i] = labels_of(column.cast(pa.large_string()))
        except (pa.ArrowException, NotImplementedError):
            if i in columns.roles.values():
                raise
    for i in list(columns.others):
        if i not in labels:  # nested values; no table of text could hold them
            labels[i] = Labels(np.zeros(table.num_rows, np.int64), [""])
    return TableBody(numbers_of(table, numeric), labels)


def _described(path, poses: PoseData, metadata: bytes | None) -> PoseData:
    """Returns poses with what `write_parquet` stored of them."""
    if not metadata or len(metadata) > _MAX_METADATA_BYTES:
        return poses
    try:
        fields = json.loads(metadata)
    except (ValueError, RecursionError):
        return poses
    if not isinstance(fields, dict):
        return poses
    fields = {
        key: value
        for key, value in fields.items()
        if key in FIELD_KEYS and key != "confidence" and _is_plain(value)
    }
    is_single = fields.get("leading") == []
    if is_single:
        del fields["leading"]
    if is_single and len(poses.leading) == 1 and poses.positions.shape[0] == 1:
        confidence = None if poses.confidence is None else poses.confidence[0]
        poses = dataclasses.replace(
            poses, positions=poses.positions[0], leading=(), confidence=confidence
        )
    return describe_poses(path, poses, fields)


def _is_plain(value) -> bool:
    """Whether a JSON value is a number, a text or a list of texts."""
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, (str, int, float))
