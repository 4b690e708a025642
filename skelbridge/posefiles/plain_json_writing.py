"""Writing this project's own JSON pose files (described in `plain_json`)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_values import jsonable_extras, number_lists
from skeleton_defs.errors import UserError

#: Frames that are turned into text at once.
_CHUNK = 256


def write_json(path: str | os.PathLike, poses: PoseData) -> None:
    """Writes poses so that they read back bit for bit.

    One frame per line; NaN becomes null; numbers have the fewest digits that keep the value.
    Extras that JSON cannot hold are left out.

    Raises:
      UserError: if a coordinate is infinite.
    """
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(_pieces(poses))
        file.write("\n")


def json_text(poses: PoseData) -> str:
    """Returns what `write_json` writes."""
    return "".join(_pieces(poses))


def _pieces(poses: PoseData) -> Iterator[str]:
    about: dict[str, Any] = {
        "skeleton": poses.skeleton,
        "joint_names": None if poses.joint_names is None else list(poses.joint_names),
        "units": poses.units,
        "up": poses.up,
        "fps": None if poses.fps is None else float(poses.fps),
        "leading": list(poses.leading),
        "dtype": "float64" if poses.positions.dtype.itemsize >= 8 else poses.positions.dtype.name,
    }
    yield "{"
    for key, value in about.items():
        if value is not None:
            yield f"{_text(key)}: {_text(value)},\n"
    yield '"positions": '
    yield from _array("positions", poses.positions, has_frames=bool(poses.leading))
    if poses.confidence is not None:
        yield ',\n"confidence": '
        yield from _array("confidence", poses.confidence, has_frames=bool(poses.leading))
    extras = jsonable_extras(poses.extras)
    if extras:
        yield f',\n"extras": {_text(extras)}'
    yield "}"


def _array(what: str, array: Any, *, has_frames: bool) -> Iterator[str]:
    if not has_frames:
        yield _text(_finite(what, np.asarray(array[:])))
        return
    yield "["
    for start in range(0, array.shape[0], _CHUNK):
        rows = _finite(what, np.asarray(array[start : start + _CHUNK]))
        lines = ",\n".join(_text(row) for row in rows)
        yield f"{',' if start else ''}\n{lines}"
    yield "]"


def _finite(what: str, array: np.ndarray) -> list:
    if np.isinf(array).any():
        raise UserError(f"{what} must be finite or missing (NaN). Received infinite ones")
    return number_lists(array)


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
