"""Which writer a file goes to."""

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from ..atomic import atomic_path
from .data import PoseData

#: Suffix -> (module, function). `#results` and the like choose a dialect, see `write_poses`.
WRITERS = {
    ".csv": ("tables", "write_csv"),
    ".h5": ("hdf5", "write_h5"),
    ".hdf5": ("hdf5", "write_h5"),
    ".json": ("plain_json_writing", "write_json"),
    ".npy": ("arrays", "write_npy"),
    ".npz": ("arrays", "write_npz"),
    ".parquet": ("tables", "write_parquet"),
    ".trc": ("markers", "write_trc"),
}
#: Dialects that share a suffix with others: name -> (module, function, keyword arguments).
DIALECTS = {
    "alphapose": ("alphapose", "write_alphapose", {}),
    "coco": ("coco", "write_coco", {"style": "ground_truth"}),
    "coco-results": ("coco", "write_coco", {"style": "results"}),
    "csv-long": ("tables", "write_csv", {"layout": "long"}),
    "openpose": ("openpose", "write_openpose_folder", {}),
}


def check_output(path: str | os.PathLike, *, dialect: str | None = None) -> None:
    """Raises `UserError` where nothing could be written to a path, before work is done."""
    if os.fspath(path) == "-":
        return
    file = Path(path)
    if dialect is None and file.suffix.lower() not in WRITERS:
        raise UserError(
            f"{file}: the output must end in one of {', '.join(sorted(WRITERS))}. "
            f"Found suffix '{file.suffix}'"
        )
    if dialect is not None and dialect not in DIALECTS:
        raise UserError(
            f"the output dialect must be one of {', '.join(sorted(DIALECTS))}. Received '{dialect}'"
        )
    if not file.parent.is_dir():
        raise UserError(f"{file}: cannot be written, there is no folder '{file.parent}'")
    if file.is_dir() and dialect != "openpose":
        raise UserError(f"{file}: cannot be written, it is a folder")
    if not os.access(file.parent, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        raise UserError(f"{file}: cannot be written, permission denied")


def write_poses(
    path: str | os.PathLike, poses: PoseData, *, dialect: str | None = None
) -> tuple[str, ...]:
    """Writes poses to a file; it appears when it is complete, and an old one stays until then.

    Args:
      path: the suffix says how (`WRITERS`); `-` writes npy to standard output.
      poses: what to write.
      dialect: one of `DIALECTS`, where the suffix is not enough (COCO, OpenPose, AlphaPose JSON).

    Returns:
      Remarks for the user on what the format could not hold or had to be told (a frame rate, ...).

    Raises:
      UserError: the suffix is unknown, the poses do not fit the format (2D poses to `.trc`), or
        the file cannot be written.
    """
    if os.fspath(path) == "-":
        _write_stdout(poses, dialect)
        return ()
    check_output(path, dialect=dialect)
    module, function, options = (
        DIALECTS[dialect] if dialect else (*WRITERS[Path(path).suffix.lower()], {})
    )
    write = getattr(importlib.import_module(f"{__package__}.{module}"), function)
    if dialect == "openpose":
        options = {"stem": Path(path).name}
    try:
        with atomic_path(path) as temporary:
            return tuple(write(temporary, poses, **options) or ())
    except OSError as error:
        raise UserError(
            f"{os.fspath(path)}: cannot be written ({error.strerror or error}); "
            "nothing was left behind"
        ) from None


def _write_stdout(poses: PoseData, dialect: str | None) -> None:
    if dialect == "json":
        from .plain_json_writing import json_text

        sys.stdout.write(json_text(poses) + "\n")
        return
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(poses.positions[:]), allow_pickle=False)
    sys.stdout.buffer.write(buffer.getvalue())
    sys.stdout.buffer.flush()
