"""COCO keypoint JSON: ground truth, results, and the datasets distributed in the same layout.

Sources: https://cocodataset.org/#format-data and #format-results (flat x, y, v per keypoint; v is 0
not labelled, 1 labelled but hidden, 2 visible in ground truth, free in results);
https://github.com/jin-s13/COCO-WholeBody (the five arrays of 133 keypoints).
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import list_names, printable
from skelbridge.posefiles.coco_file import CocoFile
from skelbridge.posefiles.coco_writing import write_coco
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import number_array
from skelbridge.posefiles.json_values import columns, joint_names

__all__ = ["matches", "parse", "write_coco"]

#: The arrays that make up COCO-WholeBody's 133 keypoints, with their keypoint counts, in order.
WHOLEBODY = {
    "keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21,
}  # fmt: skip

#: What is carried along per annotation.
PER_INSTANCE = (
    "image_id", "id", "category_id", "bbox", "area", "iscrowd", "score", "track_id", "person_id",
)  # fmt: skip
#: What is carried along per file.
PER_FILE = ("info", "licenses", "images", "categories")

COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee",
    "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like COCO ground truth or results."""
    if isinstance(document, dict):
        return isinstance(document.get("annotations"), list)
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, dict) and "image_id" in first and "category_id" in first


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads instances `(N, J, 2)` in pixels, in file order.

    Joints that are not labelled (v = 0 in ground truth; all zeros in results) are NaN, and ground
    truth annotations without any labelled joint are left out. The confidence is the third number.

    Args:
      path: the file's name, for messages.
      document: the parsed JSON.
      key: which array to read: `"keypoints_21"`, `"foot_kpts"`, `"keypoints_3d"` (`(N, J, 3)`), ...
        By default `"keypoints"`, or all 133 keypoints where the five arrays of COCO-WholeBody are
        there. `"keypoints@dog"` (or `"@dog"`) takes the category `dog` only.

    Returns:
      The poses; joint names are those of the category. Extras: `image_id`, `id`, `bbox`, ... per
      instance and the file's `images` and `categories`.

    Raises:
      FileError: naming the annotation at fault.
    """
    file = CocoFile.of(path, document)
    name, _, category = (key or "").partition("@")
    if category:
        file = file.only(category)
    is_whole = not name and _has_wholebody_arrays(file)
    array = "wholebody" if is_whole else name or "keypoints"
    annotations: list[dict] = []
    joints: list[np.ndarray] = []
    for index, annotation in file.annotations:
        read = _wholebody if is_whole else _keypoints
        numbers = read(path, file.where(index), annotation, array)
        if numbers is None or not _is_kept(file, annotation, numbers, array):
            continue
        if joints and len(numbers) != len(joints[0]):
            _refuse_mixture(
                file,
                f"{file.where(index)} has {len(numbers)} keypoints where others have "
                f"{len(joints[0])}",
                annotation,
                annotations[0],
            )
        annotations.append(annotation)
        joints.append(numbers)
    if not annotations:
        raise FileError(path, _nothing_read(file, array))
    return _pose_data(file, array, annotations, np.stack(joints))


def _has_wholebody_arrays(file: CocoFile) -> bool:
    first = next((a for _, a in file.annotations if WHOLEBODY.keys() <= a.keys()), {})
    counts = {k: len(v) / 3 for k, v in first.items() if k in WHOLEBODY and isinstance(v, list)}
    return counts == WHOLEBODY


def _wholebody(path, where: str, annotation: dict, array: str) -> np.ndarray:
    blocks = []
    for name, count in WHOLEBODY.items():
        value = annotation.get(name)
        if value is None:
            value = [0] * (3 * count)
        numbers = number_array(path, f"{where}.{name}", value, shape=(3 * count,))
        blocks.append(numbers.reshape(count, 3))
    return np.concatenate(blocks)


def _keypoints(path, where: str, annotation: dict, array: str) -> np.ndarray | None:
    """Returns one annotation's joints as `(J, D + 1)`; None where it has none."""
    value = annotation.get(array)
    if value is None or value == []:
        return None
    where = f"{where}.{printable(array)}"
    numbers = number_array(path, where, value)
    dims = 3 if "3d" in array.lower() else 2
    if numbers.ndim == 1:
        width = _width(numbers.size, dims, annotation)
        if numbers.size % width:
            raise FileError(
                path,
                f"{where}: expected {dims} coordinates and a flag per keypoint, found "
                f"{numbers.size} numbers",
            )
        numbers = numbers.reshape(-1, width)
    if numbers.ndim != 2 or numbers.shape[1] not in (dims, dims + 1) or not len(numbers):
        shape = " x ".join(map(str, numbers.shape))
        raise FileError(
            path, f"{where}: expected {dims} coordinates and a flag per keypoint, found {shape}"
        )
    if numbers.shape[1] == dims:
        flags = _valid_flags(annotation, array, len(numbers))
        numbers = np.concatenate([numbers, flags[:, None]], axis=1)
    return numbers


