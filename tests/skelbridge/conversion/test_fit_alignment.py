import numpy as np
import pytest
from paired_poses import SOURCE, TARGET, as_map, distance, noisy_pairs, random_poses, true_weights

from skelbridge.conversion import AffineMap
from skelbridge.conversion.fit_alignment import (
    check_frames_of_reference,
    move_targets_to_prior,
    translation_note,
)
from skelbridge.conversion.fitting import fit_affine_map
from skeleton_defs import Skeleton, UserError

TRUE = true_weights()
NAMES = AffineMap.between(SOURCE, TARGET, method="names")
X_TURN = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
NEW = random_poses(500, seed=98)


def check(source, target, prior=NAMES):
    return check_frames_of_reference(source, target, prior)


def test_poses_in_one_frame_of_reference_pass():
    source, target = noisy_pairs(TRUE, 100, 1)
    assert check(source, target) == ()
    root = source[:, :1]
    assert check(source - root, target - root) == ()
    gappy = target.copy()
    gappy[np.random.default_rng(0).random((100, 17)) < 0.5] = np.nan
    gappy[3] = np.nan
    assert check(source, gappy) == ()


@pytest.mark.parametrize(
    "change, fragment",
    [
        (lambda s, t: (s, t / 1000), "0.001.* times as large"),
        (lambda s, t: (s / 10, t), "times as large"),
        (lambda s, t: (s, t - t[:, :1]), "--align mean"),
        (lambda s, t: (s - s[:, :1], t), "--align mean"),
        (lambda s, t: (s, t @ X_TURN), "one frame of reference"),
        (lambda s, t: (s - s[:, :1], (t - s[:, :1]) @ X_TURN), "turned by 90 degrees"),
        (lambda s, t: (s - s[:, :1], (t - s[:, :1]) * [-1, 1, 1]), "mirrored against"),
    ],
)
def test_other_frames_of_reference_are_found(change, fragment):
    with pytest.raises(UserError, match=fragment):
        check(*change(*noisy_pairs(TRUE, 100, 2)))


def test_without_a_prior_only_gross_mistakes_are_found():
    blind = AffineMap(
        np.full((17, 24), np.nan), SOURCE, TARGET, ("unavailable",) * 17, np.full(17, np.nan)
    )
    source, target = noisy_pairs(TRUE, 100, 3)
    assert check(source, target, blind) == ()
    with pytest.raises(UserError, match="times as large"):
        check(source, target / 1000, blind)
    with pytest.raises(UserError, match="one frame of reference"):
        check(source, target + 10_000, blind)


def test_a_body_may_be_paired_with_its_hand():
    hand = Skeleton(name="hand", joints=tuple("abcde"))
    prior = AffineMap(
        np.full((5, 24), np.nan), SOURCE, hand, ("unavailable",) * 5, np.full(5, np.nan)
    )
    poses = random_poses(50, 4)
    small = poses[:, 22:23] + np.random.default_rng(0).normal(size=(50, 5, 3)) * 30
    assert check(poses, small, prior) == ()


def test_two_roots_are_told():
    source, target = noisy_pairs(TRUE, 100, 5)
    pelvis = TARGET.joints.index("pelvis")
    (note,) = check(source - source[:, :1], target - target[:, [pelvis]])
    assert "'pelvis'" in note and "at the origin in every pose" in note
    # Where the two are the same point by construction, there is nothing to tell.
    same = AffineMap.between(SOURCE, SOURCE, method="names")
    assert check(source - source[:, :1], source - source[:, :1], same) == ()


def test_align_mean_learns_shapes_and_takes_the_place_from_the_prior():
    source, target = noisy_pairs(TRUE, 500, 6)
    rooted = target - target[:, [TARGET.joints.index("pelvis")]]
    prior = as_map(TRUE)
    moved = move_targets_to_prior(source, rooted, prior)
    # The prior is right: the targets are back where they were, but for noise of the mean joint.
    assert distance(moved, target) < 3 * 10 / np.sqrt(17)
    fitted = fit_affine_map(source, moved, SOURCE, TARGET, prior=NAMES).affine_map
    assert distance(fitted.apply(NEW), TRUE @ NEW) < 4
    # A prior that is off as a whole moves the map as a whole, and nothing else.
    shift = np.zeros((17, 24))
    shift[:, SOURCE.joints.index("neck")], shift[:, SOURCE.joints.index("pelvis")] = 0.1, -0.1
    moved = move_targets_to_prior(source, rooted, as_map(TRUE + shift))
    shifted = fit_affine_map(source, moved, SOURCE, TARGET, prior=NAMES).affine_map
    difference = shifted.apply(NEW) - TRUE @ NEW
    assert distance(difference, 0.1 * (NEW[:, [12]] - NEW[:, [0]])) < 5


def test_align_mean_with_missing_joints():
    source, target = noisy_pairs(TRUE, 50, 7)
    target[0, 3:] = np.nan
    target[1] = np.nan
    source[2] = np.nan
    moved = move_targets_to_prior(source, target - target[:, :1], as_map(TRUE))
    np.testing.assert_array_equal(np.isnan(moved[0]), np.isnan(target[0]))
    assert np.isnan(moved[[1, 2]]).all()
    assert np.isfinite(moved[3:]).all()


def test_align_mean_needs_a_prior_with_joints():
    blind = AffineMap(
        np.full((17, 24), np.nan), SOURCE, TARGET, ("unavailable",) * 17, np.full(17, np.nan)
    )
    with pytest.raises(UserError, match="needs a prior that gives some"):
        move_targets_to_prior(*noisy_pairs(TRUE, 20, 8), blind)


def test_translation_note():
    rng = np.random.default_rng(9)
    noise = rng.normal(size=(100, 3, 17)) * 20
    assert translation_note(noise) == ()
    shifted = noise + rng.normal(size=(100, 3, 1)) * 100
    (note,) = translation_note(shifted)
    shift = np.sqrt((shifted.mean(axis=2) ** 2).sum(axis=1).mean())
    assert f"a shift of whole poses, by {shift:.0f} mm" in note and "--align mean" in note
    assert translation_note(shifted * 0.1) == ()  # of millimetres: no matter
    shifted[:, :, 5:] = np.nan
    shifted[0] = np.nan
    assert len(translation_note(shifted)) == 1
    assert translation_note(np.full((0, 3, 17), np.nan)) == ()
