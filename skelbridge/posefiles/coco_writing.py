"""Writing COCO keypoint JSON that pycocotools and the tools built on it read.

Source: https://cocodataset.org/#format-data and #format-results.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.instances import Instances, instances_of, require_pixels
from skelbridge.posefiles.json_values import jsonable_extras, number_lists, shortest
from skeleton_defs.errors import UserError

STYLES = ("ground_truth", "results")

#: Larger than any image; areas of larger boxes would overflow.
_MAX_PIXELS = 1e12


def write_coco(path: str | os.PathLike, poses: PoseData, *, style: str = "ground_truth") -> None:
    """Writes poses as COCO ground truth or results.

    What the extras hold in COCO's terms (`images`, `image_id`, `bbox`, `score`, ...) is carried
    over; what COCO needs besides is made up from the joints: boxes, areas, one image per frame.

    Args:
      path: where to.
      poses: 2D poses in pixels. Missing joints are written as zeros. In ground truth v is the
        confidence where that holds COCO's flags (some are 2), else 2; in results it is the
        confidence, or 1.
      style: `"ground_truth"` (images, annotations, categories) or `"results"` (a bare list).

    Raises:
      UserError: if the poses are 3D.
    """
    if style not in STYLES:
        raise UserError(f"COCO style must be one of {', '.join(STYLES)}. Received '{style}'")
    require_pixels(poses, "COCO")
    instances = instances_of(poses)
    if (np.abs(instances.positions) > _MAX_PIXELS).any():
        raise UserError(
            f"COCO keypoints must be pixels below {_MAX_PIXELS:g}. Received larger ones"
        )
    images, image_ids = _images(poses, instances)
    categories = _categories(poses)
    if style == "results":
        document: Any = _results(instances, image_ids)
    else:
        document = {key: poses.extras[key] for key in ("info", "licenses") if key in poses.extras}
        document = jsonable_extras(document)
        document["images"] = images
        document["annotations"] = _annotations(instances, image_ids, categories)
        document["categories"] = categories
    Path(path).write_text(json.dumps(document, allow_nan=False), encoding="utf-8")


def _images(poses: PoseData, instances: Instances) -> tuple[list[dict], list]:
    """Returns the list of images and the image id of every instance."""
    known = jsonable_extras({"images": poses.extras.get("images")}).get("images")
    image_id = instances.extras.get("image_id", np.zeros(0))
    if isinstance(known, list) and image_id.dtype.kind in "iuU" and image_id.ndim == 1:
        ids = [image.get("id") for image in known if isinstance(image, dict)]
        if {number for number in ids if type(number) in (int, str)} >= set(image_id.tolist()):
            return known, image_id.tolist()
    if image_id.dtype.kind in "iu" and image_id.ndim == 1:
        ids = image_id.tolist()
        return [_image(number, f"{number:012d}.jpg") for number in dict.fromkeys(ids)], ids
    names = [f"{number:012d}.jpg" for number in range(1, instances.n_frames + 1)]
    if image_id.dtype.kind == "U" and image_id.ndim == 1:
        for frame, name in zip(instances.frame.tolist(), image_id.tolist(), strict=True):
            names[frame] = name
    images = [_image(number, name) for number, name in enumerate(names, start=1)]
    return images, (instances.frame + 1).tolist()


def _image(number: int, file_name: str) -> dict:
    return {"id": number, "file_name": file_name}


def _categories(poses: PoseData) -> list[dict]:
    """Returns the file's own categories, or `person`, with the joint names of these poses."""
    listed = jsonable_extras({"categories": poses.extras.get("categories")}).get("categories")
    categories = [c for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []
    categories = categories or [{"id": 1, "name": "person", "supercategory": "person"}]
    if poses.joint_names is None:
        return categories
    names = list(poses.joint_names)
    for category in categories:
        if category.get("keypoints") != names:
            category.update(keypoints=names, skeleton=[])
    return categories


def _results(instances: Instances, image_ids: list) -> list[dict]:
    present, confidence = instances.present, instances.scores
    counts = np.maximum(present.sum(axis=1), 1)
    mean = np.where(present, confidence, 0).sum(axis=1) / counts
    score = _extra(instances, "score", mean)
    keypoints = _triples(instances, confidence)
    category = _category_ids(instances, None)
    return [
        {"image_id": image, "category_id": category[i], "keypoints": keypoints[i],
         "score": score[i]}
        for i, image in enumerate(image_ids)
    ]  # fmt: skip


def _annotations(instances: Instances, image_ids: list, categories: list[dict]) -> list[dict]:
    present = instances.present
    keypoints = _triples(instances, _flags(instances))
    boxes = _boxes(instances.positions, present)
    bbox = instances.extras.get("bbox")
    if bbox is not None and bbox.ndim == 2 and bbox.shape[1] == 4 and bbox.dtype.kind in "if":
        boxes = np.where(np.abs(bbox) <= _MAX_PIXELS, bbox, boxes)
    areas = _extra(instances, "area", boxes[:, 2] * boxes[:, 3])
    crowd = _extra(instances, "iscrowd", np.zeros(len(boxes)))
    category = _category_ids(instances, categories)
    ids = instances.extras.get("id")
    if ids is None or ids.dtype.kind not in "iu" or len(np.unique(ids)) < len(ids):
        ids = np.arange(1, len(boxes) + 1)
    counts = present.sum(axis=1).tolist()
    box_lists = number_lists(boxes)
    annotations = [
        {"id": number, "image_id": image_ids[i], "category_id": category[i], "bbox": box_lists[i],
         "area": areas[i], "iscrowd": int(crowd[i]), "num_keypoints": counts[i],
         "keypoints": keypoints[i]}
        for i, number in enumerate(ids.tolist())
    ]  # fmt: skip
    tracks = instances.extras.get("track_id", instances.extras.get("idx"))
    if tracks is not None and tracks.dtype.kind in "iu":
        for annotation, track in zip(annotations, tracks.tolist(), strict=True):
            annotation["track_id"] = track
    return annotations


def _triples(instances: Instances, third: np.ndarray) -> list[list[float]]:
    parts = [shortest(instances.positions), shortest(third)[..., None]]
    numbers = np.concatenate(parts, axis=-1)
    numbers[~instances.present] = 0
    return number_lists(numbers.reshape(len(numbers), -1))


def _flags(instances: Instances) -> np.ndarray:
    """Returns v of ground truth: COCO's own flags where the confidence holds them, else 2."""
    confidence = instances.confidence
    if confidence is None or not (confidence == 2).any() or (confidence > 2).any():
        return np.full(instances.positions.shape[:2], 2.0)
    return np.where(confidence > 0, confidence, 1)


def _boxes(positions: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Returns x, y, width, height around the present joints `(N, 4)`; zeros without any."""
    low = np.where(present[..., None], positions, np.inf).min(axis=1, initial=np.inf)
    high = np.where(present[..., None], positions, -np.inf).max(axis=1, initial=-np.inf)
    empty = ~present.any(axis=1)
    low[empty], high[empty] = 0, 0
    return np.concatenate([low, high - low], axis=1)


def _extra(instances: Instances, key: str, default: np.ndarray) -> list:
    """Returns an extra with one number per instance, `default` where there is none."""
    values = instances.extras.get(key)
    if values is None or values.shape != default.shape or values.dtype.kind not in "biuf":
        values = default
    return number_lists(np.where(np.isfinite(values), values, default))


def _category_ids(instances: Instances, categories: list[dict] | None) -> list:
    """Returns the extra `category_id` if these categories (None: any) have them, else the first."""
    ids = instances.extras.get("category_id")
    known = [c["id"] for c in categories or () if type(c.get("id")) in (int, str)]
    if ids is not None and ids.dtype.kind in "iu" and ids.ndim == 1:
        listed = ids.tolist()
        if categories is None or set(known) >= set(listed):
            return listed
    return [known[0] if known else 1] * len(instances.frame)
