"""Poses prepared for gradient steps: scaled, ordered, and split into mirror-even and -odd parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .chirality import ChiralLayout
from .objective import Objective


@dataclass(frozen=True, eq=False)
class Batches:
    """Poses as the gradient's products need them, float32, already in batches.

    Attributes:
      inputs: (M, 3, B, J): half sums of mirror partners, centre joints, half differences of
        partners. Matrices with mirror symmetry do not mix the last part with the others. Projected
        loss: in units of the pose's mean depth; plain loss: metres from the pose's mean.
      targets: (M, D, B, J) in the layout's order of joints, D = 2 for the projected loss.
      weights: (M, B, 1) or (M, B, J): what an error of 1 adds to the main term, times B * D.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        """The number of poses."""
        return self.inputs.shape[0] * self.inputs.shape[2]

    def stored(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields the batches for ever, in a new order every round; nothing is copied."""
        while True:
            for i in rng.permutation(len(self.inputs)):
                yield self.inputs[i], self.targets[i], self.weights[i]

    def shuffled(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, ...]]:
        """Yields batches for ever, made anew from all poses in every round, as published."""
        _, _, size, _ = self.inputs.shape
        arrays = [self.inputs, self.targets, self.weights[:, None]]
        rows = [a.reshape(-1, a.shape[-1]) for a in arrays]
        out = [np.empty(a.shape[1:], np.float32) for a in arrays]
        while True:
            order = rng.permutation(len(self)).reshape(-1, size)
            for poses in order:
                batch, place = np.divmod(poses, size)
                for table, array, target in zip(rows, arrays, out, strict=True):
                    axes = array.shape[1]
                    index = (batch * axes + np.arange(axes)[:, None]) * size + place
                    np.take(table, index, axis=0, out=target, mode="clip")
                yield out[0], out[1], out[2][0]


def prepare(
    poses: np.ndarray,
    layout: ChiralLayout,
    objective: Objective,
    *,
    mask: np.ndarray | None = None,
    batch_size: int = 32,
) -> Batches:
    """Prepares complete poses (N, J, 3) in mm, in random order; fewer than a batch may be left out.

    Args:
      mask: (N, J) which joints count in the loss.
    """
    joints, h = layout.joints, layout.pairs
    dims = 2 if objective.loss == "projected" else 3
    count = -(-len(poses) // batch_size)
    size = len(poses) // count
    inputs = np.empty((count, 3, size, joints), np.float32)
    targets = np.empty((count, dims, size, joints), np.float32)
    scales = np.ones((count, size, 1), np.float32)
    for i in range(count):
        # One gather and one transposition; everything after it runs along the joints.
        batch = poses[i * size : (i + 1) * size][:, layout.order]
        ordered = np.ascontiguousarray(np.moveaxis(batch, 2, 0), np.float32)
        if dims == 2:
            depth = ordered[2].mean(axis=1)[:, None]
            ordered /= depth
            np.divide(ordered[:2], ordered[2], out=targets[i])
            np.multiply(depth, np.float32(1e-3), out=scales[i])
        else:
            ordered -= ordered.mean(axis=2, keepdims=True)
            ordered *= np.float32(1e-3)
            targets[i] = ordered
        left, right, split = ordered[..., :h], ordered[..., h : 2 * h], inputs[i]
        np.add(left, right, out=split[..., :h])
        np.subtract(left, right, out=split[..., joints - h :])
        split[..., :h] *= np.float32(0.5)
        split[..., joints - h :] *= np.float32(0.5)
        split[..., h : joints - h] = ordered[..., 2 * h :]
    used = None if mask is None else mask[: count * size].reshape(count, size, joints)
    return Batches(inputs, targets, _weights(scales, used, layout, objective))


def _weights(
    scales: np.ndarray, mask: np.ndarray | None, layout: ChiralLayout, objective: Objective
) -> np.ndarray:
    """Weights whose sum over joints, averaged over poses, is the mean scale."""
    if mask is None and objective.joint_weights is None:
        return scales / np.float32(layout.joints)
    joints = np.ones(layout.joints) if objective.joint_weights is None else objective.joint_weights
    weights = np.broadcast_to(joints, (*scales.shape[:2], layout.joints))
    if mask is not None:
        weights = weights * mask
    total = weights.sum() / scales.size
    return (scales * weights[..., layout.order] / total).astype(np.float32)
