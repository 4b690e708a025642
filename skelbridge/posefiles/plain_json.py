"""This project's own JSON pose files, and the plain JSON that everybody writes.

The documented object:

    {"skeleton": "smpl_24", "joint_names": [...], "units": "m", "up": "y", "fps": 30.0,
     "leading": ["frame", "person"], "dtype": "float32",
     "positions": [[[[x, y, z], ...], ...], ...],
     "confidence": [[[c, ...], ...], ...],
     "extras": {...}}

Only `positions` is required; null stands for a missing number, joint, person or frame. Without
`leading`, three levels of lists are frames, two a single pose, four frames of people. Also read: a
bare list of that kind, other names of `positions` (`ALIASES`), a fourth column of confidences, and
poses spelled `{"left_knee": [x, y, z], ...}`, one or a list of one per frame.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import list_names, printable
from skelbridge.posefiles.data import UNIT_SPELLINGS, PoseData
from skelbridge.posefiles.json_text import check_fill, found, number, number_array
from skelbridge.posefiles.json_values import column, joint_names
from skelbridge.posefiles.plain_json_writing import json_text, write_json

__all__ = ["json_text", "matches", "parse", "write_json"]

#: Keys that hold the poses, the first that is there counts.
ALIASES = (
    "positions", "keypoints_3d", "keypoints3d", "joints_3d", "joints3d", "keypoints", "joints",
    "poses", "pose_world_landmarks", "pose_landmarks", "landmarks", "data",
)  # fmt: skip

_UNITS = UNIT_SPELLINGS | dict.fromkeys(("px", "pixel", "pixels"), "px")
_LEADING = {2: (), 3: ("frame",), 4: ("frame", "person")}
_KNOWN = {"joint_names", "skeleton", "fps", "units", "up", "leading", "dtype", "confidence"}


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like plain poses."""
    if isinstance(document, dict):
        return any(isinstance(document.get(key), (list, dict)) for key in ALIASES) or (
            _is_named_pose(document)
        )
    first = next((i for i in document if i), None) if isinstance(document, list) else None
    return isinstance(first, list) or _is_named_pose(first)


def _is_named_pose(value: Any) -> bool:
    """Whether a value is `{"left_knee": [x, y, z], ...}`."""
    if not isinstance(value, dict) or not value:
        return False
    first = next((item for item in value.values() if item is not None), None)
    if isinstance(first, dict):
        return "x" in first and "y" in first
    return (
        isinstance(first, list)
        and 2 <= len(first) <= 4
        and all(type(item) in (int, float, type(None)) for item in first)
    )


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads plain poses, see the module's description.

    Args:
      path: the file's name, for messages.
      document: the parsed JSON.
      key: which entry of an object holds the poses; by default the first of `ALIASES`.

    Raises:
      FileError: naming the entry at fault.
    """
    if not isinstance(document, dict):
        return _poses(path, "list", document, {})
    if key is None:
        key = next((k for k in ALIASES if isinstance(document.get(k), (list, dict))), None)
        if key is None:
            return _poses(path, "pose", document, {})
    elif key not in document:
        raise FileError(
            path, f"expected poses under {key!a}, found the keys: {list_names(document)}"
        )
    return _poses(path, printable(key), document[key], {**document, key: None}, key)


def _poses(path, where: str, value: Any, about: dict, key: str | None = None) -> PoseData:
    """Builds the poses from their nested lists and from what else the object says."""
    if _is_named_pose(value):
        array, names = _named_poses(path, where, [value])
        array = array[0]
    elif isinstance(value, list) and _is_named_pose(next((i for i in value if i), None)):
        array, names = _named_poses(path, where, value)
    else:
        array = number_array(path, where, value)
        names = None
    if array.ndim < 2 or array.shape[-1] not in (2, 3, 4) or 0 in array.shape:
        raise FileError(
            path,
            f"{where}: expected lists of joints, each of 2 or 3 coordinates (and a confidence), "
            f"found the shape {' x '.join(map(str, array.shape))}",
        )
    is_own = key == "positions"
    positions, confidence, notes = _confidence(path, array, about, is_own)
    listed = about.get("joint_names")
    if names is None and listed is not None:
        names = joint_names(listed, positions.shape[-2])
        if names is None:
            raise FileError(
                path,
                f"joint_names: expected {positions.shape[-2]} names, one per joint of {where}, "
                f"found {found(listed)}",
            )
    others = [k for k in ALIASES if k != key and isinstance(about.get(k), (list, dict))]
    if others and key:
        notes.append(f"read '{key}'; the file also holds {', '.join(others)} (choose with --key)")
    if about.get("dtype") in ("float16", "float32"):
        with np.errstate(over="ignore"):
            positions = positions.astype(about["dtype"])
        if np.isinf(positions).any():
            raise FileError(path, f"{where}: numbers too large for dtype {about['dtype']}")
    return PoseData(
        positions=positions,
        leading=_leading(path, where, about.get("leading"), positions.ndim),
        joint_names=names,
        skeleton=_text(path, "skeleton", about.get("skeleton")),
        confidence=confidence,
        fps=_fps(path, about.get("fps")),
        units=_choice(path, "units", about.get("units"), _UNITS),
        up=_choice(path, "up", about.get("up"), {"y": "y", "z": "z"}),
        extras=_extras(about, key, len(positions)),
        notes=tuple(notes),
    )


def _named_poses(path, where: str, frames: list) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turns `{name: [x, y, z]}` of each frame into `(T, J, D)`; joints a frame lacks are NaN."""
    indices: dict[str, int] = {}
    entries, held = [], 0
    for t, frame in enumerate(frames):
        frame = {} if frame is None else frame
        if not isinstance(frame, dict):
            raise FileError(
                path, f"{where}[{t}]: expected an object of joints, found {found(frame)}"
            )
        held += len(frame)
        for name in frame:
            indices.setdefault(name, len(indices))
        entries.append(frame)
    check_fill(path, where, len(entries) * len(indices) * 3, held * 3)
    rows: list[list] = []
    for t, frame in enumerate(entries):
        row: list = [None] * len(indices)
        for name, value in frame.items():
            row[indices[name]] = _coordinates(path, f"{where}[{t}].{printable(name)}", value)
        rows.append(row)
    return number_array(path, f"{where} (frame, joint)", rows), tuple(map(printable, indices))


