"""Folders that hold one JSON file per frame, and frames that hold several people each."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_bytes import read_bytes
from dataset_adapters.containers.file_text import list_names
from skelbridge.posefiles.json_text import MAX_FILL_RATIO, check_fill, load_json

_LAST_NUMBER = re.compile(r"(.*?)(\d{1,18})(\D*)", re.DOTALL)


@dataclass(frozen=True)
class FramePeople:
    """The people of one frame.

    Attributes:
      file: where they were read, for messages.
      joints: one `(J, D + 1)` array per person: coordinates and confidence, NaN coordinates where
        missing; None for a person without them.
      ids: one id per person; None where the file gives none.
      extras: by key, one array (or None) per person.
    """

    file: str | os.PathLike
    joints: list[np.ndarray | None]
    ids: list[int | None]
    extras: dict[str, list[np.ndarray | None]] = field(default_factory=dict)


def person_id(value: Any) -> int | None:
    """Returns a person's id as it fits an array of ids, None for what is none."""
    return value if type(value) is int and 0 <= value < 2**63 else None


@dataclass(frozen=True)
class Stacked:
    """People of many frames as arrays.

    Attributes:
      joints: `(T, P, J, D + 1)`: coordinates (NaN where missing) and confidence (0 for absent
        people).
      tracked: whether the person axis follows ids, so that a column is one person throughout.
      ids: `(T, P)` person ids, -1 for none.
      extras: `(T, P, ...)` arrays, NaN where missing.
    """

    joints: np.ndarray
    tracked: bool
    ids: np.ndarray
    extras: dict[str, np.ndarray]


def read_frame_folder(
    folder: str | os.PathLike, read_frame: Callable[[Path, Any], FramePeople]
) -> tuple[list[FramePeople | None], np.ndarray, list[str]]:
    """Reads every frame file of a folder, in the order of the last number in their names.

    Args:
      folder: what to read.
      read_frame: turns one file and its parsed document into people.

    Returns:
      The frames, None where the numbering has a gap; the frame numbers `(T,)`; notes for the user.

    Raises:
      FileError: if the folder holds no numbered JSON files, those of several clips, or numbers that
        are far apart, and for every file that is not JSON.
    """
    numbered, skipped = _numbered_files(Path(folder))
    notes = []
    if skipped:
        notes.append(
            f"files without a frame number in their names are left out: {_quoted(skipped)}"
        )
    numbers = np.array(sorted(numbered), dtype=np.int64)
    steps = np.diff(numbers)
    if len(steps) and steps.min() != steps.max():
        span = int(numbers[-1]) - int(numbers[0]) + 1
        if span > 1000 + 100 * len(numbers):
            raise FileError(
                folder,
                f"expected consecutive frame numbers, found {len(numbers)} files for the frames "
                f"{numbers[0]} to {numbers[-1]}; rename the files or split the folder",
            )
        notes.append(
            f"{span - len(numbers)} frames between {numbers[0]} and {numbers[-1]} have no file; "
            "they are kept as missing"
        )
        numbers = np.arange(numbers[0], numbers[-1] + 1)
    elif len(steps) and steps[0] > 1:
        notes.append(f"the files hold every {steps[0]}th frame only")
    frames = []
    for number in numbers.tolist():
        file = numbered.get(number)
        frames.append(read_frame(file, load_json(file, read_bytes(file))) if file else None)
    return frames, numbers, notes


def first_document(folder: str | os.PathLike) -> tuple[Path, Any]:
    """Returns the file of the first frame and its parsed document, to tell formats apart."""
    numbered, _ = _numbered_files(Path(folder))
    file = numbered[min(numbered)]
    return file, load_json(file, read_bytes(file))


