"""Person boxes: from joints, joints within them, and their overlap. All are left, top, w, h px."""

from __future__ import annotations

import numpy as np


def joint_boxes(points: np.ndarray, factor: float) -> np.ndarray:
    """Returns the boxes (N, 4) around points (N, J, 2), scaled by `factor` about their centres.

    NaN points are left out; a row without any point gets NaN.
    """
    present = ~np.isnan(points[..., :1])
    low = np.where(present, points, np.inf).min(1, initial=np.inf)
    high = np.where(present, points, -np.inf).max(1, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        center, size = (low + high) / 2, (high - low) * factor
        boxes = np.concatenate([center - size / 2, size], axis=-1)
    boxes[~present.any((1, 2))] = np.nan
    return boxes


def count_within(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Returns how many of the points (N, J, 2) lie within the boxes (N, 4): (N,)."""
    low = boxes[:, None, :2]
    with np.errstate(invalid="ignore"):
        inside = (points >= low) & (points <= low + boxes[:, None, 2:])
    return inside.all(-1).sum(-1)


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the intersection over union (N, M) of boxes (N, 4) and others (M, 4)."""
    a, b = np.asarray(boxes, float)[:, None], np.asarray(others, float)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    common = np.maximum(high - low, 0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common
    return np.divide(common, union, out=np.zeros_like(union), where=union > 0)
