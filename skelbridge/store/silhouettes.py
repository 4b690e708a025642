"""Silhouettes on their way into a store: one that is damaged costs no more than itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataset_adapters.columns import LazyColumn
from dataset_adapters.containers.errors import FileError

from . import rle
from .tally import Tally

UNREADABLE = "silhouettes left out: their files cannot be read"


def silhouette_of(
    masks: Sequence[Mapping[str, Any] | None] | None, row: int, tally: Tally
) -> Mapping[str, Any] | None:
    """Returns the COCO RLE of a row, whose runs fit its size; None where there is none.

    One that cannot be read is none either: its file is counted as bad, the loss is noted.

    Raises:
      TooManyBadFilesError: more files than allowed cannot be read.
    """
    try:
        mask = None if masks is None else masks[row]
        if mask is None:
            return None
        # Some adapters decode an image only now.
        content = {"size": mask["size"], "counts": mask["counts"]}
        rle.runs(content)
    except FileError as error:
        tally.bad_file(error)
        tally.note(UNREADABLE)
        return None
    except KeyError as error:
        tally.note(f"silhouettes left out: a mask must have {error}")
        return None
    except ValueError as error:
        tally.note(f"silhouettes left out: {error}")
        return None
    return content


class Supplemented(LazyColumn):
    """The silhouettes of a dataset, and where it has none those that a segmenter found."""

    def __init__(self, own: Sequence | None, found: Sequence):
        super().__init__(len(found))
        self._own = own
        self._found = found

    def value(self, row: int) -> Mapping[str, Any] | None:
        """Returns the silhouette of a row; None where neither has one."""
        mask = None if self._own is None else self._own[row]
        return self._found[row] if mask is None else mask
