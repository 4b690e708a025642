"""Which joints of poses are there: finite coordinates, and True in the validity mask."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from skeleton_defs import UserError

# Measured, tools/bench_metrics.py.
_PIECE_BYTES = 1 << 20


class PairedPoses(NamedTuple):
    """Two sets of poses of the same joints.

    Attributes:
      first, second: (..., J, D) float64; a joint that is missing holds any value.
      first_there, second_there: (..., J) bool, False also where the mask is False.
    """

    first: np.ndarray
    second: np.ndarray
    first_there: np.ndarray
    second_there: np.ndarray

    def pieces(self) -> Iterator[tuple[slice, PairedPoses]]:
        """Yields the poses some at a time, with the leading axes flattened into one.

        What is computed of a piece stays in the processor's cache; no array of the size of the
        whole is needed in between.
        """
        *leading, joints, dims = self.first.shape
        count = math.prod(leading)
        shapes = ((count, joints, dims),) * 2 + ((count, joints),) * 2
        flat = [part.reshape(shape) for part, shape in zip(self, shapes, strict=True)]
        at_once = max(1, _PIECE_BYTES // (8 * max(joints * dims, 1)))
        for start in range(0, count, at_once):
            rows = slice(start, start + at_once)
            yield rows, PairedPoses(*(part[rows] for part in flat))

    @property
    def both_there(self) -> np.ndarray:
        """(..., J) bool: the joints that both have."""
        return self.first_there & self.second_there


def paired_poses(
    first: np.ndarray,
    second: np.ndarray,
    mask: np.ndarray | None = None,
    names: tuple[str, str] = ("predicted", "true"),
) -> PairedPoses:
    """Checks two pose arrays of one shape, and tells which of their joints are there.

    Shapes must be equal: broadcasting (N, 1, J, D) against (N, J, D) would compare every pose with
    every other without a word.

    Args:
      first, second: (..., J, D), NaN where missing.
      mask: (..., J) bool or of a shape that broadcasts to it, False where a joint does not count.
      names: what messages call the two.

    Raises:
      UserError: shapes differ, the mask does not fit, or a coordinate is infinite.
    """
    first, second = (floating_poses(p, n) for p, n in zip((first, second), names, strict=True))
    if first.shape != second.shape:
        raise UserError(
            f"{names[0]} and {names[1]} poses must have one shape. "
            f"Received {first.shape} and {second.shape}"
        )
    there = (observed_joints(p, mask, name=n) for p, n in zip((first, second), names, strict=True))
    return PairedPoses(first, second, *there)


def floating_poses(poses: np.ndarray, name: str = "poses") -> np.ndarray:
    """Returns poses (..., J, D) as float64.

    Raises:
      UserError: no array of real numbers with a joint and a coordinate axis.
    """
    poses = np.asarray(poses)
    if poses.dtype.kind not in "fiu" or poses.ndim < 2 or poses.shape[-1] == 0:
        raise UserError(
            f"{name} must be an array of numbers of shape (..., J, D). "
            f"Received {poses.dtype} of shape {poses.shape}"
        )
    return poses.astype(np.float64, copy=False)


def observed_joints(
    poses: np.ndarray, mask: np.ndarray | None = None, *, name: str = "poses"
) -> np.ndarray:
    """Returns (..., J) bool: the joints whose coordinates are finite and whose mask is True.

    Args:
      poses: (..., J, D), NaN where missing.
      mask: bool, broadcasting to (..., J).
      name: what messages call the poses.

    Raises:
      UserError: the mask does not fit, or a coordinate that counts is infinite. NaN means missing,
        infinity means that something went wrong and must not be left out of a mean unseen.
    """
    shape = poses.shape[:-1]
    wanted = np.broadcast_to(True, shape) if mask is None else _checked_mask(mask, shape)
    finite = np.isfinite(poses)
    if finite.all():
        return wanted
    infinite = np.isinf(poses)
    if infinite.any() and (spoilt := infinite.any(axis=-1) & wanted).any():
        raise UserError(
            f"{name} must be finite, with NaN for missing joints. "
            f"Received infinity in joint {int(np.argwhere(spoilt)[0, -1])}"
        )
    # One coordinate after the other: numpy is slow at reducing an axis of length 3.
    return functools.reduce(
        np.logical_and, (finite[..., d] for d in range(poses.shape[-1])), wanted
    )


def _checked_mask(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise UserError(
            "mask must be boolean (compare confidences with a threshold first). "
            f"Received {mask.dtype}"
        )
    try:
        return np.broadcast_to(mask, shape)
    except ValueError:
        raise UserError(f"mask must broadcast to {shape}. Received shape {mask.shape}") from None
