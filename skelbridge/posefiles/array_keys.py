"""Files of named arrays (npz, HDF5): which one holds the poses, and what the others say of it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError

from .array_shapes import pose_layout, with_confidence
from .data import PoseData

#: Names of pose arrays, most wanted first (compared without case).
POSE_KEYS = (
    "positions",
    "joints",
    "joints3d",
    "joints_3d",
    "keypoints3d",
    "keypoints_3d",
    "keypoints",
    "poses3d",
    "poses_3d",
    "pose3d",
    "pose_3d",
    "s",
    "pred_keypoints_3d",
    "pred_joints",
    "pred_joints_3d",
    "joint_positions",
    "global_positions",
    "joints2d",
    "joints_2d",
    "keypoints2d",
    "keypoints_2d",
    "poses2d",
    "poses_2d",
    "pose2d",
    "pose_2d",
    "poses",
    "pose",
    "data",
    "arr_0",
)
#: Arrays that happen to have the shape of poses but are parameters, boxes, cameras or meshes.
_NO_POSITIONS = re.compile(
    r"(.*_)?(trans|transl|translations?|rot|rots|rotations?|rotmats?|quats?|quaternions?|orient"
    r"|global_orient|root_orient|body_pose|hand_pose|thetas?|betas|shapes?|centers?|bbox(es)?"
    r"|boxes|scales?|k|r|t|extrinsics?|intrinsics?|cam(era)?s?|cam_.*|camera_.*|vert(ice)?s"
    r"|faces|vel|velocity|velocities|acc|accelerations?|confidence|scores?|part)",
    re.IGNORECASE,
)
#: Rotations under a name that also stands for positions: flat rows of them are no positions.
_MAYBE_ROTATIONS = ("pose", "poses")

_UNITS = {
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "m": ("m", "meter", "meters", "metre", "metres"),
    "px": ("px", "pixel", "pixels"),
}
UNIT_NAMES = {name: unit for unit, names in _UNITS.items() for name in names}
_MAX_LISTED = 12

#: Other arrays of a file are carried along up to this size together.
MAX_EXTRAS_BYTES = 1 << 30

#: Under which key each field of `PoseData` is looked for (and, the first, written).
FIELD_KEYS = {
    "joint_names": ("joint_names", "keypoint_names", "names"),
    "skeleton": ("skeleton", "format"),
    "fps": ("fps", "frame_rate", "framerate"),
    "units": ("units", "unit"),
    "up": ("up", "up_axis"),
    "leading": ("leading",),
    "confidence": ("confidence", "conf", "scores", "score", "keypoint_scores", "visibility"),
}


def choose_pose_key(
    path: str | os.PathLike,
    arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]],
    *,
    key: str | None,
    n_joints: int | None,
) -> str:
    """Returns which of a file's arrays holds the poses.

    Args:
      path: the file, for messages.
      arrays: shape and dtype by key; in a tree, keys are paths and their last part is compared.
      key: the user's choice, which wins.
      n_joints: how many joints the source format has; arrays of others are then passed over.

    Raises:
      FileError: there is no such key, no array fits, or several fit equally well. It lists them.
    """
    if key is not None:
        if key in arrays:
            return key
        raise FileError(path, f"there is no key {key!r}; it holds {list_arrays(arrays)}")
    fitting = [
        name for name, (shape, dtype) in arrays.items() if _fits(name, shape, dtype, n_joints)
    ]
    if (
        not fitting
        and n_joints
        and any(_last_part(name) in FIELD_KEYS["joint_names"] for name in arrays)
    ):
        # Joints that have names may be fewer, or more, than the format's.
        return choose_pose_key(path, arrays, key=None, n_joints=None)
    if len(fitting) == 1:
        return fitting[0]
    rank = {name: _rank(name) for name in fitting}
    best = [name for name in fitting if rank[name] == min(rank.values())]
    if len(best) == 1:
        return best[0]
    what = "more than one array" if fitting else "no array"
    wanted = f"{n_joints} joints" if n_joints else "shape (..., joints, 2 or 3)"
    raise FileError(
        path, f"{what} of {wanted} found; it holds {list_arrays(arrays)}: name one with --key"
    )


def list_arrays(arrays: Mapping[str, tuple[tuple[int, ...], np.dtype]]) -> str:
    """Returns names and shapes in one line."""
    listed = [f"{name!r} {tuple(shape)}" for name, (shape, _) in arrays.items()]
    more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
    return (", ".join(listed[:_MAX_LISTED]) or "no arrays") + more


def describe_poses(
    path: str | os.PathLike, poses: PoseData, entries: Mapping[str, Any], *, where: str = ""
) -> PoseData:
    """Returns poses with what a file's other entries say of them.

    Args:
      path: the file, for messages.
      poses: the poses as read from their array.
      entries: the other arrays and attributes by name. Those of `FIELD_KEYS` that make sense
        become fields, all others are added to `extras`; those that contradict are noted.
      where: opens every note.
    """
    extras = dict(entries)
    fields: dict[str, Any] = {}
    notes = list(poses.notes)
    for field, keys in FIELD_KEYS.items():
        present = {name.lower(): name for name in extras}
        for key in keys:
            if key not in present or (field == "confidence" and poses.confidence is not None):
                continue
            value = _FIELD_READERS[field](extras[present[key]], poses)
            if value is not None:
                fields[field] = value
                del extras[present[key]]
                break
            if key == keys[0]:
                notes.append(f"{where}{key!r} does not fit poses of shape {poses.positions.shape}")
    if "confidence" in fields:
        fields["positions"] = with_confidence(poses.positions, fields["confidence"])
    for key, value in extras.items():
        if isinstance(value, np.ndarray) and value.ndim == 0:
            extras[key] = value.item()
    return dataclasses.replace(
        poses, **fields, extras={**poses.extras, **extras}, notes=tuple(notes)
    )


def entries_of(poses: PoseData) -> dict[str, np.ndarray]:
    """Returns a pose file's fields and extras, but for the positions, as arrays by key."""
    entries: dict[str, np.ndarray] = {}
    if poses.confidence is not None:
        entries["confidence"] = np.asarray(poses.confidence)
    if poses.joint_names is not None:
        entries["joint_names"] = np.array([plain_text(name) for name in poses.joint_names], str)
    if poses.fps is not None:
        entries["fps"] = np.array(float(poses.fps))
    for field in ("skeleton", "units", "up"):
        if (value := getattr(poses, field)) is not None:
            entries[field] = np.array(plain_text(value))
    if poses.leading not in ((), ("frame",), ("frame", "person")):
        entries["leading"] = np.array([plain_text(name) for name in poses.leading])
    for key, value in poses.extras.items():
        key = plain_text(str(key)) or "extra"
        while key in entries:
            key = f"extra_{key}"
        entries[key] = storable_array(value)
    return entries


