"""Boxes of people: from a detector's file, or the whole picture.

Two kinds of JSON are read: what `skelbridge prepare --boxes` takes (image -> list of
`[left, top, width, height]`), and COCO's: a list of results
`{"image_id": ..., "bbox": [left, top, width, height], "score": ..., "category_id": 1}`, or an
object with such `annotations` and `images` that tell the file names of the ids. Without `images`,
an `image_id` is a file's name or the number that its name ends in.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import printable
from skeleton_defs import UserError

from ..store.detections import load_detections

#: COCO's category of people.
_PERSON = 1
_MAX_NAMED = 4


def read_boxes(
    path: str | os.PathLike, images: Sequence[str], *, min_score: float = 0.5
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Reads the boxes of images.

    Args:
      path: a JSON file as the module's text says.
      images: paths. The file may name them by the whole path, or by its last parts.
      min_score: COCO results that are less sure are left out.

    Returns:
      Per image (P, 4) left, top, width, height px, and remarks for the user.

    Raises:
      FileError: the file is something else, or names none of the images, or one ambiguously.
    """
    named, notes = _named_boxes(path, min_score)
    by_last_part: dict[str, list[str]] = {}
    for name in named:
        by_last_part.setdefault(PurePath(name).name, []).append(name)
    keys = [_key_of(path, image, by_last_part) for image in images]
    if not any(key is not None for key in keys):
        names = ", ".join(repr(name) for name in list(named)[:_MAX_NAMED]) or "no image at all"
        more = ", ..." if len(named) > _MAX_NAMED else ""
        raise FileError(path, f"expected boxes of {images[0]}, found those of {names}{more}")
    _check_shared(path, images, keys)
    lacking = [image for image, key in zip(images, keys, strict=True) if key is None]
    if lacking:
        others = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        notes.append(f"{os.fspath(path)} has no boxes of {lacking[0]}{others}: nobody is looked at")
    none = np.zeros((0, 4))
    return [none if key is None else named[key] for key in keys], tuple(notes)


def whole_image(size: tuple[int, int]) -> np.ndarray:
    """Returns the box (4,) of a whole picture of width, height px."""
    return np.array([-0.5, -0.5, *size])


def check_boxes(image: str, size: tuple[int, int], boxes: np.ndarray) -> None:
    """Raises `UserError` where a box (P, 4) has no area, or none within the picture."""
    high = boxes[:, :2] + boxes[:, 2:]
    is_flat = ~(boxes[:, 2:] > 0).all(1)
    is_outside = ~((boxes[:, :2] < np.array(size) - 0.5) & (high > -0.5)).all(1)
    if not (is_flat | is_outside).any():
        return
    row = int(np.flatnonzero(is_flat | is_outside)[0])
    numbers = ", ".join(f"{number:g}" for number in boxes[row])
    rule = "be of more than 0 x 0 px" if is_flat[row] else f"meet the image's {size[0]} x {size[1]}"
    raise UserError(
        f"{image}: box {row + 1} (left, top, width, height) must {rule}. Received {numbers}"
    )


def _named_boxes(path: str | os.PathLike, min_score: float) -> tuple[dict, list[str]]:
    tree = _parsed(path)
    if isinstance(tree, list):
        return _coco_boxes(path, tree, {}, min_score)
    if isinstance(tree, dict) and isinstance(tree.get("annotations"), list):
        return _coco_boxes(path, tree["annotations"], _file_names(path, tree), min_score)
    return load_detections(path, "boxes"), []


def _parsed(path: str | os.PathLike) -> Any:
    try:
        with open(path, "rb") as file:
            return json.load(file)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"expected JSON: {' '.join(str(error).split())}") from None


def _file_names(path: str | os.PathLike, tree: dict) -> dict[Any, str]:
    names = {}
    images = tree.get("images", [])
    for image in images if isinstance(images, list) else [None]:
        name = image.get("file_name") if isinstance(image, dict) else None
        number = image.get("id") if isinstance(image, dict) else None
        if not isinstance(name, str) or type(number) not in (int, str):
            raise FileError(path, "images: expected objects with 'id' and 'file_name'")
        names[number] = name
    return names


def _coco_boxes(
    path: str | os.PathLike, records: list, file_names: dict[Any, str], min_score: float
) -> tuple[dict[str, np.ndarray], list[str]]:
    boxes: dict[str, list] = {name: [] for name in file_names.values()}
    n_others = n_unsure = 0
    for place, record in enumerate(records):
        where = f"entry {place + 1}"
        if not isinstance(record, dict):
            raise FileError(path, f"{where}: expected an object with 'image_id' and 'bbox'")
        image = record.get("image_id")
        if type(image) not in (int, str):
            raise FileError(path, f"{where}: expected 'image_id', a name or a number")
        numbers = record.get("bbox")
        if not (isinstance(numbers, list) and len(numbers) == 4 and all(map(_is_number, numbers))):
            raise FileError(path, f"{where}: expected 'bbox' [left, top, width, height] of numbers")
        score = record.get("score", 1.0)
        if not _is_number(score):
            raise FileError(path, f"{where}: expected a number as 'score'")
        found = boxes.setdefault(file_names.get(image, printable(str(image))), [])
        if record.get("category_id", _PERSON) != _PERSON:
            n_others += 1
        elif score < min_score:
            n_unsure += 1
        else:
            found.append(numbers)
    notes = []
    if n_others:
        notes.append(f"{n_others} boxes of other things than people (category 1) are left out")
    if n_unsure:
        notes.append(f"{n_unsure} boxes with a score below {min_score:g} are left out")
    return {name: np.array(b, float).reshape(-1, 4) for name, b in boxes.items()}, notes


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9 and math.isfinite(value)


def _key_of(path, image: str, by_last_part: dict[str, list[str]]) -> str | None:
    """Returns the name that shares the most last parts with an image's path."""
    file = PurePath(image)
    stem, digits = file.stem, re.search(r"\d+$", file.stem)
    fitting = {
        name: _shared_parts(PurePath(name), file) for name in by_last_part.get(file.name, ())
    }
    if not any(fitting.values()):
        fitting = {name: 1 for name in by_last_part.get(stem, ()) if name == stem}
    if not fitting and digits:
        number = str(int(digits[0]))
        fitting = {name: 1 for name in by_last_part.get(number, ()) if name == number}
    best = max(fitting.values(), default=0)
    names = [name for name, shared in fitting.items() if best and shared == best]
    if len(names) > 1:
        raise FileError(
            path, f"{image} may be {names[0]!r} or {names[1]!r}; give more of the image's path"
        )
    return names[0] if names else None


def _shared_parts(name: PurePath, file: PurePath) -> int:
    """Returns how many parts the shorter of two paths has if the longer ends in it, else 0."""
    count = min(len(name.parts), len(file.parts))
    return count if name.parts[-count:] == file.parts[-count:] else 0


def _check_shared(path, images: Sequence[str], keys: list[str | None]) -> None:
    first: dict[str, str] = {}
    for image, key in zip(images, keys, strict=True):
        if key is not None and first.setdefault(key, image) != image:
            raise FileError(path, f"{key!r} may be {first[key]} or {image}; name images by paths")
