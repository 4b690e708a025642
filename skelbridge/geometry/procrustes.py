"""The similarity transform that brings one pose nearest to another (Procrustes, no reflection).

target_j  ~  scale * R source_j + translation,     R in SO(D)

minimises the sum of squared distances (Umeyama, "Least-squares estimation of transformation
parameters between two point patterns", PAMI 1991). With both poses centred and
C = sum_j target_j source_j^T = U S V^T:  R = U diag(1, .., 1, d) V^T with d = det(U V^T) and
scale = trace(S diag(1, .., 1, d)) / sum_j |source_j|^2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from skeleton_defs import UserError

from .observed import PairedPoses, paired_poses


class Similarity(NamedTuple):
    """`scale * R x + translation`, one per pose.

    Attributes:
      rotation: (..., D, D), determinant +1.
      scale: (...), never negative.
      translation: (..., D), in the unit of the target.
    """

    rotation: np.ndarray
    scale: np.ndarray
    translation: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Returns the points (..., J, D) moved; the leading axes are those of the transforms."""
        factor = np.asarray(self.scale)[..., None, None] * self.rotation
        # Small matrices are multiplied faster where both are contiguous.
        factor = np.ascontiguousarray(factor.swapaxes(-1, -2))
        with np.errstate(over="ignore", invalid="ignore"):
            moved = points @ factor
            moved += self.translation[..., None, :]
        return moved


def procrustes(
    source: np.ndarray,
    target: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    with_scale: bool = True,
) -> Similarity:
    """Returns the similarity that brings each source pose nearest to its target.

    Only joints count that both poses have. Where they leave the rotation open (one or two joints,
    all on a line) one of the best is returned; where the source's joints coincide, scale is 1.

    >>> import numpy as np
    >>> square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    >>> procrustes(square, 3 * square + 1).translation
    array([1., 1.])

    Args:
      source, target: (..., J, D), one shape, NaN where missing.
      mask: bool, broadcasting to (..., J); False where a joint does not count.
      with_scale: False keeps the size (rigid motion): scale is 1.

    Returns:
      One `Similarity` per pose, NaN for poses without a joint that counts.

    Raises:
      UserError: shapes or the mask do not fit, a coordinate is infinite or beyond 1e150.
    """
    paired = paired_poses(source, target, mask, ("source", "target"))
    *leading, _, dims = paired.first.shape
    result = Similarity(
        np.empty((*leading, dims, dims)), np.empty(leading), np.empty((*leading, dims))
    )
    count = math.prod(leading)
    flat = [part.reshape(count, *part.shape[len(leading) :]) for part in result]
    for rows, piece in paired.pieces():
        for whole, values in zip(flat, similarity_of(piece, with_scale=with_scale), strict=True):
            whole[rows] = values
    return result


def procrustes_aligned(
    source: np.ndarray, target: np.ndarray, *, mask: np.ndarray | None = None
) -> np.ndarray:
    """Returns the source poses (..., J, D) moved, turned and scaled onto their targets.

    Args, Raises: as for `procrustes`. Joints that do not count are moved along.
    """
    similarity = procrustes(source, target, mask=mask)
    return similarity.apply(np.asarray(source))


def similarity_of(paired: PairedPoses, *, with_scale: bool = True) -> Similarity:
    """`procrustes` of checked poses (N, J, D) from the first to the second, all at once."""
    there = paired.both_there
    with np.errstate(over="ignore", invalid="ignore"):
        source, source_mean = _centred(paired.first, there)
        target, target_mean = _centred(paired.second, there)
        covariance = target.swapaxes(-1, -2) @ source
        extent = np.einsum("njd,njd->n", source, source)
    if not (np.isfinite(covariance).all() and np.isfinite(extent).all()):
        raise UserError("coordinates must be below 1e150 for a Procrustes alignment")
    u, singular, vt = np.linalg.svd(covariance)
    rotation = u @ vt
    mirrored = np.linalg.det(rotation) < 0
    if mirrored.any():
        # Turning the weakest axis round makes it a rotation again at the least cost.
        rotation[mirrored] -= 2 * u[mirrored, :, -1:] * vt[mirrored, -1:, :]
        singular[mirrored, -1] *= -1
    scale = np.ones(len(source))
    if with_scale:
        np.divide(singular.sum(axis=-1), extent, out=scale, where=extent > 0)
    moved_mean = (rotation @ source_mean[..., None])[..., 0] * scale[:, None]
    result = Similarity(rotation, scale, target_mean - moved_mean)
    empty = ~there.any(axis=-1)
    if empty.any():
        for values in result:
            values[empty] = np.nan
    return result


def _centred(poses: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, J, D) about the mean (N, D) of the joints that count; others become zero."""
    # A product with ones: numpy is slow at summing over an axis in the middle.
    ones = np.ones(poses.shape[-2])
    complete = there.all()
    if complete:
        mean = ones @ poses / max(poses.shape[-2], 1)
    else:
        poses = np.where(there[..., None], poses, 0)
        mean = ones @ poses / np.maximum(there.sum(axis=-1), 1)[:, None]
    centred = np.repeat(mean[:, None], poses.shape[-2], axis=1)
    np.subtract(poses, centred, out=centred)
    if not complete:
        centred *= there[..., None]
    return centred, mean
