"""The frame of a COCO document: which annotations it has, and of which categories."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import list_names, printable
from skelbridge.posefiles.json_text import found


@dataclass(frozen=True)
class CocoFile:
    """A checked COCO document.

    Attributes:
      path: the file's name.
      annotations: each with its index in the file.
      is_results: results are a bare list of detections, without images and categories.
      header: the document without its annotations.
      categories: by id.
    """

    path: str | os.PathLike
    annotations: list[tuple[int, dict]]
    is_results: bool
    header: dict
    categories: dict[int | str, dict]

    @classmethod
    def of(cls, path: str | os.PathLike, document: Any) -> CocoFile:
        """Checks that a document is a list of objects, or has one under `annotations`.

        Raises:
          FileError: if not.
        """
        is_results = isinstance(document, list)
        annotations = document
        if isinstance(document, dict):
            annotations = document.get("annotations")
        if not isinstance(annotations, list):
            raise FileError(path, f"expected COCO annotations or results, found {found(document)}")
        header = {} if is_results else {k: v for k, v in document.items() if k != "annotations"}
        file = cls(path, list(enumerate(annotations)), is_results, header, _categories(header))
        for i, annotation in file.annotations:
            if not isinstance(annotation, dict):
                raise FileError(
                    path, f"{file.where(i)}: expected an object, found {found(annotation)}"
                )
        return file

    @property
    def kind(self) -> str:
        """What messages call the list."""
        return "results" if self.is_results else "annotations"

    def where(self, index: int) -> str:
        """What messages call one entry."""
        return f"{self.kind}[{index}]"

    def category(self, annotation: dict) -> dict:
        """The category of an annotation; empty where the file does not describe it."""
        number = annotation.get("category_id")
        return self.categories.get(number, {}) if type(number) in (int, str) else {}

    def category_name(self, annotation: dict) -> str:
        """The name of an annotation's category, or else its number."""
        name = self.category(annotation).get("name")
        return printable(name if isinstance(name, str) else str(annotation.get("category_id")))[:40]

    def only(self, name: str) -> CocoFile:
        """Returns the file with the annotations of one category.

        Raises:
          FileError: if it has none.
        """
        kept = [(i, a) for i, a in self.annotations if self.category_name(a) == name]
        if not kept:
            names = {self.category_name(a): None for _, a in self.annotations}
            raise FileError(
                self.path,
                f"expected {self.kind} of category {name!a}, found those of: {list_names(names)}",
            )
        return replace(self, annotations=kept)


def _categories(header: dict) -> dict[int | str, dict]:
    listed = header.get("categories")
    return {
        category["id"]: category
        for category in (listed if isinstance(listed, list) else ())
        if isinstance(category, dict) and type(category.get("id")) in (int, str)
    }
