"""Which of 3DPeople's 67 rows is which joint: sources disagree, the geometry of a body does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

PELVIS, NECK, HEAD = 0, 4, 5
_LEFT_ARM, _LEFT_WRIST, _LEFT_HAND = 10, 12, 13
_RIGHT_ARM, _RIGHT_WRIST = 34, 36
_LEGS = (tuple(range(57, 62)), tuple(range(62, 67)))


@dataclass(frozen=True)
class JointOrder:
    """Where the rows are that sources disagree about.

    Attributes:
      eyes_top: rows of right eye, left eye and top of the head.
      right_hand: row of the centre of the right hand.
      legs: rows of the left and of the right leg, hip to toe.
    """

    eyes_top: tuple[int, int, int]
    right_hand: int
    legs: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def rows(self) -> list[int]:
        """The rows of the joints of `3dpeople_29`, in its order."""
        body = [*range(6), *self.eyes_top, *range(9, 14), *range(33, 37), self.right_hand]
        return [*body, *self.legs[0], *self.legs[1]]


ORDERS = {
    # isarandi/posepile, which published models were trained with.
    "posepile": JointOrder((6, 7, 8), 53, _LEGS),
    # skeleton_joints_ids_order.txt of the dataset.
    "official": JointOrder((7, 8, 6), 37, _LEGS[::-1]),
}


def order_by_evidence(points: np.ndarray) -> tuple[JointOrder, tuple[str, ...]]:
    """Decides each disputed joint by the geometry of a sequence.

    The leg on the side of the left arm is the left one; the row farthest above the head is its top;
    the right hand is as long as the left one. Where the poses do not tell, PosePile's rows count.

    Args:
      points: (T, 67, 3) mm.

    Returns:
      The order, and a note with the numbers.
    """
    first, second = ORDERS["posepile"], ORDERS["official"]
    order = first
    side = points[:, _LEFT_ARM] - points[:, _RIGHT_ARM]
    across = points[:, first.legs[0][0]] - points[:, first.legs[1][0]]
    same_side = float(np.sum(side * across))
    if same_side < 0:
        order = replace(order, legs=second.legs)
    axis = points[:, HEAD] - points[:, NECK]
    above = {
        source: float(np.sum((points[:, source.eyes_top[2]] - points[:, HEAD]) * axis))
        for source in (first, second)
    }
    if above[second] > above[first]:
        order = replace(order, eyes_top=second.eyes_top)
    left = _length(points, _LEFT_WRIST, _LEFT_HAND)
    apart = {
        source: abs(_length(points, _RIGHT_WRIST, source.right_hand) - left)
        for source in (first, second)
    }
    if apart[second] < apart[first]:
        order = replace(order, right_hand=second.right_hand)
    return order, (
        f"joint rows: left leg from {order.legs[0][0]}, head top {order.eyes_top[2]}, right hand "
        f"{order.right_hand} (right hands in rows 53, 37 differ by {apart[first]:.0f}, "
        f"{apart[second]:.0f} mm from the left one)",
    )


def _length(points: np.ndarray, start: int, end: int) -> float:
    return float(np.linalg.norm(points[:, end] - points[:, start], axis=-1).mean())
