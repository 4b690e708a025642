"""Columns of a user's own annotations, out of JSON entries or out of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..camera import Camera
from ..containers.errors import FileError
from ._coco_json import CocoDocument
from ._number_lists import number_lists, texts, whole_numbers
from ._values import as_array

_VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def joints_of_json(
    document: CocoDocument, people: list[dict], n: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Returns joints (N, n, 2) and (N, n, 3) as stored; None where no annotation has the kind."""
    path, joints = document.path, {"keypoints": None, "keypoints_3d": None}
    for key, missing in (("keypoints", 0), ("keypoints_3d", None)):
        if any(key in person for person in people):
            lists = [person.get(key, [missing] * 3 * n) for person in people]
            numbers = number_lists(
                path, key, lists, 3 * n, name=_annotation_names(people), may_miss=missing is None
            )
            joints[key] = numbers.reshape(-1, n, 3)
    triples = joints["keypoints"]
    if triples is None and joints["keypoints_3d"] is None:
        raise FileError(path, "expected keypoints or keypoints_3d in the annotations")
    if triples is not None:
        triples = np.where(triples[..., 2:] > 0, triples[..., :2], np.nan)
    return triples, joints["keypoints_3d"]


def _annotation_names(people: list[dict]):
    return lambda row: f"annotation {people[row].get('id', f'number {row + 1}')!s:.20}"


def optional_texts(path: Path, key: str, entries: list[dict]) -> list[str]:
    """Returns an optional field as text, "" where it is not there."""
    values = [entry.get(key, "") for entry in entries]
    return texts(path, key, ["" if value is None else value for value in values])


def array_column(path: Path, key: str, array: np.ndarray, n: int, kinds: str) -> list:
    """Returns texts or whole numbers of an array (n,), or of one that holds for all rows."""
    if array.shape not in ((), (n,)) or array.dtype.kind not in kinds:
        what = "texts" if "U" in kinds else "whole numbers"
        raise FileError(
            path,
            f"{key}: expected {n} {what} or one for all, found an array of {array.dtype} and "
            f"shape {array.shape}",
        )
    values = np.broadcast_to(array, (n,)).tolist()
    if "U" not in kinds:
        return values
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for value in values]  # fmt: skip


def boxes_of_array(path: Path, array: np.ndarray, n: int) -> np.ndarray:
    """Returns boxes (n, 4) px: left, top, width, height."""
    boxes = as_array(path, "boxes", array, (n, 4))
    if (boxes[:, 2:] < 0).any():
        row = int(np.argmax((boxes[:, 2:] < 0).any(axis=1)))
        raise FileError(
            path, f"boxes: expected left, top, width, height, found {boxes[row]} in row {row}"
        )
    return boxes


def in_world(cameras: list[Camera], joints: np.ndarray) -> np.ndarray:
    """Returns joints (N, J, 3) mm of each row's camera in world coordinates."""
    rows_of: dict[Camera, list[int]] = {}
    for row, camera in enumerate(cameras):
        rows_of.setdefault(camera, []).append(row)
    world = np.empty(joints.shape)
    for camera, rows in rows_of.items():
        world[rows] = camera.to_world(joints[rows])
    return world


def video_frames(path: Path, files: list[str], numbers: list) -> np.ndarray | None:
    """Returns the frame index of each row; None for still images."""
    is_video = [file.lower().endswith(_VIDEOS) for file in files]
    if not any(is_video):
        return None
    if not all(is_video) or any(number is None for number in numbers):
        raise FileError(path, "expected video_frame for every image that is a video, and no others")
    return whole_numbers(path, "video_frame", numbers, least=0)
