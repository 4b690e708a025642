import numpy as np
import pytest

import skeleton_defs
from skelbridge.evaluation import auc_3dhp, mupots_matches, mupots_scores, with_bone_lengths
from skelbridge.evaluation.mupots import MUPOTS_BONES
from skeleton_defs import UserError


def person(x=0, y=0, seed=0):
    return np.random.default_rng(seed).uniform(0, 300, size=(17, 2)) + np.array([x, y])


def random_poses(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape) * 300


def test_everyone_finds_their_prediction():
    true = np.stack([person(0), person(1000), person(2000)])
    predicted = true[[2, 0, 1]] + 39
    assert mupots_matches(predicted, true).tolist() == [1, 2, 0]
    assert mupots_matches(predicted[:2], true).tolist() == [1, -1, 0]
    assert mupots_matches(predicted[:0], true).tolist() == [-1] * 3
    assert mupots_matches(predicted, true[:0]).tolist() == []


def test_the_radius_is_below_40_px_in_both_axes():
    true = person()[None].round()
    for offset, match in (((39, -39), 0), ((40, 0), -1), ((0, -40), -1), ((39.5, 41), -1)):
        assert mupots_matches(true + offset, true).tolist() == [match]


def test_one_joint_is_enough_but_not_of_the_head_or_trunk():
    true = person()[None]
    for joint in range(17):
        predicted = np.full((1, 17, 2), np.nan)
        predicted[0, joint] = true[0, joint]
        expected = 0 if 1 <= joint <= 13 else -1
        assert mupots_matches(predicted, true).tolist() == [expected]
    names = skeleton_defs.get("mupots_17").joints
    assert [names[j] for j in (0, 14, 15, 16)] == ["head_top", "pelvis", "spine", "head"]


def test_the_first_person_takes_the_most_joints_and_the_next_what_is_left():
    true = np.stack([person(), person()])
    worse, better = person(), person()
    worse[5:] += 1000
    assert mupots_matches(np.stack([worse, better]), true).tolist() == [1, 0]
    assert mupots_matches(np.stack([better, better]), true).tolist() == [0, 1]
    assert mupots_matches(better[None], true).tolist() == [0, -1]


def test_bones_get_the_true_lengths_and_keep_their_directions():
    predicted, true = random_poses(1, 6, 17, 3), random_poses(2, 6, 17, 3)
    result = with_bone_lengths(predicted, true)
    np.testing.assert_array_equal(result[:, 14], predicted[:, 14])
    for joint, parent in MUPOTS_BONES:
        bones = [pose[:, joint] - pose[:, parent] for pose in (result, predicted, true)]
        lengths = [np.linalg.norm(bone, axis=-1, keepdims=True) for bone in bones]
        np.testing.assert_allclose(lengths[0], lengths[2])
        np.testing.assert_allclose(bones[0] / lengths[0], bones[1] / lengths[1], atol=1e-9)
    np.testing.assert_allclose(with_bone_lengths(result, true), result)
    scaled = true[:, 14:15] + 0.7 * (true - true[:, 14:15])
    np.testing.assert_allclose(with_bone_lengths(scaled, true), true)


def test_bones_reach_every_joint_once_from_the_pelvis():
    reached = [14]
    for joint, parent in MUPOTS_BONES:
        assert parent in reached and joint not in reached
        reached.append(joint)
    assert sorted(reached) == list(range(17))


def test_bones_that_are_missing_or_have_no_length():
    predicted, true = random_poses(3, 17, 3), random_poses(4, 17, 3)
    predicted[9] = np.nan
    true[12] = np.nan
    predicted[15] = predicted[14]
    result = with_bone_lengths(predicted, true)
    # The knee and the ankle after it; where the true knee is missing, both again.
    assert np.flatnonzero(np.isnan(result).any(axis=-1)).tolist() == [9, 10, 12, 13]
    np.testing.assert_array_equal(result[15], predicted[14])


def test_scores_are_means_of_sequences():
    true = random_poses(5, 5, 17, 3)
    predicted = np.add(true, [0, 0, 700])
    sequences = ["TS1", "TS1", "TS1", "TS1", "TS2"]
    predicted[1] = np.nan  # nobody matches
    predicted[0, 3] += [0, 151, 0]
    predicted[4, :14, 0] += 20
    predicted[4, 15] += 1000  # the spine does not count
    matched = mupots_scores(predicted, true, sequences, all_people=False)
    perfect, at_20 = auc_3dhp([0.0]), auc_3dhp([20.0])
    assert matched.per_sequence["TS1"] == pytest.approx((41 / 42, 41 / 42 * perfect))
    assert matched.per_sequence["TS2"] == pytest.approx((1, at_20), abs=0.04)
    assert matched.pck150 == pytest.approx((41 / 42 + 1) / 2)
    everyone = mupots_scores(predicted, true, sequences, all_people=True)
    assert everyone.per_sequence["TS1"] == pytest.approx((41 / 56, 41 / 56 * perfect))
    assert everyone.pck150 == pytest.approx((41 / 56 + 1) / 2)
    assert everyone.auc == pytest.approx(np.mean([a for _, a in everyone.per_sequence.values()]))
    predicted[0, 5] = np.nan
    lacking = mupots_scores(predicted, true, sequences, all_people=False)
    assert lacking.per_sequence["TS1"][0] == pytest.approx(40 / 42)
    absolute = mupots_scores(predicted, true, sequences, all_people=False, root=None)
    assert absolute.pck150 == 0


def test_a_sequence_that_nobody_was_found_in():
    true = random_poses(6, 2, 17, 3)
    predicted = true.copy()
    predicted[1] = np.nan
    assert mupots_scores(predicted, true, [1, 2], all_people=True).pck150 == 0.5
    matched = mupots_scores(predicted, true, [1, 2], all_people=False)
    assert matched.pck150 == 1 and np.isnan(matched.per_sequence[2]).all()
    assert np.isnan(mupots_scores(true[:0], true[:0], [], all_people=True).pck150)


def test_wrong_people_are_told():
    with pytest.raises(UserError, match=r"predicted people must have shape \(P, 17, 2\)"):
        mupots_matches(np.zeros((17, 2)), np.zeros((1, 17, 2)))
    with pytest.raises(UserError, match=r"true people must have shape"):
        mupots_matches(np.zeros((1, 17, 2)), np.zeros((1, 17, 3)))
    pose = np.zeros((2, 17, 3))
    with pytest.raises(UserError, match="and 1 sequences"):
        mupots_scores(pose, pose, ["TS1"], all_people=True)
    with pytest.raises(UserError, match=r"Received shape \(2, 14, 3\)"):
        mupots_scores(pose[:, :14], pose[:, :14], ["TS1", "TS1"], all_people=True)
