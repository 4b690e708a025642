"""Cutting people out of their images, and rewriting their annotations for the crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera
from dataset_adapters.containers.errors import FileError
from dataset_adapters.examples import ExampleBlock
from dataset_adapters.images import ImageRef, load_each

from . import rle
from .crops import FlatCrop, TurnedCrop, flat_crop, turned_crop
from .options import PrepareOptions
from .resampling import FlatResampler, TurnedResampler, Workspace, resampler_of, to_jpeg
from .selection import OUTSIDE
from .silhouettes import silhouette_of
from .tally import Tally

UNREADABLE = "image cannot be read"
#: Annotations of images that were cut by a few rows still fit; others do not.
_SIZE_TOLERANCE_PX = 16

#: Stores the bytes of a JPEG; returns where: (start, length).
Sink = Callable[[bytes], tuple[int, int]]
Place = tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Cut:
    """One stored crop: where its bytes are, and how to get to its pixels."""

    place: Place
    crop: TurnedCrop | FlatCrop
    mask: dict | None


def cropped(
    blocks: list[ExampleBlock], root: Path, options: PrepareOptions, tally: Tally, sink: Sink
) -> list[tuple[ExampleBlock, list[Place]]]:
    """Stores the crops of all rows, each image being decoded once.

    Args:
      blocks: rows with boxes and images.
      sink: takes the JPEG bytes.

    Returns:
      Per block the rows whose crop could be made, annotated in the crops' pixels, and the places.
    """
    workspace = Workspace()
    cuts: list[list[_Cut | None]] = [[None] * len(block) for block in blocks]
    for path, rows in _rows_of_files(blocks).items():
        try:
            for ref, picture in load_each(root, rows):
                _check_size(root / path, picture, blocks, rows[ref])
                for b, row in rows[ref]:
                    cuts[b][row] = _cut(picture, blocks[b], row, options, tally, sink, workspace)
        except FileError as error:
            tally.bad_file(error)
            unread = [(b, row) for places in rows.values() for b, row in places]
            unread = [(b, row) for b, row in unread if cuts[b][row] is None]
            tally.drop(UNREADABLE, len(unread))
            for b, row in unread:
                cuts[b][row] = _UNREADABLE
    return [_in_crops(block, made, tally) for block, made in zip(blocks, cuts, strict=True)]


_UNREADABLE = object()
#: Picture -> the (block, row) pairs that show it.
_RowsOf = dict[ImageRef, list[tuple[int, int]]]


def _rows_of_files(blocks: list[ExampleBlock]) -> dict[str, _RowsOf]:
    files: dict[str, _RowsOf] = {}
    for b, block in enumerate(blocks):
        for row in range(len(block)):
            ref = block.image_ref(row)
            files.setdefault(ref.path, {}).setdefault(ref, []).append((b, row))
    return files


def _check_size(path: Path, picture: np.ndarray, blocks, rows) -> None:
    found = np.array(picture.shape[1::-1])
    b, row = rows[0]
    stated = blocks[b].image_size(row)
    if stated is not None and (np.abs(found - stated) > _SIZE_TOLERANCE_PX).any():
        raise FileError(
            path,
            f"expected {stated[0]} x {stated[1]} px as the annotations say, "
            f"found {found[0]} x {found[1]}; use the images of the original release",
        )


def _cut(image, block: ExampleBlock, row: int, options: PrepareOptions, tally, sink, workspace):
    size = image.shape[1], image.shape[0]
    camera = block.value("cameras", row)
    box = np.asarray(block.boxes[row], float)
    if camera is None:
        crop = flat_crop(box, size, options.crop_rule)
    else:
        crop = turned_crop(camera, box, size, options.crop_rule)
    if crop is None:
        return None
    resampler = resampler_of(crop, size, workspace)
    place = sink(to_jpeg(resampler.image(image), options.jpeg_quality))
    mask = silhouette_of(block.masks, row, tally)
    return _Cut(place, crop, None if mask is None else _cut_mask(mask, resampler, size, tally))


def _cut_mask(
    mask, resampler: TurnedResampler | FlatResampler, size: tuple[int, int], tally: Tally
) -> dict | None:
    silhouette = rle.decode(mask)
    if silhouette.shape != size[::-1]:
        tally.note("silhouettes left out: they are of another size than their images")
        return None
    return rle.encode(resampler.silhouette(silhouette))


def _in_crops(block: ExampleBlock, cuts: list, tally: Tally) -> tuple[ExampleBlock, list[Place]]:
    tally.drop(OUTSIDE, sum(cut is None for cut in cuts))
    rows = np.array([row for row, cut in enumerate(cuts) if isinstance(cut, _Cut)], int)
    block = block.select(rows)
    made = [cuts[row] for row in rows]
    changes = {
        "boxes": np.array([cut.crop.box for cut in made]).reshape(-1, 4),
        "image_sizes": [cut.crop.size for cut in made],
        "cameras": None,
        "masks": [cut.mask for cut in made],
    }
    if block.joints2d is not None:
        moved = [c.crop.points(points) for c, points in zip(made, block.joints2d, strict=True)]
        changes["joints2d"] = np.array(moved).reshape(block.joints2d.shape)
    if any(isinstance(cut.crop.camera, Camera) for cut in made):
        changes["cameras"] = [cut.crop.camera for cut in made]
    return replace(block, **changes), [cut.place for cut in made]
