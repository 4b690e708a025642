"""Leaving joints out: on poses with the atlas' own statistics, and on real ones."""

import numpy as np
import pytest
from atlas_build.left_out_joints import (
    REAL_POSES,
    errors_of_left_out_joints,
    load_real_poses,
    report_left_out_joints,
)

import skeleton_defs
from skelbridge.atlas import Moments
from skelbridge.atlas.errors import MEAN_PER_RMS
from skelbridge.atlas.moments import SHIPPED


@pytest.fixture(scope="module")
def atlas():
    return Moments.load(SHIPPED)


def test_poses_of_the_atlas_own_statistics_are_as_far_off_as_expected(atlas):
    """Gaussian poses with the file's moments: a mean distance is sqrt(8 / (3 pi)) of the RMS."""
    skeleton = skeleton_defs.get("coco_17")
    rows = atlas.indices(skeleton.point_of(joint) for joint in skeleton.joints)
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, atlas.factor.shape[1], 3))
    noise = np.sqrt(atlas.residual[rows])[:, None] * rng.normal(size=(4000, 17, 3))
    poses = 1000 * (atlas.factor[rows].astype(float) @ draws + noise)
    real, expected = errors_of_left_out_joints(atlas, "coco_17", poses)
    factor = np.sqrt(8 / (3 * np.pi)) / MEAN_PER_RMS / atlas.calibration
    assert real / expected == pytest.approx(np.full(17, factor), rel=0.05)


def test_joints_that_are_not_there_count_for_none(atlas):
    poses = np.random.default_rng(1).normal(0, 300, (5, 17, 3))
    poses[2, 4] = np.nan
    real, expected = errors_of_left_out_joints(atlas, "coco_17", poses)
    assert np.flatnonzero(np.isnan(real)).tolist() == [4]
    assert (np.isnan(real) == np.isnan(expected)).all()


def test_real_poses_are_read_in_millimetres(samples):
    found = load_real_poses(samples)
    assert list(found) == list(REAL_POSES)
    for name, poses in found.values():
        skeleton = skeleton_defs.get(name)
        assert len(poses) >= 2
        knee, ankle = (poses[:, skeleton.joints.index(f"left_{j}")] for j in ("knee", "ankle"))
        shins = np.linalg.norm(knee - ankle, axis=-1)
        assert 300 < np.nanmedian(shins) < 500
    assert load_real_poses(samples / "no such folder") == {}


def test_real_errors_are_about_those_expected(atlas, samples):
    """1.1 to 1.5 times: real people are built, and measured, less regularly than a model."""
    lines = []
    ratios = report_left_out_joints(atlas, samples, show=lines.append)
    print("\n".join(lines))
    assert len(ratios) == len(REAL_POSES)
    assert all(1 / 1.5 <= ratio <= 1.55 for ratio in ratios.values())
