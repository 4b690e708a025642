"""The head: one 1x1 convolution, 2D and metric 3D heatmaps, expected positions."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from skeleton_defs import UserError

from .grid import HeatmapGrid
from .soft_argmax import FLOAT32, soft_argmax

#: Standard deviation of the start weights.
START_DEVIATION = 0.03


@keras.saving.register_keras_serializable("skelbridge")
class MetricHeatmapHead(keras.layers.Layer):
    """Turns features `(B, n, n, C)` into 2D joints in px and relative 3D joints in mm.

    The convolution computes in `precision`; what follows it in float32, whatever the policy.

    Args:
      points: number of points P.
      grid: the cells, a `HeatmapGrid` or its arguments as a dict.
      precision: dtype policy of the convolution; None for the global one.
      seed: of the start weights.
      **options: of `keras.layers.Layer`.

    Returns:
      `(B, P, 2)` px of the crop and `(B, P, 3)` mm, float32. Channel p of the convolution's
      (1 + D) P is the 2D heatmap of point p, channel P + d P + p slice d of its 3D heatmap.
    """

    def __init__(self, points: int, grid, *, precision=None, seed: int = 0, **options):
        options.pop("dtype", None)
        super().__init__(dtype=FLOAT32, autocast=False, **options)
        if points < 1:
            raise UserError(f"points must be at least 1. Received {points}")
        self.points, self.seed = int(points), int(seed)
        self.grid = HeatmapGrid(**grid) if isinstance(grid, dict) else grid
        policy = keras.config.dtype_policy() if precision is None else precision
        self.convolution = keras.layers.Conv2D(
            (1 + self.grid.depth) * self.points,
            1,
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(stddev=START_DEVIATION, seed=seed),
            dtype=policy,
            name="convolution",
        )

    def build(self, input_shape):
        """Creates the weights."""
        if tuple(input_shape[1:3]) != (self.grid.cells, self.grid.cells):
            raise UserError(
                f"features must have {self.grid.cells}x{self.grid.cells} cells (crop "
                f"{self.grid.crop} px, stride {self.grid.stride}). Received {tuple(input_shape)}"
            )
        self.convolution.build(input_shape)
        self.bias = self.add_weight(
            name="bias", shape=(self.convolution.filters,), initializer="zeros", dtype=FLOAT32
        )
        self.built = True

    def call(self, features):
        """Returns 2D joints and relative 3D joints."""
        plane, solid = soft_argmax(
            self.convolution(features), self.points, bias=ops.convert_to_tensor(self.bias)
        )
        grid = self.grid
        first, step = _affine(grid.cell_px)
        joints2d = ops.swapaxes(plane * step + first, 1, 2)
        first, step = np.float32([_affine(grid.cell_mm(axis)) for axis in range(3)]).T[..., None]
        first, step = ops.convert_to_tensor(first), ops.convert_to_tensor(step)
        relative = ops.swapaxes(solid * step + first, 1, 2)
        return joints2d, relative

    def compute_output_shape(self, input_shape):
        """Returns the shapes of both outputs."""
        return (input_shape[0], self.points, 2), (input_shape[0], self.points, 3)

    def kernel_and_bias(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns copies of the weights as `(C, 1 + D, P)` and `(1 + D, P)`."""
        kernel, bias = (ops.convert_to_numpy(w) for w in (self.convolution.kernel, self.bias))
        shape = (1 + self.grid.depth, self.points)
        return kernel.reshape(-1, *shape).copy(), bias.reshape(shape).copy()

    def copy_points(self, source: MetricHeatmapHead, *, at: int = 0) -> None:
        """Takes over all points of another head as points `at`, `at + 1`, ... of this one.

        Raises:
          UserError: the other head has more points, or another depth or number of features.
        """
        (kernel, bias), (from_kernel, from_bias) = self.kernel_and_bias(), source.kernel_and_bias()
        fits = kernel.shape[:2] == from_kernel.shape[:2] and at + source.points <= self.points
        if not fits:
            raise UserError(
                f"a head of (features, 1 + depth, points) {from_kernel.shape} does not fit into "
                f"{kernel.shape} at point {at}"
            )
        kernel[..., at : at + source.points] = from_kernel
        bias[..., at : at + source.points] = from_bias
        self.convolution.kernel.assign(kernel.reshape(1, 1, kernel.shape[0], -1))
        self.bias.assign(bias.reshape(-1))

    def get_config(self):
        """Returns the arguments."""
        config = super().get_config()
        config.pop("dtype", None)
        return config | {
            "points": self.points,
            "grid": vars(self.grid),
            "precision": self.convolution.dtype_policy.name,
            "seed": self.seed,
        }


def _affine(positions: np.ndarray) -> tuple[float, float]:
    """First position and step of equally spaced ones."""
    return float(positions[0]), float(positions[1] - positions[0])
