import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dataset_adapters.containers.kinematics import (
    accumulate_rotations,
    accumulate_steps,
    euler_rotations,
    fixed_axis_rotations,
    frame_chunks,
    parents_first,
    place_joints,
    positions_fit,
    rotate,
)

# scipy refuses the same axis twice in a row, which is one rotation by the sum.
ORDERS = [
    "".join(axes)
    for n in (1, 2, 3)
    for axes in itertools.product("XYZ", repeat=n)
    if all(a != b for a, b in itertools.pairwise(axes))
]


@pytest.mark.parametrize("axes", ORDERS)
def test_euler_rotations_are_scipys(axes):
    angles = np.random.default_rng(0).uniform(-7, 7, (5, 4, len(axes)))
    expected = Rotation.from_euler(axes, angles.reshape(-1, len(axes))).as_matrix()
    assert euler_rotations(angles, axes) == pytest.approx(expected.reshape(5, 4, 3, 3), abs=1e-14)
    fixed = Rotation.from_euler(axes.lower(), angles.reshape(-1, len(axes))).as_matrix()
    assert fixed_axis_rotations(angles, axes) == pytest.approx(fixed.reshape(5, 4, 3, 3), abs=1e-14)


def test_a_quarter_turn_about_z_takes_x_to_y():
    turned = rotate(euler_rotations(np.array([np.pi / 2]), "Z"), np.array([1.0, 0, 0]))
    assert turned == pytest.approx(np.array([0.0, 1, 0]), abs=1e-15)


def test_the_first_listed_rotation_is_the_outermost():
    # Z then X, intrinsic: Rz(90) Rx(90) takes y to (Rx) z to (Rz) z; Rx(90) Rz(90) takes y to -x.
    quarter = np.full(2, np.pi / 2)
    y = np.array([0.0, 1, 0])
    assert rotate(euler_rotations(quarter, "ZX"), y) == pytest.approx([0, 0, 1], abs=1e-15)
    assert rotate(fixed_axis_rotations(quarter, "ZX"), y) == pytest.approx([-1, 0, 0], abs=1e-15)


def test_no_axes_is_the_identity():
    assert (euler_rotations(np.empty((2, 0)), "") == np.eye(3)).all()


def test_the_number_of_angles_must_be_that_of_the_axes():
    with pytest.raises(ValueError, match=r"shape \(..., 3\).*Received shape \(4, 2\)"):
        euler_rotations(np.zeros((4, 2)), "XYZ")


def test_a_bent_arm_by_hand():
    # Listed child first. Shoulder at (1, 0, 0), turned by 90 degrees about z; elbow again by 90.
    parents = (1, -1, 0)  # elbow, shoulder, wrist
    local = euler_rotations(np.radians([[90.0], [90.0], [0.0]]), "Z")
    world = accumulate_rotations(parents, local)
    lengths = np.array([[2.0, 0, 0], [1, 0, 0], [3, 0, 0]])
    steps = lengths.copy()
    steps[[0, 2]] = rotate(world[[1, 0]], lengths[[0, 2]])
    positions = accumulate_steps(parents, steps)
    assert positions == pytest.approx(np.array([[1.0, 2, 0], [1, 0, 0], [-2, 2, 0]]), abs=1e-14)


def test_inputs_are_left_alone():
    steps = np.ones((2, 3))
    accumulate_steps((-1, 0), steps)
    local = euler_rotations(np.ones((2, 1)), "X")
    before = local.copy()
    accumulate_rotations((-1, 0), local)
    assert (steps == 1).all()
    assert (local == before).all()


def test_parents_come_first_however_deep():
    depth = 5000
    parents = [*range(1, depth), -1]  # each joint's parent is the next one
    assert parents_first(parents) == list(range(depth))[::-1]


@pytest.mark.parametrize(
    ("parents", "message"),
    [((-1, 2, 1), "joint 1.*loop"), ((-1, 2), "parent of joint 1"), ((0,), "joint 0.*loop")],
)
def test_parents_that_are_no_tree(parents, message):
    with pytest.raises(ValueError, match=message):
        parents_first(parents)


def test_positions_fit():
    assert positions_fit(100_000, 31, file_bytes=0)  # 74 MB
    assert not positions_fit(1_000_000, 31, file_bytes=1_000_000)  # 744 MB from 1 MB
    assert positions_fit(1_000_000, 31, file_bytes=93_000_000)  # one byte per value would do


def test_frame_chunks_cover_all_frames_once():
    chunks = frame_chunks(100_000, 31)
    assert len(chunks) > 1
    assert [frame for chunk in chunks for frame in range(100_000)[chunk]] == list(range(100_000))
    assert frame_chunks(0, 31) == []


def test_joints_are_placed_in_their_parents_axes():
    quarter = euler_rotations(np.array([np.pi / 2]), "Z")
    local = np.stack([quarter, quarter, np.full((3, 3), np.nan), np.eye(3)])
    steps = np.array([[5.0, 5, 5], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    # The root turns x to y, the second joint turns it on to -x; the third hides what is below it.
    expected = [[5, 5, 5], [5, 6, 5], [4, 6, 5], [np.nan] * 3]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):  # parents first, and parents last
        parents = [-1 if p < 0 else order.index(p) for p in np.array([-1, 0, 1, 2])[order]]
        placed = place_joints(parents, local[order], steps[order])
        np.testing.assert_allclose(placed, np.array(expected)[order], atol=1e-15)
    assert steps[1].tolist() == [1, 0, 0]
