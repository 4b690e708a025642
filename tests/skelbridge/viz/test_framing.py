"""The upward axis, the viewpoint and the reach of the axes."""

import numpy as np
import pytest

from skelbridge.viz import Layer
from skelbridge.viz.framing import (
    axis_limits,
    guess_up,
    mirror_pairs,
    padded_limits,
    round_step,
    up_vector,
    view_axes,
)
from skelbridge.viz.scene import build_scene


def nameless(positions):
    positions = np.asarray(positions, float)
    return Layer("a", positions, tuple(f"j{j}" for j in range(positions.shape[-2])), ())


@pytest.mark.parametrize("up", ["y", "z", "-y", "-z"])
def test_head_above_feet_tells_the_up_axis(person, up):
    guessed, note = guess_up([person(up=up, n_frames=3)])
    assert guessed == up
    assert f"{up} assumed, as heads are above feet" in note


def test_without_names_the_longer_extent_tells_z_up_from_a_camera_frame(turned):
    standing = np.array([[0.0, 0.0, 0.0], [0.3, 1.7, 0.2], [0.1, 0.9, 0.0]])
    assert guess_up([nameless(turned["z"](standing))])[0] == "z"
    guessed, note = guess_up([nameless(turned["-y"](standing))])
    assert guessed == "-y"
    assert "camera frame: x right, y down, z forward" in note


def test_up_is_guessed_of_nothing_at_all():
    assert guess_up([nameless(np.full((2, 3, 3), np.nan))])[0] == "-y"


@pytest.mark.parametrize("up", ["y", "z", "-y", "x", "-z"])
def test_people_are_seen_from_the_front_and_not_mirrored(person, turned, up):
    view = view_axes([person(up=up)], up, turn_deg=0, rise_deg=0)
    # The person of the fixture looks along z: its left, x, is on the viewer's right.
    expected = np.stack([turned[up](axis) for axis in np.eye(3)])
    np.testing.assert_allclose(view, expected, atol=1e-12)


def test_view_is_a_rotation_turned_to_the_right_and_raised(person):
    view = view_axes([person()], "y", turn_deg=30, rise_deg=20)
    np.testing.assert_allclose(view @ view.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view) == pytest.approx(1)
    np.testing.assert_allclose(
        view[2],
        [np.cos(np.radians(20)) * 0.5, np.sin(np.radians(20)),
         np.cos(np.radians(20)) * np.sqrt(0.75)],
    )  # fmt: skip


@pytest.mark.parametrize("up", ["y", "z", "-y"])
def test_without_sides_x_points_right(up):
    view = view_axes([nameless([[0, 0, 0], [1, 1, 1]])], up, turn_deg=0, rise_deg=0)
    np.testing.assert_allclose(view[:2], [[1, 0, 0], up_vector(up)], atol=1e-12)


def test_someone_who_turns_round_is_seen_as_if_without_sides(person):
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    pose = person().positions[0]
    x, y, z = np.moveaxis(pose, -1, 0)
    turns = [np.stack([np.cos(a) * x + np.sin(a) * z, y, np.cos(a) * z - np.sin(a) * x], -1)
             for a in angles]  # fmt: skip
    layer = Layer("a", np.array(turns), person().joint_names, ())
    view = view_axes([layer], "y", turn_deg=0, rise_deg=0)
    np.testing.assert_allclose(view, np.eye(3), atol=1e-12)


def test_limits_hold_all_joints_of_all_frames(person):
    limits, n_outside = axis_limits([person(n_frames=11), person(n_frames=11, step=-0.2)])
    np.testing.assert_allclose(limits, [[-2.55, 0.08, 0.0], [1.55, 1.70, 0.1]])
    assert n_outside == 0


def test_two_people_far_apart_are_both_inside(person):
    walk = person(n_frames=2).positions
    both = np.concatenate([walk, walk + np.array([40.0, 0.0, 0.0])], axis=1)
    limits, n_outside = axis_limits([Layer("a", both, person().joint_names, ())])
    assert n_outside == 0
    assert limits[1, 0] == pytest.approx(40.65)


def test_stray_joint_does_not_blow_up_the_axes(person):
    walk = person(n_frames=30)
    positions = walk.positions.copy()
    positions[7, 0, 0] = [1e6, -1e6, 5.0]
    limits, n_outside = axis_limits([Layer("a", positions, walk.joint_names, ())])
    expected, _ = axis_limits([walk])
    assert n_outside == 1
    np.testing.assert_array_equal(limits, expected)


def test_stray_joint_in_a_single_pose(person):
    positions = person().positions.copy()
    positions[0, 0, 4] = 1e4
    made = build_scene([Layer("a", positions, person().joint_names, ())], max_frames=1, up="y")
    assert made.limits.max() == 1.70
    assert "1 stray joint positions lie outside of the axes." in made.notes


def test_stray_person_does_not_blow_up_the_axes(person):
    walk = person(n_frames=100)
    positions = walk.positions.copy()
    positions[50] += 1e6
    limits, n_outside = axis_limits([Layer("a", positions, walk.joint_names, ())])
    np.testing.assert_array_equal(limits, axis_limits([walk])[0])
    assert n_outside == 9


@pytest.mark.parametrize("n_dims", [2, 3])
def test_limits_of_nothing_are_those_of_a_unit_box(n_dims):
    layers = [nameless(np.full((2, 3, n_dims), np.nan)), nameless(np.zeros((2, 0, 3, n_dims)))]
    limits, n_outside = axis_limits(layers)
    assert limits.tolist() == [[0.0] * n_dims, [1.0] * n_dims]
    assert n_outside == 0


def test_padding_keeps_a_flat_box_from_being_degenerate():
    padded = padded_limits(np.array([[0.0, 5.0], [10.0, 5.0]]))
    np.testing.assert_allclose(padded, [[-0.6, 3.75], [10.6, 6.25]])


@pytest.mark.parametrize("at", [0.0, 1e6, -3e29, 1e-320])
def test_padding_of_a_single_point_is_finite_and_wide(at):
    padded = padded_limits(np.full((2, 3), at))
    assert np.isfinite(padded).all()
    assert (padded[1] > padded[0]).all()


@pytest.mark.parametrize(
    ("length", "step"), [(1.8, 0.5), (2000, 500), (10, 2), (5, 1), (0.051, 0.02), (4.9e-7, 1e-7)]
)
def test_steps_are_round(length, step):
    assert round_step(length) == pytest.approx(step)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["pelvis", "left_hip", "right_hip"], [(1, 2)]),
        (["RightArm", "LeftArm", "LeftHand"], [(1, 0)]),
        (["L_Ankle", "R_Ankle", "Pelvis"], [(0, 1)]),
        (["lhip", "rhip", "lowerback", "bell"], [(0, 1)]),
        (["clavicle_l", "clavicle_r"], [(0, 1)]),
        (["mixamorig:LeftLeg", "mixamorig:RightLeg"], [(0, 1)]),
        (["nose", "skull", "pelvis", "0"], []),
    ],
)
def test_sides_are_told_by_pairs_of_names(names, pairs):
    assert mirror_pairs(names) == pairs
