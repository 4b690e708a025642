"""Encoders for some of the joints, and maps between formats made of them."""

from dataclasses import replace

import acae_poses
import numpy as np
import pytest

from skelbridge.acae import Acae, FitOptions, fit_acae
from skelbridge.acae.refit import acae_map, refit_encoder
from skeleton_defs import JointRegistry, UserError

FORMATS = ("smpl_24", "h36m_17", "mpi_inf_3dhp_28", "coco_17")


def distances(first, second):
    return np.linalg.norm(first - second, axis=-1).mean(axis=0)


@pytest.fixture(scope="module")
def registry():
    return JointRegistry(FORMATS)


@pytest.fixture(scope="module")
def poses(registry):
    return acae_poses.make_poses(acae_poses.formats_of(registry), 1600, seed=0)


@pytest.fixture(scope="module")
def real(registry, poses):
    """An ACAE of real formats, whose joints sit at made-up places."""
    options = FitOptions(sided=34, centre=9, seeds=1, steps=100)
    return fit_acae(
        poses[:1200], flip=registry.flip, sides=registry.sides, joint_names=registry.names,
        options=options,
    ).acae  # fmt: skip


def test_refitted_encoders_are_affine_and_find_the_latents(people, fitted):
    given = np.flatnonzero(people.formats.format_of % 2 == 0)
    encoder = refit_encoder(fitted, given)
    assert np.abs(encoder.sum(axis=0) - 1).max() < 1e-9
    rest = np.setdiff1d(np.arange(136), given)
    poses = people.poses[-300:].astype(np.float64)
    refitted = np.swapaxes(np.swapaxes(poses[:, given], 1, 2) @ encoder @ fitted.w2, 1, 2)
    kept = fitted.w1[given]
    sums = kept.sum(axis=0)
    # Even guarded against sums near zero, dropping rows is far worse.
    scaled = kept / np.where(np.abs(sums) < 0.05, 1, sums)
    dropped = np.swapaxes(np.swapaxes(poses[:, given], 1, 2) @ scaled @ fitted.w2, 1, 2)
    errors = [distances(found, poses)[rest].mean() for found in (refitted, dropped)]
    print(f"refitted {errors[0]:.1f} mm, re-normalised {errors[1]:.1f} mm")
    assert errors[0] < 45
    assert errors[1] > 3 * errors[0]


def test_all_joints_given_is_about_the_encoder(people, fitted):
    encoder = refit_encoder(fitted, np.arange(136))
    pose = people.poses[-200:].astype(np.float64)
    own = fitted.project(pose)
    again = np.swapaxes(np.swapaxes(pose, 1, 2) @ encoder @ fitted.w2, 1, 2)
    assert distances(again, pose).mean() < 1.05 * distances(own, pose).mean()


def test_refit_by_hand():
    """Latents at a and b, c halfway: a and c tell where b is."""
    rng = np.random.default_rng(0)
    half = rng.normal(0, 3000, (2, 2))
    decoder = np.array([[1, 0, 0.5], [0, 1, 0.5]])
    moments = decoder.T @ half @ half.T @ decoder
    acae = Acae(np.array([[1.0, 0], [0, 1], [0, 0]]), decoder, moments=moments)
    np.testing.assert_allclose(refit_encoder(acae, [0, 2]), [[1, -1], [0, 2]], atol=0.01)


def test_exact_poses_do_not_make_weights_that_blow_up_noise():
    """b is ten times as far along as c is from a: 10 mm of noise must not become 140 mm."""
    decoder = np.array([[1, 0, 0.9], [0, 1, 0.1]])
    half = np.array([[300.0, 0], [300, 60]])
    moments = decoder.T @ half @ half.T @ decoder
    acae = Acae(np.array([[1.0, 0], [0, 1], [0, 0]]), decoder, moments=moments)
    weights = refit_encoder(acae, [0, 2])
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert np.linalg.norm(weights[:, 1]) < 6


def test_projecting_with_missing_joints(people, fitted):
    rng = np.random.default_rng(0)
    whole = people.poses[-40:].reshape(2, 20, 136, 3)
    holes = whole.copy()
    holes[rng.random(whole.shape[:3]) < 0.3] = np.nan
    holes[0, 0] = np.nan
    filled = fitted.project(holes, fill=True)
    assert filled.dtype == whole.dtype
    assert np.isnan(filled[0, 0]).all()
    assert np.isfinite(filled[1]).all()
    assert (
        distances(filled[1], whole[1]).mean()
        < 1.5 * distances(fitted.project(whole[1]), whole[1]).mean()
    )
    assert np.isnan(fitted.project(holes[1])).any()


def test_maps_between_formats(real, registry, poses):
    found = acae_map(real, "smpl_24", "h36m_17")
    assert np.abs(found.weights.sum(axis=1) - 1).max() < 1e-9
    assert set(found.status) == {"combined"}
    assert found.method == "acae"
    source, target = registry.indices("smpl_24"), registry.indices("h36m_17")
    held_out = poses[1200:].astype(np.float64)
    measured = distances(found.apply(held_out[:, source]), held_out[:, target])
    np.testing.assert_allclose(found.expected_error_mm, measured, rtol=0.15)
    nothing = np.repeat(held_out[:, source].mean(axis=1, keepdims=True), 17, axis=1)
    assert measured.mean() < 0.5 * distances(nothing, held_out[:, target]).mean()


def test_points_that_both_have_are_copied(real):
    found = acae_map(real, "smpl_24", "smpl_24")
    assert set(found.status) == {"copied"}
    np.testing.assert_array_equal(found.weights, np.eye(24))
    assert (found.expected_error_mm == 0).all()


def test_a_source_with_missing_joints(real):
    whole = acae_map(real, "smpl_24", "h36m_17")
    some = acae_map(real, "smpl_24", "h36m_17", observed=["pelvis", "left_knee", "head", "neck"])
    assert (np.flatnonzero(some.weights.any(axis=0)) == [0, 4, 12, 15]).all()
    assert some.expected_error_mm.mean() > whole.expected_error_mm.mean()


def test_formats_that_it_lacks(real):
    with pytest.raises(UserError, match="no joint of 'ikea_asm_17'|no joint of 'jta_22'"):
        acae_map(real, "jta_22", "smpl_24")
    with pytest.raises(UserError, match="no joint of 'jta_22'. It was fitted to smpl"):
        acae_map(real, "smpl_24", "jta_22")
    partly = acae_map(real, "smpl_24", "h36m_32")
    assert 0 < partly.status_counts["unavailable"] < 32


def test_what_published_files_cannot_do(real, fitted):
    bare = Acae(real.w1, real.w2, real.joint_names)
    with pytest.raises(UserError, match="no moments"):
        acae_map(bare, "smpl_24", "h36m_17")
    with pytest.raises(UserError, match="does not say which joints"):
        acae_map(Acae(real.w1, real.w2), "smpl_24", "h36m_17")
    with pytest.raises(UserError, match="no joint is observed"):
        refit_encoder(fitted, [])
    with pytest.raises(UserError, match="shape"):
        fitted.project(np.zeros((3, 5, 3)), fill=True)
    same = replace(real, validation_moments=None)
    assert np.isfinite(acae_map(same, "smpl_24", "h36m_17").expected_error_mm).all()
