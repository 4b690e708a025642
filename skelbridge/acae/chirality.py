"""Mirror symmetry of the ACAE: the five blocks that make a matrix commute with left/right swaps.

Joints are ordered [left | right | centre] with partners at equal places, latents likewise. Then

    |               | left latents | right latents | centre latents |
    |---------------|--------------|---------------|----------------|
    | left joints   | S            | Q             | X              |
    | right joints  | Q            | S             | X              |
    | centre joints | C            | C             | Z              |

is every matrix that a mirror image passes through unchanged. Without chirality everything is
centre, and Z is the whole matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

SIDES = ("left", "right", "centre")


@dataclass(frozen=True, eq=False)
class ChiralLayout:
    """How joints and latents are ordered and paired.

    Attributes:
      order: (J,) joints as [left | right | centre].
      pairs, centre: numbers of joint pairs and centre joints; 2 * pairs + centre = J.
      latent_pairs, latent_centre: the same of the latents; their order is [left | right | centre].
    """

    order: np.ndarray
    pairs: int
    centre: int
    latent_pairs: int
    latent_centre: int

    @classmethod
    def of(
        cls,
        flip: np.ndarray | None,
        sides: Sequence[str] | None,
        *,
        joints: int,
        latent_pairs: int,
        latent_centre: int,
    ) -> ChiralLayout:
        """Builds the layout from a flip permutation; without one, of a matrix without symmetry.

        Args:
          flip: (J,) permutation that swaps left and right, or None.
          sides: `"left"`, `"right"` or `"centre"` per joint; without them the first of every pair
            counts as left.
          joints: the number of joints J.
          latent_pairs, latent_centre: pairs of sided latents and centre latents; without a flip
            all of them are centre.

        Raises:
          UserError: the permutation is no involution, sides contradict it, or there is no latent.
        """
        if 2 * latent_pairs + latent_centre < 1 or latent_pairs < 0 or latent_centre < 0:
            raise UserError(
                f"the numbers of latents must be positive. Received {2 * latent_pairs} sided and "
                f"{latent_centre} centre latents"
            )
        if flip is None:
            return cls(np.arange(joints), 0, joints, 0, 2 * latent_pairs + latent_centre)
        flip = checked_flip(flip, joints)
        own = np.arange(joints)
        if sides is None:
            left = np.flatnonzero(flip > own)
        else:
            left = np.flatnonzero(np.asarray(sides) == "left")
            right = np.flatnonzero(np.asarray(sides) == "right")
            if not np.array_equal(np.sort(flip[left]), right) or (flip[left] == left).any():
                raise UserError("sides must call one joint of every mirror pair left, one right")
        centre = np.flatnonzero(flip == own)
        order = np.concatenate([left, flip[left], centre]).astype(np.intp)
        if len(order) != joints:
            raise UserError("sides must call one joint of every mirror pair left, one right")
        return cls(order, len(left), len(centre), latent_pairs, latent_centre)

    @property
    def joints(self) -> int:
        """J."""
        return 2 * self.pairs + self.centre

    @property
    def latents(self) -> int:
        """L."""
        return 2 * self.latent_pairs + self.latent_centre

    @property
    def latent_sides(self) -> tuple[str, ...]:
        """`"left"`, `"right"` or `"centre"` per latent."""
        return (
            ("left",) * self.latent_pairs
            + ("right",) * self.latent_pairs
            + ("centre",) * self.latent_centre
        )

    @property
    def latent_flip(self) -> np.ndarray:
        """(L,) permutation that swaps left and right latents."""
        return _swap(self.latent_pairs, self.latent_centre)

    @property
    def joint_flip(self) -> np.ndarray:
        """(J,) permutation that swaps left and right, in the layout's order of joints."""
        return _swap(self.pairs, self.centre)

    def shapes(self) -> dict[str, tuple[int, int]]:
        """The shapes of the free blocks."""
        h, c, hl, cl = self.pairs, self.centre, self.latent_pairs, self.latent_centre
        return {"S": (h, hl), "Q": (h, hl), "C": (c, hl), "X": (h, cl), "Z": (c, cl)}

    def assemble(self, S, Q, C, X, Z) -> np.ndarray:
        """Returns the (J, L) matrix of the blocks, in the layout's order of joints."""
        return np.block([[S, Q, X], [Q, S, X], [C, C, Z]])

    def blocks(self, matrix: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the blocks of a (J, L) matrix in the layout's order, averaged with its mirror."""
        h, hl = self.pairs, self.latent_pairs
        left, right, centre = matrix[:h], matrix[h : 2 * h], matrix[2 * h :]
        return {
            "S": (left[:, :hl] + right[:, hl : 2 * hl]) / 2,
            "Q": (left[:, hl : 2 * hl] + right[:, :hl]) / 2,
            "C": (centre[:, :hl] + centre[:, hl : 2 * hl]) / 2,
            "X": (left[:, 2 * hl :] + right[:, 2 * hl :]) / 2,
            "Z": centre[:, 2 * hl :].copy(),
        }

    def to_given_order(self, matrix: np.ndarray) -> np.ndarray:
        """Returns (J, ...) rows, which are in the layout's order, in the order of the joints."""
        given = np.empty_like(matrix)
        given[self.order] = matrix
        return given


def checked_flip(flip: np.ndarray, joints: int) -> np.ndarray:
    """Returns a flip permutation of `joints` joints.

    Raises:
      UserError: it is no permutation, or not its own inverse.
    """
    array = np.asarray(flip)
    own = np.arange(joints)
    if (
        array.shape != (joints,)
        or array.dtype.kind not in "iu"
        or not np.array_equal(np.sort(array), own)
        or not np.array_equal(array[array], own)
    ):
        raise UserError(
            f"flip must be a permutation of {joints} joints that undoes itself. Received shape "
            f"{array.shape}, {array.dtype}"
        )
    return array.astype(np.intp)


def _swap(pairs: int, centre: int) -> np.ndarray:
    left = np.arange(pairs)
    return np.concatenate([left + pairs, left, 2 * pairs + np.arange(centre)])
