"""Columns of a pickled pandas data frame, without pandas.

A frame is pickled as blocks of columns of one dtype, `(columns of the block, rows)`, with their
places, and an index of the columns' names. pandas up to 1.2 pickles these as the state of its
BlockManager, later versions as its arguments.
"""

from __future__ import annotations

import os

import numpy as np

from .errors import FileError
from .pickle_shells import StandIn


def frame_columns(path: str | os.PathLike, frame: object) -> dict[str, np.ndarray]:
    """Return the columns of a data frame that `load_pickle` read as a `StandIn`.

    Args:
      path: the file, for messages.
      frame: what was read.

    Returns:
      Arrays `(rows,)` by column name, in the frame's order; of dtype object where pandas has lists
      or text.

    Raises:
      FileError: another object, or a frame with columns of an extension type (categories, arrow).
    """
    if not isinstance(frame, StandIn) or not frame.class_name.endswith(".DataFrame"):
        found = frame.class_name if isinstance(frame, StandIn) else type(frame).__name__
        raise FileError(path, f"expected a pickled pandas data frame, found {found}")
    names, blocks = _names_and_blocks(path, frame)
    columns: list[np.ndarray | None] = [None] * len(names)
    for values, places in blocks:
        if isinstance(places, slice):
            bounds = (places.start, places.stop, places.step)
            if places.step == 0 or not all(type(b) in (int, type(None)) for b in bounds):
                raise _unknown(path)
            places = np.arange(len(names))[places]
        is_plain = isinstance(values, np.ndarray) and values.ndim == 2
        if not (is_plain and isinstance(places, np.ndarray) and places.shape == values.shape[:1]):
            raise _unknown(path)
        for place, column in zip(places.tolist(), values, strict=True):
            if not isinstance(place, int) or not 0 <= place < len(names):
                raise _unknown(path)
            columns[place] = column
    if any(column is None or len(column) != len(columns[0]) for column in columns):
        raise FileError(path, "the data frame lacks a column, or its columns differ in length")
    return dict(zip(names, columns, strict=True))


def _names_and_blocks(path, frame: StandIn) -> tuple[list[str], list[tuple]]:
    state = frame.state if isinstance(frame.state, dict) else {}
    manager = state.get("_mgr", state.get("_data"))
    if not isinstance(manager, StandIn):
        raise _unknown(path)
    if len(manager.args) >= 2:
        blocks, axes = manager.args[:2]
        blocks = [getattr(block, "args", ()) for block in _sequence(path, blocks)]
    else:
        newest = manager.state[-1] if isinstance(manager.state, tuple) and manager.state else None
        newest = newest.get("0.14.1") if isinstance(newest, dict) else None
        if not isinstance(newest, dict):
            raise _unknown(path)
        axes = newest.get("axes")
        blocks = [
            (block.get("values"), block.get("mgr_locs")) if isinstance(block, dict) else ()
            for block in _sequence(path, newest.get("blocks"))
        ]
    index = next(iter(_sequence(path, axes)), None)
    arguments = index.args[1] if isinstance(index, StandIn) and len(index.args) == 2 else None
    names = arguments.get("data") if isinstance(arguments, dict) else None
    if not isinstance(names, np.ndarray) or names.ndim != 1 or any(len(b) < 2 for b in blocks):
        raise _unknown(path)
    names = [str(name) for name in names if isinstance(name, str)]
    if len(names) != len(set(names)) or len(names) != len(arguments["data"]):
        raise FileError(path, "expected a data frame whose columns have names, each its own")
    return names, [tuple(block[:2]) for block in blocks]


def _sequence(path, value) -> list | tuple:
    if not isinstance(value, (list, tuple)):
        raise _unknown(path)
    return value


def _unknown(path) -> FileError:
    return FileError(
        path,
        "expected a data frame of numbers, text and lists as pandas 0.14 to 2 pickles it, found "
        "another layout; save it again from pandas as json or parquet",
    )
