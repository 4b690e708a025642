"""Maps between skeleton formats and their application to pose arrays."""

from __future__ import annotations

import os

import numpy as np

from skeleton_defs import Skeleton

from .affine_map import STATUSES, AffineMap

__all__ = ["STATUSES", "AffineMap", "convert"]


def convert(
    poses: np.ndarray,
    source: str | Skeleton,
    target: str | Skeleton,
    *,
    method: str | os.PathLike = "auto",
) -> np.ndarray:
    """Converts poses from one skeleton format to another.

    Args:
      poses: (..., J, 2) or (..., J, 3) in any unit and frame, NaN where a joint is missing. Any
        leading axes, any floating dtype (kept).
      source, target: format names, aliases or `Skeleton`s.
      method: see `AffineMap.between`.

    Returns:
      (..., J_target, D). Joints that cannot be had are NaN; `AffineMap.between(...)` tells where
      each joint comes from and how far off it is expected to be.

    >>> convert(np.zeros((100, 24, 3), np.float32), "smpl", "h36m").shape
    (100, 17, 3)
    """
    return AffineMap.between(source, target, method=method).apply(poses)
