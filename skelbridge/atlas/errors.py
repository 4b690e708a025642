"""How far off a solved joint is expected to be: the constants, in one place, and the formulas.

Two errors add in quadrature. The statistical one says how well the source joints tell where the
target joint is; it comes from the moments. The placement error says how well it is known where the
formats put these joints on a body; it comes from the sigma of each placement. Both are mean
distances in mm for exact source joints: what a detector's noise adds comes on top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

#: Detector noise per source joint and coordinate that the ridge stands for (atlas.md section 6).
DEFAULT_NOISE_MM = 8.0
#: Above this expected error a joint is unavailable (atlas.md section 7).
DEFAULT_MAX_ERROR_MM = 60.0
#: Mean distance per root mean square distance, measured over all joints (atlas.md section 7).
MEAN_PER_RMS = 0.9
#: What real motion adds to the error within the atlas (atlas.md section 9). The build measures it
#: on takes that it kept out and states it as `calibration` in the file's provenance, which counts.
UNSEEN_MOTION = 1.4
#: 95th percentile per mean distance. A Gaussian error in 3D has 1.75; turns and bends that the
#: source does not show have longer tails.
P95_PER_MEAN = 1.9
#: Share of a placement's variance that points of one anchor have in common, where the atlas says
#: which points those are.
SHARED_WITHIN_ANCHOR = 0.5


@dataclass(frozen=True)
class AtlasOptions:
    """How maps are solved from the atlas.

    Attributes:
      noise_mm: expected noise of the source joints per coordinate; the ridge of the solution.
      sparse: few source joints per target joint (l1 penalty), instead of all.
      max_error_mm: a joint with a larger expected error is unavailable.

    Raises:
      UserError: a number is out of its range.
    """

    noise_mm: float = DEFAULT_NOISE_MM
    sparse: bool = False
    max_error_mm: float = DEFAULT_MAX_ERROR_MM

    def __post_init__(self):
        if not 0 <= self.noise_mm <= 1000:
            raise UserError(f"noise must be 0 to 1000 mm. Received {self.noise_mm:g}")
        if not self.max_error_mm > 0:
            raise UserError(
                f"the largest accepted error must be above 0 mm. Received {self.max_error_mm:g}"
            )


def statistical_error_mm(variance: np.ndarray, *, calibration: float) -> np.ndarray:
    """Turns residual variances into mean distances.

    Args:
      variance: expected squared error in m^2, the mean over the three coordinates.
      calibration: what unseen motion adds, see `UNSEEN_MOTION`.
    """
    return 1000 * calibration * MEAN_PER_RMS * np.sqrt(3 * np.maximum(variance, 0))


def placement_error_mm(
    weights: np.ndarray,
    target_sigma: np.ndarray,
    source_sigma: np.ndarray,
    *,
    targets: np.ndarray,
    sources: np.ndarray,
    anchor_of: np.ndarray | None = None,
) -> np.ndarray:
    """Carries the uncertainty of placements over to solved joints.

    The sigmas of different points are independent, except that points of one anchor share a part,
    which cancels as far as the weights lie on points of the target's own anchor. A source joint
    that is the target's own point cancels altogether.

    Args:
      weights: (T, S).
      target_sigma, source_sigma: (T,) and (S,) mm.
      targets, sources: the points' numbers.
      anchor_of: (T + S,) anchor numbers of targets and sources, -1 for a point of its own; None
        where the atlas does not say.

    Returns:
      (T,) mm.
    """
    spread = weights * source_sigma
    own = targets[:, None] == sources
    cross = 2 * target_sigma * (spread * own).sum(axis=1)
    separate = target_sigma**2 + (spread**2).sum(axis=1) - cross
    if anchor_of is None:
        return np.sqrt(np.maximum(separate, 0))
    # A point without an anchor is its own: numbers behind those of all anchors.
    points = np.concatenate([targets, sources])
    anchors = np.where(anchor_of < 0, anchor_of.max(initial=0) + 1 + points, anchor_of)
    names, group = np.unique(anchors, return_inverse=True)
    member = np.eye(len(names))[group]
    together = target_sigma[:, None] * member[: len(targets)] - spread @ member[len(targets) :]
    shared = (together**2).sum(axis=1)
    variance = (1 - SHARED_WITHIN_ANCHOR) * separate + SHARED_WITHIN_ANCHOR * shared
    return np.sqrt(np.maximum(variance, 0))


def is_calibration(value: object) -> bool:
    """Whether a value can be the calibration that a file states."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0.1 <= value <= 10
