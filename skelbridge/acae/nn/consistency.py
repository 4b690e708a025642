"""How far a predicted body is from the consistent ones: the penalty of fine-tuning.

C(p) = mean over poses, all joints and coordinates of |p - decode(encode(p))|, in metres. It reaches
every joint, whether its dataset labels it or not, and so carries what one format's labels say to
all the others.
"""

from __future__ import annotations

import keras
from keras import ops

from skeleton_defs import UserError

from .fixed import FixedAcae, checked_points
from .losses import weighted_mean
from .precision import FLOAT32, metres_per, pinned

#: Which side of the difference is held fixed: none (published), the projection, or the poses.
STOP_GRADIENTS = ("none", "projection", "poses")


@keras.saving.register_keras_serializable("skelbridge")
class ConsistencyLoss:
    """Penalises poses that their autoencoder does not reproduce.

    A plain callable for training loops in TensorFlow, JAX and PyTorch.

    Args:
      acae: the fitted autoencoder: an `Acae`, or anything with `w1` (J, L) and `w2` (L, J).
      weight: factor of the penalty.
      unit: of the poses: `"mm"`, `"cm"` or `"m"`. The penalty is in metres.
      stop_gradient: `"none"`, gradient through p and through decode(encode(p)) (the published
        choice); `"projection"`, the poses are pulled to a target held fixed; `"poses"`, only the
        projection moves.

    >>> import numpy as np, types
    >>> acae = types.SimpleNamespace(w1=np.full((3, 1), 1 / 3), w2=np.ones((1, 3)))
    >>> loss = ConsistencyLoss(acae)
    >>> float(loss(np.float32([[[0, 0, 3000], [0, 0, 3000], [300, 0, 3000]]])))
    0.044444...
    """

    def __init__(self, acae, *, weight: float = 1.0, unit: str = "mm", stop_gradient: str = "none"):
        if stop_gradient not in STOP_GRADIENTS:
            raise UserError(
                f"stop_gradient must be one of {', '.join(STOP_GRADIENTS)}. "
                f"Received {stop_gradient!r}"
            )
        if not 0 <= weight < float("inf"):
            raise UserError(f"weight must be finite and not negative. Received {weight}")
        self.acae = FixedAcae(acae)
        self.weight, self.unit, self.stop_gradient = float(weight), unit, stop_gradient
        self._scale = self.weight * metres_per(unit)

    def __call__(self, poses, mask=None):
        """Returns the scalar penalty.

        Args:
          poses: `(..., J, D)` float32 or float64, in `unit`. float16 is refused.
          mask: booleans or weights `(...)` per pose or `(..., J)` per joint; None counts all, as
            published. A pose that is masked altogether may hold anything, NaN too; a masked joint
            of another pose is not counted, but the encoder still uses it.
        """
        poses = checked_points(poses, self.acae.joints, "joints")
        if mask is not None:
            mask = ops.cast(mask, poses.dtype)
            if len(mask.shape) == len(poses.shape) - 2:
                mask = ops.expand_dims(mask, -1)
            used = ops.expand_dims(ops.any(mask > 0, axis=-1, keepdims=True), -1)
            poses = ops.where(used, poses, ops.zeros_like(poses))
        # The difference does not change with the person's place; small numbers round less.
        place = ops.stop_gradient(ops.mean(poses, axis=-2, keepdims=True))
        poses = poses - place
        projection = self.acae.project(poses)
        if self.stop_gradient == "projection":
            projection = ops.stop_gradient(projection)
        elif self.stop_gradient == "poses":
            poses = ops.stop_gradient(poses)
        errors = ops.mean(ops.absolute(poses - projection), axis=-1)
        weights = ops.ones_like(errors)
        return self._scale * weighted_mean(errors, weights if mask is None else weights * mask)

    def get_config(self) -> dict:
        """Returns the arguments, the matrices among them."""
        names = ("weight", "unit", "stop_gradient")
        return {"acae": self.acae.get_config()} | {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> ConsistencyLoss:
        """Builds the loss that `get_config` describes."""
        return cls(**config)


@keras.saving.register_keras_serializable("skelbridge")
class ACAEConsistency(keras.layers.Layer):
    """Passes poses on in float32 and adds their `ConsistencyLoss` to the model's losses.

    The way to regularise a Keras model: unlike an `activity_regularizer` its penalty is not divided
    by the batch size, and under a mixed precision policy it casts to float32 before it computes.
    A head that itself computes in float16 has already lost millimetres; give the last layers of a
    pose network `dtype="float32"`.

    Args:
      acae, weight, unit, stop_gradient: as for `ConsistencyLoss`.
      **options: of `keras.layers.Layer`.
    """

    def __init__(self, acae, *, weight=1.0, unit="mm", stop_gradient="none", **options):
        super().__init__(**pinned("ACAEConsistency", options))
        self.penalty = ConsistencyLoss(acae, weight=weight, unit=unit, stop_gradient=stop_gradient)

    def call(self, poses):
        """Returns poses `(..., J, D)` in float32 and adds the penalty."""
        poses = ops.cast(poses, FLOAT32)
        self.add_loss(self.penalty(poses))
        return poses

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return tuple(input_shape)

    def get_config(self):
        """Returns the arguments; the dtype is not among them, it is always float32."""
        config = super().get_config()
        del config["dtype"]
        return config | self.penalty.get_config()
