import numpy as np
import pytest
from paired_poses import random_poses

from skelbridge.conversion import fit_missing
from skelbridge.conversion.fit_missing import fill_missing


def with_gaps(count, share, seed=0):
    poses = random_poses(count, seed).swapaxes(1, 2)
    lost = np.random.default_rng(seed).random((count, 24)) < share
    return poses, lost, np.where(lost[:, None], np.nan, poses)


@pytest.mark.parametrize("count, share", [(1000, 0.05), (400, 0.3), (60, 0.2)])
def test_predicts_as_well_as_it_says(count, share):
    poses, lost, gappy = with_gaps(count, share)
    filled, doubt, usable = fill_missing(gappy, noise_mm=4.0)
    assert np.isfinite(filled).all()
    assert usable.mean() > 0.95
    assert (usable == (lost.mean(axis=1) <= 0.5)).all()
    there = usable[:, None] & ~lost
    np.testing.assert_array_equal(filled.swapaxes(1, 2)[there], poses.swapaxes(1, 2)[there])
    assert (doubt[there] == 0).all()
    gone = usable[:, None] & lost
    error = np.sqrt(((filled - poses).swapaxes(1, 2)[gone] ** 2).mean())
    assert np.sqrt((doubt[gone] ** 2).mean()) == pytest.approx(error, rel=0.25)
    # Far better than where a body's joints are on average.
    assert error < 0.3 * np.sqrt(((poses - poses.mean(axis=2, keepdims=True)) ** 2).mean())


def test_without_gaps_nothing_happens():
    poses = random_poses(5, 1).swapaxes(1, 2)
    filled, doubt, usable = fill_missing(poses, noise_mm=4.0)
    np.testing.assert_array_equal(filled, poses)
    assert usable.all() and not doubt.any()


def test_known_affine_relations_are_found():
    points = np.random.default_rng(2).normal(size=(200, 3, 4)) * 300
    points[..., 3] = 0.5 * points[..., 0] + 0.25 * points[..., 1] + 0.25 * points[..., 2]
    gappy = points.copy()
    gappy[::3, :, 3] = np.nan
    filled, doubt, _ = fill_missing(gappy, noise_mm=0.01)
    np.testing.assert_allclose(filled, points, atol=1e-3)
    assert doubt.max() < 0.1


def test_no_complete_pose_at_all():
    poses, _, gappy = with_gaps(300, 0.0)
    for i in range(300):
        gappy[i, :, [i % 24, (i + 5) % 24]] = np.nan
    filled, doubt, usable = fill_missing(gappy, noise_mm=4.0)
    assert usable.all()
    assert np.sqrt(((filled - poses) ** 2).mean()) < 30
    assert (doubt > 0).sum() == 600


def test_rare_patterns_are_left_out_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(fit_missing, "_MAX_PATTERNS", 3)
    monkeypatch.setattr(fit_missing, "_MIN_PATTERNS", 1)
    poses = random_poses(100, 3).swapaxes(1, 2)
    for i, joint in enumerate([1] * 10 + [2] * 9 + [3] * 8 + [4] * 7):
        poses[i, :, joint] = np.nan
    _, _, usable = fill_missing(poses, noise_mm=4.0)
    np.testing.assert_array_equal(np.flatnonzero(~usable), range(27, 34))


def test_poses_without_any_joint():
    poses = random_poses(30, 4).swapaxes(1, 2)
    poses[::2] = np.nan
    filled, _, usable = fill_missing(poses, noise_mm=4.0)
    np.testing.assert_array_equal(usable, np.arange(30) % 2 == 1)
    assert (filled[::2] == 0).all()
