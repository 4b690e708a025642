"""AlphaPose results: one JSON file per clip, in AlphaPose's own layout, OpenPose's or CMU-Pose's.

Source: https://github.com/MVIG-SJTU/AlphaPose, docs/output.md. Its own layout is that of COCO
results with the image's file name as `image_id` and the keys `box` and `idx` (track) added. With
`--format open` (`cmu`) it writes, per image name, `people` (`bodies`) with `pose_keypoints_2d`
(`joints`) of 18 keypoints in OpenPose's order.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.instances import Instances, instances_of, require_pixels
from skelbridge.posefiles.json_text import found, number_array
from skelbridge.posefiles.json_values import columns, number_lists, shortest
from skeleton_defs.errors import UserError

SKELETONS = {17: "coco_17", 26: "halpe_26", 136: "halpe_136"}
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
PER_PERSON = ("idx", "score", "box", "category_id")
_LISTS = {"people": "pose_keypoints_2d", "bodies": "joints"}


def matches(document: Any) -> bool:
    """Says whether a parsed document looks like AlphaPose results of either layout."""
    if isinstance(document, list):
        first = document[0] if document else None
        if not isinstance(first, dict) or "keypoints" not in first:
            return False
        name = first.get("image_id")
        is_image = isinstance(name, str) and PurePath(name).suffix.lower() in IMAGE_SUFFIXES
        return is_image or ("image_id" in first and ("idx" in first or "box" in first))
    if not isinstance(document, dict) or not document:
        return False
    frame = next(iter(document.values()))
    return _people_of(document) is not None or (
        isinstance(frame, dict) and _people_of(frame) is not None
    )


def _people_of(frame: dict) -> tuple[str, list] | None:
    """Returns the key and list of one image's people; None where it is not AlphaPose's."""
    for name, array in _LISTS.items():
        people = frame.get(name)
        if isinstance(people, list) and (
            not people or (isinstance(people[0], dict) and array in people[0])
        ):
            return name, people
    return None


def parse(path: str | os.PathLike, document: Any, *, key: str | None = None) -> PoseData:
    """Reads instances `(N, J, 2)` in pixels, in the order of the images they were found in.

    Undetected joints (x, y and confidence all zero) are NaN. Extras: `image_id` and, where the file
    has them, `idx` (the track), `score`, `box`.

    Raises:
      FileError: if the document is neither layout; the message names the record.
    """
    array = key or "keypoints"
    if isinstance(document, list):
        records, places = document, [f"[{i}]" for i in range(len(document))]
    else:
        records, places, array = _flattened(path, document)
    if not records:
        raise FileError(path, "expected AlphaPose results, found none: no person was detected")
    keypoints = []
    for record, place in zip(records, places, strict=True):
        if not isinstance(record, dict):
            raise FileError(path, f"{place}: expected an object, found {found(record)}")
        joints = _triples(path, f"{place}.{array}", record.get(array))
        if keypoints and len(joints) != len(keypoints[0]):
            raise FileError(
                path,
                f"{place}.{array} has {len(joints)} keypoints where {places[0]}.{array} has "
                f"{len(keypoints[0])}; split the file",
            )
        keypoints.append(joints)
    names = [record.get("image_id") for record in records]
    order = sorted(range(len(records)), key=_by_image(names))
    joints = np.stack(keypoints)[order]
    return _pose_data(
        joints,
        [records[i] for i in order],
        SKELETONS if array == "keypoints" else {18: "openpose_18"},
    )


def _triples(path, where: str, value: Any) -> np.ndarray:
    flat = number_array(path, where, value, shape=(None,))
    if flat.size == 0 or flat.size % 3:
        raise FileError(
            path, f"{where}: expected x, y, confidence per keypoint, found {flat.size} numbers"
        )
    return flat.reshape(-1, 3)


def _by_image(names: list):
    """Returns the sort key of a record: the number in its image's name, else first-seen order."""
    first_seen: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for name in map(str, names):
        first_seen.setdefault(name, len(first_seen))
        digits = re.search(r"(\d+)\D*$", name[-64:])
        numbers[name] = int(digits[1]) if digits else -1
    clip = {re.sub(r"\d+(\D*)$", r"#\1", name[-300:]) for name in first_seen}
    ranks = numbers if len(clip) == 1 and -1 not in numbers.values() else first_seen
    return lambda i: ranks[str(names[i])]


