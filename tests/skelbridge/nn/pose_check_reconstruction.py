"""Absolute reconstruction: exact for perfect input, also half outside of the crop."""

import numpy as np
from keras import ops
from keras_numbers import close, numpy_of, value_and_gradient
from people_in_crops import CROP, filling_crop, intrinsics, people, projected

from skelbridge import nn
from skelbridge.nn.reconstruction import full_perspective

GRID = nn.HeatmapGrid(CROP, 16, depth=8, side_mm=2600)


def reconstructed(joints2d, relative, k, **options):
    settings = {"crop": CROP, "zone": GRID.zone, **options}
    arrays = (np.float32(a) for a in (joints2d, relative, k))
    return numpy_of(nn.reconstruct_absolute(*arrays, **settings)).astype(float)


def worst(found, poses):
    return float(np.linalg.norm(found - poses, axis=-1).max())


def cases():
    """Name -> poses, cameras; people in the middle, cut off, near and far, with long lenses."""
    inside = people()
    k = filling_crop(inside)
    # The crop aimed at the upper half: the lower half of the body is outside of it.
    half = people(seed=1)
    half[..., 1] += 600
    return {
        "inside": (inside, k),
        "half outside": (half, filling_crop(half, share=1.7)),
        "near": (people(depths=(1300, 2000), seed=2), intrinsics(12, 70)),
        "8 degree camera": (people(depths=(15e3, 30e3), seed=3), intrinsics(12, 686)),
    }


def clamped(joints2d):
    """A 2D heatmap finds what is outside of the crop at its border."""
    return np.clip(joints2d, GRID.cell_px[0], GRID.cell_px[-1])


def check_perfect_positions_are_recovered():
    errors, shares = {}, {}
    for name, (poses, k) in cases().items():
        joints2d = projected(poses, k)
        low, high = GRID.zone
        shares[name] = ((joints2d < low) | (joints2d > high)).any(axis=-1).mean()
        relative = (
            poses + np.random.default_rng(5).normal(0, 500, (len(poses), 1, 3)) - poses[:, :1]
        )
        errors[name] = [
            worst(reconstructed(clamped(joints2d), relative, k, mix=mix), poses)
            for mix in (0.0, 0.5, 1.0, np.linspace(0, 1, len(poses)))
        ]
        assert max(errors[name]) < 1, (name, errors[name])
    assert shares["inside"] < 0.1 and 0.4 < shares["half outside"] < 0.65, shares
    return errors


def check_perfect_heatmaps_are_recovered():
    """Through the heatmaps: logits whose expected values are the true positions."""
    errors = {}
    for name in ("inside", "half outside"):
        poses, k = cases()[name]
        relative = poses - (poses.max(axis=1, keepdims=True) + poses.min(axis=1, keepdims=True)) / 2
        assert (np.abs(relative) < 1300).all()  # the whole body is in the cube, not in the crop
        plane = (clamped(projected(poses, k)) - GRID.cell_px[0]) / GRID.stride
        solid = (relative / 2600 + 0.5) * (np.array([6, 6, 8]) - 1)
        plane_cells, solid_cells = nn.soft_argmax(np.float32(logits_of(plane, solid)), 72)
        joints2d = numpy_of(plane_cells).swapaxes(1, 2) * GRID.stride + GRID.cell_px[0]
        steps = np.array([np.diff(GRID.cell_mm(a))[0] for a in range(3)])
        first = np.array([GRID.cell_mm(a)[0] for a in range(3)])
        found = numpy_of(solid_cells).swapaxes(1, 2) * steps + first
        errors[name] = worst(reconstructed(joints2d, found, k), poses)
        assert errors[name] < 1, (name, errors[name])
    return errors


def logits_of(plane, solid):
    """Logarithms of (multi)linear weights between cells; (B, 6, 6, 9 J)."""

    def weights(position, cells):
        return np.maximum(0, 1 - np.abs(position[..., None] - np.arange(cells)))

    flat = np.einsum("bjx,bjy->byxj", weights(plane[..., 0], 6), weights(plane[..., 1], 6))
    cube = np.einsum(
        "bjx,bjy,bjz->byxzj", *(weights(solid[..., a], n) for a, n in enumerate((6, 6, 8)))
    )
    both = np.concatenate([flat, cube.reshape(*flat.shape[:3], -1)], axis=-1)
    return np.log(np.maximum(both, 1e-30))


def check_least_squares_against_lapack():
    """Noisy input, where the rows disagree: the same minimum as a general solver finds."""
    rng = np.random.default_rng(0)
    poses = people(seed=4)
    k = filling_crop(poses)
    ray = poses[..., :2] / poses[..., 2:] + rng.normal(0, 0.01, (12, 72, 2))
    relative = poses - poses[:, :1] + rng.normal(0, 40, poses.shape)
    weights = rng.uniform(0, 1, (12, 72))
    expected = []
    for n, r, w in zip(ray, relative, weights, strict=True):
        rows = np.zeros((72, 2, 3))
        rows[:, 0, 0] = rows[:, 1, 1] = 1
        rows[..., 2] = -n
        right = n * r[:, 2:] - r[:, :2]
        root = np.sqrt(w)[:, None]
        expected.append(
            np.linalg.lstsq((rows * root[..., None]).reshape(-1, 3), (right * root).ravel())[0]
        )
    arrays = (ops.convert_to_tensor(np.float32(a)) for a in (relative, ray, weights))
    found = full_perspective(*arrays, damping=ops.zeros(12))
    assert k.shape == (12, 3, 3)
    return close(numpy_of(found)[:, 0], expected, 1e-5)


