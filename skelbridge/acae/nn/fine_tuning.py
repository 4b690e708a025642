"""The three ways to fine-tune a pose network with a fitted autoencoder, as sums of named terms.

p: predicted joints (..., J, 3); q: predicted latents (..., L, 3); E, D: encode and decode with
constant weights, R(p) = D(E(p)); C: `ConsistencyLoss`. The losses on labels are the caller's:
`supervised(prediction)` compares a prediction of all J joints with this batch's labels and knows
their masks; `latent_supervised(student, teacher)` compares two sets of latents, all of them
counted. Each function is called once for the examples with 3D labels and once for those with 2D
labels (with the weak 2D loss as `supervised`), and `total` adds the two up.

Source: Isarandi et al., WACV 2023, and its published training code (MIT).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keras import ops

from skeleton_defs import UserError

from .consistency import ConsistencyLoss
from .fixed import FixedAcae

#: The teacher's term starts after this many steps, also when fine-tuning.
TEACHER_STARTS_AFTER = 5000
#: Weight of the examples with 2D labels.
WEIGHT_2D = 0.2


@dataclass(frozen=True)
class HybridWeights:
    """Weights of `student_teacher`'s terms beside the two supervised ones."""

    projected: float = 1.0
    consistency: float = 1.0
    teacher: float = 1.0


#: For the examples with 2D labels.
HYBRID_WEIGHTS_2D = HybridWeights(consistency=0.5, teacher=0.5)


def output_regularization(
    poses, supervised: Callable, consistency: ConsistencyLoss, *, mask=None
) -> dict:
    """Supervises p and keeps it consistent (the main method): L(p) + C(p).

    Args:
      poses: predicted joints p.
      supervised: loss on labels.
      consistency: C; its weight is 1 for both parts of the batch.
      mask: poses that count in C, e.g. to leave out padding. Published: all, and all joints.
    """
    return {"supervised": supervised(poses), "consistency": consistency(poses, mask)}


def direct_latents(latents, supervised: Callable, acae: FixedAcae) -> dict:
    """Supervises what the predicted latents decode to: L(D(q)).

    Args:
      latents: predicted latents q, after absolute reconstruction.
      supervised: loss on labels.
      acae: the fitted autoencoder.
    """
    return {"supervised": supervised(acae.decode(latents))}


def student_teacher(
    latents,
    poses,
    supervised: Callable,
    latent_supervised: Callable,
    consistency: ConsistencyLoss,
    *,
    step,
    weights: HybridWeights | None = None,
    stop_teacher_gradient: bool = True,
    mask=None,
) -> dict:
    """Teaches latents q by joints p: L(p) + L(D(q)) + L(R(p)) + C(p) + t L*(q, E(sg(p))).

    Only q is used after training.

    Args:
      latents: predicted latents q (the student).
      poses: predicted joints p (the teacher), from the same network, see `split_latents`.
      supervised: loss on labels.
      latent_supervised: loss between q and the teacher's latents.
      consistency: C, which also holds the autoencoder.
      step: number of the training step, an integer or a scalar tensor; t = 1 after step 5000.
      weights: `HYBRID_WEIGHTS_2D` for examples with 2D labels; None for the 3D ones.
      stop_teacher_gradient: the teacher's latents are a target held fixed (published).
      mask: poses that count in C.
    """
    weights = weights or HybridWeights()
    acae = consistency.acae
    latents, poses = ops.convert_to_tensor(latents), ops.convert_to_tensor(poses)
    teacher = ops.stop_gradient(poses) if stop_teacher_gradient else poses
    started = ops.cast(ops.convert_to_tensor(step) > TEACHER_STARTS_AFTER, "float32")
    taught = latent_supervised(latents, acae.encode(teacher))
    return {
        "supervised": supervised(poses),
        "supervised_decoded": supervised(acae.decode(latents)),
        "supervised_projected": weights.projected * supervised(acae.project(poses)),
        "consistency": weights.consistency * consistency(poses, mask),
        "teacher": weights.teacher * started * taught,
    }


def total(terms_3d: dict, terms_2d: dict | None = None):
    """Adds up the terms of both parts of a batch: the 2D part counts 0.2 times."""
    loss = sum(terms_3d.values())
    return loss + WEIGHT_2D * sum(terms_2d.values()) if terms_2d else loss


def split_latents(points, latents: int):
    """Splits a head's output `(..., L + J, D)`, latents first, into q and p."""
    if points.shape[-2] <= latents:
        raise UserError(
            f"a hybrid head predicts {latents} latents and then the joints. "
            f"Received shape {tuple(points.shape)}"
        )
    return points[..., :latents, :], points[..., latents:, :]