def _flattened(path, document: Any) -> tuple[list, list[str], str]:
    """Turns images with people into records like those of the default layout."""
    if not isinstance(document, dict) or not document:
        raise FileError(path, f"expected AlphaPose results, found {found(document)}")
    images = {None: document} if _people_of(document) else document
    records, places, arrays = [], [], set()
    for name, frame in images.items():
        people = _people_of(frame) if isinstance(frame, dict) else None
        if people is None:
            raise FileError(
                path, f"image {name!a}: expected 'people' or 'bodies', found {found(frame)}"
            )
        arrays.add(_LISTS[people[0]])
        for i, person in enumerate(people[1]):
            place = f"{people[0]}[{i}]" if name is None else f"[{name!a}].{people[0]}[{i}]"
            places.append(place)
            in_image = {} if name is None else {"image_id": name}
            records.append({**person, **in_image} if isinstance(person, dict) else person)
    if len(arrays) > 1:
        raise FileError(path, "expected one layout, found both 'people' and 'bodies'")
    return records, places, arrays.pop()


def _pose_data(joints: np.ndarray, records: list[dict], skeletons: dict[int, str]) -> PoseData:
    positions = joints[..., :2].copy()
    positions[(joints == 0).all(axis=-1)] = np.nan
    return PoseData(
        positions=positions,
        confidence=joints[..., 2].copy(),
        leading=("instance",),
        skeleton=skeletons.get(joints.shape[1]),
        units="px",
        extras=columns(records, ("image_id", *PER_PERSON)),
    )


def write_alphapose(path: str | os.PathLike, poses: PoseData) -> None:
    """Writes poses in AlphaPose's own layout, one record per person and image.

    Images are called as the extra `image_id` says, else `0.jpg`, `1.jpg`, ...; missing joints
    become zeros.

    Args:
      path: where to.
      poses: 2D poses in pixels.

    Raises:
      UserError: if the poses are 3D or infinite.
    """
    require_pixels(poses, "AlphaPose")
    instances = instances_of(poses)
    present, positions = instances.present, shortest(instances.positions)
    if np.isinf(positions).any():
        raise UserError("AlphaPose keypoints must be finite. Received infinite positions")
    joints = np.concatenate([positions, shortest(instances.scores)[..., None]], axis=-1)
    joints[~present] = 0
    mean = joints[..., 2].sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    written = {"score": mean.tolist()}
    for key, name in (("score", "score"), ("box", "box"), ("idx", "idx"), ("track_id", "idx")):
        values = instances.extras.get(key)
        if values is not None and values.dtype.kind in "iuf" and np.isfinite(values).all():
            written[name] = number_lists(values)
    names = _image_names(instances)
    records = []
    for i, keypoints in enumerate(joints.reshape(len(joints), -1).tolist()):
        record = {"image_id": names[i], "category_id": 1, "keypoints": keypoints}
        records.append(record | {key: values[i] for key, values in written.items()})
    Path(path).write_text(json.dumps(records, allow_nan=False), encoding="utf-8")


def _image_names(instances: Instances) -> list[str]:
    names = instances.extras.get("image_id")
    if names is not None and names.dtype.kind == "U" and names.ndim == 1:
        return names.tolist()
    if names is not None and names.dtype.kind in "iu" and names.ndim == 1:
        return [f"{number}.jpg" for number in names.tolist()]
    return [f"{frame}.jpg" for frame in instances.frame.tolist()]
