"""What H3WB's annotation files hold: the joints of one recording as one camera sees them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from ..camera import Camera
from ..containers.errors import FileError
from ..containers.file_text import printable
from ..containers.npz import open_npz
from ..containers.safe_pickle import load_object_npz
from ._h36m_cameras import NAMES, published_cameras, published_size
from ._number_lists import described, number_lists
from ._values import RecentFiles, as_array, as_numbers, camera_of, member, read_json

N_JOINTS = 133
_IMAGE = re.compile(r"(?:.*/)?(S[0-9]{1,2})/Images/([^/]+)\.([0-9]{8})/frame_([0-9]{1,9})\.jpg")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
#: Focal lengths are stored in thousands of px; one beyond this would be in px.
_MAX_FOCAL = 50.0


@dataclass(frozen=True, eq=False)
class View:
    """One recording in one camera.

    Attributes:
      subject, action, camera_name: as the files have them; "" where they do not tell.
      camera: None where it is unknown.
      frames: (N,) of the video.
      joints3d: (N, 133, 3) mm in camera coordinates.
      joints2d: (N, 133, 2) px.
      samples: (N,) numbers that the benchmark knows them by, or None.
      boxes: (N, 4) left, top, width, height px, or None.
    """

    subject: str
    action: str
    camera_name: str
    camera: Camera | None
    frames: np.ndarray
    joints3d: np.ndarray
    joints2d: np.ndarray
    samples: np.ndarray | None
    boxes: np.ndarray | None


def views_of_arrays(path: Path, is_wanted: Callable[[str], bool]) -> Iterator[View]:
    """Yields the views of subjects that are wanted.

    Raises:
      FileError: the file is damaged, or holds something else.
    """
    content = _recent_arrays(path)
    for subject, actions in content.subjects.items():
        if not is_wanted(subject):
            continue
        for action, recording in _dictionary(path, _short(str(subject)), actions).items():
            _dictionary(path, _short(f"{subject} {action}"), recording)
            for name in NAMES:
                if name in recording:
                    yield _view(path, content, (subject, str(action), name), recording)


@dataclass(frozen=True, eq=False)
class _Content:
    """{subject: {action: recording}}, {subject: {camera: numbers}} and {(subject, ...): box}."""

    subjects: dict
    cameras: dict | None
    boxes: dict


def _read_arrays(path: str) -> _Content:
    with open_npz(path) as archive:
        keys = list(archive)
    # `train_data`, or what the test file calls it.
    data = next((key for key in keys if key.endswith("_data")), "train_data")
    found = {}
    for key in (data, "metadata", "bbox"):
        if key == data or key in keys:
            value = load_object_npz(path, key)
            value = value.item() if value.shape == () else value
            found[key] = _dictionary(path, key, value)
    return _Content(found[data], found.get("metadata"), found.get("bbox", {}))


_recent_arrays = RecentFiles(_read_arrays)


def _view(path: Path, content: _Content, what: tuple[str, str, str], recording: dict) -> View:
    key = _short(" ".join(what))
    view = _dictionary(path, key, recording[what[2]])
    frames = np.ravel(member(path, recording, "frame_id"))
    if frames.dtype.kind not in "iu":
        raise FileError(path, f"{key} frame_id: expected integers, found {frames.dtype}")
    n = len(frames)

    def values(entry: str, d: int) -> np.ndarray:
        array = member(path, view, entry)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            found = array.dtype if isinstance(array, np.ndarray) else described(array)
            raise FileError(path, f"{key} {entry}: expected an array of numbers, found {found}")
        # Some editions keep an axis of length one.
        if array.ndim == 4 and array.shape[1] == 1:
            array = array[:, 0]
        return as_array(path, f"{key} {entry}", array, (n, N_JOINTS, d))

    samples = np.ravel(view["sample_id"]) if "sample_id" in view else None
    if samples is not None and (samples.dtype.kind not in "iu" or len(samples) != n):
        raise FileError(path, f"{key} sample_id: expected {n} integers, found {len(samples)}")
    return View(
        *what,
        _camera(path, content.cameras, what[0], what[2]),
        frames.astype(np.int64),
        values("camera_3d", 3),
        values("pose_2d", 2),
        samples,
        _boxes(path, [content.boxes.get((*what, frame)) for frame in frames.tolist()]),
    )


def _camera(path: Path, cameras: dict | None, subject: str, name: str) -> Camera | None:
    if cameras is None:
        return _published(subject, name)
    numbers = member(path, cameras, subject, name)

    def values(key: str, n: int) -> np.ndarray:
        return as_numbers(path, f"{subject} {name} {key}", member(path, numbers, key), n)

    K = values("K", 9).reshape(3, 3).copy()
    if abs(K[0, 0]) < _MAX_FOCAL:
        K[:2] *= 1000
    return camera_of(
        path,
        f"camera {name} of {subject}",
        R=values("R", 9).reshape(3, 3),
        t=1000 * values("T", 3),
        K=K,
        distortion=values("Distortion", 5),
        world_up=(0, 0, 1),
        image_size=published_size(name),
    )


def _published(subject: str, name: str) -> Camera | None:
    """Returns Human3.6M's own calibration; None for a subject or camera without one."""
    table = published_cameras()
    if name not in NAMES or subject not in table.extrinsics:
        return None
    return table.camera(subject, name, published_size(name))


