import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skelbridge.evaluation import auc, auc_3dhp, cps, grid_auc, pck, pck_curve, worst_over_joints
from skeleton_defs import UserError

ERRORS = np.array([[10.0, 50, 149], [150, 151, np.nan], [np.nan, np.nan, np.nan], [0, 0, 300]])
on_the_grid = st.integers(0, 80).map(lambda n: 5.0 * n)
some_errors = hnp.arrays(
    float,
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=8),
    elements=st.one_of(st.floats(0, 400), st.just(np.nan), on_the_grid),
)


def test_pck_by_hand():
    assert pck(ERRORS, 150) == pytest.approx(5 / 8)
    assert pck(ERRORS, 150, inclusive=True) == pytest.approx(6 / 8)
    np.testing.assert_allclose(pck(ERRORS, 150, axis=-1), [1, 0, np.nan, 2 / 3])
    np.testing.assert_allclose(pck(ERRORS, 150, axis=0), [2 / 3, 2 / 3, 1 / 2])
    assert pck(ERRORS, 0) == 0
    assert pck(ERRORS, 0, inclusive=True) == pytest.approx(2 / 8)
    assert pck([10.0, np.inf], 150) == 0.5


def test_cps_by_hand():
    assert cps(ERRORS, 150) == pytest.approx(1 / 3)
    assert cps(ERRORS, 151) == pytest.approx(1 / 3)
    assert cps(ERRORS, 151.5) == pytest.approx(2 / 3)
    np.testing.assert_array_equal(cps(ERRORS, 301, axis=()), [1, 1, np.nan, 1])
    np.testing.assert_array_equal(worst_over_joints(ERRORS), [149, 151, np.nan, 300])
    assert cps(np.stack([ERRORS, ERRORS]), 301, axis=0).shape == (4,)
    assert cps([[10.0, np.inf]], 1e9) == 0


def test_auc_by_hand():
    assert auc([0.0], 150) == 1
    assert auc([75.0, 150, 1000, np.nan], 150) == pytest.approx(0.5 / 3)
    assert auc([[30.0], [60]], 150, axis=-1) == pytest.approx([0.8, 0.6])
    assert auc([np.inf], 150) == 0


def test_the_official_grid_by_its_formula():
    errors = np.random.default_rng(0).uniform(0, 170, size=(50, 14))
    per_joint = np.maximum(0, 1 - np.floor(errors / 150 * 30 + 1) / 31)
    assert auc_3dhp(errors) == pytest.approx(per_joint.mean())
    np.testing.assert_allclose(auc_3dhp(errors, axis=0), per_joint.mean(axis=0))
    assert auc_3dhp([0.0]) == pytest.approx(30 / 31)
    assert auc_3dhp([4.999, 5.0]) == pytest.approx((30 + 29) / 62)
    assert auc_3dhp([149.99]) == pytest.approx(1 / 31)
    assert auc_3dhp([150.0, np.inf]) == 0


@settings(max_examples=50, deadline=None)
@given(errors=some_errors, inclusive=st.booleans())
def test_the_grid_is_the_mean_of_pck(errors, inclusive):
    grid = [0, 5, 7.5, 150, 35]
    curve = pck_curve(errors, grid, inclusive=inclusive)
    shares = [pck(errors, t, inclusive=inclusive) for t in grid]
    np.testing.assert_array_equal(curve, shares)
    np.testing.assert_allclose(grid_auc(errors, grid, inclusive=inclusive), np.mean(shares))
    official = np.mean([pck(errors, 5.0 * k) for k in range(31)])
    np.testing.assert_allclose(auc_3dhp(errors), official)


@settings(max_examples=50, deadline=None)
@given(errors=some_errors, threshold=st.floats(1, 300))
def test_auc_is_the_integral_of_pck(errors, threshold):
    """PCK is a staircase: integrate it exactly between the errors."""
    counted = errors[~np.isnan(errors)]
    steps = np.unique(np.concatenate([[0, threshold], counted[counted < threshold]]))
    between = pck_curve(errors, (steps[1:] + steps[:-1]) / 2)
    np.testing.assert_allclose(auc(errors, threshold), (between * np.diff(steps)).sum() / threshold)


@settings(max_examples=50, deadline=None)
@given(errors=some_errors)
def test_shares_grow_with_the_threshold(errors):
    thresholds = np.sort(np.random.default_rng(0).uniform(0, 450, 20))
    for inclusive in (False, True):
        curve = pck_curve(errors, thresholds, inclusive=inclusive)
        assert not (np.diff(curve) < 0).any()
    for score in (cps, auc):
        shares = np.array([score(errors, t) for t in thresholds])
        assert not (np.diff(shares) < -1e-12).any()
    counted = ~np.isnan(errors)
    assert np.isnan(curve).all() == (not counted.any())
    if counted.any():
        assert pck(errors, 401) == 1 and cps(errors, 401) == 1


@settings(max_examples=50, deadline=None)
@given(errors=some_errors, threshold=st.floats(0, 300))
def test_a_pose_is_right_only_if_all_its_joints_are(errors, threshold):
    assert not cps(errors, threshold) > pck(errors, threshold, axis=-1).max(initial=1)
    per_pose = cps(errors, threshold, axis=())
    np.testing.assert_array_equal(per_pose == 1, pck(errors, threshold, axis=-1) == 1)


@settings(max_examples=60, deadline=None)
@given(errors=some_errors)
def test_what_does_not_count_is_as_if_deleted(errors):
    counted = errors[~np.isnan(errors)]
    for score in (pck, auc):
        np.testing.assert_allclose(score(errors, 150), score(counted, 150))
    np.testing.assert_allclose(auc_3dhp(errors), auc_3dhp(counted))
    joints = np.concatenate([errors, np.full_like(errors, np.nan)], axis=-1)
    np.testing.assert_array_equal(cps(joints, 150, axis=()), cps(errors, 150, axis=()))


@pytest.mark.parametrize("score", [pck, auc, cps])
def test_nothing_to_measure_is_nan_without_a_warning(score):
    for nothing in (np.full((3, 4), np.nan), np.zeros((0, 4)), np.zeros((3, 0))):
        assert np.isnan(score(nothing, 100))
        assert np.isnan(auc_3dhp(nothing))
    assert cps(np.full((3, 4), np.nan), 100, axis=()).shape == (3,)


@pytest.mark.parametrize("score", [pck, auc, cps, lambda e, t: grid_auc(e, [t])])
@pytest.mark.parametrize("threshold", [-1, np.nan, "150 mm", [1, 2], None])
def test_thresholds_must_be_numbers(score, threshold):
    with pytest.raises(UserError, match="thresholds must be numbers"):
        score([1.0], threshold)


def test_wrong_grids_are_told():
    for grid in ([], [[1, 2]], 5):
        with pytest.raises(UserError, match="thresholds must be numbers"):
            grid_auc([1.0], grid)
    with pytest.raises(UserError, match="AUC threshold must be above 0"):
        auc([1.0], 0)
