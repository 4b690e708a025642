"""The cameras of JRDB's robot: calibration/cameras.yaml, sensors 0 to 9 in two rings of five."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_bytes import read_bytes
from ..containers.file_text import list_names
from ._number_lists import described
from ._values import RecentFiles, as_numbers, camera_of, member

IMAGE_SIZE = (752, 480)
_MAX_BYTES = 1 << 16


def sensor_camera(path: Path, number: int, *, lens_by_name: bool = False) -> Camera | None:
    """Returns the camera of image_N in robot axes; None where there is no calibration.

    Args:
      path: cameras.yaml.
      number: N, an even number: the sensor at its place is N / 2.
      lens_by_name: take K and D of sensor N instead.

    Raises:
      FileError: the file is none of sensors with K, D, R and T.
    """
    if not path.is_file():
        return None
    sensors = _recent_sensors(path)
    placed = f"sensor_{number // 2}"
    lens = f"sensor_{number}" if lens_by_name else placed
    for name in (placed, lens):
        if name not in sensors:
            raise FileError(path, f"expected {name}, found {list_names(map(str, sensors))}")
    return camera_of(
        path,
        f"image_{number}",
        R=_numbers(path, sensors, placed, "R", 9).reshape(3, 3),
        t=_numbers(path, sensors, placed, "T", 3),
        K=_numbers(path, sensors, lens, "K", 9).reshape(3, 3),
        distortion=_numbers(path, sensors, lens, "D", 5),
        world_up=(0, -1, 0),
        image_size=IMAGE_SIZE,
    )


def _read_sensors(path: str) -> dict:
    import yaml

    data = read_bytes(path)
    # References could multiply what a small file holds.
    if len(data) > _MAX_BYTES or b"&" in data:
        raise FileError(path, "expected a short plain YAML file of camera sensors")
    try:
        # The base loader leaves every value as text: nothing is converted, nothing is made.
        document = yaml.load(data, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileError(path, f"expected YAML: {' '.join(str(error).split())[:120]}") from None
    # The sensors may stand below a head of their own.
    sensors = document.get("cameras", document) if isinstance(document, dict) else document
    if not isinstance(sensors, dict):
        raise FileError(path, f"expected sensors with K, D, R and T, found {described(sensors)}")
    return sensors


_recent_sensors = RecentFiles(_read_sensors)


def _numbers(path: Path, sensors: dict, name: str, key: str, count: int) -> np.ndarray:
    """Returns the numbers of one entry: a text of numbers, or lists of them."""
    value: Any = member(path, sensors, name, key)
    if isinstance(value, str):
        value = value.replace(",", " ").strip("[] ").split()
    return as_numbers(path, f"{name}.{key}", value, count, from_text=True)
