"""Writes Human3.6M's metadata.xml: which take is which file, frame counts, the calibration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ._h36m_calibration import ANGLES_AND_CENTERS, INTRINSICS

_SUBJECTS = [f"S{i}" for i in range(1, 12)]
_PUBLIC = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
#: Action -> the names of its two takes for each of the public subjects.
_TAKES = {
    "_ALL": ["_ALL 1|_ALL"] * 7,
    "Directions": ["Directions 1|Directions", "Directions 1|Directions 2"]
    + ["Directions 1|Directions"] * 5,
    "Discussion": ["Discussion 1|Discussion", "Discussion 2|Discussion 3"]
    + ["Discussion 1|Discussion"] * 3
    + ["Discussion 1|Discussion 2"] * 2,
    "Eating": ["Eating 2|Eating", "Eating 1|Eating", "Eating 1|Eating 2"] + ["Eating 1|Eating"] * 4,
    "Greeting": ["Greeting 1|Greeting", "Greeting 1|Greeting 2"]
    + ["Greeting 1|Greeting"] * 4
    + ["Greeting 2|Greeting"],
    "Phoning": ["Phoning 1|Phoning"] * 3
    + ["Phoning 2|Phoning"]
    + ["Phoning 1|Phoning"] * 2
    + ["Phoning 3|Phoning 2"],
    "Posing": ["Posing 1|Posing"] * 2 + ["Posing 2|Posing"] + ["Posing 1|Posing"] * 4,
    "Purchases": ["Purchases 1|Purchases"] * 7,
    "Sitting": ["Sitting 1|Sitting 2", "Sitting 1|Sitting", "Sitting 1|Sitting 2"]
    + ["Sitting 1|Sitting"] * 4,
    "SittingDown": ["SittingDown 2|SittingDown", "SittingDown|SittingDown 1"]
    + ["SittingDown 1|SittingDown"]
    + ["SittingDown|SittingDown 1"] * 4,
    "Smoking": ["Smoking 1|Smoking"] * 6 + ["Smoking 2|Smoking"],
    "TakingPhoto": ["TakingPhoto 1|TakingPhoto", "Photo|Photo 2"]
    + ["Photo|Photo 1"] * 2
    + ["Photo 1|Photo"] * 3,
    "Waiting": ["Waiting 1|Waiting", "Waiting 1|Waiting 2", "Waiting 3|Waiting"]
    + ["Waiting 1|Waiting 2"]
    + ["Waiting 1|Waiting"] * 3,
    "Walking": ["Walking 1|Walking"] * 3 + ["Walking 1|Walking 2"] + ["Walking 1|Walking"] * 3,
    "WalkingDog": ["WalkingDog 1|WalkingDog"] + ["WalkDog 1|WalkDog"] * 6,
    "WalkingTogether": ["WalkTogether 1|WalkTogether"] * 4
    + ["WalkTogether 1|WalkTogether 2"]
    + ["WalkTogether 1|WalkTogether"] * 2,
}


def take_names(subject: str) -> list[str]:
    """Returns a subject's 32 takes in the order of the table."""
    # The subjects without public poses are given the names of the first one.
    column = _PUBLIC.index(subject) if subject in _PUBLIC else 0
    return [name for names in _TAKES.values() for name in names[column].split("|")]


def write_metadata(path: Path, counts: Mapping[tuple[str, str], list[int]]) -> None:
    """Writes metadata.xml.

    Args:
      counts: (subject, take) -> frames of the four videos and of the 200 Hz motion capture; takes
        that the miniature leaves out are given counts of the dataset's usual size.
    """
    root = ElementTree.Element("metadata")
    mapping = ElementTree.SubElement(root, "mapping")
    _table_row(mapping, ["Action", "subaction", *_SUBJECTS])
    columns = [take_names(subject) for subject in _SUBJECTS]
    for i, names in enumerate(zip(*columns, strict=True)):
        _table_row(mapping, [str(i // 2 + 1), str(i % 2 + 1), *names])
    _table_row(mapping, ["", "", *(f"actor {s}" for s in _SUBJECTS)])
    sizes = {s: "[1002 1000;1000 1000;1000 1000;1002 1000]" for s in _SUBJECTS}
    sizes["S7"] = "[1002 1000;1002 1000;1002 1000;1002 1000]"
    _table_row(mapping, ["", "", *sizes.values()])
    frames = ElementTree.SubElement(root, "frames")
    for subject in _SUBJECTS:
        entries = [
            counts.get((subject, take), [1384, 1387, 1387, 1384, 5535])
            for take in take_names(subject)
        ]
        _table_row(frames, ["", *(f"[{' '.join(map(str, entry))}]" for entry in entries)])
    names = ElementTree.SubElement(root, "actionnames")
    for action in _TAKES:
        ElementTree.SubElement(names, "item").text = action
    index2id = ElementTree.SubElement(ElementTree.SubElement(root, "dbcameras"), "index2id")
    for camera in ("54138969", "55011271", "58860488", "60457274"):
        ElementTree.SubElement(index2id, "item").text = camera
    ElementTree.SubElement(root, "w0").text = f"[{' '.join(map(_number, _calibration()))}]"
    path.parent.mkdir(parents=True)
    path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _table_row(table: ElementTree.Element, cells: list[str]) -> None:
    tr = ElementTree.SubElement(table, "tr")
    for cell in cells:
        ElementTree.SubElement(tr, "td").text = cell or None


def _calibration() -> np.ndarray:
    """Returns (300,): (4 cameras, 11 subjects, 6 numbers), then (4 cameras, 9 numbers)."""
    extrinsics = np.zeros((4, 11, 6))
    for i, subject in enumerate(_SUBJECTS):
        extrinsics[:, i] = ANGLES_AND_CENTERS.get(subject, ANGLES_AND_CENTERS["S1"])
    return np.concatenate([extrinsics.reshape(-1), np.reshape(INTRINSICS, -1)])


def _number(value: float) -> str:
    return f"{value:.15g}"
