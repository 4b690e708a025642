"""Second moments of poses: with weights that sum to one, squared errors need nothing else.

Where an error vector e (J,) sums to zero, as that of any affine reconstruction does, its mean
square over poses is e' G e with the (J, J) moment matrix G. Averaged with the mirror image, G falls
into two blocks: that of (left + right) / sqrt 2 with the centre joints, and that of
(left - right) / sqrt 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chirality import ChiralLayout

_PIECE = 500
PLAIN_AXES = (1 / 3, 1 / 3, 1 / 3)


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of poses and their mirror images, m^2, float64.

    Attributes:
      even: (P + C, P + C) of half sums of partners times sqrt 2, and of centre joints.
      odd: (P, P) of half differences of partners times sqrt 2.
    """

    even: np.ndarray
    odd: np.ndarray

    def full(self) -> np.ndarray:
        """Returns the (J, J) matrix, in the layout's order of joints."""
        h = len(self.odd)
        sums, between, middle = self.even[:h, :h], self.even[:h, h:], self.even[h:, h:]
        same, other = (sums + self.odd) / 2, (sums - self.odd) / 2
        between = between / np.sqrt(2)
        return np.block(
            [[same, other, between], [other, same, between], [between.T, between.T, middle]]
        )


def second_moments(
    poses: np.ndarray,
    layout: ChiralLayout,
    *,
    axes: tuple[float, float, float] = PLAIN_AXES,
    ridge: float = 0.0,
) -> Moments:
    """Returns the moments of poses relative to their means over joints.

    Args:
      poses: (N, J, 3) complete, mm.
      axes: weights of x, y and z; by default their mean.
      ridge: m^2 added to the diagonal.
    """
    joints, h = layout.joints, layout.pairs
    even, odd = np.zeros((joints - h, joints - h)), np.zeros((h, h))
    scales = np.sqrt(np.array(axes)) / 1000
    for start in range(0, len(poses), _PIECE):
        ordered = poses[start : start + _PIECE][:, layout.order].astype(np.float64)
        ordered -= ordered.mean(axis=1, keepdims=True)
        rows = np.swapaxes(ordered * scales, 1, 2).reshape(-1, joints)
        left, right = rows[:, :h], rows[:, h : 2 * h]
        both = np.concatenate([(left + right) * np.sqrt(0.5), rows[:, 2 * h :]], axis=1)
        even += both.T @ both
        difference = (left - right) * np.sqrt(0.5)
        odd += difference.T @ difference
    count = max(len(poses), 1)
    return Moments(even / count + ridge * np.eye(len(even)), odd / count + ridge * np.eye(len(odd)))


def projected_axes(poses: np.ndarray) -> tuple[float, float, float]:
    """Returns weights of the axes that make moments mean squared errors of the projected loss.

    Linearised, an error dz in depth moves (x/z, y/z) times the mean depth by (x/z, y/z) dz.
    """
    seen = poses[..., :2] / poses[..., 2:]
    return 0.5, 0.5, float(np.mean(np.square(seen)))


def rms_errors(moments: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the (T,) root mean square distance, over three axes, of affine reconstructions.

    Args:
      moments: (J, J) with plain axes.
      weights: (J, T) error vectors that sum to zero.
    """
    squares = np.einsum("jt,jt->t", weights, moments @ weights)
    return np.sqrt(3 * np.maximum(squares, 0))
