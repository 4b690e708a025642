"""Thinning by motion: the published rules, step by step, against the fast version."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_adapters.adapter import NO_THINNING, Thinning
from dataset_adapters.examples import ExampleBlock
from skelbridge.store.thinning import MotionSampler, Thinner


def published(poses, rule):
    """The samplers as they are described, one pose and one stored pose at a time."""
    kept, stored = [], []
    for pose in poses:
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
                keep = all(differs(pose, other, valid, rule) for other in memory)
        kept.append(keep)
        if keep:
            if rule.ignore_missing and stored:
                pose = np.where(np.isnan(pose), stored[-1], pose)
            stored.append(pose)
    return np.array(kept, bool)


def differs(pose, other, valid, rule):
    for joint in range(len(pose)):
        if rule.keep_newly_valid and not valid[joint]:
            continue
        distance = np.linalg.norm(pose[joint] - other[joint])
        if np.isnan(distance):
            if not rule.ignore_missing:
                return True
        elif distance >= rule.distance_mm:
            return True
    return False


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
)


@given(rule=RULES, seed=st.integers(0, 2**32 - 1), missing=st.sampled_from([0, 0.02, 0.3]))
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_equals_the_published_rules(rule, seed, missing):
    rng = np.random.default_rng(seed)
    poses = walk(rng, 120, missing=missing)
    expected = published(poses, rule)
    sampler = MotionSampler(rule)
    cuts = np.sort(rng.integers(0, 120, 2))
    parts = [sampler.keep(part) for part in np.split(poses, cuts)]
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
