"""High kicks for some samples: the takes that may be used have next to none.

A kick here is one leg raised in front of the body or to its side, the knee bent or straight, while
everything else stays as captured. The angles are those that trained people reach; nothing was
recorded.
"""

from __future__ import annotations

import numpy as np

from .transfer import PART_INDEX
from .turning import about

#: Smallest and largest angles in degrees, each drawn evenly: of the thigh to the front and to the
#: side against the pelvis, of the knee, and of the toes downwards.
FLEXION, ABDUCTION, KNEE, TOES_DOWN = (70.0, 130.0), (0.0, 60.0), (0.0, 100.0), (0.0, 50.0)
#: Only who stands kicks: the cosine of the largest angle of the pelvis against the vertical.
_UPRIGHT = 0.7
_X, _Z = np.eye(3)[[0, 2]]


def with_kicks(parts: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Let some samples raise a leg.

    Args:
      parts: `(N, P, 3, 3)` rotations relative to the reference T-pose.
      rng: draws which, and how.
      share: of the samples; of those drawn, only the ones that are upright are changed.

    Returns:
      `(N, P, 3, 3)`.
    """
    parts = parts.copy()
    upright = parts[:, PART_INDEX["pelvis"], 1, 1] > _UPRIGHT
    kicks, left = rng.random(len(parts)) < share, rng.random(len(parts)) < 0.5
    angles = [np.radians(rng.uniform(*limits, len(parts)))
              for limits in (FLEXION, ABDUCTION, KNEE, TOES_DOWN)]  # fmt: skip
    for side, outward, mine in (("left", 1.0, left), ("right", -1.0, ~left)):
        rows = np.flatnonzero(kicks & upright & mine)
        flexion, abduction, knee, toes = (angle[rows] for angle in angles)
        pelvis = parts[rows, PART_INDEX["pelvis"]]
        thigh = pelvis @ about(_Z, outward * abduction) @ about(_X, -flexion)
        shank = thigh @ about(_X, knee)
        foot = shank @ about(_X, toes)
        for part, turn in (("thigh", thigh), ("shank", shank), ("foot", foot)):
            parts[rows, PART_INDEX[f"{side}_{part}"]] = turn
    return parts
