"""Joint angles: limbs bend the way limbs bend."""

import numpy as np
import pytest

from dataset_adapters.body_models.rotations import rotation_defect
from skelbridge.atlas.body_parts import LOW_POLY_PARTS, PART_INDEX, with_girdles
from skelbridge.atlas.low_poly import default_body
from skelbridge.synth.activities import ACTIVITIES, angles_of
from skelbridge.synth.angles import ANGLES, mirrored_angles, part_rotations
from skelbridge.synth.contacts import depth_of_contact


def pose(yaw=0.0, **degrees):
    """A pose out of angles in degrees; arms hang down unless told otherwise."""
    angles = np.zeros((1, len(ANGLES)))
    for name, value in degrees.items():
        angles[0, ANGLES.index(name)] = value if name.endswith("flat") else np.radians(value)
    return part_rotations(angles, np.radians([yaw]))[0]


def direction(rotations, part, axis):
    return rotations[PART_INDEX[part]] @ np.array(axis, float)


@pytest.mark.parametrize("side, sign", [("left", 1), ("right", -1)])
class TestLimbs:
    def test_arms_hang_and_the_elbow_bends_to_the_front(self, side, sign):
        arm = pose(**{f"{side}_elbow": 90})
        out = (sign, 0, 0)
        assert direction(arm, f"{side}_upper_arm", out) == pytest.approx((0, -1, 0), abs=1e-9)
        assert direction(arm, f"{side}_forearm", out) == pytest.approx((0, 0, 1), abs=1e-9)

    def test_a_raised_arm_points_where_it_is_told(self, side, sign):
        for raise_by, forward, expected in (
            (90, 0, (sign, 0, 0)), (90, 90, (0, 0, 1)), (180, 0, (0, 1, 0)),
        ):  # fmt: skip
            arm = pose(**{f"{side}_arm_raise": raise_by, f"{side}_arm_forward": forward})
            found = direction(arm, f"{side}_upper_arm", (sign, 0, 0))
            assert found == pytest.approx(expected, abs=1e-9)

    def test_the_leg_goes_forward_and_the_knee_bends_back(self, side, sign):
        leg = pose(**{f"{side}_hip_bend": 90, f"{side}_knee": 90})
        assert direction(leg, f"{side}_thigh", (0, -1, 0)) == pytest.approx((0, 0, 1), abs=1e-9)
        assert direction(leg, f"{side}_shank", (0, -1, 0)) == pytest.approx((0, -1, 0), abs=1e-9)
        bent = pose(**{f"{side}_knee": 90})
        assert direction(bent, f"{side}_shank", (0, -1, 0)) == pytest.approx((0, 0, -1), abs=1e-9)

    def test_legs_spread_outwards_also_when_sitting(self, side, sign):
        for hip_bend in (0, 90):
            leg = pose(**{f"{side}_hip_spread": 30, f"{side}_hip_bend": hip_bend})
            assert direction(leg, f"{side}_thigh", (0, -1, 0))[0] == pytest.approx(sign * 0.5)

    def test_a_flat_foot_stays_level(self, side, sign):
        leg = pose(**{f"{side}_hip_bend": 70, f"{side}_knee": 90, f"{side}_foot_flat": 1})
        assert direction(leg, f"{side}_foot", (0, 0, 1)) == pytest.approx((0, 0, 1), abs=1e-9)

    def test_toes_point_outwards(self, side, sign):
        assert direction(pose(**{f"{side}_foot_out": 20}), f"{side}_foot", (0, 0, 1))[0] * sign > 0


def test_yaw_turns_to_the_left():
    assert direction(pose(yaw=90), "head", (0, 0, 1)) == pytest.approx((1, 0, 0), abs=1e-9)


def test_bending_brings_the_chest_forward():
    assert direction(pose(lean=20, spine_bend=40), "spine3", (0, 1, 0))[2] > 0.8


def test_a_mirrored_pose_is_seen_in_a_mirror():
    rng = np.random.default_rng(0)
    angles = rng.uniform(-1, 1, (5, len(ANGLES)))
    reflection = np.array([-1.0, 1.0, 1.0])
    one = part_rotations(angles, np.zeros(5))
    other = part_rotations(mirrored_angles(angles), np.zeros(5))
    for part, index in PART_INDEX.items():
        side, _, rest = part.partition("_")
        twin = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, part)
        seen = one[:, PART_INDEX[twin]] * reflection[:, None] * reflection
        assert other[:, index] == pytest.approx(seen, abs=1e-9)


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_activities_make_poses_within_their_ranges(activity):
    chances = np.random.default_rng(1).random((64, len(ANGLES)))
    angles = angles_of(activity, chances)
    assert angles.shape == (64, len(ANGLES))
    rotations = part_rotations(angles, np.zeros(64))
    assert rotation_defect(rotations).max() < 1e-9
    knees = angles[:, [ANGLES.index("left_knee"), ANGLES.index("right_knee")]]
    elbows = angles[:, [ANGLES.index("left_elbow"), ANGLES.index("right_elbow")]]
    assert (knees >= 0).all() and (knees < np.radians(145)).all()
    assert (elbows >= 0).all() and (elbows < np.radians(145)).all()
    # Some of the poses keep the limbs clear of each other.
    turns = with_girdles(rotations)
    person = default_body().shaped(np.zeros(10))
    assert (depth_of_contact(turns, person.places(turns)) < 0.015).mean() > 0.25


def test_contact_is_noticed():
    person = default_body().shaped(np.zeros(10))
    depths = []
    for degrees in (
        {},
        {"left_arm_raise": 40, "right_arm_raise": 40},
        # The left forearm through the belly; the right knee through the left one.
        {"left_arm_raise": 20, "left_arm_twist": 90, "left_elbow": 110, "right_arm_raise": 40},
        {"right_hip_spread": -30, "left_arm_raise": 40, "right_arm_raise": 40},
    ):
        turns = with_girdles(pose(**degrees))[None]
        depths.append(depth_of_contact(turns, person.places(turns))[0])
    assert len(LOW_POLY_PARTS) == turns.shape[1]
    assert depths[1] < 0.01
    assert depths[2] > 0.02 and depths[3] > 0.02
