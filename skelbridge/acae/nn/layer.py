"""The layer of the autoencoder: every point out is an affine combination of the points in."""

from __future__ import annotations

import random
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from skeleton_defs import UserError

from ..chirality import ChiralLayout
from ..matrices import normalized
from .precision import FLOAT32, combine, pinned

#: Raw weights start uniform in this range (the published recipe).
START_RANGE = (-0.1, 1.0)
#: Largest change under mirroring, relative to the largest weight, of weights that are taken over.
_SYMMETRY_TOLERANCE = 1e-4


@keras.saving.register_keras_serializable("skelbridge")
class AffineCombinationLayer(keras.layers.Layer):
    """Turns points `(..., J, D)` into `(..., points, D)`, each an affine combination of the J.

    The effective weights are the raw ones divided by the sum of their column, so that every column
    sums to 1: the layer commutes with translation, rotation, scaling and every affine change of
    coordinates. Given the flip permutations of the points going in and out, it also commutes
    exactly with mirroring, by the five free blocks of `ChiralLayout`. Points keep their own order;
    nothing is told from names.

    The layer always computes in float32, whatever the global dtype policy; float16 input is cast.

    Args:
      points: number of points out.
      flip_in: (J,) permutation that swaps left and right of the points in, e.g.
        `JointRegistry.flip`; None for no symmetry.
      flip_out: (points,) the same of the points out. Both or none.
      seed: integer or sequence of integers. Raw weights start uniform in [-0.1, 1], drawn by numpy,
        so that one seed gives one start on every backend.
      **options: of `keras.layers.Layer`.

    Raises:
      UserError: a flip is not a permutation of partners or does not fit the number of points.
    """

    def __init__(
        self,
        points: int,
        *,
        flip_in: Sequence[int] | None = None,
        flip_out: Sequence[int] | None = None,
        seed: int | Sequence[int] | None = None,
        **options,
    ):
        super().__init__(**pinned("AffineCombinationLayer", options))
        if points < 1:
            raise UserError(f"points must be at least 1. Received {points}")
        if (flip_in is None) != (flip_out is None):
            raise UserError("flip_in and flip_out must be given both or not at all")
        self.points = int(points)
        self.flip_in, self.flip_out = _integers(flip_in), _integers(flip_out)
        self.seed = random.getrandbits(32) if seed is None else seed
        self._columns = _layout(self.flip_out, points, pairs=0, centre=1)

    def build(self, input_shape):
        """Creates the raw blocks for `input_shape` `(..., J, D)`."""
        joints = input_shape[-2] if len(input_shape) >= 2 else None
        if joints is None:
            raise UserError(f"points in must have shape (..., J, D). Received {input_shape}")
        if self.flip_in is not None and len(self.flip_in) != joints:
            raise UserError(
                f"this layer combines {len(self.flip_in)} points (the length of flip_in). "
                f"Received shape {tuple(input_shape)}"
            )
        self._rows = _layout(
            self.flip_in, joints, pairs=self._columns.pairs, centre=self._columns.centre
        )
        generator = np.random.default_rng(self.seed)
        self._blocks = {}
        for name, shape in self._rows.shapes().items():
            if 0 not in shape:
                start = generator.uniform(*START_RANGE, size=shape)
                self._blocks[name] = self.add_weight(
                    name=name, shape=shape, dtype=FLOAT32, initializer=_constant(start)
                )
        self.built = True

    def raw_weights(self):
        """Returns the (J, points) tensor of raw weights."""
        layout = (("S", "Q", "X"), ("Q", "S", "X"), ("C", "C", "Z"))
        rows = [[self._blocks[n] for n in names if n in self._blocks] for names in layout]
        rows = [ops.concatenate(row, axis=1) for row in rows if row]
        matrix = _in_given_order(ops.concatenate(rows, axis=0), self._columns.order)
        return ops.transpose(_in_given_order(ops.transpose(matrix), self._rows.order))

    def affine_weights(self):
        """Returns the (J, points) tensor of effective weights; every column sums to 1."""
        raw = self.raw_weights()
        return raw / ops.sum(raw, axis=0, keepdims=True)

    def call(self, inputs):
        """Combines points `(..., J, D)` to `(..., points, D)`."""
        return combine(ops.cast(inputs, FLOAT32), self.affine_weights())

    def compute_output_shape(self, input_shape):
        """Returns `(..., points, D)`."""
        return (*input_shape[:-2], self.points, input_shape[-1])

    def get_config(self):
        """Returns the arguments; the dtype is not among them, it is always float32."""
        config = super().get_config()
        del config["dtype"]
        lists = {name: getattr(self, name) for name in ("flip_in", "flip_out")}
        lists = {name: value and list(value) for name, value in lists.items()}
        seed = self.seed if isinstance(self.seed, int) else list(self.seed)
        return config | lists | {"points": self.points, "seed": seed}

    def set_matrix(self, weights: np.ndarray) -> None:
        """Sets the weights `(J, points)`; the raw blocks become the weights themselves.

        Raw columns then sum to 1, not to some hundreds as after a random start, and a step of an
        optimiser changes them so much more: train on with a rate of 3e-3 or less.

        Raises:
          UserError: another shape, or the weights change under mirroring.
        """
        weights = np.asarray(weights, np.float64)
        if not self.built:
            self.build((None, weights.shape[0], None))
        if weights.shape != (self._rows.joints, self.points):
            raise UserError(
                f"weights must have shape ({self._rows.joints}, {self.points}). "
                f"Received {weights.shape}"
            )
        self._check_symmetry(weights)
        blocks = self._rows.blocks(weights[np.ix_(self._rows.order, self._columns.order)])
        for name, variable in self._blocks.items():
            variable.assign(blocks[name].astype(np.float32))

    def _check_symmetry(self, weights: np.ndarray) -> None:
        if self.flip_in is None:
            return
        mirrored = weights[np.ix_(self.flip_in, self.flip_out)]
        change = np.abs(mirrored - weights).max()
        if change > _SYMMETRY_TOLERANCE * np.abs(weights).max():
            raise UserError(
                f"the weights change by up to {change:.2g} when left and right are swapped: they "
                "do not fit this flip; leave flip out (non-chiral mode)"
            )


def matrices(
    encoder: AffineCombinationLayer, decoder: AffineCombinationLayer
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the weights of both as numpy float64, normalised in float64.

    Raises:
      UserError: raw weights are not finite, or a column of them cancels to zero.
    """
    return normalized(*(ops.convert_to_numpy(x.raw_weights()) for x in (encoder, decoder)))


def _layout(flip: list[int] | None, count: int, *, pairs: int, centre: int) -> ChiralLayout:
    return ChiralLayout.of(
        None if flip is None else np.array(flip),
        None,
        joints=count,
        latent_pairs=pairs,
        latent_centre=centre,
    )


def _in_given_order(matrix, order: np.ndarray):
    """Columns that are in the layout's order, in the order of the points.

    Never by axis 0: TensorFlow's gradient would be sparse there, with the rows of blocks that are
    used twice listed twice, and Adam would take its squares before adding them up.
    """
    place = np.argsort(order).astype(np.int32)
    if np.array_equal(place, np.arange(len(place))):
        return matrix
    return ops.take(matrix, place, axis=1)


def _constant(values: np.ndarray):
    """An initialiser of given values."""
    return lambda shape, dtype=None: ops.convert_to_tensor(values, dtype=dtype or FLOAT32)


def _integers(values: Sequence[int] | None) -> list[int] | None:
    return None if values is None else [int(v) for v in values]
