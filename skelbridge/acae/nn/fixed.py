"""A fitted autoencoder as constants of a training graph."""

from __future__ import annotations

import numpy as np
from keras import backend, ops

from skeleton_defs import UserError

from ..matrices import Acae, normalized
from .precision import combine

_COARSE = ("float16", "bfloat16")
#: Sums of normalised float64 columns are this near to 1.
_ROUNDING = 1e-12


class FixedAcae:
    """Encodes and decodes tensors of any backend with fitted weights that are not trained.

    Gradients pass through to the points. Weights are held in float64 and used in the dtype of the
    points, in products that mixed precision does not touch (see `precision`).

    Args:
      acae: an `Acae`, or anything with `w1` (J, L) and `w2` (L, J) whose columns sum to 1, or a
        dict of the two as `get_config` returns it.

    Attributes:
      w1, w2: numpy float64 matrices.

    Raises:
      UserError: matrices that do not fit each other, are not finite or whose columns do not sum
        to 1.
    """

    def __init__(self, acae):
        if isinstance(acae, FixedAcae):
            self.w1, self.w2 = acae.w1, acae.w2
            return
        pair = (acae["w1"], acae["w2"]) if isinstance(acae, dict) else (acae.w1, acae.w2)
        checked = Acae(*(np.asarray(w) for w in pair))
        self.w1, self.w2 = checked.w1, checked.w2
        sums = np.concatenate([checked.w1.sum(axis=0), checked.w2.sum(axis=0)])
        if np.abs(sums - 1).max() > _ROUNDING:  # float32 files; once, so that saving is exact
            self.w1, self.w2 = normalized(checked.w1, checked.w2)

    @property
    def joints(self) -> int:
        """Number of joints J."""
        return self.w1.shape[0]

    @property
    def latents(self) -> int:
        """Number of latent points L."""
        return self.w1.shape[1]

    def encode(self, poses):
        """Turns poses `(..., J, D)` into latent points `(..., L, D)`."""
        return combine(checked_points(poses, self.joints, "joints"), self.w1)

    def decode(self, latents):
        """Turns latent points `(..., L, D)` into poses `(..., J, D)`."""
        return combine(checked_points(latents, self.latents, "latents"), self.w2)

    def project(self, poses):
        """Returns the nearest consistent poses: `decode(encode(poses))`."""
        return self.decode(self.encode(poses))

    def get_config(self) -> dict:
        """Returns the matrices as nested lists, exact to the last bit."""
        return {"w1": self.w1.tolist(), "w2": self.w2.tolist()}


def checked_points(points, count: int, what: str):
    """Returns points as a tensor `(..., count, D)` of float32 or float64.

    Args:
      points: tensor, array or nested lists.
      count: the number of points there must be.
      what: what they are, for the message.

    Raises:
      UserError: float16 or bfloat16, or another shape.
    """
    points = ops.convert_to_tensor(points)
    dtype = backend.standardize_dtype(points.dtype)
    if dtype in _COARSE:
        raise UserError(
            f"poses must be float32: {dtype} is too coarse for them (steps of 2 mm and more at "
            "4 m). Compute the network's output in float32, or pass it through ACAEConsistency"
        )
    if dtype not in ("float32", "float64"):
        points = ops.cast(points, "float32")
    if len(points.shape) < 2 or points.shape[-2] not in (None, count):
        raise UserError(
            f"points must have shape (..., {count}, D) ({count} {what}). "
            f"Received {tuple(points.shape)}"
        )
    return points
