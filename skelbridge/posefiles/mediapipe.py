"""MediaPipe pose landmarks, saved as JSON or as text protos, and those of TensorFlow.js.

Sources: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker: 33 landmarks per
person, each x, y, z with visibility and presence; the normalised ones are fractions of the image
width (x, z) and height (y), the world ones metres from the hip midpoint, y down.
https://github.com/tensorflow/tfjs-models, pose-detection: `keypoints` in pixels and `keypoints3D`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import list_names, printable
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.frame_folders import FramePeople, Stacked, stack_people
from skelbridge.posefiles.json_text import found, number, number_array
from skelbridge.posefiles.landmark_text import landmark_groups

#: Where results keep metric landmarks, and those in the image; the first that is there counts.
WORLD_KEYS = (
    "poseWorldLandmarks", "pose_world_landmarks", "worldLandmarks", "world_landmarks",
    "keypoints3D", "keypoints3d",
)  # fmt: skip
IMAGE_KEYS = ("poseLandmarks", "pose_landmarks", "landmarks", "landmark", "keypoints")

#: Landmarks off the image reach a few times its size; more than that are pixels.
MAX_FRACTION = 8.0

_COLUMNS = ("x", "y", "z", "visibility", "presence", "score")


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like MediaPipe or TensorFlow.js landmarks."""
    if isinstance(document, dict) and isinstance(document.get("frames"), list):
        document = document["frames"]
    for _ in range(5):
        if isinstance(document, dict) and not _is_landmark(document):
            document = _landmarks_of(document)
        elif isinstance(document, list):
            document = next((item for item in document if _is_something(item)), None)
    return _is_landmark(document)


def _is_something(item: Any) -> bool:
    """Whether an item is more than a frame without people."""
    if isinstance(item, dict) and not _is_landmark(item):
        return bool(_landmarks_of(item))
    return bool(item)


def _landmarks_of(result: dict) -> Any:
    return next((result[key] for key in (*WORLD_KEYS, *IMAGE_KEYS) if result.get(key)), None)


