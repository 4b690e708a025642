import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.spatial
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from skelbridge.geometry import observed, procrustes, procrustes_aligned
from skeleton_defs import UserError


def random_poses(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape) * 300


def random_similarity(seed, count):
    rng = np.random.default_rng(seed)
    rotations = Rotation.random(count, random_state=rng).as_matrix()
    return rotations, rng.uniform(0.2, 3, count), rng.normal(size=(count, 3)) * 1000


def by_scipy(source, target):
    """One pose: the rotation by align_vectors, the scale by regression."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    centred, wanted = source - source_mean, target - target_mean
    rotation = Rotation.align_vectors(wanted, centred)[0].as_matrix()
    turned = centred @ rotation.T
    scale = (turned * wanted).sum() / (turned**2).sum()
    return rotation, scale, target_mean - scale * rotation @ source_mean


def test_a_known_similarity_is_found():
    source = random_poses(0, 50, 17, 3)
    rotation, scale, translation = random_similarity(1, 50)
    target = np.einsum("n,nij,nkj->nki", scale, rotation, source) + translation[:, None]
    found = procrustes(source, target)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-12)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-12)
    np.testing.assert_allclose(found.translation, translation, atol=1e-9)
    np.testing.assert_allclose(found.apply(source), target, atol=1e-9)


@pytest.mark.parametrize("noise", [1, 100, 3000])
def test_it_is_the_rotation_of_scipy(noise):
    source = random_poses(2, 40, 12, 3)
    target = source[:, :, [1, 2, 0]] * 1.3 + noise / 300 * random_poses(3, 40, 12, 3) + 77
    found = procrustes(source, target)
    for i in range(40):
        for ours, expected in zip(found, by_scipy(source[i], target[i]), strict=True):
            np.testing.assert_allclose(ours[i], expected, rtol=1e-8, atol=1e-7)


def test_without_a_mirror_it_is_the_disparity_of_scipy():
    source = random_poses(4, 17, 3)
    target = source + 0.3 * random_poses(5, 17, 3)
    _, _, disparity = scipy.spatial.procrustes(target, source)
    residual = procrustes_aligned(source, target) - target
    extent = ((target - target.mean(axis=0)) ** 2).sum()
    assert (residual**2).sum() / extent == pytest.approx(disparity, rel=1e-10)
    centred = source - source.mean(axis=0), target - target.mean(axis=0)
    matrix, _ = scipy.linalg.orthogonal_procrustes(*centred)
    assert np.linalg.det(matrix) > 0
    np.testing.assert_allclose(procrustes(source, target).rotation, matrix.T, atol=1e-10)


def test_of_a_mirrored_pose_the_best_rotation_is_found():
    """By search over all rotations, from many starts."""
    source = random_poses(6, 9, 3)
    target = source * [-1, 1, 1]
    centred = [p - p.mean(axis=0) for p in (source, target)]

    def square_error(vector):
        turned = centred[0] @ Rotation.from_rotvec(vector).as_matrix().T
        scale = max(0, (turned * centred[1]).sum()) / (turned**2).sum()
        return ((scale * turned - centred[1]) ** 2).sum()

    starts = Rotation.random(30, random_state=0).as_rotvec()
    searched = min(scipy.optimize.minimize(square_error, start).fun for start in starts)
    found = procrustes(source, target)
    ours = ((found.apply(source) - target) ** 2).sum()
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert ours == pytest.approx(searched, rel=1e-6)
    assert ours > 0.01 * (centred[1] ** 2).sum()


def test_in_the_plane_it_is_a_complex_regression():
    source, target = random_poses(7, 20, 8, 2), random_poses(8, 20, 8, 2)
    a, b = (p[..., 0] + 1j * p[..., 1] for p in (source, target))
    a, b = (z - z.mean(axis=-1, keepdims=True) for z in (a, b))
    factor = (a.conj() * b).sum(axis=-1) / (abs(a) ** 2).sum(axis=-1)
    found = procrustes(source, target)
    np.testing.assert_allclose(found.scale, abs(factor), rtol=1e-10)
    np.testing.assert_allclose(found.rotation[:, 0, 0], factor.real / abs(factor), atol=1e-10)
    np.testing.assert_allclose(found.rotation[:, 1, 0], factor.imag / abs(factor), atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    joints=st.integers(1, 8),
    rank=st.integers(0, 3),
    mirror=st.booleans(),
)
def test_it_is_always_a_rotation_and_never_worse_than_no_turn(seed, joints, rank, mirror):
    """Also for poses that are flat, on a line, or one point."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(rank, 3))
    source = 300 * rng.normal(size=(joints, rank)) @ basis + rng.normal(size=3)
    target = source * ([-1, 1, 1] if mirror else 1) + 30 * rng.normal(size=(joints, 3))
    found = procrustes(source, target)
    np.testing.assert_allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert found.scale >= 0
    ours = ((found.apply(source) - target) ** 2).sum()
    unmoved = (source - source.mean(axis=0) - target + target.mean(axis=0)) ** 2
    assert ours <= unmoved.sum() * (1 + 1e-9) + 1e-9


