"""Maps between skeleton formats and their application to pose arrays."""

from __future__ import annotations

import os

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton, UserError

from .affine_map import STATUSES, AffineMap

__all__ = ["STATUSES", "AffineMap", "convert"]


def convert(
    poses: np.ndarray,
    source: str | Skeleton,
    target: str | Skeleton,
    *,
    method: str | os.PathLike = "auto",
    confidence: np.ndarray | None = None,
    **atlas_options: float,
) -> np.ndarray:
    """Converts poses from one skeleton format to another.

    Args:
      poses: (..., J, 2) or (..., J, 3) in any unit and frame, NaN where a joint is missing. Any
        leading axes, any floating dtype (kept).
      source, target: format names, aliases or `Skeleton`s.
      method, atlas_options: see `AffineMap.between`. By `"auto"`, poses that lack joints are solved
        from those that they have; otherwise a missing joint makes those NaN that need it.
      confidence: (..., J) in 0..1, for `"auto"`: less sure joints count less.

    Returns:
      (..., J_target, D). Joints that cannot be had are NaN; `AffineMap.between(...)` tells where
      each joint comes from and how far off it is expected to be.

    >>> convert(np.zeros((100, 24, 3), np.float32), "smpl", "h36m").shape
    (100, 17, 3)
    """
    from .methods import build_converter

    converter = build_converter(
        skeleton_defs.get(source),
        skeleton_defs.get(target),
        method=method,
        atlas_options=atlas_options,
    )
    if confidence is None:
        return converter.apply(poses)
    if isinstance(converter, AffineMap):
        raise UserError(f"confidences count with the atlas only. Received method '{method}'")
    return converter.apply(poses, confidence=confidence)
