"""The affine-combining autoencoder (ACAE) as a Keras model."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from skeleton_defs import JointRegistry, UserError

from ..chirality import ChiralLayout
from ..matrices import Acae
from .layer import AffineCombinationLayer, matrices
from .losses import check_reg_scale, sparsity
from .precision import FLOAT32, combine, pinned


@keras.saving.register_keras_serializable("skelbridge")
class AffineCombiningAutoencoder(keras.Model):
    """Encodes J joints as L latent points and decodes them, both by affine combinations.

    Calling it gives the reconstruction of poses `(..., J, D)` and adds
    `lam * sparsity` to the losses. The published recipe is

        model = AffineCombiningAutoencoder.from_registry(registry)
        rate = keras.optimizers.schedules.PiecewiseConstantDecay([150_000, 300_000],
                                                                 [3e-2, 3e-3, 3e-4])
        model.compile(keras.optimizers.Adam(rate), ReconstructionLoss())
        model.fit(poses, poses, batch_size=32, epochs=30)
        model.to_acae(registry.names).save("acae.npz")

    The solver of `skelbridge.acae` minimises the same objective in seconds, without Keras.
    Source: Isarandi et al., "Learning 3D Human Pose Estimation from Dozens of Datasets", WACV 2023.

    Args:
      joints: number of joints J.
      sided: number of latents on either side together (even).
      centre: number of latents on the midline.
      flip: (J,) permutation that swaps left and right joints; None for the non-chiral mode, in
        which no weights are shared and latents have no side.
      sides: `"left"`, `"right"` or `"centre"` per joint; only tells which latents `to_acae` calls
        left.
      lam: lambda, the weight of the l1 term.
      reg_scale: `"mean"` or `"reference"`, see `losses.sparsity`.
      seed: of the random start.
      **options: of `keras.Model`.

    Raises:
      UserError: numbers or permutations that do not fit.
    """

    def __init__(
        self,
        joints: int,
        *,
        sided: int = 40,
        centre: int = 8,
        flip: Sequence[int] | None = None,
        sides: Sequence[str] | None = None,
        lam: float = 0.6,
        reg_scale: str = "mean",
        seed: int = 0,
        **options,
    ):
        super().__init__(**pinned("AffineCombiningAutoencoder", options))
        if sided % 2:
            raise UserError(f"sided latents come in pairs. Received sided={sided}")
        self.joints, self.sided, self.centre = int(joints), int(sided), int(centre)
        self.flip = None if flip is None else [int(i) for i in flip]
        self.sides = None if sides is None else list(sides)
        self.lam, self.reg_scale, self.seed = float(lam), check_reg_scale(reg_scale), seed
        self._layout = ChiralLayout.of(
            None if flip is None else np.array(self.flip),
            sides,
            joints=self.joints,
            latent_pairs=self.sided // 2,
            latent_centre=self.centre,
        )
        latent_flip = None if flip is None else self._layout.latent_flip
        self.encoder = AffineCombinationLayer(
            self.latents, flip_in=flip, flip_out=latent_flip, seed=[seed, 0], name="encoder"
        )
        self.decoder = AffineCombinationLayer(
            joints, flip_in=latent_flip, flip_out=flip, seed=[seed, 1], name="decoder"
        )

    @classmethod
    def from_registry(cls, registry: JointRegistry, *, chiral: bool = True, **options):
        """Builds an autoencoder of a registry's joints, mirrored by the registry's flip."""
        if chiral:
            options |= {"flip": registry.flip, "sides": registry.sides}
        return cls(len(registry), **options)

    @classmethod
    def from_acae(cls, acae: Acae, **options):
        """Builds an autoencoder that holds fitted weights.

        Args:
          acae: the fitted autoencoder; the model is non-chiral if it has no `flip` or no
            `latent_sides`, as published files.
          **options: as for the class.

        Raises:
          UserError: the matrices are not symmetric under the flip.
        """
        joints, latents = acae.w1.shape
        counts = {"sided": 0, "centre": latents}
        if acae.flip is not None and acae.latent_sides is not None:
            centre = acae.latent_sides.count("centre")
            counts = {"sided": latents - centre, "centre": centre, "flip": acae.flip}
        model = cls(joints, **{**counts, **options})
        model.build((None, joints, 3))
        model.encoder.set_matrix(acae.w1)
        model.decoder.set_matrix(acae.w2)
        return model

    @property
    def latents(self) -> int:
        """Number of latent points."""
        return self.sided + self.centre

    def build(self, input_shape):
        """Builds both layers for poses `(..., J, D)`."""
        if input_shape[-2] != self.joints:
            raise UserError(
                f"poses must have {self.joints} joints, shape (..., {self.joints}, D). "
                f"Received {tuple(input_shape)}"
            )
        self.encoder.build(input_shape)
        self.decoder.build(self.encoder.compute_output_shape(input_shape))
        self.built = True

    def call(self, poses):
        """Reconstructs poses `(..., J, D)`."""
        encoder, decoder = self.encoder.affine_weights(), self.decoder.affine_weights()
        if self.lam:
            self.add_loss(self.lam * sparsity(encoder, decoder, reg_scale=self.reg_scale))
        return combine(combine(ops.cast(poses, FLOAT32), encoder), decoder)

    def encode(self, poses):
        """Turns poses `(..., J, D)` into latent points `(..., L, D)`."""
        return self.encoder(poses)

    def decode(self, latents):
        """Turns latent points `(..., L, D)` into poses `(..., J, D)`."""
        return self.decoder(latents)

    def compute_output_shape(self, input_shape):
        """Returns the input's shape."""
        return tuple(input_shape)

    def get_config(self):
        """Returns the arguments."""
        names = ("joints", "sided", "centre", "lam", "reg_scale", "seed")
        lists = {name: getattr(self, name) for name in ("flip", "sides")}
        config = {"name": self.name} | {name: getattr(self, name) for name in names}
        return config | {name: value and list(value) for name, value in lists.items()}

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns encoder (J, L) and decoder (L, J) as numpy float64; every column sums to 1.

        Where the joints' sides are known, a pair of latents is exchanged if its left one stands
        for joints of the right side: which of the two training calls left is chance.

        Raises:
          UserError: raw weights are not finite, or a column of them cancels to zero.
        """
        w1, w2 = matrices(self.encoder, self.decoder)
        if self.flip is not None and self.sides is not None:
            pairs, half = self._layout.pairs, self.sided // 2
            left, right = self._layout.order[:pairs], self._layout.order[pairs : 2 * pairs]
            crossed = w2[:half, right].sum(axis=1) > w2[:half, left].sum(axis=1)
            order = np.arange(self.latents)
            swap = np.flatnonzero(crossed)
            order[swap], order[swap + half] = swap + half, swap
            w1, w2 = w1[:, order], w2[order]
        return w1, w2

    def to_acae(
        self, joint_names: Sequence[str] | None = None, *, facts: dict | None = None
    ) -> Acae:
        """Returns the weights as the numpy twin, which saves them.

        Args:
          joint_names: `JointRegistry.names`, in the order of the poses.
          facts: what is to be remembered of the training.
        """
        own = {"solver": "keras", "lambda": self.lam, "reg_scale": self.reg_scale}
        return Acae(
            *self.matrices(),
            joint_names=None if joint_names is None else tuple(joint_names),
            flip=None if self.flip is None else np.array(self.flip),
            latent_sides=None if self.flip is None else self._layout.latent_sides,
            facts=own | {"seed": self.seed} | (facts or {}),
        )
