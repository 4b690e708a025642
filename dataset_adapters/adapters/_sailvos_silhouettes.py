"""How much of SAIL-VOS's people is seen: images of visible object ids, and whole silhouettes."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..columns import LazyColumn
from ..containers.errors import FileError
from ..containers.npy import NpyFile
from ..containers.npz import open_npz
from ..images import read_silhouette
from ._label_masks import DeferredMask
from ._sailvos_cameras import IMAGE_SIZE

_KEY = "visible_ids"
_SHAPE = IMAGE_SIZE[::-1]


@dataclass(frozen=True, eq=False)
class Silhouettes:
    """What the silhouettes of N people tell.

    Attributes:
      boxes: (N, 4) px around what is visible; NaN where there is no file, or nothing is visible.
      hidden: (N,) share of the whole silhouette that is not visible; NaN where a file is missing.
      masks: of what is visible, made when asked for; None where there is no file.
    """

    boxes: np.ndarray
    hidden: np.ndarray
    masks: VisibleMasks


def silhouettes(folder: str, people: Sequence[tuple[int, str, str]]) -> Silhouettes:
    """Looks at the silhouettes of people; each image of ids is read once if they are in its order.

    Args:
      folder: of the sequence; `visible/000012.npy` (or .npz) is in it.
      people: frame number, object id as text, and path of the person's files without ending; the
        whole silhouette is that path with .png.

    Raises:
      FileError: a file is damaged or of another shape.
    """
    boxes, hidden = np.full((len(people), 4), np.nan), np.full(len(people), np.nan)
    sources: list[tuple[str, int] | None] = []
    read = functools.lru_cache(maxsize=1)(_visible_ids)
    for row, (_, person, path) in enumerate(people):
        file = _file_of_ids(folder, os.path.basename(path))
        known = file is not None and person.isascii() and person.isdigit()
        sources.append((file, int(person)) if known else None)
        if not known:
            continue
        visible = read(file) == int(person)
        area = np.count_nonzero(visible)
        if area:
            boxes[row] = _box(visible)
        if os.path.isfile(f"{path}.png"):
            whole = np.count_nonzero(_silhouette(f"{path}.png"))
            hidden[row] = 1 - area / whole if whole else float(not area)
    return Silhouettes(boxes, hidden, VisibleMasks(sources))


class VisibleMasks(LazyColumn):
    """The visible silhouettes of people.

    Args:
      sources: image of ids and own id of each; None where there is no such file.
    """

    def __init__(self, sources: Sequence[tuple[str, int] | None]):
        super().__init__(len(sources))
        self._sources = sources

    def value(self, row: int) -> Mapping[str, Any] | None:
        """Returns the silhouette of a row; None where it has none."""
        source = self._sources[row]
        return source and DeferredMask(functools.partial(_pixels_of_id, *source))


def _pixels_of_id(path: str, number: int) -> np.ndarray:
    return _visible_ids(path) == number


def _file_of_ids(folder: str, stem: str) -> str | None:
    paths = (f"{folder}/visible/{stem}{ending}" for ending in (".npy", ".npz"))
    return next((path for path in paths if os.path.isfile(path)), None)


def _visible_ids(path: str) -> np.ndarray:
    """Returns the id of the object that each pixel (800, 1280) shows."""
    if path.endswith(".npz"):
        with open_npz(path) as archive:
            if _KEY not in archive:
                raise FileError(path, f"expected the key {_KEY!r}, found {', '.join(archive)}")
            _check(path, *archive.header(_KEY))
            return archive[_KEY]
    with NpyFile(path) as file:
        _check(path, file.shape, file.dtype)
        return file.read()


def _check(path: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if shape != _SHAPE or dtype.kind not in "iu":
        raise FileError(
            path, f"expected whole numbers of shape {_SHAPE}, found {dtype} of shape {shape}"
        )


def _silhouette(path: str) -> np.ndarray:
    whole = read_silhouette(path)
    if whole.shape != _SHAPE:
        raise FileError(path, f"expected an image of shape {_SHAPE}, found {whole.shape}")
    return whole


def _box(visible: np.ndarray) -> tuple[int, int, int, int]:
    """Returns left, top, width, height px of the true pixels (height, width); there are some."""
    columns, rows = np.flatnonzero(visible.any(axis=0)), np.flatnonzero(visible.any(axis=1))
    left, top = columns[0], rows[0]
    return left, top, columns[-1] + 1 - left, rows[-1] + 1 - top