def test_joints_that_do_not_count_are_as_if_deleted():
    source, target = random_poses(9, 30, 17, 3), random_poses(10, 30, 17, 3)
    rng = np.random.default_rng(11)
    mask = rng.random((30, 17)) < 0.6
    source[rng.random((30, 17)) < 0.2] = np.nan
    target[rng.random((30, 17)) < 0.2] = np.nan
    mask[0] = False
    target[~mask] = np.inf
    found = procrustes(source, target, mask=mask)
    for i in range(30):
        there = mask[i] & ~np.isnan(source[i, :, 0]) & ~np.isnan(target[i, :, 0])
        expected = procrustes(source[i, there], target[i, there])
        for ours, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours[i], wanted, rtol=1e-9, atol=1e-9)
    assert all(np.isnan(part[0]).all() for part in found)
    aligned = procrustes_aligned(source, target, mask=mask)
    moved_along = ~mask[1] & ~np.isnan(source[1, :, 0])
    assert moved_along.any() and np.isfinite(aligned[1, moved_along]).all()


def test_few_or_coinciding_joints():
    one = np.array([[1.0, 2, 3]])
    np.testing.assert_allclose(procrustes_aligned(one, one + 5), one + 5)
    two = np.array([[0.0, 0, 0], [0, 0, 2]])
    np.testing.assert_allclose(
        procrustes_aligned(two, np.array([[1.0, 0, 0], [7, 0, 0]])), [[1, 0, 0], [7, 0, 0]]
    )
    point = np.ones((5, 3))
    spread = random_poses(12, 5, 3)
    collapsed = procrustes(point, spread)
    assert collapsed.scale == 1
    np.testing.assert_allclose(collapsed.apply(point), np.tile(spread.mean(axis=0), (5, 1)))
    assert procrustes(spread, point).scale == 0


def test_a_rigid_motion_keeps_the_size():
    source = random_poses(13, 6, 10, 3)
    rotation, _, translation = random_similarity(14, 6)
    target = 2 * np.einsum("nij,nkj->nki", rotation, source) + translation[:, None]
    found = procrustes(source, target, with_scale=False)
    assert (found.scale == 1).all()
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-12)
    centres = source.mean(axis=1, keepdims=True), target.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found.apply(centres[0]), centres[1], atol=1e-9)


@pytest.mark.parametrize("leading", [(), (1,), (7,), (3, 2), (2, 0, 3), (0,)])
@pytest.mark.parametrize("joints", [0, 1, 17])
def test_any_leading_axes(leading, joints):
    source, target = random_poses(15, *leading, joints, 3), random_poses(16, *leading, joints, 3)
    found = procrustes(source, target)
    assert found.rotation.shape == (*leading, 3, 3)
    assert np.shape(found.scale) == leading
    assert found.translation.shape == (*leading, 3)
    assert np.isnan(found.scale).all() == (joints == 0 or 0 in leading)
    assert procrustes_aligned(source, target).shape == source.shape


def test_pieces_do_not_show(monkeypatch):
    source, target = random_poses(17, 5, 7, 11, 3), random_poses(18, 5, 7, 11, 3)
    target[2, 3, 4] = np.nan
    whole = procrustes(source, target)
    monkeypatch.setattr(observed, "_PIECE_BYTES", 11 * 3 * 8 * 4)
    for ours, expected in zip(procrustes(source, target), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


def test_far_from_the_origin_and_in_single_precision():
    source = random_poses(19, 20, 17, 3).astype(np.float32)
    rotation, scale, _ = random_similarity(20, 20)
    target = np.einsum("n,nij,nkj->nki", scale, rotation, source.astype(float)) + 1e7
    found = procrustes(source, target)
    assert found.rotation.dtype == np.float64
    np.testing.assert_allclose(found.apply(source), target, atol=1e-6)


@pytest.mark.parametrize(
    "source, target, mask, fragment",
    [
        (np.ones((2, 3, 3)), np.ones((3, 3)), None,
         r"one shape. Received \(2, 3, 3\) and \(3, 3\)"),
        (np.ones((2, 3, 3)), np.ones((2, 1, 3)), None, "one shape"),
        (np.ones(3), np.ones(3), None, "source must be an array of numbers"),
        (np.ones((2, 0)), np.ones((2, 0)), None, "source must be an array of numbers"),
        (np.array([["a"]]), np.array([["a"]]), None, "array of numbers"),
        (np.ones((2, 3)) * 1j, np.ones((2, 3)), None, "array of numbers"),
        (np.ones((4, 3)), np.array([[0, 0, 0.0]] * 3 + [[0, np.inf, 0]]), None,
         "target must be finite.*infinity in joint 3"),
        (np.ones((4, 3)), np.ones((4, 3)), np.ones(4), "mask must be boolean.*float64"),
        (np.ones((4, 3)), np.ones((4, 3)), np.ones(3, bool), r"mask must broadcast to \(4,\)"),
        (np.ones((4, 3)), np.ones((4, 3)), np.ones((2, 4), bool), "mask must broadcast"),
        (np.eye(3) * 1e200, np.eye(3), None, "below 1e150"),
        (np.full((3, 3), 1.5e308), np.eye(3), None, "below 1e150"),
    ],
)  # fmt: skip
def test_what_cannot_be_aligned_is_told(source, target, mask, fragment):
    with pytest.raises(UserError, match=fragment):
        procrustes(source, target, mask=mask)