def storable_array(value: Any) -> np.ndarray:
    """Returns a value as an array of numbers or text; what is neither becomes JSON text."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        array = np.empty(0, object)
    if array.dtype.kind in "biufc":
        return array
    if array.dtype.kind in "US":
        texts = texts_of(array)
        return np.array([plain_text(text) for text in texts], str).reshape(array.shape)
    if array.dtype.kind in "Mm":
        return array.astype(str)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return np.array(plain_text(json.dumps(value, default=str, skipkeys=True)))


def plain_text(text: str) -> str:
    """Returns text that every file format takes: without NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def texts_of(value: Any) -> list[str] | None:
    """Returns the strings of a string or an array of strings (flat), or None."""
    array = np.asarray(value)
    if array.dtype.kind not in "USO":
        return None
    texts = []
    for item in array.ravel().tolist():
        if isinstance(item, bytes):
            item = item.decode("utf-8", "replace")
        if not isinstance(item, str):
            return None
        texts.append(item)
    return texts


def _fits(name: str, shape: tuple[int, ...], dtype: np.dtype, n_joints: int | None) -> bool:
    name = name.rsplit("/", 1)[-1].lower()
    if np.dtype(dtype).kind not in "iuf" or (
        name not in POSE_KEYS and _NO_POSITIONS.fullmatch(name)
    ):
        return False
    layout = pose_layout(tuple(shape), n_joints)
    if layout is None or (n_joints and layout.shape[-2] != n_joints):
        return False
    is_flat = layout.shape != tuple(shape)
    return not (is_flat and name in _MAYBE_ROTATIONS)


def _last_part(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def _rank(name: str) -> int:
    name = _last_part(name)
    return POSE_KEYS.index(name) if name in POSE_KEYS else len(POSE_KEYS)


def _one_text(value: Any, poses: PoseData) -> str | None:
    texts = texts_of(value)
    return texts[0] if texts is not None and len(texts) == 1 and 0 < len(texts[0]) < 256 else None


def _units(value: Any, poses: PoseData) -> str | None:
    return UNIT_NAMES.get((_one_text(value, poses) or "").strip().lower())


def _up(value: Any, poses: PoseData) -> str | None:
    up = (_one_text(value, poses) or "").strip().lower()
    return up if up in ("y", "z") else None


def _joint_names(value: Any, poses: PoseData) -> tuple[str, ...] | None:
    names = texts_of(value)
    return tuple(names) if names is not None and len(names) == poses.n_joints else None


def _fps(value: Any, poses: PoseData) -> float | None:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size != 1:
        return None
    fps = float(array.reshape(()))
    return fps if 0 < fps < 1e6 else None


def _leading(value: Any, poses: PoseData) -> tuple[str, ...] | None:
    names = texts_of(value)
    return tuple(names) if names is not None and len(names) == len(poses.leading) else None


def _confidence(value: Any, poses: PoseData) -> np.ndarray | None:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.shape != tuple(poses.positions.shape[:-1]):
        return None
    return array if array.dtype.kind == "f" else array.astype(np.float64)


_FIELD_READERS = {
    "joint_names": _joint_names,
    "skeleton": _one_text,
    "fps": _fps,
    "units": _units,
    "up": _up,
    "leading": _leading,
    "confidence": _confidence,
}