def _read_json_views(path: str) -> list[View]:
    document = _dictionary(path, "the file", read_json(path))
    groups: dict[tuple[str, str, str], list[tuple[int, str, dict]]] = {}
    for key, sample in document.items():
        _dictionary(path, f"sample {_short(key)}", sample)
        match = _IMAGE.fullmatch(str(sample.get("image_path", "")))
        what = match.groups()[:3] if match else ("", "", "")
        rows = groups.setdefault(what, [])
        rows.append((int(match[4]) if match else len(rows), key, sample))
    return [_json_view(path, what, rows) for what, rows in groups.items()]


#: Reads the JSON edition: its views, without the document, which is many times larger.
views_of_json = RecentFiles(_read_json_views)


def _json_view(path: str, what: tuple[str, str, str], rows: list) -> View:
    rows.sort(key=lambda row: row[0])
    keys, samples = [key for _, key, _ in rows], [sample for _, _, sample in rows]
    is_numbered = all(key.isascii() and key.isdigit() and len(key) < 19 for key in keys)
    return View(
        *what,
        _published(what[0], what[2]),
        np.array([frame for frame, _, _ in rows], np.int64),
        _points(path, keys, samples, "keypoints_3d", "xyz"),
        _points(path, keys, samples, "keypoints_2d", "xy"),
        np.array([int(key) for key in keys], np.int64) if is_numbered else None,
        _boxes(path, [sample.get("bbox") for sample in samples]),
    )


def _points(path: str, keys: list, samples: list[dict], entry: str, axes: str) -> np.ndarray:
    """Returns (N, 133, D) of {"0": {"x": ..., "y": ...}, ...} in each sample."""
    joints, coordinates = itemgetter(*map(str, range(N_JOINTS))), itemgetter(*axes)
    # One page of the documentation has another spelling.
    other = entry.replace("keypoints", "keypont")
    lists = []
    for key, sample in zip(keys, samples, strict=True):
        try:
            points = joints(sample[entry if entry in sample else other])
            lists.append(list(chain.from_iterable(map(coordinates, points))))
        except (KeyError, TypeError, IndexError):
            raise FileError(
                path,
                f"sample {_short(key)}: expected {entry} with {', '.join(axes)} of joints 0 to 132",
            ) from None
    width = N_JOINTS * len(axes)
    numbers = number_lists(
        path, entry, lists, width, name=lambda row: f"sample {_short(keys[row])}"
    )
    return numbers.reshape(-1, N_JOINTS, len(axes))


def _boxes(path, corners: list[Any]) -> np.ndarray | None:
    """Returns boxes (N, 4) of corners by name; None where not every row has them."""
    if not corners or not all(isinstance(box, dict) and box for box in corners):
        return None
    lists = [[box.get(key) for key in _CORNERS] for box in corners]
    low, high = np.split(number_lists(path, "bbox", lists, 4), 2, axis=1)
    if (high < low).any():
        row = int(np.argmax((high < low).any(axis=1)))
        raise FileError(path, f"bbox: expected {', '.join(_CORNERS)}, found {lists[row]}")
    return np.concatenate([low, high - low], axis=1)


def _short(name: str) -> str:
    """Returns a name of the file as messages show it."""
    return printable(name[:60])


def _dictionary(path, what: str, value: Any) -> dict:
    if not isinstance(value, dict):
        found = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else (
            described(value)
        )  # fmt: skip
        raise FileError(path, f"{what}: expected a dictionary, found {found}")
    return value
