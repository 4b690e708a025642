import numpy as np
import pytest
from paired_poses import SOURCE, TARGET, noisy_pairs, random_poses, true_weights

from skelbridge.conversion.fit_gaps import source_moments
from skelbridge.conversion.fit_pairs import prepare_pairs
from skelbridge.conversion.fitting import fit_affine_map

TRUE = true_weights()


def moment(poses):
    centred = poses - poses.mean(axis=1, keepdims=True)
    rows = centred.swapaxes(1, 2).reshape(-1, poses.shape[1])
    matrix = rows.T @ rows / len(rows)
    flip = list(SOURCE.flip)
    return (matrix + matrix[flip][:, flip]) / 2


LIKE = moment(random_poses(3000, 60))
#: Of bodies that never bend.
UNLIKE = moment(np.repeat(random_poses(1, 61), 50, axis=0))


def pairs_of(poses):
    pairs, used, _ = prepare_pairs(poses, TRUE @ poses, SOURCE, TARGET, noise_mm=4.0)
    return pairs, np.ones(len(pairs), bool), used


def left_out_mm(moments, poses):
    """Mean distance of joints from their predictions from all others."""
    alone = ~np.eye(24, dtype=bool)
    weights, _ = moments.without_missing(np.eye(24), alone)
    found = [w[j] @ poses - poses[:, j] for j, w in enumerate(weights)]
    return float(np.linalg.norm(found, axis=-1).mean())


def test_many_poses_are_their_own_moments():
    poses = random_poses(2000, 62)
    found = source_moments(*pairs_of(poses), noise_mm=2.0, prior=UNLIKE)
    np.testing.assert_allclose(found.moment, moment(poses), atol=0.02 * LIKE.max())
    assert (found.noise_mm, found.dims) == (4.0, 3)
    assert 1 <= found.calibration < 1.1
    np.testing.assert_array_equal(found.used, np.arange(24))


def test_few_poses_take_what_they_do_not_tell_from_the_prior():
    few, new = random_poses(12, 63), random_poses(1000, 64)
    alone = source_moments(*pairs_of(few), noise_mm=2.0)
    helped = source_moments(*pairs_of(few), noise_mm=2.0, prior=LIKE)
    hardly = source_moments(*pairs_of(few), noise_mm=2.0, prior=UNLIKE)
    assert left_out_mm(helped, new) < 0.85 * left_out_mm(alone, new)
    assert left_out_mm(hardly, new) < 1.1 * left_out_mm(alone, new)


def test_calibration_is_how_much_held_out_errors_exceed_the_moments():
    poses = random_poses(15, 65)
    found = source_moments(*pairs_of(poses), noise_mm=2.0)
    assert 1.1 < found.calibration <= 5
    new = random_poses(1000, 66)
    stated = found.missing_error_mm().mean()
    assert stated == pytest.approx(left_out_mm(found, new), rel=0.35)


def test_outliers_and_gaps_in_the_poses():
    poses = random_poses(400, 67)
    clean = source_moments(*pairs_of(poses), noise_mm=2.0)
    gappy = poses.copy()
    gappy[np.random.default_rng(0).random((400, 24)) < 0.1] = np.nan
    filled = source_moments(*pairs_of(gappy), noise_mm=2.0)
    new = random_poses(500, 68)
    assert left_out_mm(filled, new) < 1.15 * left_out_mm(clean, new)
    pairs, kept, used = pairs_of(np.concatenate([poses, 5 * poses[:3]]))
    kept = np.linalg.norm(pairs.source, axis=(1, 2)) < 4000
    assert (~kept).sum() == 3
    found = source_moments(pairs, kept, used, noise_mm=2.0)
    np.testing.assert_allclose(found.moment, clean.moment, rtol=1e-9, atol=1e-3)


def test_fitting_takes_the_prior_where_it_knows_all_joints():
    source, target = noisy_pairs(TRUE, 12, 69)

    def fitted(prior_moments):
        return fit_affine_map(
            source, target, SOURCE, TARGET, prior_moments=prior_moments
        ).affine_map.moments

    new = random_poses(1000, 70)
    without = left_out_mm(fitted(None), new)
    assert left_out_mm(fitted(LIKE), new) < 0.9 * without
    partly = LIKE.copy()
    partly[3] = partly[:, 3] = np.nan
    assert left_out_mm(fitted(partly), new) == without
    # A joint that is not used may be unknown.
    source[:, SOURCE.joints.index("left_hand")] = np.nan
    partly = LIKE.copy()
    hand = SOURCE.joints.index("left_hand")
    partly[hand] = partly[:, hand] = np.nan
    moments = fitted(partly)
    assert len(moments.used) == 22 and hand not in moments.used


def test_no_spread_at_all():
    poses = np.repeat(random_poses(1, 71), 30, axis=0)
    found = source_moments(*pairs_of(poses), noise_mm=0.0)
    assert np.isfinite(found.without_missing(TRUE, np.arange(24)[None] != 4)[0]).all()
