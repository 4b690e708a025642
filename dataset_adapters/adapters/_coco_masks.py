"""Silhouettes as COCO's annotations have them: polygons, or run lengths of two kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..columns import LazyColumn
from ..containers.errors import FileError
from ._number_lists import described, number_lists, whole_numbers

#: An outline that is longer, in widths plus heights of its image, is damage: drawing it would take
#: memory without end.
_MAX_OUTLINE = 200.0


class SegmentationMasks(LazyColumn):
    """Silhouettes as COCO RLE, made of polygons when they are asked for (they are many).

    Args:
      path: for messages.
      segmentations: COCO's `segmentation` entries: polygons, RLE of either kind, or None.
      sizes: (width, height) px of the images.
    """

    def __init__(self, path: str, segmentations: Sequence, sizes: Sequence[tuple[int, int]]):
        super().__init__(len(segmentations))
        self._path = path
        self._segmentations = segmentations
        self._sizes = sizes

    def value(self, row: int) -> Mapping[str, Any] | None:
        """Returns the silhouette of a row; None where it has none.

        Raises:
          FileError: the entry is no silhouette of its image.
        """
        segmentation = self._segmentations[row]
        if not segmentation:
            return None
        if isinstance(segmentation, dict):
            return self._of_runs(segmentation, *self._sizes[row])
        return self._of_polygons(segmentation, *self._sizes[row])

    def _of_runs(self, runs: dict, width: int, height: int) -> Mapping[str, Any]:
        from pycocotools import mask

        size, counts = runs.get("size"), runs.get("counts")
        if size != [height, width]:
            raise FileError(
                self._path,
                f"segmentation: expected run lengths with size [{height}, {width}] as the image, "
                f"found {size if isinstance(size, list) and len(size) == 2 else described(size)}",
            )
        if isinstance(counts, str) and counts.isascii():
            return {"size": size, "counts": counts}
        if not isinstance(counts, list):
            raise FileError(
                self._path, f"segmentation.counts: expected run lengths, found {described(counts)}"
            )
        lengths = whole_numbers(self._path, "segmentation.counts", counts, least=0)
        if lengths.max(initial=0) > height * width or lengths.sum() != height * width:
            raise FileError(
                self._path,
                f"segmentation.counts: expected runs of {height * width} px together, found "
                f"{lengths.sum()}",
            )
        return mask.frPyObjects({"size": size, "counts": counts}, height, width)

    def _of_polygons(self, polygons: Any, width: int, height: int) -> Mapping[str, Any]:
        from pycocotools import mask

        if not isinstance(polygons, list):
            raise FileError(
                self._path,
                f"segmentation: expected polygons or run lengths, found {described(polygons)}",
            )
        for polygon in polygons:
            if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
                raise FileError(
                    self._path,
                    "segmentation: expected polygons [x1, y1, x2, y2, x3, y3, ...], found "
                    f"{described(polygon)}",
                )
            flat = number_lists(self._path, "segmentation", [polygon], len(polygon))
            points = flat.reshape(-1, 2)
            steps = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1)
            if steps.sum() > _MAX_OUTLINE * (width + height):
                raise FileError(
                    self._path,
                    f"segmentation: expected polygons within {width} x {height} px, found an "
                    f"outline of {steps.sum():.0f} px",
                )
        return mask.merge(mask.frPyObjects(polygons, height, width))