def _coordinates(path, where: str, value: Any) -> list | None:
    """Returns one joint's numbers from a list, or from an object with x, y and perhaps z."""
    if isinstance(value, dict):
        if "x" not in value or "y" not in value:
            raise FileError(path, f"{where}: expected x, y and z, found {found(value)}")
        value = [value[axis] for axis in ("x", "y", "z") if axis in value]
    if value is not None and not isinstance(value, list):
        raise FileError(path, f"{where}: expected a list of coordinates, found {found(value)}")
    return value


def _confidence(path, array: np.ndarray, about: dict, is_own: bool):
    """Splits off or reads the confidence; in others' files zeros of confidence 0 are missing."""
    notes = []
    confidence = None
    if about.get("confidence") is not None:
        confidence = number_array(path, "confidence", about["confidence"])
        if confidence.shape != array.shape[:-1]:
            want, has = (" x ".join(map(str, s)) for s in (array.shape[:-1], confidence.shape))
            raise FileError(
                path, f"confidence: expected one number per joint ({want}), found {has}"
            )
    if array.shape[-1] == 4:
        if confidence is None:
            confidence = array[..., 3].copy()
            notes.append("the fourth number of each joint is read as its confidence")
        array = array[..., :3].copy()
    if confidence is not None and not is_own:
        nothing = (array == 0).all(axis=-1) & (confidence == 0)
        array[nothing | (confidence == -1)] = np.nan
    return array, confidence, notes


def _leading(path, where: str, value: Any, ndim: int) -> tuple[str, ...]:
    if value is None:
        if ndim not in _LEADING:
            raise FileError(
                path,
                f"{where}: expected at most frames, people, joints and coordinates, found lists "
                f"nested {ndim} deep; name the first {ndim - 2} axes in 'leading'",
            )
        return _LEADING[ndim]
    names = joint_names(value, ndim - 2)
    if names is None:
        raise FileError(path, f"leading: expected {ndim - 2} names of axes, found {found(value)}")
    return names


def _text(path, where: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise FileError(path, f"{where}: expected a text, found {found(value)}")
    return printable(value)


def _fps(path, value: Any) -> float | None:
    if value is None:
        return None
    fps = number(path, "fps", value)
    if fps <= 0:
        raise FileError(path, f"fps: expected frames per second, found {found(value)}")
    return fps


def _choice(path, where: str, value: Any, choices: dict[str, str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value.lower() not in choices:
        raise FileError(
            path,
            f"{where}: expected one of {', '.join(dict.fromkeys(choices.values()))}, found "
            f"{found(value)}; correct or remove the entry",
        )
    return choices[value.lower()]


def _extras(about: dict, key: str | None, count: int) -> dict[str, Any]:
    """Returns what else the object holds; lists with one entry per frame become arrays."""
    extras = {k: v for k, v in about.items() if k not in _KNOWN and k != key and k != "extras"}
    if isinstance(about.get("extras"), dict):
        extras |= about["extras"]
    for name, value in extras.items():
        if isinstance(value, list) and len(value) == count:
            extras[name] = column([{name: item} for item in value], name)
    return {name: value for name, value in extras.items() if value is not None}
