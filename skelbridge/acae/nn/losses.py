"""What the autoencoder is trained on, as tensors: `skelbridge.acae.objective` in Keras.

objective = main loss + lambda * sparsity, lambda 0.6 in the published recipe.

Missing joints: the encoder needs complete poses, so fill them first (`skelbridge.acae.missing`) and
keep what was filled out of the loss. Do not set them to zero and do not renormalise the encoder.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from skeleton_defs import UserError

from ...nn.replicas import sum_over_replicas
from ..objective import LOSSES, MIN_DEPTH, REFERENCE_JOINTS, REFERENCE_LATENTS
from .precision import FLOAT32, metres_per


def main_errors(poses, reconstruction, *, kind: str = "projected", unit: str = "mm"):
    """Returns the error of every joint in metres.

    `"projected"` compares x/z and y/z of both, each with its own z, times the mean over joints of
    the input's z: metres in the image plane at the person's depth, because pseudo ground truth is
    more exact there than in depth. `"plain"` compares x, y and z.

    Args:
      poses: input poses `(..., J, 3)` in `unit`; for the projected loss in camera frame with z > 0.
        Joints that are NaN have error 0 and do not enter the mean depth.
      reconstruction: the same shape. Its depth counts as 5 % of the mean depth where it is less.
      kind: `"projected"` or `"plain"`.
      unit: `"mm"`, `"cm"` or `"m"`.

    Returns:
      `(..., J)` mean absolute differences over 2 or 3 coordinates.
    """
    _check_kind(kind)
    scale = metres_per(unit)
    poses, reconstruction = (ops.cast(p, FLOAT32) for p in (poses, reconstruction))
    seen = ops.expand_dims(_is_finite(poses), -1)
    # Gradients must not meet NaN either: a finite stand-in first, zero afterwards.
    poses = ops.where(seen, poses, ops.ones_like(poses))
    seen = ops.cast(seen, FLOAT32)
    if kind == "plain":
        difference = (poses - reconstruction) * scale
    else:
        counts = ops.sum(seen, axis=-2, keepdims=True)
        depth = ops.sum(poses[..., 2:] * seen, axis=-2, keepdims=True) / ops.maximum(counts, 1.0)
        rebuilt_depth = ops.maximum(reconstruction[..., 2:], MIN_DEPTH * depth)
        rebuilt_depth = ops.where(rebuilt_depth == 0, ops.ones_like(rebuilt_depth), rebuilt_depth)
        rays = poses[..., :2] / poses[..., 2:] - reconstruction[..., :2] / rebuilt_depth
        difference = rays * (depth * scale)
    return ops.mean(ops.absolute(difference), axis=-1) * seen[..., 0]


def main_loss(
    poses,
    reconstruction,
    *,
    kind: str = "projected",
    mask=None,
    joint_weights=None,
    unit: str = "mm",
):
    """Returns the main loss in metres: one mean over all poses, joints and coordinates.

    Args:
      poses, reconstruction, kind, unit: as for `main_errors`.
      mask: `(..., J)` joints that count beside those that are NaN, e.g. not those filled in.
      joint_weights: (J,) weights of the joints in the mean; None for equal ones.
    """
    errors = main_errors(poses, reconstruction, kind=kind, unit=unit)
    weights = _weights(poses, joint_weights)
    return weighted_mean(errors, weights if mask is None else weights * ops.cast(mask, FLOAT32))


def sparsity(encoder, decoder, *, reg_scale: str = "mean"):
    """Returns the l1 term of normalised weights: mean |encoder| + mean |decoder|.

    A column that sums to 1 has l1 norm 1 + 2 |its negative weights|, so that this is at least
    1/J + 1/L and counts negative weights above it. As it is a mean over all entries, the price of a
    negative weight falls with 1/J and 1/L, and a lambda tuned for 555 joints and 48 latents means
    another thing for 42 and 20. `reg_scale="reference"` takes the mean norm of columns instead,
    divided by 555 (encoder) and 48 (decoder): the published value at that size, and the same price
    at every size.

    Args:
      encoder: `(J, L)`, columns that sum to 1.
      decoder: `(L, J)`, columns that sum to 1.
      reg_scale: `"mean"` or `"reference"`.
    """
    encoder, decoder = ops.convert_to_tensor(encoder), ops.convert_to_tensor(decoder)
    joints, latents = encoder.shape
    terms = ops.mean(ops.absolute(encoder)), ops.mean(ops.absolute(decoder))
    if check_reg_scale(reg_scale) == "mean":
        return terms[0] + terms[1]
    return terms[0] * (joints / REFERENCE_JOINTS) + terms[1] * (latents / REFERENCE_LATENTS)


def check_reg_scale(reg_scale: str) -> str:
    """Returns a valid `reg_scale`.

    Raises:
      UserError: it is not `"mean"` or `"reference"`.
    """
    if reg_scale not in ("mean", "reference"):
        raise UserError(f"reg_scale must be mean or reference. Received {reg_scale!r}")
    return reg_scale


def weighted_mean(values, weights):
    """Returns the weighted mean over everything, 0 (not NaN) where all weights are 0.

    On one of several replicas: its share of the mean over all their values.
    """
    total = sum_over_replicas(ops.sum(weights))
    return ops.sum(values * weights) / ops.where(total > 0, total, ops.ones_like(total))


@keras.saving.register_keras_serializable("skelbridge")
class ReconstructionLoss(keras.losses.Loss):
    """`main_loss` for `model.compile`; joints that are NaN in `y_true` do not count.

    Args:
      kind: `"projected"` or `"plain"`.
      joint_weights: (J,) weights of the joints; None for equal ones.
      unit: of the poses.
      **options: `name`.

    Example, poses with gaps `poses` and the same filled `filled`:

        model.compile(keras.optimizers.Adam(3e-2), ReconstructionLoss())
        model.fit(filled, poses, batch_size=32)
    """

    def __init__(self, kind="projected", *, joint_weights=None, unit="mm", **options):
        _check_kind(kind)
        metres_per(unit)
        super().__init__(reduction="sum_over_batch_size", dtype=FLOAT32, **options)
        self.kind, self.unit = kind, unit
        self.joint_weights = None if joint_weights is None else np.ravel(joint_weights).tolist()

    def call(self, y_true, y_pred):
        """Returns errors `(B, J)` whose plain mean is the mean over the joints that count."""
        errors = main_errors(y_true, y_pred, kind=self.kind, unit=self.unit)
        weights = _weights(y_true, self.joint_weights)
        mean = ops.mean(weights)
        return errors * weights / ops.where(mean > 0, mean, ops.ones_like(mean))

    def get_config(self):
        """Returns the arguments."""
        own = {"kind": self.kind, "joint_weights": self.joint_weights, "unit": self.unit}
        return {"name": self.name} | own


def _is_finite(poses):
    return ops.all(ops.isfinite(poses), axis=-1)


def _weights(poses, joint_weights):
    weights = ops.cast(_is_finite(ops.convert_to_tensor(poses)), FLOAT32)
    if joint_weights is None:
        return weights
    return weights * ops.convert_to_tensor(np.asarray(joint_weights, np.float32))


def _check_kind(kind: str) -> None:
    if kind not in LOSSES:
        raise UserError(f"loss must be {' or '.join(LOSSES)}. Received {kind!r}")
