"""Silhouettes that are the frames of a video, given as COCO RLE when they are asked for."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..columns import LazyColumn
from ..containers.errors import FileError
from ..images import read_video
from ._label_masks import DeferredMask

_GREY = 127


class MatteFrames(LazyColumn):
    """Silhouettes in a video, white on black.

    Rows that are asked for in ascending order of their frames cost one pass through the video.

    Args:
      path: the video. A missing or damaged one is a `FileError` when a silhouette is looked at.
      frames: (N,) 0-based index of each row.
    """

    def __init__(self, path: str | os.PathLike, frames: np.ndarray):
        super().__init__(len(frames))
        self._path = path
        self._frames = frames
        self._pass: _ForwardPass | None = None

    def select(self, rows: np.ndarray) -> MatteFrames:
        """Returns the column of these rows; frames between theirs will not be converted."""
        part = super().select(rows)
        part._pass = None
        return part

    def value(self, row: int) -> Mapping[str, Any]:
        """Returns the silhouette of a row."""
        if self._pass is None:
            self._pass = _ForwardPass(self._path, np.unique(self._frames[self._rows]))
        return DeferredMask(functools.partial(self._pass.silhouette, int(self._frames[row])))


class _ForwardPass:
    """Reads some frames of a video, best in ascending order; going back starts anew.

    Args:
      path: the video.
      frames: those that may be asked for, ascending.
    """

    def __init__(self, path: str | os.PathLike, frames: np.ndarray):
        self._path, self._frames = path, frames
        self._pictures: Iterator[tuple[int, np.ndarray]] = iter(())
        self._next = np.inf
        self._damage: tuple[int, FileError] | None = None

    def silhouette(self, frame: int) -> np.ndarray:
        """Returns what is white in a frame, (height, width) bool.

        Raises:
          FileError: the video is missing, damaged, or ends before; the frames behind the damage
            are not tried again.
        """
        if self._damage is not None and frame >= self._damage[0]:
            raise self._damage[1]
        if frame < self._next:
            self._pictures = read_video(self._path, self._frames[self._frames >= frame].tolist())
        try:
            picture = next(picture for index, picture in self._pictures if index == frame)
        except FileError as error:
            self._damage, self._next = (frame, error), np.inf
            raise
        self._next = frame + 1
        return picture[..., 0] > _GREY
