"""Autoencoders, poses and float64 answers that the checks of every backend share."""

import itertools
from types import SimpleNamespace

import numpy as np


def registry_flip(sided, centre):
    """A flip whose partners are not neighbours and whose order is not [left | right | centre]."""
    order = np.random.default_rng(5).permutation(sided + centre)
    flip = np.empty(sided + centre, int)
    flip[order[sided:]] = order[sided:]
    left, right = order[: sided // 2], order[sided // 2 : sided]
    flip[left], flip[right] = right, left
    sides = np.full(sided + centre, "centre")
    sides[left], sides[right] = "left", "right"
    return flip, tuple(sides.tolist())


def latent_flip(sided, centre):
    half = sided // 2
    return np.r_[half:sided, 0:half, sided : sided + centre]


def planted(sided=30, centre=12, latent_sided=8, latent_centre=4, seed=0):
    """A mirror-symmetric autoencoder with a few negative weights, columns summing to 1."""
    generator = np.random.default_rng(seed)
    flip, _ = registry_flip(sided, centre)
    mirror = latent_flip(latent_sided, latent_centre)
    w1 = generator.uniform(-0.1, 1, (sided + centre, latent_sided + latent_centre)) ** 5
    w2 = generator.uniform(-0.3, 1, (latent_sided + latent_centre, sided + centre)) ** 3
    w1, w2 = w1 + w1[flip][:, mirror], w2 + w2[mirror][:, flip]
    sides = ("left",) * (latent_sided // 2) + ("right",) * (latent_sided // 2)
    return SimpleNamespace(
        w1=w1 / w1.sum(0),
        w2=w2 / w2.sum(0),
        flip=flip,
        joint_names=None,
        latent_sides=sides + ("centre",) * latent_centre,
        facts={},
    )


def project(acae, poses):
    return np.swapaxes(np.swapaxes(poses, -1, -2) @ (acae.w1 @ acae.w2), -1, -2)


def clear_poses(acae, count, seed=1):
    """Poses in float32 whose residuals are all over 1 mm, so that no sign of one is in doubt."""
    generator = np.random.default_rng(seed)
    poses = generator.normal([200, -100, 4000], 400, (count, acae.w1.shape[0], 3))
    while True:
        poses = np.float32(poses).astype(np.float64)
        small = np.abs(poses - project(acae, poses)) <= 1
        if not small.any():
            return np.float32(poses)
        poses[small] += 40


def penalty(acae, poses):
    """C(p) in metres of poses in mm, and its gradient, in float64."""
    poses = poses.astype(np.float64)
    residual = poses - project(acae, poses)
    sign = np.sign(residual)
    # r = (I - M)' p per coordinate with M = w1 w2, so d sum|r| / dp = (I - M) sign(r).
    gradient = sign - np.einsum("jk,bkd->bjd", acae.w1 @ acae.w2, sign)
    return np.abs(residual).mean() / 1000, gradient / residual.size / 1000


def projected_loss(poses, reconstruction, observed, joint_weights):
    """The projected main loss, joint by joint."""
    total, count = 0.0, 0.0
    for b, (pose, copy) in enumerate(zip(poses, reconstruction, strict=True)):
        seen = [j for j in range(len(pose)) if observed[b, j]]
        mean_depth = sum(float(pose[j, 2]) for j in seen) / len(seen)
        for j, axis in itertools.product(seen, (0, 1)):
            difference = pose[j, axis] / pose[j, 2] - copy[j, axis] / copy[j, 2]
            total += joint_weights[j] * abs(difference) * mean_depth / 1000
            count += joint_weights[j]
    return total / count


def plain_loss(poses, reconstruction, observed, joint_weights):
    total, count = 0.0, 0.0
    for b, j, axis in np.ndindex(poses.shape):
        if observed[b, j]:
            total += joint_weights[j] * abs(poses[b, j, axis] - reconstruction[b, j, axis]) / 1000
            count += joint_weights[j]
    return total / count


def folded(gradient, rows, columns):
    """Gradients by the blocks S, Q, C, X, Z of a gradient by all entries of a matrix.

    rows, columns: places of the (left, right, centre) points.
    """

    def part(row, column):
        return gradient[np.ix_(rows[row], columns[column])]

    yield part(0, 0) + part(1, 1)
    yield part(0, 1) + part(1, 0)
    yield part(2, 0) + part(2, 1)
    yield part(0, 2) + part(1, 2)
    yield part(2, 2)


def anchored(joints=24, latents=6, seed=0):
    """An autoencoder whose latents are some joints in the first half: it projects exactly."""
    generator = np.random.default_rng(seed)
    anchors = generator.permutation(joints // 2)[:latents]
    w1 = np.zeros((joints, latents))
    w1[anchors, np.arange(latents)] = 1
    w2 = generator.dirichlet(np.ones(latents), joints).T
    w2[:, anchors] = np.eye(latents)
    return SimpleNamespace(w1=w1, w2=w2)
