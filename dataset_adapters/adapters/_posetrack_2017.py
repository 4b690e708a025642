"""The annotation files of PoseTrack 2017: `annolist`, 15 joints listed by number, no boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..containers.errors import FileError
from ..containers.file_text import quote
from ..examples import ExampleBlock
from ._image_headers import stated_size
from ._labelled_points import boxes_of_corners, joints_of_points
from ._number_lists import described, number_lists, texts
from ._values import MAX_COORDINATE, member

N_JOINTS = 15


def block_of_2017(root: Path, path: Path, document: dict, split: str) -> ExampleBlock | None:
    """Returns the people of one file; None where there are none.

    Raises:
      FileError: something else stands where points, names or tracks should.
    """
    files, people, points, owners = [], [], [], []
    for entry in _objects(path, "annolist", member(path, document, "annolist")):
        name = member(path, _single(member(path, entry, "image")), "name")
        for person in _objects(path, "annorect", entry.get("annorect")):
            annopoints = _objects(path, "annopoints", person.get("annopoints"))
            labelled = _objects(path, "point", annopoints[0].get("point")) if annopoints else []
            if labelled:
                points += [[_single(point.get(key)) for key in ("id", "x", "y")]
                           for point in labelled]  # fmt: skip
                owners += [len(people)] * len(labelled)
                files.append(name)
                people.append(person)
    if not people:
        return None
    files = texts(path, "image.name", files)
    numbers = number_lists(path, "annopoints.point (id, x, y)", points, 3)
    shape = (len(people), N_JOINTS)
    return ExampleBlock(
        dataset="posetrack",
        split=split,
        skeleton="posetrack_15",
        sequence=path.stem,
        frames=np.array([frame_number(path, file) for file in files]),
        person=texts(path, "track_id", [_single(person.get("track_id", "")) for person in people]),
        images=files,
        image_sizes=stated_size(root / files[0]),
        joints2d=joints_of_points(path, np.array(owners), numbers[:, 0], numbers[:, 1:], shape),
        extras={"head_box": boxes_of_corners([_corners(person) for person in people])},
    )


def frame_number(path, file: str) -> int:
    """Returns the number that names the image of a frame.

    Raises:
      FileError: its name is none.
    """
    stem = file.rpartition("/")[2].partition(".")[0]
    if not (stem.isascii() and stem.isdigit() and len(stem) < 19):
        raise FileError(path, f"file_name: expected digits as in 000012.jpg, found {quote(file)}")
    return int(stem)


def _objects(path: Path, key: str, value: Any) -> list[dict]:
    """Returns a list of objects; a single one may stand by itself, and an empty one for none."""
    entries = [value] if isinstance(value, dict) else value or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FileError(path, f"{key}: expected a list of objects, found {described(value)}")
    return entries


def _corners(person: dict) -> list[float]:
    corners = [_single(person.get(key)) for key in ("x1", "y1", "x2", "y2")]
    return [
        value if isinstance(value, (int, float)) and abs(value) <= MAX_COORDINATE else np.nan
        for value in corners
    ]


def _single(value: Any) -> Any:
    """Returns the only element of a list: the converter of 2017 wraps every number in one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
