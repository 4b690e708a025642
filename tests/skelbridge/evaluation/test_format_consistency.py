import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skeleton_defs
from skelbridge import AffineMap
from skelbridge.acae import Acae
from skelbridge.evaluation import (
    cross_format_offset_error,
    cross_format_offset_errors,
    gap_closed,
    inconsistency,
    relation_errors,
    same_named_pairs,
)
from skeleton_defs import UserError

LATENTS, JOINTS = 6, 10


def consistent_body(seed):
    """Decoder (J, L), relation (J, J) with relation @ decoder = decoder, and poses of it."""
    rng = np.random.default_rng(seed)
    decoder = rng.normal(size=(JOINTS, LATENTS))
    decoder[:, 0] += 1 - decoder.sum(axis=1)
    relation = decoder @ np.linalg.pinv(decoder)
    return decoder, relation, decoder @ (rng.normal(size=(4, 5, LATENTS, 3)) * 300)


def test_consistent_poses_have_no_inconsistency():
    _, relation, poses = consistent_body(0)
    assert inconsistency(poses, relation) == pytest.approx(0, abs=1e-9)
    assert inconsistency(poses, relation, axis=()).shape == (4, 5, JOINTS)


def test_what_lies_across_the_relation_is_measured_in_full():
    decoder, relation, poses = consistent_body(1)
    across = np.linalg.svd(decoder.T)[2][-1]
    assert decoder.T @ across == pytest.approx(np.zeros(LATENTS), abs=1e-12)
    moved = poses + 40 * across[:, None] * [0, 0.6, 0.8]
    expected = 40 * np.abs(across)
    np.testing.assert_allclose(inconsistency(moved, relation, axis=(0, 1)), expected, atol=1e-8)
    assert inconsistency(moved, relation) == pytest.approx(expected.mean())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_it_does_not_see_where_and_how_the_body_stands(seed):
    rng = np.random.default_rng(seed)
    _, relation, _ = consistent_body(seed)
    poses = rng.normal(size=(7, JOINTS, 3)) * 300
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = 2 * poses @ turn + rng.normal(size=3) * 1000
    assert inconsistency(moved, relation) == pytest.approx(2 * inconsistency(poses, relation))


def test_the_relation_of_an_acae_is_decoder_after_encoder():
    rng = np.random.default_rng(2)
    w1, w2 = rng.normal(size=(JOINTS, LATENTS)), rng.normal(size=(LATENTS, JOINTS))
    acae = Acae(w1=w1 / w1.sum(axis=0), w2=w2 / w2.sum(axis=0))
    poses = rng.normal(size=(20, JOINTS, 3)) * 300
    expected = np.linalg.norm(poses - acae.project(poses), axis=-1)
    errors = relation_errors(poses, poses, acae.w2.T @ acae.w1.T)
    np.testing.assert_allclose(errors, expected, rtol=1e-9)


def test_between_two_formats_it_is_the_distance_from_the_map():
    affine_map = AffineMap.between("smpl_24", "h36m_17", method="names")
    rng = np.random.default_rng(3)
    source, target = rng.normal(size=(5, 24, 3)) * 300, rng.normal(size=(5, 17, 3)) * 300
    source[2, 4] = np.nan
    expected = np.linalg.norm(affine_map.apply(source) - target, axis=-1)
    # The knee in pose 2, and the head top, which no SMPL joint is named after, in all five.
    assert np.isnan(expected).sum() == 6
    np.testing.assert_allclose(relation_errors(source, target, affine_map.weights), expected)


def test_missing_joints_spoil_only_what_uses_them():
    weights = np.array([[0.5, 0.5, 0], [0, 1, 0], [np.nan] * 3, [0.5, 0, 0.5]])
    source = np.array([[0.0, 0, 0], [np.nan, np.nan, np.nan], [2, 0, 0]])
    target = np.array([[1.0, 1, 1], [1, 1, 1], [1, 1, 1], [1, 3, 4]])
    np.testing.assert_array_equal(
        relation_errors(source, target, weights), [np.nan, np.nan, np.nan, 5]
    )
    mask = np.array([True, True, True, False])
    assert np.isnan(relation_errors(source, target, weights, mask=mask)).all()
    nothing = np.full((2, 3, 3), np.nan)
    assert np.isnan(inconsistency(nothing, np.eye(3)))


