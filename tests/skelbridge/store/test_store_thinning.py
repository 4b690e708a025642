"""Thinning by motion: the published rules, step by step, against the fast version."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_adapters.adapter import NO_THINNING, Thinning
from dataset_adapters.examples import ExampleBlock
from skelbridge.store.thinning import MotionSampler, Thinner


def published(poses, rule, limits=None):
    """The samplers as they are described, one pose and one stored pose at a time."""
    kept, stored = [], []
    limits = [rule.distance_mm] * len(poses) if limits is None else limits
    for pose, limit in zip(poses, limits, strict=True):
        if rule.centered:
            pose = pose - np.nanmean(pose, axis=0) if (~np.isnan(pose)).any() else pose
        valid = ~np.isnan(pose[:, 0])
        if not stored:
            keep = bool(valid.any())
        else:
            appeared = bool((valid & np.isnan(stored[-1][:, 0])).any())
            if rule.keep_newly_valid and appeared:
                keep = True
            else:
                memory = stored if rule.memory is None else stored[-rule.memory :]
                keep = all(differs(pose, other, valid, rule, limit) for other in memory)
        kept.append(keep)
        if keep:
            if rule.ignore_missing and rule.carry_missing and stored:
                pose = np.where(np.isnan(pose), stored[-1], pose)
            stored.append(pose)
    return np.array(kept, bool)


def differs(pose, other, valid, rule, limit):
    moved = 0
    for joint in range(len(pose)):
        if rule.keep_newly_valid and not valid[joint]:
            continue
        distance = np.linalg.norm(pose[joint] - other[joint])
        if np.isnan(distance):
            moved += not rule.ignore_missing
        else:
            moved += not distance < limit
    return moved >= rule.moved_joints


def walk(rng, n, joints=5, missing=0.1):
    """Poses that wander, return to earlier places, and lose joints now and then."""
    steps = rng.normal(0, rng.choice([5, 30, 80]), (n, joints, 3))
    poses = np.cumsum(steps, axis=0)
    if rng.random() < 0.5:
        poses = 150 * np.sin(poses / 100)
    poses[rng.random((n, joints)) < missing] = np.nan
    poses[rng.random(n) < 0.02] = np.nan
    return poses


RULES = st.builds(
    Thinning,
    distance_mm=st.just(100.0),
    memory=st.sampled_from([1, 2, 7, 40, None]),
    keep_newly_valid=st.booleans(),
    ignore_missing=st.booleans(),
    centered=st.booleans(),
    carry_missing=st.booleans(),
    moved_joints=st.sampled_from([1, 1, 2, 3]),
)


@given(
    rule=RULES, seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0, 0.02, 0.3]),
    own_limits=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_equals_the_published_rules(rule, seed, missing, own_limits):
    rng = np.random.default_rng(seed)
    poses = walk(rng, 120, missing=missing)
    limits = rng.choice([40, 100, 250, np.nan], 120, p=[0.3, 0.3, 0.3, 0.1])
    expected = published(poses, rule, limits if own_limits else None)
    sampler = MotionSampler(rule)
    cuts = np.sort(rng.integers(0, 120, 2))
    parts = [
        sampler.keep(part, limit if own_limits else None)
        for part, limit in zip(np.split(poses, cuts), np.split(limits, cuts), strict=True)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_by_hand():
    # Along one axis: 0, 60, 99, 100 (kept), 150, 200 (kept), 100.
    poses = np.zeros((7, 2, 3))
    poses[:, 1, 0] = [0, 60, 99, 100, 150, 200, 100]
    keep = MotionSampler(Thinning()).keep(poses)
    assert keep.tolist() == [True, False, False, True, False, True, True]
    # With memory the return to 100 is nothing new.
    keep = MotionSampler(Thinning(memory=5)).keep(poses)
    assert keep.tolist() == [True, False, False, True, False, True, False]


def block(n=10, split="train", **changes):
    joints = np.zeros((n, 16, 3))
    joints[:, 0, 0] = 60.0 * np.arange(n)
    values = {"frames": np.arange(n), "joints3d": joints, "sequence": "s"}
    return ExampleBlock("toy", split, "mpii_16", **{**values, **changes})


def test_state_is_kept_per_person_and_camera_across_blocks():
    thinner = Thinner(Thinning(), "train")
    whole = Thinner(Thinning(), "train").keep(block())[0]
    first, second = block().select(slice(0, 3)), block().select(slice(3, 10))
    parts = [thinner.keep(first)[0], thinner.keep(second)[0]]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.tolist() == [i % 2 == 0 for i in range(10)]
    # Two people in turns, each at rest: both are kept once.
    still = block(joints3d=np.zeros((10, 16, 3)), person=["a", "b"] * 5)
    assert thinner.keep(still)[0].tolist() == [True, True] + 8 * [False]


def test_every_nth_frame():
    rule = Thinning(every=3, distance_mm=None, splits=("train",), every_elsewhere=4)
    kept, dropped = Thinner(rule, "train").keep(block(frames=np.arange(10) + 5))
    assert np.flatnonzero(kept).tolist() == [1, 4, 7]  # Frames 6, 9, 12.
    assert dropped == {"thinned to one frame in 3": 7}
    kept, _ = Thinner(rule, "test").keep(block(split="test"))
    assert np.flatnonzero(kept).tolist() == [0, 4, 8]
    # A person who comes in later is looked at in the same frames as the others.
    late = block(frames=np.r_[np.arange(8), 4, 6], person=["a"] * 8 + ["b"] * 2)
    assert np.flatnonzero(Thinner(rule, "train").keep(late)[0]).tolist() == [0, 3, 6, 9]
    # Motion is looked at in these frames only: 60 mm each, so 180 mm from one to the next.
    both = Thinning(every=3, distance_mm=200.0)
    assert np.flatnonzero(Thinner(both, "train").keep(block())[0]).tolist() == [0, 6]


def test_the_rule_is_for_its_splits_and_for_3d():
    assert Thinner(Thinning(), "test").keep(block(split="test"))[0].all()
    assert Thinner(NO_THINNING, "train").keep(block())[0].all()
    flat = block(joints3d=None, joints2d=np.zeros((10, 16, 2)))
    assert Thinner(Thinning(), "train").keep(flat)[0].all()


def test_three_joints_must_have_moved():
    rule = Thinning(ignore_missing=True, carry_missing=False, moved_joints=3)
    poses = np.zeros((6, 5, 3))
    poses[1, :2, 0] = 500  # Two joints are too few.
    poses[2, :3, 0] = 100  # Kept; joints 3 and 4 are missing in it.
    poses[2, 3:] = np.nan
    poses[3, 3:, 1] = 400  # Joints 3 and 4 cannot be compared: joints 0 to 2 moved back.
    poses[4] = poses[3]
    poses[5] = poses[3]
    poses[5, [0, 3, 4], 2] = 99.9, 100, 100  # One of them not far enough.
    assert MotionSampler(rule).keep(poses).tolist() == [True, False, True, True, False, False]
    poses[5, 0, 2] = 100
    assert MotionSampler(rule).keep(poses)[5]
    # A joint that only its own past tells of: compared where it is carried along.
    poses = np.zeros((3, 4, 3))
    poses[1, :3, 0], poses[1, 3] = 100, np.nan
    poses[2, :2, 0], poses[2, 2:, 0] = 0, 100
    assert MotionSampler(rule).keep(poses).tolist() == [True, True, False]
    carried = dataclasses.replace(rule, carry_missing=True)
    assert MotionSampler(carried).keep(poses).tolist() == [True, True, True]


def flat(x, **changes):
    """People whose joint 0 is at (x, 0) px and joint 1 at (0, 50); the others are absent."""
    joints = np.full((len(x), 16, 2), np.nan)
    joints[:, 0], joints[:, 1] = 0, (0, 50)
    joints[:, 0, 0] = x
    values = {"frames": np.arange(len(x)), "joints2d": joints, **changes}
    return ExampleBlock("toy", "train", "mpii_16", **values)


IN_IMAGE = Thinning(
    distance_mm=None, image_distance=0.5, image_scale="head_box", keep_newly_valid=True
)


def test_motion_in_the_image_by_the_heads_box():
    # Diagonals of 50 px: 25 px are enough. The last box is twice as large.
    heads = np.tile([7.0, 7, 30, 40], (6, 1))
    heads[5, 2:] = 60, 80
    moving = flat([0, 24, 25, 1, 0, 25], extras={"head_box": heads})
    thinner = Thinner(IN_IMAGE, "train")
    kept, dropped = thinner.keep(moving)
    assert kept.tolist() == [True, False, True, False, True, False]
    assert dropped == {"moved less than 0.5 of the head box's diagonal": 3}
    # The state goes on; without a head's box nobody can tell, so people are kept.
    heads = np.full((2, 4), np.nan)
    assert thinner.keep(flat([0, 0], extras={"head_box": heads}))[0].all()
    assert thinner.keep(flat([0, 0]))[0].all()
    assert not thinner.keep(flat([0], extras={"head_box": [[0, 0, 3, 4]]}))[0].any()


def test_motion_in_the_image_by_the_joints_box():
    # Boxes are 50 px high, 60 when enlarged: a tenth is 6 px; 62.4 px wide: 7.488 px.
    rule = dataclasses.replace(IN_IMAGE, image_distance=0.1, image_scale="joint_box")
    thinner = Thinner(rule, "train", box_expansion=1.2)
    moving = flat([0, 5.9, 6, 11.9, 12.1, 70, 62.6, 62.4])
    assert thinner.keep(moving)[0].tolist() == [1, 0, 1, 0, 1, 1, 0, 1]
    assert Thinner(rule, "valid").keep(moving.select(slice(0, 2)))[0].all()


def test_joints_that_appear_in_the_image_and_each_person_alone():
    moving = flat([0] * 6, person=["a", "b"] * 3, extras={"head_box": np.ones((6, 4))})
    joints = moving.joints2d.copy()
    joints[2:4, 5] = 9  # Both people get another joint in their second frame, and lose it again.
    moving = flat([0] * 6, person=["a", "b"] * 3, joints2d=joints,
                  extras={"head_box": np.ones((6, 4))})  # fmt: skip
    assert Thinner(IN_IMAGE, "train").keep(moving)[0].tolist() == [1, 1, 1, 1, 0, 0]
    # A joint that the dataset does not vouch for has not appeared.
    doubtful = dataclasses.replace(moving, validity=~np.isin(np.arange(16), 5)[None].repeat(6, 0))
    assert Thinner(IN_IMAGE, "train").keep(doubtful)[0].tolist() == [1, 1, 0, 0, 0, 0]


def test_another_set_of_joints():
    fingers = np.zeros((10, 40, 3))
    fingers[7:, 39] = 100
    rule = Thinning(joints="all")
    kept = Thinner(rule, "train").keep(block(extras={"all": fingers}))[0]
    assert np.flatnonzero(kept).tolist() == [0, 7]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"image_distance": 0.5}, "distance_mm must be None"),
        ({"distance_mm": None, "image_scale": "hat"}, "image_scale must be one of"),
    ],
)
def test_rules_that_are_none(values, message):
    with pytest.raises(ValueError, match=message):
        Thinning(**values)


def test_work_grows_with_the_motion_not_with_all_pairs():
    # 20 000 frames at rest are looked at in steps of up to 512.
    rule = dataclasses.replace(Thinning(), memory=None)
    sampler = MotionSampler(rule)
    looks = 0
    original = sampler._differs

    def counted(*arguments):
        nonlocal looks
        looks += 1
        return original(*arguments)

    sampler._differs = counted
    sampler.keep(np.zeros((20_000, 16, 3)))
    assert looks < 60
