"""The autoencoder in Keras 3, for TensorFlow, JAX and PyTorch (`KERAS_BACKEND`).

The only part of `skelbridge.acae` that imports Keras. Fitting needs none of it.

* `AffineCombiningAutoencoder`, `AffineCombinationLayer`: the model to train or to build upon.
* `ACAEConsistency` (layer), `ConsistencyLoss` (function), `ACAERegularizer`: the penalty that keeps
  a network's predictions of several formats one consistent body; which to use where is told at
  `ACAERegularizer`.
* `fine_tuning`: the three published ways to use them.
"""

from .consistency import ACAEConsistency, ConsistencyLoss
from .fine_tuning import (
    HYBRID_WEIGHTS_2D,
    HybridWeights,
    direct_latents,
    output_regularization,
    split_latents,
    student_teacher,
    total,
)
from .fixed import FixedAcae
from .layer import AffineCombinationLayer
from .losses import ReconstructionLoss, main_errors, main_loss, sparsity
from .model import AffineCombiningAutoencoder
from .regularizer import ACAERegularizer, keras_divides_by_batch

__all__ = [
    "HYBRID_WEIGHTS_2D",
    "ACAEConsistency",
    "ACAERegularizer",
    "AffineCombinationLayer",
    "AffineCombiningAutoencoder",
    "ConsistencyLoss",
    "FixedAcae",
    "HybridWeights",
    "ReconstructionLoss",
    "direct_latents",
    "keras_divides_by_batch",
    "main_errors",
    "main_loss",
    "output_regularization",
    "sparsity",
    "split_latents",
    "student_teacher",
    "total",
]
