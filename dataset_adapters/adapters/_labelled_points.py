"""People whose labelled joints are listed by number, as MPII's tools wrote them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..containers.errors import FileError
from ._values import MAX_COORDINATE


def joints_of_points(
    path, owners: np.ndarray, ids: np.ndarray, points: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Returns joints (N, J, 2) px, NaN where there is no point.

    Args:
      path: for messages.
      owners: (P) which of N people each point belongs to.
      ids: (P) which joint it is, as floats.
      points: (P, 2) px.
      shape: N and J.

    Raises:
      FileError: an id is no joint's.
    """
    is_joint = np.isin(ids, np.arange(shape[1]))
    if not is_joint.all():
        found = ids[int(np.argmin(is_joint))]
        raise FileError(path, f"annopoints.point.id: expected 0 to {shape[1] - 1}, found {found:g}")
    joints = np.full((*shape, 2), np.nan)
    joints[owners, ids.astype(int)] = points
    return joints


def boxes_of_corners(corners: Sequence[Sequence[float]]) -> np.ndarray:
    """Returns boxes (N, 4) left, top, width, height of x1, y1, x2, y2 px in either order.

    NaN where one of these is missing or is no coordinate.
    """
    points = np.array(corners, float).reshape(-1, 2, 2)
    points[~(np.abs(points) <= MAX_COORDINATE).all(axis=(1, 2))] = np.nan
    low, high = points.min(axis=1), points.max(axis=1)
    return np.concatenate([low, high - low], axis=1)
