"""Parts of people's boxes, so that training sees cut-off people large as well as small."""

from __future__ import annotations

import numpy as np

#: How many random numbers a box takes.
N_DRAWS = 5
_LEAST_SHARE = 0.3


def partly_visible(boxes: np.ndarray, draws: np.ndarray, probability: float) -> np.ndarray:
    """Returns boxes (N, 4), some of them replaced by a part of themselves.

    A part has 30 to 100 % of the width and height, anywhere within. (MeTRAbs' code has such an
    option, which its published models for many datasets leave off; how large its parts are is not
    in the paper.)

    Args:
      boxes: (N, 4) left, top, width, height px.
      draws: (N, N_DRAWS) uniform random numbers.
      probability: of a part.
    """
    shares = _LEAST_SHARE + (1 - _LEAST_SHARE) * draws[:, 1:3]
    sizes = boxes[:, 2:] * shares
    corners = boxes[:, :2] + (boxes[:, 2:] - sizes) * draws[:, 3:5]
    chosen = draws[:, 0] < probability
    return np.where(chosen[:, None], np.concatenate([corners, sizes], axis=1), boxes)
