"""Annotation files in COCO's JSON layout: images, annotations with 51 numbers, polygons or RLE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..containers.errors import FileError
from ._values import RecentFiles, as_array, member, read_json


@dataclass(frozen=True, eq=False)
class CocoDocument:
    """The parts of a COCO file that poses need.

    Attributes:
      path: the file, for messages.
      images: image id -> its entry, in file order.
      annotations: entries in file order.
    """

    path: str
    images: dict[int, dict]
    annotations: list[dict]

    def numbers(self, key: str, rows: list[dict], width: int) -> np.ndarray:
        """Returns one list-valued field of annotations as (N, width) float64.

        Raises:
          FileError: the field is missing somewhere or holds something else.
        """
        return as_array(self.path, f"annotations.{key}", self.column(key, rows), (len(rows), width))

    def column(self, key: str, rows: list[dict]) -> list[Any]:
        """Returns one field of annotations or images.

        Raises:
          FileError: the field is missing somewhere.
        """
        try:
            return [row[key] for row in rows]
        except (KeyError, TypeError):
            bad = next(row for row in rows if not isinstance(row, dict) or key not in row)
            raise FileError(
                self.path,
                f"expected the field {key!r} in every entry, missing in {str(bad)[:80]}",
            ) from None

    def image_of(self, annotation: dict) -> dict:
        """Returns the image entry that an annotation belongs to.

        Raises:
          FileError: the file lists no such image.
        """
        image_id = annotation.get("image_id")
        try:
            return self.images[image_id]
        except (KeyError, TypeError):
            raise FileError(
                self.path, f"annotation with image_id {str(image_id)[:40]!r}: no such image listed"
            ) from None


def coco_document(path: str, document: Any) -> CocoDocument:
    """Returns the parts of a parsed JSON file in COCO's layout.

    Raises:
      FileError: the file has other parts.
    """
    images = _entries(path, document, "images")
    annotations = _entries(path, document, "annotations")
    by_id = {}
    for image in images:
        try:
            by_id[image["id"]] = image
        except (KeyError, TypeError):
            raise FileError(
                path, f"images: expected an 'id' that is a number, found {str(image)[:80]}"
            ) from None
    return CocoDocument(path, by_id, annotations)


recent_coco = RecentFiles(lambda path: coco_document(path, read_json(path)))


def split_keypoints(
    keypoints: np.ndarray, *, is_given: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Splits (N, 3 J) numbers x, y, v into joints (N, J, 2) px and flags v (N, J).

    Args:
      is_given: (N, J); joints that are not are NaN. Default: v > 0.
    """
    triples = keypoints.reshape(len(keypoints), -1, 3)
    visibility = triples[..., 2]
    is_given = visibility > 0 if is_given is None else is_given
    return np.where(is_given[..., None], triples[..., :2], np.nan), visibility


class SegmentationMasks(Sequence):
    """Silhouettes as COCO RLE, made of polygons when they are asked for (they are many).

    Args:
      path: for messages.
      segmentations: COCO's `segmentation` entries: polygons, RLE of either kind, or None.
      sizes: (width, height) px of the images.
    """

    def __init__(self, path: str, segmentations: Sequence, sizes: Sequence[tuple[int, int]]):
        self._path = path
        self._segmentations = segmentations
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._segmentations)

    def __getitem__(self, row: int) -> Mapping[str, Any] | None:
        from pycocotools import mask

        segmentation = self._segmentations[row]
        if not segmentation:
            return None
        width, height = self._sizes[row]
        try:
            if isinstance(segmentation, dict) and not isinstance(segmentation["counts"], list):
                return segmentation
            if isinstance(segmentation, list):
                return mask.merge(mask.frPyObjects(segmentation, height, width))
            return mask.frPyObjects(segmentation, height, width)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise FileError(
                self._path, f"segmentation: expected polygons or RLE ({error})"
            ) from None


def _entries(path: str, document: Any, key: str) -> list[dict]:
    entries = member(path, document, key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FileError(path, f"expected a list of objects under {key!r}")
    return entries
