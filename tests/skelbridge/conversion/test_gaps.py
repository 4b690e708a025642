import numpy as np
import pytest
from paired_poses import SOURCE, TARGET, random_poses, symmetric, true_weights

from skelbridge.conversion.gaps import SourceMoments, least_noise_mm
from skeleton_defs import UserError

POSES = random_poses(3000, 40)
CENTRED = POSES - POSES.mean(axis=1, keepdims=True)
WEIGHTS = true_weights()
ALL = np.arange(24)


def moment(poses=CENTRED):
    rows = poses.swapaxes(1, 2).reshape(-1, poses.shape[1])
    return rows.T @ rows / len(rows)


def moments(**changes):
    arguments = {"used": ALL, "moment": moment(), "noise_mm": 4.0, "calibration": 1.0, "dims": 3}
    return SourceMoments(**{**arguments, **changes})


def lacking(*joints):
    return ~np.isin(ALL, joints)[None]


def test_equals_least_squares_from_the_joints_that_are_there():
    # A target that is no affine combination, so that weights differ from those with all joints.
    target = WEIGHTS @ POSES + np.random.default_rng(0).normal(size=(3000, 17, 3)) * 20
    x, y = POSES - POSES[:, :1], target - POSES[:, :1]

    def least_squares(joints):
        rows = x[:, joints].swapaxes(1, 2).reshape(-1, len(joints))
        rest = np.linalg.lstsq(rows, y.swapaxes(1, 2).reshape(-1, 17), rcond=None)[0].T
        # The first joint is the origin.
        weights = np.zeros((17, 24))
        weights[:, joints] = rest
        weights[:, 0] = 1 - rest.sum(axis=1)
        return weights

    some = [j for j in range(1, 24) if j not in (4, 20, 22)]
    whole = least_squares(list(range(1, 24)))
    (found,), _ = moments(noise_mm=0.1).without_missing(whole, lacking(4, 20, 22))
    np.testing.assert_allclose(found, least_squares(some), atol=1e-3)


def test_equals_the_ridge_solution_where_that_is_what_the_map_is():
    rng = np.random.default_rng(1)
    cross = rng.normal(size=(5, 24)) * 1e4

    def ridge(joints):
        count = len(joints)
        system = np.ones((count + 1, count + 1))
        system[:count, :count] = moment()[np.ix_(joints, joints)] + 8.0**2 * np.eye(count)
        system[count, count] = 0
        right = np.concatenate([cross[:, joints].T, np.ones((1, 5))])
        weights = np.zeros((5, 24))
        weights[:, joints] = np.linalg.solve(system, right)[:count].T
        return weights

    some = np.flatnonzero(lacking(0, 1, 7, 15)[0])
    (found,), _ = moments(noise_mm=8.0).without_missing(ridge(ALL), lacking(0, 1, 7, 15))
    np.testing.assert_allclose(found, ridge(some), atol=1e-9)


def test_rows_sum_to_one_and_mirror():
    rng = np.random.default_rng(2)
    seen = rng.random((150, 24)) > rng.choice([0.1, 0.5, 0.9], (150, 1))
    seen[0], seen[1], seen[2:, 0] = True, False, True
    flip = list(SOURCE.flip)
    both = moments(moment=(moment() + moment()[flip][:, flip]) / 2)
    weights = symmetric(WEIGHTS)
    found, _ = both.without_missing(weights, seen)
    np.testing.assert_array_equal(found[0], weights)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2:].sum(axis=2), 1, atol=1e-9)
    assert (np.swapaxes(found, 1, 2)[2:][~seen[2:]] == 0).all()
    mirrored, _ = both.without_missing(weights, seen[:, flip])
    mirrored = mirrored[:, list(TARGET.flip)][:, :, flip]
    np.testing.assert_allclose(found[2:], mirrored[2:], atol=1e-9)


def test_added_error_is_what_it_says():
    for joints in ((4,), (18, 20, 22), (0, 5, 10, 15, 20)):
        seen = lacking(*joints)
        (weights,), (added,) = moments().without_missing(WEIGHTS, seen)
        found = np.linalg.norm((weights - WEIGHTS) @ POSES, axis=-1)
        rms = np.sqrt((found**2).mean(axis=0))
        np.testing.assert_allclose(added, 0.9 * rms, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(added.mean(), found.mean(), rtol=0.1)
        _, (doubled,) = moments(calibration=2.0).without_missing(WEIGHTS, seen)
        np.testing.assert_allclose(doubled, 2 * added)
    assert np.isinf(moments().without_missing(WEIGHTS, lacking(*ALL))[1]).all()
    assert (moments().without_missing(WEIGHTS, lacking())[1] == 0).all()


def test_a_further_missing_joint_never_adds_less():
    rng = np.random.default_rng(3)
    order = rng.permutation(24)
    seen = np.array([~np.isin(ALL, order[:count]) for count in range(1, 24)])
    _, added = moments(noise_mm=0.1).without_missing(WEIGHTS, seen)
    assert (np.diff(added, axis=0) >= -1e-4).all() and (added[-1] > added[0] + 10).all()


def test_missing_error_is_that_of_leaving_one_out():
    alone = moments().missing_error_mm()
    wrist = SOURCE.joints.index("left_wrist")
    seen = lacking(wrist)
    (weights,), _ = moments().without_missing(np.eye(24), seen)
    found = np.linalg.norm((weights @ POSES - POSES)[:, wrist], axis=-1)
    assert alone[wrist] == pytest.approx(0.9 * np.sqrt((found**2).mean()), rel=1e-6)
    assert alone.shape == (24,) and alone.min() > 1


def spoilt(value, row=3, column=4):
    matrix = moment()
    matrix[row, column] = value
    return matrix


def test_the_least_noise_is_enough():
    far = moment() * 1e4
    smallest = least_noise_mm(far)
    found, added = moments(moment=far, noise_mm=smallest).without_missing(WEIGHTS, lacking(1, 4))
    expected, _ = moments(noise_mm=smallest / 100).without_missing(WEIGHTS, lacking(1, 4))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.isfinite(added).all()


@pytest.mark.parametrize(
    "changes, fragment",
    [
        ({"used": ALL[::-1]}, "ascending"),
        ({"used": np.zeros(24, int)}, "ascending"),
        ({"used": np.array([3]), "moment": np.ones((1, 1))}, "two or more"),
        ({"used": ALL.astype(float)}, "ascending"),
        ({"used": np.zeros((24, 2), int)}, "ascending"),
        ({"moment": moment()[:23, :23]}, r"shape \(24, 24\). Received \(23, 23\)"),
        ({"moment": spoilt(np.nan)}, "numbers up to"),
        ({"moment": spoilt(np.inf)}, "numbers up to"),
        ({"moment": spoilt(1e13)}, "numbers up to"),
        ({"moment": spoilt(1e6)}, "symmetric"),
        ({"moment": -moment()}, "positive"),
        ({"moment": np.array([["x"] * 24] * 24)}, "real numbers"),
        ({"moment": moment() * 1j}, "real numbers"),
        ({"noise_mm": 0.0}, "noise"),
        ({"noise_mm": 0.01}, "0.0001 of the joints' distances"),
        ({"noise_mm": np.nan}, "noise"),
        ({"noise_mm": "4"}, "noise"),
        ({"noise_mm": True}, "noise"),
        ({"calibration": 0.5}, "calibration"),
        ({"dims": 4}, "dimensions"),
        ({"dims": 2.5}, "dimensions"),
    ],
)
def test_moments_that_are_none(changes, fragment):
    with pytest.raises(UserError, match=fragment):
        moments(**changes)
