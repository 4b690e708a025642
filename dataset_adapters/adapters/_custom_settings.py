"""What a user's dataset.json and cameras.json say of a dataset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import skeleton_defs
from skeleton_defs import UserError

from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_text import list_names, printable, quote
from ._number_lists import described
from ._values import as_array, camera_of, member, read_json

_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_KEYS = ("skeleton", "units", "frame")
_CAMERA_KEYS = ("K", "R", "t", "distortion", "image_size", "world_up")
_MAX_SIDE_PX = 1 << 16
#: Names of formats are names of groups in files of the store, and words on the command line.
_NAME = re.compile(r"[\w()\[\]+-]{1,100}")
#: Where these are the same, poses of one format are poses of the other.
_DECISIVE = ("joints", "parents", "edges", "flip", "root", "canonical", "points")
#: What a definition of wrong types raises before the schema names the field.
_WRONG_TYPES = (AttributeError, OverflowError, TypeError, ValueError)


@dataclass(frozen=True, eq=False)
class CustomSettings:
    """What holds for all examples.

    Attributes:
      skeleton, n_joints: the skeleton format.
      mm: factor from the files' unit.
      in_camera_frame: whether 3D joints are in camera coordinates.
      cameras: by name.
    """

    skeleton: str
    n_joints: int
    mm: float
    in_camera_frame: bool
    cameras: dict[str, Camera]

    @classmethod
    def of(cls, root: Path) -> CustomSettings:
        """Reads dataset.json, and cameras.json where there is one.

        Raises:
          FileError: a setting or camera is missing or is none.
        """
        path = root / "dataset.json"
        settings = read_json(path)
        name = member(path, settings, "skeleton")
        _check_keys(path, "", settings, _KEYS)
        if not isinstance(name, str):
            raise FileError(path, f"skeleton: expected a name, found {described(name)}")
        skeleton = _skeleton(root, path, name)
        unit = _choice(path, settings, "units", "mm", tuple(_MM))
        frame = _choice(path, settings, "frame", "world", ("world", "camera"))
        cameras_path = root / "cameras.json"
        return cls(
            skeleton.name,
            skeleton.n_joints,
            _MM[unit],
            frame == "camera",
            _cameras(cameras_path, _MM[unit]) if cameras_path.is_file() else {},
        )

    def chosen(self, path: Path, names: list[str]) -> list[Camera] | None:
        """Returns the camera of each row; None where no row names one.

        Raises:
          FileError: there is no camera of a name, or only some rows have one.
        """
        if not any(names):
            return None
        try:
            return [self.cameras[name] for name in names]
        except KeyError:
            name = next(name for name in names if name not in self.cameras)
            if not name:
                raise FileError(
                    path, "camera: expected one for each row or for none, found both"
                ) from None
            raise FileError(
                path,
                f"camera {quote(name)} is not in cameras.json (there: {list_names(self.cameras)})",
            ) from None


def _check_keys(path: Path, place: str, found: dict, known: tuple[str, ...]) -> None:
    """Refuses other keys: `unit` or `T` would silently leave units or t at their defaults."""
    unknown = [key for key in found if key not in known]
    if unknown:
        raise FileError(
            path, f"{place}expected the keys {', '.join(known)}, found {quote(unknown[0])} as well"
        )


def _choice(path: Path, settings: dict, key: str, default: str, choices: tuple[str, ...]) -> str:
    value = settings.get(key, default)
    if value not in choices:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        raise FileError(path, f"{key}: expected {listed}, found {described(value)}")
    return value


def _skeleton(root: Path, path: Path, name: str) -> skeleton_defs.Skeleton:
    """Returns the named format; a definition file beside dataset.json is registered."""
    if not name.lower().endswith((".json", ".toml")):
        try:
            return skeleton_defs.get(name)
        except UserError as error:
            raise FileError(path, f"skeleton: {printable(str(error))}") from None
    try:
        own = skeleton_defs.load(root / name)
        _check_sides(own)
    except UserError as error:
        raise FileError(path, f"skeleton: {printable(str(error))}") from None
    except _WRONG_TYPES as error:
        problem = printable(" ".join(str(error).split()))
        raise FileError(root / name, f"expected a skeleton definition: {problem}") from None
    if not _NAME.fullmatch(own.name):
        raise FileError(
            root / name,
            f"name: expected letters, digits and _-+()[] (at most 100), found {quote(own.name)}",
        )
    try:
        known = skeleton_defs.get(own.name)
    except UserError:
        return _registered(root / name, own)
    for field in _DECISIVE:
        if getattr(known, field) != getattr(own, field):
            raise FileError(
                root / name,
                f"name: a skeleton format {quote(own.name)} with other {field} exists already; "
                "choose another name",
            )
    return known


def _check_sides(own: skeleton_defs.Skeleton) -> None:
    """Raises a `SkeletonError` where names do not tell which joint of a pair is the left one."""
    _ = own.sides


def _registered(path: Path, own: skeleton_defs.Skeleton) -> skeleton_defs.Skeleton:
    try:
        return skeleton_defs.register(own)
    except UserError as error:
        raise FileError(path, f"name: {printable(str(error))}") from None


def _cameras(path: Path, mm: float) -> dict[str, Camera]:
    document = read_json(path)
    if not isinstance(document, dict):
        raise FileError(path, f"expected an object of cameras by name, found {described(document)}")
    return {name: _camera(path, printable(name), numbers, mm) for name, numbers in document.items()}


def _camera(path: Path, name: str, numbers: Any, mm: float) -> Camera:
    def values(key: str, shape: tuple[int, ...], default: list | None = None) -> np.ndarray | None:
        value = default if numbers.get(key) is None else numbers[key]
        return None if value is None else as_array(path, f"{name}.{key}", value, shape)

    K = as_array(path, f"{name}.K", member(path, numbers, "K"), (3, 3))
    _check_keys(path, f"{name}: ", numbers, _CAMERA_KEYS)
    size = values("image_size", (2,))
    if size is not None and not ((size >= 1) & (size <= _MAX_SIDE_PX) & (size % 1 == 0)).all():
        raise FileError(
            path, f"{name}.image_size: expected width and height, found {size.tolist()}"
        )
    return camera_of(
        path,
        name,
        R=values("R", (3, 3), np.eye(3).tolist()),
        t=values("t", (3,), [0, 0, 0]) * mm,
        K=K,
        distortion=values("distortion", (None,)),
        world_up=values("world_up", (3,)),
        image_size=None if size is None else tuple(size.astype(int).tolist()),
    )
