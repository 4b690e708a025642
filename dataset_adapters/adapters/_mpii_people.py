"""The people of MPII's annotation files: the original .mat file, and the community's JSON files."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..containers.errors import FileError
from ..containers.mat import read_mat
from ._labelled_points import boxes_of_corners, joints_of_points
from ._number_lists import described, number_lists, texts
from ._values import MAX_COORDINATE, member, read_json

N_JOINTS = 16


@dataclass(frozen=True, eq=False)
class LabelledPeople:
    """Labelled people in file order: names of images, number within the image, joints as stored.

    Attributes:
      names, numbers: (N) each.
      joints: (N, 16, 2), NaN where they are not labelled.
      is_visible: (N, 16).
      heads: (N, 4) left, top, width, height, NaN where unknown; None where the file has none.
    """

    names: list[str]
    numbers: list[int]
    joints: np.ndarray
    is_visible: np.ndarray
    heads: np.ndarray | None = None


def people_of_json(path: Path) -> LabelledPeople:
    """Reads the file of HRNet and mmpose: a list of people."""
    entries = read_json(path)
    if not isinstance(entries, list):
        raise FileError(path, f"expected a list of people, found {described(entries)}")
    names = texts(path, "image", [member(path, entry, "image") for entry in entries])
    points = [member(path, entry, "joints") for entry in entries]
    for row, joints in enumerate(points):
        if not isinstance(joints, list) or len(joints) != N_JOINTS:
            raise FileError(
                path, f"joints of entry {row + 1}: expected 16 points, found {described(joints)}"
            )
    joints = number_lists(
        path,
        "joints",
        list(chain.from_iterable(points)),
        2,
        name=lambda point: f"entry {point // N_JOINTS + 1}",
    ).reshape(-1, N_JOINTS, 2)
    flags = number_lists(
        path, "joints_vis", [member(path, entry, "joints_vis") for entry in entries], N_JOINTS
    )
    is_missing = (flags == 0) & (joints <= 0).all(axis=-1)
    joints[is_missing] = np.nan
    seen: dict[str, int] = {}
    numbers = []
    for name in names:
        numbers.append(seen.get(name, 0))
        seen[name] = numbers[-1] + 1
    return LabelledPeople(names, numbers, joints, flags > 0)


def people_of_mat(path: Path) -> LabelledPeople:
    """Reads the original file; only training images have joints."""
    release = member(path, read_mat(path, keys=["RELEASE"]), "RELEASE")
    annolist = _structs(member(path, release, "annolist"))
    is_train = np.ravel(member(path, release, "img_train"))
    if len(is_train) != len(annolist) or is_train.dtype.kind not in "biuf":
        raise FileError(
            path, f"expected img_train for {len(annolist)} images, found {len(is_train)}"
        )
    names, numbers, people, points = [], [], [], []
    for image, chosen in zip(annolist, is_train.tolist(), strict=True):
        if not chosen:
            continue
        name = member(path, image, "image", "name")
        if not isinstance(name, str):
            raise FileError(path, f"annolist.image.name: expected text, found {described(name)}")
        for number, person in enumerate(_structs(image.get("annorect"))):
            annopoints = _structs(person.get("annopoints"))
            labelled = _structs(annopoints[0].get("point")) if annopoints else []
            if labelled:
                names.append(name)
                numbers.append(number)
                people.append(person)
                points.append(labelled)
    joints, is_visible = _joints_of(path, points)
    return LabelledPeople(names, numbers, joints, is_visible, _heads_of(people))


def _joints_of(path: Path, points: list[list[dict]]) -> tuple[np.ndarray, np.ndarray]:
    """Returns joints (N, 16, 2) and visibility (N, 16) of lists of points."""
    flat = list(chain.from_iterable(points))
    owners = np.repeat(np.arange(len(points)), [len(part) for part in points])
    ids, x, y = (_numbers(path, flat, key) for key in ("id", "x", "y"))
    joints = joints_of_points(path, owners, ids, np.stack([x, y], axis=-1), (len(points), N_JOINTS))
    is_visible = np.zeros((len(points), N_JOINTS), bool)
    is_visible[owners, ids.astype(int)] = [_is_set(point.get("is_visible")) for point in flat]
    return joints, is_visible


def _numbers(path: Path, structs: list[dict], key: str) -> np.ndarray:
    """Returns a field (N,) that is one number in each struct."""
    values = [struct.get(key) for struct in structs]
    numbers = np.array([_number(value) for value in values], float)
    bad = ~(np.abs(numbers) <= MAX_COORDINATE)
    if bad.any():
        found = values[int(np.argmax(bad))]
        found = "none" if found is None else str(found).replace("\n", " ")[:40]
        raise FileError(path, f"annopoints.point.{key}: expected a number, found {found}")
    return numbers


def _number(value: Any) -> float:
    """Returns the number that a MATLAB value is; NaN where it is something else."""
    is_number = isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.size == 1
    return value.item() if is_number else np.nan


def _is_set(flag: Any) -> bool:
    """Whether a flag is set: a number, a digit as text, or empty (as at the head)."""
    if isinstance(flag, str):
        return flag.strip() not in ("", "0")
    return _number(flag) > 0


def _heads_of(people: list[dict]) -> np.ndarray:
    return boxes_of_corners(
        [[_number(person.get(key)) for key in ("x1", "y1", "x2", "y2")] for person in people]
    )


def _structs(value: Any) -> list[dict]:
    """Returns the elements of a struct array, whatever its shape; none where it is empty."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [element for element in value.ravel() if isinstance(element, dict)]
    return []
