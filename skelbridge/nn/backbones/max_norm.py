"""A limit on the norm of every filter of a convolution."""

from __future__ import annotations

import keras
from keras import ops

from skeleton_defs import UserError

#: Axes over which the norm of one filter is taken: height, width, and what it sums over.
FILTER_AXES = (0, 1, 2)
DEPTHWISE_AXES = (0, 1)


@keras.saving.register_keras_serializable("skelbridge")
class FilterMaxNorm(keras.constraints.Constraint):
    """Scales filters with too large a norm down to the limit; leaves others bitwise alone.

    Kernels in front of batch normalisation grow without bound and overflow float16 in long
    trainings. (`keras.constraints.MaxNorm` divides by norm + 1e-7, which also shrinks filters
    that are within the limit a little with every update.)

    Args:
      limit: largest norm.
      axes: over which a norm is taken: `FILTER_AXES` of (h, w, in, out) kernels, `DEPTHWISE_AXES`
        of (h, w, channels, 1) ones.
    """

    def __init__(self, limit: float, axes=FILTER_AXES):
        if not limit > 0:
            raise UserError(f"the largest norm must be more than 0. Received {limit}")
        self.limit, self.axes = float(limit), tuple(int(axis) for axis in axes)

    def __call__(self, kernel):
        """Returns the kernel within the limit."""
        kernel = ops.convert_to_tensor(kernel)
        norm = ops.sqrt(ops.sum(ops.square(kernel), axis=self.axes, keepdims=True))
        return ops.where(norm > self.limit, kernel * (self.limit / norm), kernel)

    def get_config(self):
        """Returns the arguments."""
        return {"limit": self.limit, "axes": list(self.axes)}
