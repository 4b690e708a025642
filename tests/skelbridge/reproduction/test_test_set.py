"""The test set: what it says about its pictures, and its file."""

import dataclasses

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.reproduction import TestSet
from skeleton_defs import JointRegistry, UserError


def test_domains_and_formats(test):
    assert test.domain_names == ("synth_a", "synth_b", "synth_c", "synth_d", "synth_unseen")
    assert test.images_per_domain() == dict.fromkeys(test.domain_names, 6)
    assert test.is_labelled.sum(axis=0).tolist() == [6, 6, 6, 6]
    assert test.is_labelled[:6, 0].all() and test.is_labelled[6:12, 1].all()
    assert test.is_unseen.tolist() == [False] * 24 + [True] * 6


def test_hips_are_those_of_each_format(test):
    for format_name, hips in test.hips.items():
        skeleton = next(s for s in test.registry.skeletons if s.name == format_name)
        joints = test.registry.indices(format_name).tolist()
        assert [skeleton.joints[joints.index(j)] for j in hips] == ["left_hip", "right_hip"]


def test_same_named_joints(test):
    by_channel = {}
    for skeleton in test.registry.skeletons:
        for channel, joint in zip(test.registry.indices(skeleton), skeleton.joints, strict=True):
            by_channel[int(channel)] = joint
    assert len(test.same_named) > 50
    assert all(by_channel[a] == by_channel[b] for a, b in test.same_named.tolist())


def test_formats_that_share_channels_have_no_pair_with_themselves(test):
    registry = JointRegistry(["h36m_17", "h36m_25"])
    poses = np.zeros((2, len(registry), 3), np.float32)
    shared = TestSet(
        registry=registry, domains=np.array(["a", "b"]), labelled={"a": "h36m_17"},
        joints3d=poses, mask=np.ones(poses.shape[:2], bool),
        images=np.zeros((0, 8, 8, 3), np.uint8), intrinsics=np.zeros((0, 3, 3)),
        shown=np.zeros(0, int),
    )  # fmt: skip
    assert all(a != b for a, b in shared.same_named)


def test_missing_truth_is_nan(test):
    mask = test.mask.copy()
    mask[2, 5] = False
    true = dataclasses.replace(test, mask=mask).true
    assert np.isnan(true[2, 5]).all() and np.isnan(true).sum() == 3


def test_file_gives_back_everything(test, tmp_path):
    test.save(tmp_path / "test.npz")
    test.save(tmp_path / "again.npz")
    assert (tmp_path / "test.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    read = TestSet.load(tmp_path / "test.npz")
    assert read.registry.names == test.registry.names and read.labelled == test.labelled
    for field in ("domains", "joints3d", "mask", "images", "intrinsics", "shown"):
        np.testing.assert_array_equal(getattr(read, field), getattr(test, field))
        assert getattr(read, field).dtype == getattr(test, field).dtype


@pytest.mark.parametrize(
    "change, message",
    [
        ({"joints3d": np.zeros((30, 4, 3))}, "joints3d .* shape"),
        ({"mask": np.ones((30, 75))}, "mask .* float64"),
        ({"domains": np.arange(30)}, "domains"),
        ({"shown": np.array([0, 30])}, "number the 30"),
        ({"images": np.zeros((2, 8, 9, 3), np.uint8)}, "images"),
        ({"intrinsics": np.zeros((4, 3, 3))}, "intrinsics"),
        ({"labelled": {"synth_a": "coco_25"}}, "'coco_25' is not in its registry"),
    ],
)
def test_what_does_not_fit_is_told(test, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(test, **change)


def test_no_pictures_is_told(test):
    fields = {"domains": np.zeros(0, "U4"), "joints3d": np.zeros((0, 75, 3)),
              "mask": np.zeros((0, 75), bool), "images": np.zeros((0, 8, 8, 3), np.uint8),
              "intrinsics": np.zeros((0, 3, 3)), "shown": np.zeros(0, int)}  # fmt: skip
    with pytest.raises(UserError, match="at least one picture"):
        dataclasses.replace(test, **fields)


def test_wrong_files_are_told(test, tmp_path):
    path = tmp_path / "test.npz"
    with pytest.raises(FileError):
        TestSet.load(path)
    np.savez(path, domains=np.zeros(3))
    with pytest.raises(FileError, match="no 'registry'"):
        TestSet.load(path)
    test.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError):
        TestSet.load(path)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("registry", np.array(["smpl_24"]), "must have shape"),
        ("registry", np.array(["smpl_2400"]), "smpl_2400"),
        ("registry", np.float64(3), "is not a test set"),
        ("labelled", np.array([["synth_a"]]), "is not a test set"),
        ("joint_names", np.array(["nose"]), "joints of the installed formats"),
        ("domains", np.array([{}], dtype=object), "object|pickle"),
    ],
)
def test_lying_files_are_told(test, tmp_path, key, value, message):
    test.save(tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as arrays:
        content = dict(arrays) | {key: value}
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(FileError, match=message):
        TestSet.load(tmp_path / "bad.npz")


def test_damaged_files_end_in_errors_that_are_told(test, tmp_path):
    small = dataclasses.replace(
        test, images=test.images[:1], intrinsics=test.intrinsics[:1], shown=test.shown[:1]
    )
    small.save(tmp_path / "good.npz")
    path = tmp_path / "bad.npz"
    for data in mutations((tmp_path / "good.npz").read_bytes(), 100, seed=2):
        path.write_bytes(data)
        assert_result_or_user_error(lambda: TestSet.load(path))
