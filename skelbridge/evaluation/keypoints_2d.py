"""Scores of 2D keypoints: object keypoint similarity (COCO) and PCKh (MPII)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeleton_defs import UserError

from .averages import mean_over
from .correctness import pck
from .errors import absolute_errors

#: Share of the head box's diagonal that is called the head's size (MPII, PoseTrack).
_HEAD_SIZE_PER_DIAGONAL = 0.6
#: Columns of the MPII table, as joints of `mpii_16`. The upper neck (8) counts only for the mean.
MPII_COLUMNS = {
    "head": (9,),
    "shoulder": (12, 13),
    "elbow": (11, 14),
    "wrist": (10, 15),
    "hip": (2, 3),
    "knee": (1, 4),
    "ankle": (0, 5),
}
_MPII_JOINTS = 16
_MPII_PELVIS_AND_THORAX = (6, 7)


def oks(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    area: np.ndarray,
    sigmas: Sequence[float],
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the object keypoint similarity (...) of COCO, between 0 and 1.

    Mean over the labelled joints of `exp(-d^2 / (2 area (2 sigma)^2))`, as pycocotools computes it
    for persons with a labelled joint. A labelled joint without a prediction has similarity 0.

    Args:
      predicted, true: (..., J, 2) px; true joints NaN where not labelled.
      area: (...) of the true person's segment, px^2.
      sigmas: (J,), e.g. `Skeleton.oks_sigmas`.
      mask: bool, broadcasting to (..., J).
    """
    errors = absolute_errors(predicted, true, mask=mask, unpredicted=np.inf)
    area, sigmas = np.asarray(area, dtype=np.float64), np.asarray(sigmas, dtype=np.float64)
    if sigmas.shape != errors.shape[-1:] or area.shape != errors.shape[:-1]:
        raise UserError(
            f"OKS must have {errors.shape[-1]} sigmas and areas of shape {errors.shape[:-1]}. "
            f"Received shapes {sigmas.shape} and {area.shape}"
        )
    # pycocotools keeps from dividing by an area of 0 with the smallest step of a float.
    spread = 2 * (area[..., None] + np.spacing(1)) * (2 * sigmas) ** 2
    with np.errstate(over="ignore"):
        return mean_over(np.exp(-(errors**2) / spread), axis=-1)


def head_sizes(head_boxes: np.ndarray) -> np.ndarray:
    """Returns 0.6 times the diagonals (...) of head boxes (..., 4) = x, y, width, height, px."""
    boxes = np.asarray(head_boxes, dtype=np.float64)
    if boxes.shape[-1:] != (4,):
        raise UserError(f"head boxes must have shape (..., 4). Received {boxes.shape}")
    return _HEAD_SIZE_PER_DIAGONAL * np.hypot(boxes[..., 2], boxes[..., 3])


def mpii_pckh(
    predicted: np.ndarray,
    true: np.ndarray,
    head_boxes: np.ndarray,
    *,
    threshold: float = 0.5,
    mask: np.ndarray | None = None,
) -> dict[str, float]:
    """Returns PCKh of MPII: the seven columns of its table, and `mean`.

    A joint is right where its distance is at most `threshold` head sizes. Columns are means of left
    and right; `mean` weighs every joint by its number of labels, without pelvis and thorax.

    Args:
      predicted, true: (N, 16, 2) px in the order of `mpii_16`; NaN where not labelled. A labelled
        joint without a prediction is wrong.
      head_boxes: (N, 4) x, y, width, height, px.
      threshold: 0.5 for PCKh@0.5.
      mask: bool, broadcasting to (N, 16).
    """
    errors = absolute_errors(predicted, true, mask=mask, unpredicted=np.inf)
    sizes = head_sizes(head_boxes)
    if errors.shape[-1] != _MPII_JOINTS or sizes.shape != errors.shape[:-1]:
        raise UserError(
            f"MPII poses must have shape (N, {_MPII_JOINTS}, 2) and N head boxes. "
            f"Received {errors.shape[:-1]} poses of {errors.shape[-1]} joints, {sizes.shape} boxes"
        )
    if not (sizes > 0).all():
        raise UserError("head boxes must have an extent. Received one without")
    relative = (errors / sizes[..., None]).reshape(-1, _MPII_JOINTS)
    per_joint = pck(relative, threshold, inclusive=True, axis=0)
    columns = {name: float(mean_over(per_joint[list(j)])) for name, j in MPII_COLUMNS.items()}
    relative[:, _MPII_PELVIS_AND_THORAX] = np.nan
    mean = pck(relative, threshold, inclusive=True)
    return {**columns, "mean": float(mean)}