def test_same_named_pairs_are_of_different_formats():
    pairs = same_named_pairs([("pelvis", "head"), ("head", "nose", "pelvis"), ("nose", "head")])
    assert pairs.tolist() == [[0, 4], [1, 2], [1, 6], [2, 6], [3, 5]]
    assert same_named_pairs([("a", "b")]).shape == (0, 2)
    formats = [skeleton_defs.get(name).joints for name in ("h36m_17", "coco_17")]
    names = [joint for joints in formats for joint in joints]
    pairs = same_named_pairs(formats)
    assert len(pairs) == 12
    assert all(names[a] == names[b] and a < 17 <= b for a, b in pairs)


def test_the_offset_error_of_a_format_that_hovers_in_front():
    """Two formats of three joints; the second is predicted 300 mm nearer to the camera."""
    rng = np.random.default_rng(4)
    true = rng.normal(size=(8, 6, 3)) * 300
    pairs = np.array([[0, 3], [1, 4], [2, 5]])
    assert cross_format_offset_error(np.add(true, [10, 20, 3000]), true, pairs) == pytest.approx(0)
    predicted = true.copy()
    predicted[:, 3:] -= [0, 0, 300]
    assert cross_format_offset_error(predicted, true, pairs) == pytest.approx(300)
    predicted[:, 1] += [0, 400, 0]
    per_pair = cross_format_offset_error(predicted, true, pairs, axis=0)
    np.testing.assert_allclose(per_pair, [300, 500, 300])
    true[0, 5] = predicted[1, 1] = np.nan
    mask = np.ones(6, bool)
    errors = cross_format_offset_errors(predicted, true, pairs, mask=mask)
    assert np.argwhere(np.isnan(errors)).tolist() == [[0, 2], [1, 1]]
    mask[3] = False
    predicted[:, 3] = np.inf
    masked = cross_format_offset_errors(predicted, true, pairs, mask=mask)
    assert np.isnan(masked[:, 0]).all()
    np.testing.assert_array_equal(masked[:, 1:], errors[:, 1:])
    assert np.isnan(cross_format_offset_error(predicted, true, pairs[:0], mask=mask))


def test_the_gap_closed_of_the_trial():
    """reference/mini_reproduction.md, section 1: unlabelled formats 77 %, the fifth look 82 %."""
    assert gap_closed(195.7, 161.4, 151.4) == pytest.approx(0.77, abs=0.005)
    assert gap_closed(197.2, 182.5, 179.2) == pytest.approx(0.82, abs=0.005)
    np.testing.assert_allclose(
        gap_closed([10.0, 10, 10, 10, 10, np.nan], [10, 5, 2, 12, 3, 3], [5, 5, 5, 5, 10, 5]),
        [0, 1, 1.6, -0.4, np.nan, np.nan],
    )


@pytest.mark.parametrize(
    "relation, fragment",
    [
        (np.eye(3)[:, :2], r"relation must have shape \(J_target, 3\). Received \(3, 2\)"),
        (np.ones(3), "relation must have shape"),
        (np.eye(3) * 1.001, "Row 0 sums to 1.001"),
        (np.array([[1, 0, 0], [0, np.inf, 0], [0, 0, 1]]), "Row 1 sums to inf"),
        (np.eye(3)[:2], "one shape"),
    ],
)
def test_wrong_relations_are_told(relation, fragment):
    with pytest.raises(UserError, match=fragment):
        inconsistency(np.zeros((5, 3, 3)), relation)


@pytest.mark.parametrize(
    "pairs, fragment",
    [
        ([[0, 3]], "number the 3 joints"),
        ([[-1, 0]], "number the 3 joints"),
        ([[0.0, 1.0]], "joint numbers"),
        ([0, 1], "joint numbers"),
        ([[0, 1, 2]], "joint numbers"),
    ],
)
def test_wrong_pairs_are_told(pairs, fragment):
    pose = np.zeros((3, 3))
    with pytest.raises(UserError, match=fragment):
        cross_format_offset_error(pose, pose, pairs)
