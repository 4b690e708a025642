"""The two matrices: affine, mirror symmetric, NaN where joints are missing."""

import numpy as np
import pytest

from skelbridge.acae import Acae
from skelbridge.acae.chirality import ChiralLayout
from skelbridge.acae.matrices import normalized
from skeleton_defs import UserError


def test_columns_of_a_fit_sum_to_one(fitted):
    for matrix in (fitted.w1, fitted.w2):
        assert np.abs(matrix.sum(axis=0) - 1).max() < 1e-12


@pytest.mark.parametrize("name", ["w1", "w2"])
def test_matrices_that_do_not_sum_to_one_are_refused(fitted, name):
    given = {"w1": fitted.w1.copy(), "w2": fitted.w2.copy()}
    given[name][3, 5] += 0.01
    with pytest.raises(UserError, match=f"{name} must have columns that sum to 1. Column 5 of"):
        Acae(**given)


TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
SHEAR = np.array([[1.3, 0.4, -0.2], [0.1, 0.7, 0.5], [-0.3, 0.2, 1.6]])


@pytest.mark.parametrize(
    ("linear", "shift"),
    [(np.eye(3), [500, -800, 4000]), (TURN, [0, 0, 0]), (2.5 * np.eye(3), [0, 0, 0]),
     (SHEAR, [300, 200, -100])],
    ids=["translation", "rotation", "scaling", "affine"],
)  # fmt: skip
@pytest.mark.parametrize("step", ["encode", "project"])
def test_maps_commute_with_affine_changes_of_coordinates(people, fitted, linear, shift, step):
    apply = getattr(fitted, step)
    poses = people.poses[:20]
    moved = (poses @ linear + shift).astype(np.float32)
    expected = apply(poses).astype(np.float64) @ linear + shift
    off = np.abs(apply(moved) - expected).max() / np.abs(expected).max()
    assert off < 1e-5


def test_mirror_images_pass_through_exactly(people, fitted):
    flip, latent_flip = people.formats.flip, swap(fitted)
    assert (fitted.w1[flip][:, latent_flip] == fitted.w1).all()
    assert (fitted.w2[latent_flip][:, flip] == fitted.w2).all()
    pose = people.clean[0].astype(np.float64)
    mirrored = pose[flip] * [-1, 1, 1]
    expected = fitted.encode(pose)[latent_flip] * [-1, 1, 1]
    assert np.abs(fitted.encode(mirrored) - expected).max() < 1e-9


def swap(acae):
    pairs = acae.latent_sides.count("left")
    centre = acae.latent_sides.count("centre")
    return np.r_[pairs : 2 * pairs, :pairs, 2 * pairs : 2 * pairs + centre]


def test_blocks_are_what_a_mirror_leaves_alone():
    layout = ChiralLayout.of(
        np.array([1, 0, 2, 4, 3]), None, joints=5, latent_pairs=1, latent_centre=1
    )
    matrix = np.arange(15.0).reshape(5, 3)
    assembled = layout.assemble(**layout.blocks(matrix))
    mirrored = matrix[layout.joint_flip][:, layout.latent_flip]
    np.testing.assert_array_equal(assembled, (matrix + mirrored) / 2)
    np.testing.assert_array_equal(layout.order, [0, 3, 1, 4, 2])
    np.testing.assert_array_equal(layout.to_given_order(np.arange(5)), [0, 2, 4, 1, 3])


def test_sides_say_which_joint_of_a_pair_is_left():
    layout = ChiralLayout.of(
        np.array([1, 0, 2]), ["right", "left", "centre"], joints=3, latent_pairs=1, latent_centre=0
    )
    np.testing.assert_array_equal(layout.order, [1, 0, 2])


@pytest.mark.parametrize(
    ("flip", "sides", "message"),
    [
        ([1, 2, 0], None, "undoes itself"),
        ([1, 0], None, "permutation of 3 joints"),
        ([1.0, 0.0, 2.0], None, "undoes itself"),
        ([1, 0, 2], ["left", "left", "centre"], "one joint of every mirror pair left"),
        ([1, 0, 2], ["left", "right", "left"], "one joint of every mirror pair left"),
    ],
)
def test_flips_that_are_none_are_refused(flip, sides, message):
    with pytest.raises(UserError, match=message):
        ChiralLayout.of(np.array(flip), sides, joints=3, latent_pairs=1, latent_centre=0)


def test_decoding_hand_made_latents():
    acae = Acae(np.array([[1.0, 0], [0, 1], [0, 0]]), np.array([[1, 0, 0.25], [0, 1, 0.75]]))
    pose = np.array([[0, 0, 0], [4, 8, 0], [9, 9, 9]])
    np.testing.assert_array_equal(acae.encode(pose), [[0, 0, 0], [4, 8, 0]])
    np.testing.assert_array_equal(acae.project(pose), [[0, 0, 0], [4, 8, 0], [3, 6, 0]])
    batch = np.zeros((2, 5, 3, 2), np.float32)
    assert acae.project(batch).shape == batch.shape
    assert acae.project(batch).dtype == np.float32


def test_a_missing_joint_spoils_what_uses_it_and_no_more():
    acae = Acae(np.array([[1.0, 0], [0, 1], [0, 0]]), np.array([[1, 0, 0.25], [0, 1, 0.75]]))
    pose = np.array([[0.0, 0, 0], [np.nan, np.nan, np.nan], [9, 9, 9]])
    np.testing.assert_array_equal(np.isnan(acae.project(pose)).all(axis=1), [False, True, True])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w2": np.ones((3, 2)) / 3}, "transposed shape"),
        ({"w1": np.full((3, 2), np.nan)}, "not finite"),
        ({"w1": np.ones(3)}, "must be a matrix"),
        ({"joint_names": ("a", "b")}, "3 different names"),
        ({"joint_names": ("a", "b", "b")}, "3 different names"),
        ({"latent_sides": ("left", "centre")}, "as many left as right"),
        ({"latent_sides": ("centre", "left")}, "as many left as right"),
        ({"flip": np.array([0, 1])}, "permutation of 3"),
        ({"moments": np.eye(2)}, "moments must have shape"),
        ({"example_pose": np.zeros((2, 3))}, "example_pose must have shape"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change, message):
    good = {"w1": np.ones((3, 2)) / 3, "w2": np.ones((2, 3)) / 2}
    Acae(**good)
    with pytest.raises(UserError, match=message):
        Acae(**{**good, **change})


def test_column_sums_driven_to_zero_are_one_clear_line():
    good = np.ones((2, 3)) / 2
    with pytest.raises(UserError, match="w1 column 1 sums to zero"):
        normalized(np.array([[1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]), good)


@pytest.mark.parametrize("poses", [np.zeros((2, 3), complex), np.zeros((2, 3), "U3")])
def test_poses_must_be_numbers(poses):
    with pytest.raises(UserError, match="poses must be numbers"):
        Acae(np.ones((2, 1)) / 2, np.ones((1, 2))).encode(poses)
