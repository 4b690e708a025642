"""Boxes and silhouettes that the user's own detector or segmenter found, matched to people.

Both are JSON objects: image path below the dataset's root -> list. In the boxes file the items are
`[left, top, width, height]` px (further numbers, such as a score, are ignored); in the masks file
they are COCO RLE objects `{"size": [height, width], "counts": ...}`. A frame of a video is named
`path#index` (0-based).
"""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import ExampleBlock

from . import rle
from .boxes import overlaps

#: The smallest overlap at which a detection is taken for a person: PosePile's, per dataset.
MIN_OVERLAP = {
    "agora": 0.5, "aist": 0.1, "behave": 0.5, "chi3d": 0.5, "fit3d": 0.5, "gpa": 0.3,
    "human4d": 0.5, "humansc3d": 0.5, "humbi": 0.5, "ikea_asm": 0.3, "mpi_inf_3dhp": 0.5,
    "rich": 0.5, "spec": 0.3, "umpm": 0.5,
}  # fmt: skip
DEFAULT_MIN_OVERLAP = 0.1


def load_detections(path: str | os.PathLike, what: str) -> dict[str, Any]:
    """Reads a boxes file (image -> (N, 4) array) or a masks file (image -> list of RLE objects).

    The last two files stay in memory, so that workers do not read them per shard.

    Args:
      what: `boxes` or `masks`.

    Raises:
      FileError: it is not what the module's text says.
    """
    try:
        stat = os.stat(path)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    return _loaded(os.fspath(path), what, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _loaded(path: str, what: str, _size: int, _time: int) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            tree = json.load(file)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"expected JSON: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise FileError(path, f"expected an object image path -> list of {what}")
    checked = _checked_boxes if what == "boxes" else _checked_masks
    return {image: checked(path, image, items) for image, items in tree.items()}


def _checked_boxes(path: str, image: str, items: Any) -> np.ndarray:
    try:
        boxes = np.array([item[:4] for item in items], float).reshape(-1, 4)
    except (TypeError, ValueError, KeyError, OverflowError):
        boxes = np.full((1, 4), np.nan)
    if not (
        isinstance(items, list)
        and len(boxes) == len(items)
        and np.isfinite(boxes).all()
        and (boxes[:, 2:] >= 0).all()
    ):
        raise FileError(path, f"{image!r}: expected boxes [left, top, width, height] of numbers")
    return boxes


def _checked_masks(path: str, image: str, items: Any) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise FileError(path, f"{image!r}: expected a list of COCO RLE objects")
    for item in items:
        try:
            rle.runs(item)
        except ValueError as error:
            raise FileError(path, f"{image!r}: {error}") from None
    return items


def matches(boxes: np.ndarray, found: np.ndarray, min_overlap: float) -> np.ndarray:
    """Returns for each person's box (N, 4) the index of its detection among (M, 4), or -1.

    People and detections are paired so that the sum of all overlaps is largest.
    """
    from scipy.optimize import linear_sum_assignment

    overlap = overlaps(boxes, found)
    people, chosen = linear_sum_assignment(overlap, maximize=True)
    assigned = np.full(len(boxes), -1)
    good = (overlap[people, chosen] >= min_overlap) & (overlap[people, chosen] > 0)
    assigned[people[good]] = chosen[good]
    return assigned


def image_keys(block: ExampleBlock) -> list[str | None]:
    """Returns what the rows' images are called in the files; None for rows without image."""
    if block.images is None:
        return [None] * len(block)
    paths = [block.value("images", row) for row in range(len(block))]
    if block.video_frames is None:
        return paths
    return [f"{path}#{frame}" for path, frame in zip(paths, block.video_frames, strict=True)]


def rows_of_images(keys: list[str | None]) -> dict[str, list[int]]:
    """Returns the rows that show each image, in order of appearance."""
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key is not None:
            rows.setdefault(key, []).append(row)
    return rows


def matched_boxes(
    keys: list[str | None], boxes: np.ndarray, found: dict[str, np.ndarray], min_overlap: float
) -> np.ndarray:
    """Returns the detector's boxes (N, 4) of the people with boxes (N, 4); NaN for unmatched."""
    result = np.full((len(keys), 4), np.nan)
    for key, rows in rows_of_images(keys).items():
        candidates = found.get(key)
        rows = np.array([row for row in rows if not np.isnan(boxes[row]).any()], int)
        if candidates is not None and len(candidates) and len(rows):
            assigned = matches(boxes[rows], candidates, min_overlap)
            result[rows[assigned >= 0]] = candidates[assigned[assigned >= 0]]
    return result


def matched_masks(
    keys: list[str | None], boxes: np.ndarray, found: dict[str, list], min_overlap: float
) -> list[Any]:
    """Returns the silhouettes of the people with boxes (N, 4); None for unmatched."""
    result: list[Any] = [None] * len(keys)
    for key, rows in rows_of_images(keys).items():
        candidates = found.get(key)
        rows = [row for row in rows if not np.isnan(boxes[row]).any()]
        if candidates and rows:
            around = np.array([rle.box_of(mask) for mask in candidates])
            for row, index in zip(rows, matches(boxes[rows], around, min_overlap), strict=True):
                if index >= 0:
                    result[row] = candidates[index]
    return result
