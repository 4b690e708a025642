"""The consistency penalty as a Keras regulariser."""

from __future__ import annotations

import functools

import keras
import numpy as np
from keras import ops

from .consistency import ConsistencyLoss


@functools.cache
def keras_divides_by_batch() -> bool:
    """Tells whether this Keras divides what an `activity_regularizer` returns by the batch size.

    The manual always said so; Keras does it from 3.14 on. Asked by trying.
    """
    layer = keras.layers.ActivityRegularization(l1=1.0, dtype="float32")
    layer(np.ones((2, 1), np.float32))
    return float(ops.convert_to_numpy(layer.losses[0])) < 1.5


@keras.saving.register_keras_serializable("skelbridge")
class ACAERegularizer(keras.regularizers.Regularizer):
    """Penalises poses that their autoencoder does not reproduce.

    Which of three to use:

    * `ACAEConsistency`, a layer, in a Keras model: right under every policy and Keras version.
    * this, called by hand on predictions in a loop of your own (or `ConsistencyLoss`, which also
      takes masks): the mean of |p - decode(encode(p))| in metres, whatever the batch size.
    * this as a layer's `activity_regularizer`, with `for_activity=True`: Keras divides that
      penalty by the batch size (from 3.14 on; earlier ones do not), so it is multiplied by it here
      where needed, and the two routes give the same. Under a mixed precision policy Keras hands
      over float16, which is refused; such a layer needs `dtype="float32"`.

    Args:
      acae: the fitted autoencoder: an `Acae`, or anything with `w1` (J, L) and `w2` (L, J).
      weight: factor of the penalty.
      unit: of the poses: `"mm"`, `"cm"` or `"m"`.
      for_activity: the regulariser is handed to a layer as `activity_regularizer`.
    """

    def __init__(self, acae, weight: float = 1.0, unit: str = "mm", *, for_activity: bool = False):
        self.loss = ConsistencyLoss(acae, weight=weight, unit=unit)
        self.for_activity = bool(for_activity)
        self._undoes_division = self.for_activity and keras_divides_by_batch()

    def __call__(self, poses):
        """Returns the scalar penalty of poses `(B, J, 3)`; gradient flows through both terms.

        Raises:
          UserError: float16 or bfloat16 poses, or another number of joints.
        """
        penalty = self.loss(poses)
        if self._undoes_division:
            penalty = penalty * ops.cast(ops.shape(poses)[0], penalty.dtype)
        return penalty

    def get_config(self) -> dict:
        """Returns the arguments, the matrices among them."""
        config = self.loss.get_config()
        del config["stop_gradient"]
        return config | {"for_activity": self.for_activity}
