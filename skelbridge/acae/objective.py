"""What the ACAE minimises: reconstruction error in metres plus the l1 norm of its weights.

    objective = main + lambda * (mean|w1| + mean|w2|)

`main` is the mean absolute error of the reconstruction: either in 3D (`plain`), or of (x/z, y/z)
times the pose's mean depth (`projected`), which trusts the image plane more than the depth. Columns
sum to 1, so a column's l1 norm is 1 + 2 * |its negative mass|: the second term asks for few weights
and no negative ones, and is never below 1/J + 1/L.

This module says what the objective is, in float64 and in plain sight; `descent` minimises it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skeleton_defs import UserError

LOSSES = ("projected", "plain")
#: Sizes of the published model, which `reg_scale="reference"` takes lambda to be meant for.
REFERENCE_JOINTS, REFERENCE_LATENTS = 555, 48
_PIECE = 256
#: Nearer than this times the pose's mean depth, a reconstructed depth is taken to be so far away:
#: close-up cameras must not make the projection explode.
MIN_DEPTH = 0.05


@dataclass(frozen=True)
class Objective:
    """The objective's settings.

    Attributes:
      loss: `"projected"` (poses in camera frame, z > 0) or `"plain"`.
      lam: lambda, the weight of the l1 term.
      reg_scale: `"mean"` as published: means over all entries, so that a given lambda weighs more
        in small models. `"reference"` counts l1 norms per column as a model of 555 joints and 48
        latents does, at any size: lambda then means the same for all.
      joint_weights: (J,) weights of joints in the main term, or None for equal ones.
    """

    loss: str = "projected"
    lam: float = 0.6
    reg_scale: str = "mean"
    joint_weights: np.ndarray | None = None

    def __post_init__(self):
        if self.loss not in LOSSES:
            raise UserError(f"loss must be {' or '.join(LOSSES)}. Received '{self.loss}'")
        if not (np.isfinite(self.lam) and 0 <= self.lam < 1e6):
            raise UserError(f"lambda must be a number from 0 to a million. Received {self.lam}")
        if self.reg_scale not in ("mean", "reference"):
            raise UserError(f"reg_scale must be mean or reference. Received '{self.reg_scale}'")
        weights = self.joint_weights
        if weights is None:
            return
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all():
            raise UserError("joint weights must be finite numbers, not negative, one per joint")
        if not weights.any():
            raise UserError("joint weights must not be zero altogether")
        object.__setattr__(self, "joint_weights", weights)

    def entry_costs(self, joints: int, latents: int) -> tuple[float, float]:
        """Returns what a unit of |w1| and of |w2| adds to the objective."""
        if self.reg_scale == "mean":
            return (self.lam / (joints * latents),) * 2
        # As the published sizes do: columns' l1 norms, averaged, over 555 and over 48.
        return self.lam / (REFERENCE_JOINTS * latents), self.lam / (REFERENCE_LATENTS * joints)

    def floor(self, joints: int, latents: int) -> float:
        """Returns the least that the l1 term can add: that of weights without negative ones."""
        encoder, decoder = self.entry_costs(joints, latents)
        return encoder * latents + decoder * joints

    def regularization(self, w1: np.ndarray, w2: np.ndarray) -> float:
        """Returns lambda times the l1 term of normalised matrices."""
        encoder, decoder = self.entry_costs(*w1.shape)
        return float(encoder * np.abs(w1).sum() + decoder * np.abs(w2).sum())

    def main(
        self, w1: np.ndarray, w2: np.ndarray, poses: np.ndarray, *, mask: np.ndarray | None = None
    ) -> float:
        """Returns the main term in metres over poses (N, J, 3) in mm.

        Args:
          mask: (N, J) which joints count; all of them by default. Input must be complete either
            way: see `missing`.
        """
        return self._summed(w1, w2, poses, mask, lambda residual: np.abs(residual).sum())

    def value(
        self, w1: np.ndarray, w2: np.ndarray, poses: np.ndarray, *, mask: np.ndarray | None = None
    ) -> float:
        """Returns the objective of normalised matrices over poses (N, J, 3) in mm."""
        return self.main(w1, w2, poses, mask=mask) + self.regularization(w1, w2)

    def excess(self, w1: np.ndarray, w2: np.ndarray, poses: np.ndarray, **masked) -> float:
        """Returns the objective above its floor: what solvers may be compared by."""
        return self.value(w1, w2, poses, **masked) - self.floor(*w1.shape)

    def errors(self, w1: np.ndarray, w2: np.ndarray, poses: np.ndarray) -> np.ndarray:
        """Returns the main term per pose, (N,)."""
        errors = np.empty(len(poses))
        for start in range(0, len(poses), _PIECE):
            piece = slice(start, start + _PIECE)
            residual, _ = self._residual(w1, w2, poses[piece].astype(np.float64))
            weights = self._weights(residual.shape[0], residual.shape[1], None)[..., None]
            errors[piece] = (np.abs(residual) * weights).sum(axis=(1, 2)) / (
                weights.sum(axis=(1, 2)) * residual.shape[-1]
            )
        return errors

    def value_and_gradient(
        self, w1: np.ndarray, w2: np.ndarray, poses: np.ndarray, *, mask: np.ndarray | None = None
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Returns the objective of raw matrices, normalised here, and its gradients by them.

        The plain form of what `gradient` computes, for tests and small problems.
        """
        sums1, sums2 = w1.sum(axis=0), w2.sum(axis=0)
        n1, n2 = w1 / sums1, w2 / sums2
        poses = np.asarray(poses, dtype=np.float64)
        residual, backward = self._residual(n1, n2, poses)
        weights = self._weights(len(poses), poses.shape[1], mask)
        total = weights.sum() * residual.shape[-1]
        value = (np.abs(residual) * weights[..., None]).sum() / total
        grad_joints = backward(np.sign(residual) * weights[..., None] / total)
        latents = np.einsum("njc,jl->nlc", poses, n1)
        grad2 = np.einsum("nlc,njc->lj", latents, grad_joints)
        grad_latents = np.einsum("lj,njc->nlc", n2, grad_joints)
        grad1 = np.einsum("njc,nlc->jl", poses, grad_latents)
        encoder, decoder = self.entry_costs(*w1.shape)
        grad1 += encoder * np.sign(n1)
        grad2 += decoder * np.sign(n2)
        value += self.regularization(n1, n2)
        grad1 = (grad1 - (grad1 * n1).sum(axis=0)) / sums1
        grad2 = (grad2 - (grad2 * n2).sum(axis=0)) / sums2
        return float(value), grad1, grad2

    def _summed(self, w1, w2, poses, mask, measure: Callable) -> float:
        total = weight = 0.0
        for start in range(0, len(poses), _PIECE):
            piece = slice(start, start + _PIECE)
            residual, _ = self._residual(w1, w2, poses[piece].astype(np.float64))
            weights = self._weights(*residual.shape[:2], None if mask is None else mask[piece])
            total += measure(residual * weights[..., None])
            weight += weights.sum() * residual.shape[-1]
        return float(total / weight) if weight else 0.0

    def _weights(self, count: int, joints: int, mask: np.ndarray | None) -> np.ndarray:
        weights = np.ones(joints) if self.joint_weights is None else self.joint_weights
        weights = np.broadcast_to(weights, (count, joints))
        return weights if mask is None else weights * mask

    def _residual(self, w1: np.ndarray, w2: np.ndarray, poses: np.ndarray):
        """Residuals in metres (N, J, 2 or 3), and what turns their gradient into the joints'."""
        # Numbers relative to the body are small: translation passes through the affine maps.
        origin = poses.mean(axis=1, keepdims=True)
        relative = np.swapaxes(poses - origin, 1, 2)
        rebuilt = np.swapaxes(relative @ w1 @ w2, 1, 2)
        if self.loss == "plain":
            return (rebuilt - np.swapaxes(relative, 1, 2)) / 1000, lambda grad: grad / 1000
        rebuilt += origin
        depth = poses[..., 2].mean(axis=1)[:, None, None]
        z = np.maximum(rebuilt[..., 2:], MIN_DEPTH * depth)
        clipped = rebuilt[..., 2:] < z
        seen = rebuilt[..., :2] / z
        metres = depth / 1000

        def backward(grad: np.ndarray) -> np.ndarray:
            plane = grad * metres / z
            along = -(plane * seen).sum(axis=-1, keepdims=True)
            return np.concatenate([plane, np.where(clipped, 0, along)], axis=-1)

        return (seen - poses[..., :2] / poses[..., 2:]) * metres, backward


def check_depth(poses: np.ndarray) -> None:
    """Raises `UserError` where the projected loss cannot be had: a joint with z <= 0."""
    behind = poses[..., 2] <= 0
    if behind.any():
        pose, joint = (int(i) for i in np.argwhere(behind)[0])
        raise UserError(
            f"the projected loss needs poses in camera frame with every z > 0 (mm). "
            f"{int(behind.sum())} joints have z <= 0, the first is joint {joint} of pose {pose} "
            f"(z = {poses[pose, joint, 2]:.6g}); use --loss plain for poses in another frame"
        )
