"""What is minimised in a step: the labels, and the three ways of fine-tuning.

Every objective is a function of predictions and batch that returns its terms by name, `total` among
them.

Source: Sarandi et al., WACV 2023, and its code (MIT).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from keras import ops

from ..acae.nn import (
    HYBRID_WEIGHTS_2D,
    ConsistencyLoss,
    FixedAcae,
    direct_latents,
    output_regularization,
    student_teacher,
)
from ..acae.nn.fine_tuning import TEACHER_STARTS_AFTER
from ..nn.grid import HeatmapGrid
from .config import LossWeights
from .losses import absolute_loss, mean_relative_loss, projection_loss, weak_2d_loss


@dataclass(frozen=True)
class PoseLosses:
    """The supervised losses of a batch.

    Attributes:
      grid: of the network's heatmaps.
      averages: `(J, J)`, see `body_part_averages`.
      weights: of the terms.
      absolute_after: the absolute loss counts in steps after this one.
    """

    grid: HeatmapGrid
    averages: np.ndarray
    weights: LossWeights = field(default_factory=LossWeights)
    absolute_after: int = 5000

    def terms_3d(self, poses, batch: Mapping, mask=None, target=None) -> dict:
        """Returns the three 3D losses without their weights.

        Args:
          poses: predictions.
          batch: with `joints3d`, `mask3d` and `K`.
          mask, target: instead of the batch's labels.
        """
        mask = batch["mask3d"] if mask is None else mask
        target = batch["joints3d"] if target is None else target
        return {
            "mean_relative": mean_relative_loss(poses, target, mask),
            "projection": projection_loss(poses, target, batch["K"], mask, grid=self.grid),
            "absolute": absolute_loss(poses, target, mask),
        }

    def labelled_3d(self, poses, batch: Mapping, *, step, mask=None, target=None):
        """Returns the weighted sum of `terms_3d` in a step (an integer or a scalar tensor)."""
        terms = self.terms_3d(poses, batch, mask, target)
        after = ops.convert_to_tensor(step) > self.absolute_after
        absolute = self.weights.absolute * ops.cast(after, "float32")
        return (
            terms["mean_relative"]
            + self.weights.projection * terms["projection"]
            + absolute * terms["absolute"]
        )

    def labelled_2d(self, poses, batch: Mapping):
        """Returns the weak loss of the examples that are labelled in 2D only."""
        mask = ops.logical_and(batch["mask2d"], ops.logical_not(batch["is_3d"])[:, None])
        return weak_2d_loss(
            poses, batch["joints2d"], batch["K"], mask, averages=self.averages, grid=self.grid
        )

    def latents_3d(self, student, teacher, batch: Mapping, *, step, examples):
        """Returns the full 3D loss between two sets of latents of some examples."""
        mask = ops.broadcast_to(examples[:, None], ops.shape(student)[:2])
        return self.labelled_3d(student, batch, step=step, mask=mask, target=teacher)

    def total(self, terms_3d: dict, terms_2d: dict) -> dict:
        """Returns all terms by name (`3d/...`, `2d/...`) and their weighted sum as `total`."""
        terms = {f"3d/{name}": value for name, value in terms_3d.items()}
        terms |= {f"2d/{name}": value for name, value in terms_2d.items()}
        total = sum(terms_3d.values()) + self.weights.labelled_2d * sum(terms_2d.values())
        return terms | {"total": total}


def separate_heads(poses, batch: Mapping, losses: PoseLosses, *, step) -> dict:
    """Returns the terms of training separate heads: the labels only."""
    return losses.total(
        {"supervised": losses.labelled_3d(poses, batch, step=step)},
        {"supervised": losses.labelled_2d(poses, batch)},
    )


def output_regularized(
    poses, batch: Mapping, losses: PoseLosses, consistency: ConsistencyLoss, *, step
) -> dict:
    """Returns the terms of fine-tuning with consistent outputs, the main method."""
    is_3d = batch["is_3d"]
    return losses.total(
        output_regularization(
            poses, lambda p: losses.labelled_3d(p, batch, step=step), consistency, mask=is_3d
        ),
        output_regularization(
            poses,
            lambda p: losses.labelled_2d(p, batch),
            consistency,
            mask=ops.logical_not(is_3d),
        ),
    )


def latents_decoded(latents, batch: Mapping, losses: PoseLosses, acae: FixedAcae, *, step) -> dict:
    """Returns the terms of predicting latents directly: the labels, on what they decode to."""
    return losses.total(
        direct_latents(latents, lambda p: losses.labelled_3d(p, batch, step=step), acae),
        direct_latents(latents, lambda p: losses.labelled_2d(p, batch), acae),
    )


def hybrid(
    latents,
    poses,
    batch: Mapping,
    losses: PoseLosses,
    consistency: ConsistencyLoss,
    *,
    step,
    teacher_after: int = TEACHER_STARTS_AFTER,
) -> dict:
    """Returns the terms of the hybrid student-teacher variant.

    Args:
      latents, poses: `(B, L, 3)` and `(B, J, 3)` of one network.
      batch, losses, step: as for the other variants.
      consistency: holds the autoencoder.
      teacher_after: the teacher's term counts in steps after this one.
    """

    def part(supervised, examples, weights):
        return student_teacher(
            latents,
            poses,
            supervised,
            lambda q, e: losses.latents_3d(q, e, batch, step=step, examples=examples),
            consistency,
            step=step - teacher_after + TEACHER_STARTS_AFTER,
            weights=weights,
            mask=examples,
        )

    is_3d = batch["is_3d"]
    return losses.total(
        part(lambda p: losses.labelled_3d(p, batch, step=step), is_3d, None),
        part(lambda p: losses.labelled_2d(p, batch), ops.logical_not(is_3d), HYBRID_WEIGHTS_2D),
    )
