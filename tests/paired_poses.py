"""Random bodies in two formats, with the map between them known."""

import numpy as np

import skeleton_defs
from skelbridge.conversion import AffineMap

SOURCE = skeleton_defs.get("smpl_24")
TARGET = skeleton_defs.get("h36m_17")


def random_poses(count, seed):
    """(count, 24, 3) mm: the SMPL rest skeleton with random joint rotations, sizes and places."""
    rng = np.random.default_rng(seed)
    turns = _rotations(rng.normal(size=(count, 24, 3)) * 0.5)
    size = rng.normal(1, 0.06, size=(count, 1))
    rest = SOURCE.rest_pose * 1000
    world, poses = np.zeros((count, 24, 3, 3)), np.zeros((count, 24, 3))
    for joint, parent in enumerate(SOURCE.parents):
        if parent < 0:
            world[:, joint], poses[:, joint] = turns[:, joint], rng.normal(size=(count, 3)) * 1000
            continue
        world[:, joint] = world[:, parent] @ turns[:, joint]
        poses[:, joint] = poses[:, parent] + world[:, parent] @ (rest[joint] - rest[parent]) * size
    return poses


def _rotations(vectors):
    """Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / angle[..., 0], -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def symmetric(weights):
    """The mean of weights and their mirror image."""
    return (weights + weights[list(TARGET.flip)][:, list(SOURCE.flip)]) / 2


def true_weights(seed=0):
    """(17, 24) symmetric weights: the joints of that name, moved by four others."""
    rng = np.random.default_rng(seed)
    weights = np.nan_to_num(AffineMap.between(SOURCE, TARGET, method="names").weights)
    weights[TARGET.joints.index("head_top")] = weights[TARGET.joints.index("head")]
    for row in weights:
        moved = rng.normal(size=4) * 0.15
        row[rng.choice(24, 4, replace=False)] += moved - moved.mean()
    return symmetric(weights)


def noisy_pairs(weights, count, seed, *, source_mm=2.0, target_mm=10.0):
    """Source and target poses with noise of so many mm per axis."""
    rng = np.random.default_rng(seed + 1000)
    poses = random_poses(count, seed)
    target = weights @ poses + rng.normal(size=(count, 17, 3)) * target_mm
    return poses + rng.normal(size=poses.shape) * source_mm, target


def as_map(weights, status="combined"):
    """The weights as a map."""
    return AffineMap(weights, SOURCE, TARGET, (status,) * 17, np.full(17, np.nan))


def distance(first, second):
    """Mean distance of joints, mm."""
    return float(np.nanmean(np.linalg.norm(first - second, axis=-1)))