def check_joints_outside_keep_their_rays_out():
    poses, k = cases()["half outside"]
    joints2d = projected(poses, k)
    low, high = GRID.zone
    outside = ((joints2d < low) | (joints2d > high)).any(axis=-1)
    relative = poses - poses.mean(axis=1, keepdims=True)
    # Both placements are outside of the zone: left border, top border.
    left = np.where(outside[..., None], [7.0, 40.0], joints2d)
    top = np.where(outside[..., None], [40.0, 7.0], joints2d)
    first, second = (reconstructed(j, relative, k) for j in (left, top))
    assert worst(first, second) < 0.1
    # With all joints outside, they are used after all: finite and in front of the camera.
    border = np.broadcast_to([7.0, 40.0], joints2d.shape) + np.linspace(0, 2, 72)[:, None]
    found = reconstructed(border, relative, k)
    assert np.isfinite(found).all()


def check_mixing_and_hand_numbers():
    """Two joints 1 m apart at 4 m: f = 100 px, so 25 px apart."""
    k = np.float64([[[100, 0, 50], [0, 100, 50], [0, 0, 1]]])
    relative = np.float64([[[0, 0, 0], [1000, 0, 0], [0, 1000, 0]]])
    joints2d = np.float64([[[50, 50], [75, 50], [50, 75]]])
    options = {"crop": 128, "zone": (0, 127)}
    found = reconstructed(joints2d, relative, k, **options)
    close(found, [[[0, 0, 4000], [1000, 0, 4000], [0, 1000, 4000]]], 1e-4)
    # One 2D joint moved: m = 1 follows the rigid pose, m = 0 the rays, both at the same depths.
    joints2d[0, 0, 1] = 55
    rigid, on_ray = (reconstructed(joints2d, relative, k, mix=m, **options) for m in (1.0, 0.0))
    close(rigid[0] - rigid[0, :1], relative[0], 1e-5)
    close(projected(on_ray, k), joints2d, 1e-5)
    assert np.array_equal(rigid[..., 2], on_ray[..., 2])
    close(
        reconstructed(joints2d, relative, k, mix=0.25, **options),
        0.25 * rigid + 0.75 * on_ray,
        1e-6,
    )


def check_weak_perspective():
    poses, k = cases()["inside"]
    relative = poses - poses.mean(axis=1, keepdims=True)
    joints2d = projected(poses, k)
    weak = reconstructed(joints2d, relative, k, is_full_perspective=False)
    error = np.abs(weak[..., 2].mean(axis=1) / poses[..., 2].mean(axis=1) - 1)
    assert 0.001 < error.max() < 0.12  # an approximation, and another one than full perspective
    # A flat pose parallel to the image: exact.
    flat = poses.copy()
    flat[..., 2] = flat[:, :1, 2]
    found = reconstructed(
        projected(flat, k), flat - flat.mean(axis=1, keepdims=True), k, is_full_perspective=False
    )
    inside = np.abs(found - flat).max(axis=(1, 2)) / flat[:, 0, 2]
    assert inside.max() < 0.03
    for flag in (True, False):
        chosen = reconstructed(
            joints2d, relative, k, is_full_perspective=ops.convert_to_tensor(flag)
        )
        expected = reconstructed(joints2d, relative, k, is_full_perspective=flag)
        close(chosen, expected, 1e-6)


def check_coinciding_joints_stay_finite():
    """As an untrained network predicts: all 2D joints at one pixel, no extent in 3D."""
    k = np.float32(intrinsics(2))
    for spread in (0.0, 1e-6, 1e-2):
        joints = np.full((2, 72, 5), 47.5, np.float32)
        joints += np.random.default_rng(0).normal(0, spread, joints.shape).astype(np.float32)
        for flag in (True, False):

            def total(j, flag=flag):
                found = nn.reconstruct_absolute(
                    j[..., :2], j[..., 2:], k, crop=CROP, zone=GRID.zone, is_full_perspective=flag
                )
                return ops.mean(ops.absolute(found))

            value, gradient = value_and_gradient(total, joints)
            assert np.isfinite(value) and np.isfinite(gradient).all()
            assert value < 1e7


def check_rays_and_projection_are_inverse():
    rng = np.random.default_rng(0)
    k = intrinsics(3)
    k[1, :2, :2] = [[120, 8], [-5, 140]]  # turned and not square
    k[2, :2, :2] = [[-90, 0], [0, 95]]  # mirrored
    poses = rng.uniform([-500, -500, 2000], [500, 500, 5000], (3, 20, 3))
    joints2d = nn.project(np.float32(poses), np.float32(k))
    close(joints2d, projected(poses, k), 1e-6)
    close(nn.rays(joints2d, np.float32(k)), poses[..., :2] / poses[..., 2:], 1e-5)
    behind = nn.project(np.float32([[[1.0, 2.0, -5.0]]]), np.float32(k[:1]))
    close(numpy_of(behind)[0, 0], [150 + 47.5, 300 + 47.5], 1e-6)