def _numbered_files(folder: Path) -> tuple[dict[int, Path], list[str]]:
    try:
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() == ".json" and f.is_file())
    except OSError as error:
        raise FileError(folder, f"cannot be listed: {error.strerror}") from None
    numbered: dict[int, Path] = {}
    clips: dict[tuple[str, str], None] = {}
    skipped = []
    for file in files:
        match = _LAST_NUMBER.fullmatch(file.stem)
        if match is None:
            skipped.append(file.name)
            continue
        clips[match[1], match[3]] = None
        number = int(match[2])
        if number in numbered and len(clips) == 1:
            raise FileError(
                folder,
                f"two files for frame {number}: {numbered[number].name!a} and {file.name!a}",
            )
        numbered[number] = file
    if not numbered:
        raise FileError(
            folder, "expected one JSON file per frame (<clip>_<number>_keypoints.json), found none"
        )
    if len(clips) > 1:
        names = _quoted(f"{start}<number>{end}.json" for start, end in clips)
        raise FileError(
            folder,
            f"expected the frames of one clip, found {len(clips)}: {names}; give each clip "
            "a folder of its own",
        )
    return numbered, skipped


def _quoted(names: Iterable[str]) -> str:
    return list_names(map(ascii, names), most=4)


def stack_people(path: str | os.PathLike, frames: list[FramePeople | None]) -> Stacked:
    """Stacks people into arrays; the person axis follows ids where every person has a fresh one.

    Args:
      path: file or folder, for messages.
      frames: T frames, None for one without a file.

    Raises:
      FileError: if there are no people at all, if their joint counts differ, or if they are so
        unevenly spread that the arrays would be huge and almost empty.
    """
    shape = _joints_shape(path, frames)
    held = sum(len(f.joints) for f in frames if f) * shape[0] * shape[1]
    crowd = max(len(f.joints) for f in frames if f)
    columns = _columns_of_ids(frames)
    tracked = columns is not None and (
        len(columns) <= crowd
        or len(frames) * len(columns) * shape[0] * shape[1] <= MAX_FILL_RATIO * held
    )
    n_people = len(columns) if tracked else crowd
    check_fill(path, "people", len(frames) * n_people * shape[0] * shape[1], held)
    joints = np.full((len(frames), n_people, *shape), np.nan)
    joints[..., -1] = 0
    ids = np.full((len(frames), n_people), -1, dtype=np.int64)
    extras = _empty_extras(path, frames, n_people)
    for t, frame in enumerate(frames):
        for i, person in enumerate(frame.joints if frame else ()):
            p = columns[frame.ids[i]] if tracked else i
            if person is not None:
                joints[t, p] = person
            if frame.ids[i] is not None:
                ids[t, p] = frame.ids[i]
            for key, values in frame.extras.items():
                if key in extras and values[i] is not None:
                    extras[key][t, p] = values[i]
    return Stacked(joints, tracked, ids, extras)


def _joints_shape(path, frames: list[FramePeople | None]) -> tuple[int, int]:
    first = None
    for frame in frames:
        for joints in frame.joints if frame else ():
            if joints is None:
                continue
            first = first or (joints.shape, frame.file)
            if joints.shape != first[0]:
                raise FileError(
                    frame.file,
                    f"expected {first[0][0]} joints per person as in the first frame with people "
                    f"({Path(first[1]).name}), found {joints.shape[0]} in another; keep the "
                    "results of one detector together",
                )
    if first is None:
        raise FileError(path, "expected people, found none in any frame")
    return first[0]


def _columns_of_ids(frames: list[FramePeople | None]) -> dict[int, int] | None:
    """Returns a column per person id, or None where ids do not tell people apart."""
    ids: set[int] = set()
    for frame in frames:
        if frame is None:
            continue
        if len(set(frame.ids)) < len(frame.ids) or any(i is None or i < 0 for i in frame.ids):
            return None
        ids.update(frame.ids)
    return {person: column for column, person in enumerate(sorted(ids))}


def _empty_extras(path, frames: list[FramePeople | None], n_people: int) -> dict[str, np.ndarray]:
    """Returns NaN arrays for the extras that have one shape throughout."""
    shapes: dict[str, list] = {}
    for frame in frames:
        for key, values in (frame.extras if frame else {}).items():
            shapes.setdefault(key, []).extend(v.shape for v in values if v is not None)
    extras = {}
    for key, found in shapes.items():
        if len(set(found)) == 1:
            size = int(np.prod(found[0]))
            check_fill(path, key, len(frames) * n_people * size, len(found) * size)
            extras[key] = np.full((len(frames), n_people, *found[0]), np.nan)
    return extras
