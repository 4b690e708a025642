"""Pictures with the predicted skeletons drawn over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from skeleton_defs import UserError

from ..atomic import atomic_path
from .images import read_upright
from .result import Predictions

_LONGEST_STEM = 80


def overlay_paths(output: str | os.PathLike, images: Sequence[str]) -> list[Path]:
    """Returns where the overlay of each image goes.

    One image: `output` itself. Several: `over.png` becomes `over_1_street.png`,
    `over_2_park.png`, ... beside it, with the images' names.

    Raises:
      UserError: no picture can be written there, or it would replace one of the images.
    """
    target = Path(output)
    if target.suffix.lower() != ".png":
        raise UserError(f"{target}: an overlay must end in .png. Found suffix '{target.suffix}'")
    if not target.absolute().parent.is_dir():
        raise UserError(f"{target}: cannot be written, there is no folder '{target.parent}'")
    paths = [target]
    if len(images) > 1:
        digits = len(str(len(images)))
        paths = [
            target.with_name(
                f"{target.stem}_{place:0{digits}}_{Path(image).stem[:_LONGEST_STEM]}.png"
            )
            for place, image in enumerate(images, 1)
        ]
    for path in paths:
        if path.is_dir():
            raise UserError(f"{path}: cannot be written, it is a folder")
    return paths


def check_inputs_stay(outputs: Sequence[str | os.PathLike], inputs: Sequence[str]) -> None:
    """Raises `UserError` where an output would replace an input."""
    kept = {os.path.realpath(path) for path in inputs}
    for path in outputs:
        if os.path.realpath(path) in kept:
            raise UserError(f"{os.fspath(path)}: is an input, and would be replaced")


def write_overlays(output: str | os.PathLike, predictions: Predictions) -> list[Path]:
    """Draws all formats over every image; returns the files.

    Raises:
      UserError: see `overlay_paths`; or an image is no longer there.
    """
    from ..viz import Layer, write_overlay

    paths = overlay_paths(output, [image.path for image in predictions.images])
    check_inputs_stay(paths, [image.path for image in predictions.images])
    caption = " ".join(_sentence(note) for note in predictions.notes)
    for path, image in zip(paths, predictions.images, strict=True):
        layers = [
            Layer(
                target.summary(),
                image.joints2d[target.name][None],
                target.skeleton.joints,
                target.skeleton.edges,
            )
            for target in predictions.targets
        ]
        picture = read_upright(image.path)
        try:
            with atomic_path(path) as temporary:
                write_overlay(temporary, picture, layers, boxes=image.boxes, caption=caption)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror or error})") from None
    return paths


def _sentence(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."