def _is_landmark(value: Any) -> bool:
    return isinstance(value, dict) and "x" in value and "y" in value


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads one result or a list of results, one per frame.

    Args:
      path: the file's name, for messages.
      document: the parsed JSON.
      key: which landmarks to read, e.g. `"pose_landmarks"`; by default the world landmarks where
        there are any, else those in the image.

    Returns:
      Poses `(T, J, 3)`, or `(T, P, J, 3)` where results list people; metres for world landmarks,
      no unit for normalised ones. Frames in which nobody was found are NaN.

    Raises:
      FileError: if there are no landmarks; the message names the entry at fault.
    """
    fps = None
    if isinstance(document, dict) and isinstance(document.get("frames"), list):
        if document.get("fps") is not None:
            fps = number(path, "fps", document["fps"])
        document = document["frames"]
    frames = document if isinstance(document, list) else [document]
    if document and isinstance(document, list) and all(map(_is_landmark, document)):
        frames = [document]
    chosen, second = _choose(path, frames, key)
    read = _Reading(path, chosen, second)
    stacked = stack_people(path, [read.frame(t, frame) for t, frame in enumerate(frames)])
    notes = _left_out(frames, {chosen, second})
    return _pose_data(read, stacked, fps, notes)


def parse_landmark_text(path: str | os.PathLike, data: bytes) -> PoseData:
    """Reads a text proto of landmarks (`landmark { x: .. y: .. z: .. visibility: .. }`).

    Of a holistic result the 33 pose landmarks are read and the others named in a note.

    Returns:
      Poses `(1, 33, 3)`, or `(1, P, 33, 3)` where there are several groups of pose landmarks.

    Raises:
      FileError: with the line at fault.
    """
    groups = landmark_groups(path, data)
    document = {name: rows[0] if len(rows) == 1 else rows for name, rows in groups.items()}
    if not any(document.get(key) for key in (*WORLD_KEYS, *IMAGE_KEYS)):
        raise FileError(path, f"expected pose_landmarks, found landmarks of: {list_names(groups)}")
    return parse(path, document)


def _choose(path, frames: list, key: str | None) -> tuple[str | None, str | None]:
    """Returns the key to read and that of the image landmarks beside it; None for bare lists."""
    here: dict[str, bool] = {}
    for frame in frames:
        for result in frame if isinstance(frame, list) else [frame]:
            if isinstance(result, dict):
                here.update((name, True) for name, value in result.items() if value)
    if key is not None:
        if key not in here:
            raise FileError(
                path, f"expected landmarks under {key!a}, found the keys: {list_names(here)}"
            )
        return key, None
    world = next((name for name in WORLD_KEYS if name in here), None)
    image = next((name for name in IMAGE_KEYS if name in here), None)
    return (world, image) if world else (image, None)


@dataclass
class _Reading:
    """What is read of each frame, and what has been seen so far."""

    path: str | os.PathLike
    key: str | None
    second: str | None
    lists_people: bool = False
    names: tuple | None = None

    def frame(self, t: int, frame: Any) -> FramePeople:
        results = frame if isinstance(frame, list) else [frame]
        if isinstance(frame, list) and (self.key is None or all(map(_is_landmark, frame))):
            results = [{self.key: frame}]
        elif isinstance(frame, list) and frame:
            self.lists_people = True
        joints: list = []
        images: list = []
        for result in results:
            if result is None:
                continue
            if not isinstance(result, dict):
                raise FileError(self.path, f"frame {t}: expected landmarks, found {found(result)}")
            people = self._people(t, self.key, result.get(self.key))
            joints += people
            images += self._image(t, result, len(people))
        extras = {"presence": [None if j is None else j[:, 4] for j in joints]}
        if any(image is not None for image in images):
            extras["image_landmarks"] = images
        joints = [None if j is None else j[:, :4] for j in joints]
        return FramePeople(self.path, joints, [None] * len(joints), extras)

    def _people(self, t: int, key: str | None, value: Any) -> list:
        where = f"frame {t}" if key is None else f"frame {t}, {printable(key)}"
        if isinstance(value, dict) and "landmark" in value:
            value = value["landmark"]
        if value is None or value == []:
            return []
        if not isinstance(value, list):
            raise FileError(self.path, f"{where}: expected landmarks, found {found(value)}")
        if all(isinstance(item, dict) and "x" in item for item in value):
            return [self._person(where, value)]
        self.lists_people = True
        return [self._person(f"{where}[{i}]", person) for i, person in enumerate(value)]

    def _person(self, where: str, landmarks: Any) -> np.ndarray | None:
        """Returns `(J, 5)`: x, y, z, visibility, presence, NaN for what is not there."""
        if isinstance(landmarks, dict) and "landmark" in landmarks:
            landmarks = landmarks["landmark"]
        if landmarks is None or landmarks == []:
            return None
        if not isinstance(landmarks, list):
            raise FileError(self.path, f"{where}: expected landmarks, found {found(landmarks)}")
        for i, landmark in enumerate(landmarks):
            if not isinstance(landmark, dict):
                raise FileError(
                    self.path,
                    f"{where}[{i}]: expected a landmark with x, y, z, found {found(landmark)}",
                )
        rows = [[landmark.get(name) for name in _COLUMNS] for landmark in landmarks]
        joints = number_array(self.path, where, rows, shape=(None, len(_COLUMNS)))
        joints[:, 3] = np.where(np.isnan(joints[:, 3]), joints[:, 5], joints[:, 3])
        names = tuple(landmark.get("name") for landmark in landmarks)
        if self.names is None and all(isinstance(name, str) for name in names):
            self.names = tuple(map(printable, names))
        return joints[:, :5]

    def _image(self, t: int, result: dict, count: int) -> list:
        images = self._people(t, self.second, result.get(self.second)) if self.second else []
        images = [None if image is None else image[:, :3] for image in images[:count]]
        return images + [None] * (count - len(images))


def _left_out(frames: list, read: set) -> list[str]:
    first = next((frame for frame in frames if isinstance(frame, dict) and frame), {})
    others = [name for name, value in first.items() if name not in read and _has_landmarks(value)]
    return [f"left out: {list_names(others, most=8)}"] if others else []


def _has_landmarks(value: Any) -> bool:
    return isinstance(value, (list, dict)) and matches({"landmarks": value})


def _pose_data(read: _Reading, stacked: Stacked, fps: float | None, notes: list[str]) -> PoseData:
    joints, extras = stacked.joints, {k: v for k, v in stacked.extras.items() if _any_number(v)}
    leading = ("frame", "person")
    if not read.lists_people and joints.shape[1] == 1:
        leading, joints = ("frame",), joints[:, 0]
        extras = {key: values[:, 0] for key, values in extras.items()}
    positions, confidence = joints[..., :3], joints[..., 3]
    if np.isnan(positions[..., 2]).all():
        positions = positions[..., :2]
    units = None
    if read.key in WORLD_KEYS:
        units = "m"
        notes = ["world landmarks: metres from the hip midpoint, y down", *notes]
    elif read.key == "keypoints" or np.nanmax(np.abs(positions[..., :2]), initial=0) > MAX_FRACTION:
        units = "px"
    else:
        notes = [
            "x and y are fractions of the image width and height, so they differ in scale: give "
            "the image size, or save the world landmarks",
            *notes,
        ]
    return PoseData(
        positions=np.ascontiguousarray(positions),
        confidence=np.ascontiguousarray(confidence) if _any_number(confidence) else None,
        leading=leading,
        joint_names=read.names if read.names and len(read.names) == joints.shape[-2] else None,
        skeleton="mediapipe_33" if joints.shape[-2] == 33 else None,
        fps=fps if fps and fps > 0 else None,
        units=units,
        extras=extras,
        notes=tuple(notes),
    )


def _any_number(values: np.ndarray) -> bool:
    return bool((~np.isnan(values)).any())
