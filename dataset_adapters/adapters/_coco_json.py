"""Annotation files in COCO's JSON layout: images, and annotations with x, y, v of each joint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..containers.errors import FileError
from ._number_lists import Namer, described, number_lists, texts, whole_numbers
from ._values import RecentFiles, member, read_json

_MAX_SIDE_PX = 1 << 16


@dataclass(frozen=True, eq=False)
class CocoDocument:
    """The parts of a COCO file that poses need.

    Its methods take entries of `annotations` or `images` and return one of their fields as a
    column. They raise `FileError`, which names the entry, where one lacks the field or holds
    something else there.

    Attributes:
      path: the file, for messages.
      images: image id -> its entry, in file order.
      annotations: entries in file order.
    """

    path: str
    images: dict[int, dict]
    annotations: list[dict]

    def column(self, key: str, rows: list[dict]) -> list[Any]:
        """Returns one field as it stands in the file."""
        try:
            return [row[key] for row in rows]
        except KeyError:
            row = next(i for i, row in enumerate(rows) if key not in row)
            raise FileError(
                self.path, f"{_named(rows)(row)}: expected the field {key!r}, found none"
            ) from None

    def numbers(self, key: str, rows: list[dict], width: int) -> np.ndarray:
        """Returns a field that is a list of `width` numbers as (N, width) float64."""
        lists = self.column(key, rows)
        return number_lists(self.path, key, lists, width, name=_named(rows))

    def boxes(self, rows: list[dict], key: str = "bbox") -> np.ndarray:
        """Returns (N, 4) left, top, width, height px."""
        boxes = self.numbers(key, rows, 4)
        if (boxes[:, 2:] < 0).any():
            row = int(np.argmax((boxes[:, 2:] < 0).any(axis=1)))
            raise FileError(
                self.path,
                f"{key} of {_named(rows)(row)}: expected left, top, width, height, found "
                f"{boxes[row].tolist()}",
            )
        return boxes

    def visibility(self, flags: np.ndarray, rows: list[dict]) -> np.ndarray:
        """Returns flags (N, J) of joints as int8: 0 not labelled, 1 hidden, 2 visible."""
        bad = ~np.isin(flags, (0, 1, 2))
        if bad.any():
            row, joint = np.argwhere(bad)[0]
            raise FileError(
                self.path,
                f"keypoints of {_named(rows)(row)}: expected a flag of 0, 1 or 2 behind x and y, "
                f"found {flags[row, joint]:g} for joint {joint}",
            )
        return flags.astype(np.int8)

    def whole_numbers(self, key: str, rows: list[dict], *, least: int | None = None) -> np.ndarray:
        """Returns a field that is a whole number as (N,) int64."""
        values = self.column(key, rows)
        return whole_numbers(self.path, key, values, name=_named(rows), least=least)

    def texts(self, key: str, rows: list[dict]) -> list[str]:
        """Returns a field that is text or a whole number as text."""
        return texts(self.path, key, self.column(key, rows), name=_named(rows))

    def sizes(self, images: list[dict]) -> list[tuple[int, int]]:
        """Returns (width, height) px of images."""
        columns = []
        for key in ("width", "height"):
            column = self.whole_numbers(key, images, least=1)
            if column.max(initial=0) > _MAX_SIDE_PX:
                row = int(np.argmax(column))
                raise FileError(
                    self.path,
                    f"{key} of {_named(images)(row)}: expected at most {_MAX_SIDE_PX} px, found "
                    f"{column[row]}",
                )
            columns.append(column.tolist())
        return list(zip(*columns, strict=True))

    def images_of(self, rows: list[dict]) -> list[dict]:
        """Returns the image entry that each annotation belongs to."""
        images = self.images
        try:
            return [images[row["image_id"]] for row in rows]
        except (KeyError, TypeError):
            # One of them has none: say which.
            return [self.image_of(row) for row in rows]

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
                self.path,
                f"{_named([annotation])(0)} with image_id {described(image_id)}: no such image "
                "listed",
            ) from None


def coco_document(path: str, document: Any) -> CocoDocument:
    """Returns the parts of a parsed JSON file in COCO's layout.

    Raises:
      FileError: the file has other parts, or two images of one id.
    """
    images = _entries(path, document, "images")
    annotations = _entries(path, document, "annotations")
    by_id: dict[int, dict] = {}
    try:
        by_id = {image["id"]: image for image in images}
    except (KeyError, TypeError):
        ids = enumerate(image.get("id") for image in images)
        row, found = next((i, value) for i, value in ids if not isinstance(value, (int, str)))
        raise FileError(
            path,
            f"images: expected an id that is a number in entry {row + 1}, found {described(found)}",
        ) from None
    if len(by_id) < len(images):
        twice = next(image for image in images if by_id[image["id"]] is not image)
        # The same image may be listed again.
        if twice != by_id[twice["id"]]:
            raise FileError(path, f"images: id {described(twice['id'])} stands for two images")
    return CocoDocument(path, by_id, annotations)


recent_coco = RecentFiles(lambda path: coco_document(path, read_json(path)))


def split_keypoints(
    keypoints: np.ndarray, *, is_given: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Splits (N, 3 J) numbers x, y, v into joints (N, J, 2) px and flags v (N, J).

    Args:
      is_given: (N, J); joints that are not are NaN. Default: v > 0.
    """
    triples = keypoints.reshape(len(keypoints), keypoints.shape[1] // 3, 3)
    flags = triples[..., 2]
    is_given = flags > 0 if is_given is None else is_given
    joints = triples[..., :2].copy()
    joints[~is_given] = np.nan
    return joints, flags


def _entries(path: str, document: Any, key: str) -> list[dict]:
    entries = member(path, document, key)
    if not isinstance(entries, list):
        raise FileError(path, f"{key}: expected a list of objects, found {described(entries)}")
    if set(map(type, entries)) - {dict}:
        odd = next(entry for entry in entries if not isinstance(entry, dict))
        raise FileError(path, f"{key}: expected a list of objects, found {described(odd)} in it")
    return entries


def _named(rows: list[dict]) -> Namer:
    """Returns what messages call entries of `images` or `annotations`."""

    def name(row: int) -> str:
        entry = rows[row]
        kind = "annotation" if "image_id" in entry else "entry"
        kind = "image" if "file_name" in entry else kind
        return f"{kind} {described(entry['id'])}" if "id" in entry else f"{kind} without id"

    return name
