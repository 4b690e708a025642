"""The cameras of HUMAN4D: poses of the depth sensors, and where the colour sensors sit beside them.

<camera>.extrinsics: three rows of the rotation from camera to world, one with the centre, mm.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ._number_text import number_table
from ._values import RecentFiles, as_array, as_numbers, camera_of, member, read_json

IMAGE_SIZE = (1280, 720)
_SIZE_KEY = "1280x720"


def read_camera(root: Path, subject: str, name: str, *, sensor: str) -> Camera:
    """Reads a camera of a subject's recordings.

    Args:
      root: the dataset's folder.
      subject: `S1` and so on.
      name: `M72h` and so on.
      sensor: whether the camera stands where its `color` or its `depth` sensor is.

    Raises:
      FileError: a file or a key is missing, or holds something else.
    """
    places = [root / subject / "device_repository.json", root / "device_repository.json"]
    path = next((place for place in places if place.is_file()), places[0])
    device = member(path, _recent_devices(path), name)
    rows = root / subject / "pose" / f"{name}.extrinsics"
    numbers = as_array(rows, "the rows", number_table(rows, read_bytes(rows), 3), (4, 3))
    R = numbers[:3].T
    t = -R @ numbers[3]
    if sensor == "color":
        turn, shift = _color_from_depth(path, name, device)
        R, t = turn.T @ R, turn.T @ (t - shift)
    return camera_of(
        rows,
        f"camera {name}",
        R=R,
        t=t,
        K=_intrinsics(path, name, device),
        world_up=(0, 0, 1),
        image_size=IMAGE_SIZE,
    )


def _color_from_depth(path: Path, name: str, device: dict) -> tuple[np.ndarray, np.ndarray]:
    """Returns rotation and translation (mm) of X_depth = R X_color + t."""
    turn, shift = (
        as_numbers(path, f"{name}: {key}", device.get(key), size)
        for key, size in (("Color Depth Rotation", 9), ("Color Depth Translation", 3))
    )
    return turn.reshape(3, 3), 1000 * shift


def _read_devices(path: str) -> dict[str, dict]:
    stored = read_json(path)
    if not isinstance(stored, list) or not all(isinstance(device, dict) for device in stored):
        raise FileError(path, "expected a list of devices, found something else")
    return {str(device.get("Device")): device for device in stored}


_recent_devices = RecentFiles(_read_devices)


def _intrinsics(path: Path, name: str, device: dict[str, Any]) -> np.ndarray:
    sizes = member(path, device, "Color Intrinsics")
    for entry in sizes if isinstance(sizes, list) else [sizes]:
        if isinstance(entry, dict) and _SIZE_KEY in entry:
            return as_numbers(path, f"{name}: {_SIZE_KEY}", entry[_SIZE_KEY], 9).reshape(3, 3)
    raise FileError(path, f"{name}: Color Intrinsics: expected the key {_SIZE_KEY}, found none")