def _width(size: int, dims: int, annotation: dict) -> int:
    """Returns how many numbers a flat list has per keypoint."""
    if dims == 2:
        return 3
    flat = annotation.get("keypoints")  # the 2D keypoints beside tell the count
    if size % 4 or (isinstance(flat, list) and len(flat) == size):
        return 3
    return 4


def _valid_flags(annotation: dict, array: str, count: int) -> np.ndarray:
    """Returns 0/1 flags for coordinates without a third number, from `<array>_valid` if it fits."""
    for name in (f"{array}_valid", f"{array.removesuffix('_3d')}_valid"):
        flags = annotation.get(name)
        if isinstance(flags, list) and len(flags) == count:
            return np.array([1.0 if flag in (1, True) else 0.0 for flag in flags])
    return np.ones(count)


def _is_kept(file: CocoFile, annotation: dict, joints: np.ndarray, array: str) -> bool:
    """Results are all kept; ground truth only where something is labelled."""
    if file.is_results:
        return True
    if array == "keypoints" and annotation.get("num_keypoints") == 0:
        return False
    return not _missing(file, joints).all()


def _missing(file: CocoFile, joints: np.ndarray) -> np.ndarray:
    """Returns which of the joints `(..., D + 1)` are not there."""
    return (joints == 0).all(axis=-1) if file.is_results else ~(joints[..., -1] > 0)


def _nothing_read(file: CocoFile, array: str) -> str:
    lists = {k: None for _, a in file.annotations for k, v in a.items() if isinstance(v, list)}
    if array in lists or array == "wholebody":
        return f"expected labelled joints, found none in '{printable(array)}' of any annotation"
    remedy = " (choose one with --key)" if any(_holds_keypoints(k) for k in lists) else ""
    return (
        f"expected {file.kind} with a list '{printable(array)}', found {len(file.annotations)} "
        f"{file.kind} without; lists that they hold: {list_names(lists)}{remedy}"
    )


def _holds_keypoints(key: str) -> bool:
    return ("keypoints" in key or "kpts" in key) and not key.endswith(("_score", "_valid"))


def _refuse_mixture(file: CocoFile, problem: str, one: dict, other: dict) -> None:
    names = sorted({file.category_name(one), file.category_name(other)})
    remedy = "read one category with --key @NAME" if len(names) > 1 else "split the file"
    raise FileError(file.path, f"{problem} (category {' and '.join(map(ascii, names))}); {remedy}")


def _pose_data(file: CocoFile, array: str, annotations: list[dict], joints: np.ndarray) -> PoseData:
    positions = joints[..., :-1].copy()
    positions[_missing(file, joints)] = np.nan
    names = _joint_names(file, annotations, joints.shape[1])
    skeleton, notes = None, _notes(file, array, annotations)
    if joints.shape[1] == 133:
        skeleton = "coco_wholebody_133"
    elif file.is_results and joints.shape[1] == 17 and array == "keypoints":
        skeleton = "coco_17"
        notes.append("results do not name their joints: 17 keypoints are read as coco_17")
    per_file = {key: file.header[key] for key in PER_FILE if file.header.get(key)}
    return PoseData(
        positions=positions,
        confidence=joints[..., -1].copy(),
        leading=("instance",),
        joint_names=names,
        skeleton=skeleton,
        units="px" if positions.shape[-1] == 2 else None,
        extras=per_file | columns(annotations, PER_INSTANCE),
        notes=tuple(notes),
    )


def _joint_names(file: CocoFile, annotations: list[dict], count: int) -> tuple[str, ...] | None:
    """Returns the names that the annotations' category gives `count` joints, if it does."""
    first, names = None, None
    seen = set()
    for annotation in annotations:
        category = file.category(annotation)
        if id(category) in seen:
            continue
        seen.add(id(category))
        listed = category.get("keypoints")
        if isinstance(listed, list) and listed[:count] == list(COCO_17):
            listed = listed[:count]  # Human-Art names the 4 points of its second array after these
        own = joint_names(listed, count)
        if first is None:
            first, names = annotation, own
        elif own != names:
            _refuse_mixture(file, "annotations name their keypoints differently", annotation, first)
    return names


def _notes(file: CocoFile, array: str, annotations: list[dict]) -> list[str]:
    notes = []
    left_out = len(file.annotations) - len(annotations)
    if left_out:
        notes.append(
            f"{left_out} of {len(file.annotations)} {file.kind} have no labelled joints and are "
            "left out"
        )
    first = annotations[0]
    used = WHOLEBODY.keys() if array == "wholebody" else {array}
    others = [
        name
        for name, value in first.items()
        if isinstance(value, list) and name not in used and _holds_keypoints(name)
    ]
    if others:
        notes.append(f"the {file.kind} also hold {list_names(others, most=8)} (choose with --key)")
    return notes
