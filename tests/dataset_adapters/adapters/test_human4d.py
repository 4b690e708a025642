import json

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

ADAPTER = get_adapter("human4d")
TAKE = "S1/19-07-12-07-32-22"
SOURCE = Source("train", TAKE)
DEVICES = "S1/device_repository.json"
OFFSETS = "S1/offsets.txt"
EXTRINSICS = "S1/pose/M72h.extrinsics"


def read_camera(root, adapter=ADAPTER, name="M72h"):
    return next(b for b in adapter.read(root, SOURCE) if b.camera_name == name)


def test_rules_differ_by_one_frame():
    root = master("human4d")
    line = next(x for x in (root / OFFSETS).read_text().split("\n") if x.startswith(TAKE[3:]))
    offset = int(line.split("\t")[1])
    for rule, first in (("posepile", offset - 1), ("toolbox", offset)):
        block = read_camera(root, get_adapter("human4d", offset_rule=rule))
        poses = [np.load(root / TAKE / f"Dump/gposes3d/{frame - first}.npy")
                 for frame in block.frames]  # fmt: skip
        for row, pose in enumerate(poses):
            np.testing.assert_allclose(block.joints3d[row], np.delete(pose[0], 15, axis=0))


def test_images_without_a_pose_are_left_out():
    root = master("human4d")
    block = read_camera(root)
    n_images = len(list((root / TAKE / "Dump/color").glob("*_M72h_*.png")))
    assert 0 < len(block) < n_images


def test_colour_sensor_stands_beside_the_depth_sensor():
    root = master("human4d")
    device = next(d for d in json.loads((root / DEVICES).read_text()) if d["Device"] == "M72h")
    depth = read_camera(root, get_adapter("human4d", sensor="depth")).cameras
    color = read_camera(root).cameras
    point = np.array([100.0, 200, 900])
    turn = np.reshape(device["Color Depth Rotation"], (3, 3))
    shift = 1000 * np.array(device["Color Depth Translation"])
    # Back from the colour sensor: X_depth = R X_color + t.
    np.testing.assert_allclose(
        turn @ color.to_camera(point) + shift, depth.to_camera(point), rtol=0, atol=1e-6
    )
    rows = np.loadtxt(root / EXTRINSICS)
    np.testing.assert_allclose(depth.center, rows[3])
    np.testing.assert_allclose(depth.R, rows[:3].T)


def test_repository_one_level_higher(tmp_path):
    root = copy_of("human4d", tmp_path)
    expected = read_camera(root).cameras
    (root / DEVICES).rename(root / "device_repository.json")
    np.testing.assert_array_equal(read_camera(root).cameras.K, expected.K)


def test_zero_joints_are_missing(tmp_path):
    root = copy_of("human4d", tmp_path)
    for path in (root / TAKE / "Dump/gposes3d").glob("*.npy"):
        pose = np.load(path)
        pose[:, 32] = 0
        np.save(path, pose)
    joints = read_camera(root).joints3d
    assert np.isnan(joints[:, 31]).all() and not np.isnan(joints[:, :31]).any()


def edited(path, edit):
    overwrite(path, edit(path.read_text()).encode())


def changed_devices(**change):
    def edit(text):
        return json.dumps([{**device, **change} for device in json.loads(text)])

    return edit


@pytest.mark.parametrize(
    "name, edit, message",
    [
        (OFFSETS, lambda t: t.replace("19-", "18-"), "expected a line for take 19-07-12-07-32-22"),
        (OFFSETS, lambda t: "19-07-12-07-32-22\tx\t0\n", "line 1: expected '<take><tab>"),
        (EXTRINSICS, lambda t: "\n".join(t.split("\n")[:3]), r"shape \(4, 3\), found shape \(3, 3"),
        (EXTRINSICS, lambda t: t.replace("\n", " 7\n", 1), "line 2: expected 4 numbers|line 1"),
        (DEVICES, lambda t: "{}", "expected a list of devices"),
        (DEVICES, changed_devices(Device="M0"), "expected the key 'M72e', found M0"),
        (DEVICES, changed_devices(**{"Color Intrinsics": [{"640x360": []}]}), "the key 1280x720"),
        (DEVICES, changed_devices(**{"Color Depth Rotation": [1]}), "expected 9 numbers"),
        (DEVICES, changed_devices(**{"Color Depth Translation": None}), "Color Depth Translation"),
    ],
)
def test_damage_is_named(tmp_path, name, edit, message):
    root = copy_of("human4d", tmp_path)
    edited(root / name, edit)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, SOURCE))


def test_other_poses_are_refused(tmp_path):
    root = copy_of("human4d", tmp_path)
    for path in (root / TAKE / "Dump/gposes3d").glob("*.npy"):
        np.save(path, np.zeros((1, 17, 3)))
    with pytest.raises(FileError, match=r"expected numbers of shape \(n, 33, 3\), found shape"):
        list(ADAPTER.read(root, SOURCE))


def test_small_people_are_left_out():
    root = master("human4d")
    block = read_camera(root)
    extent = block.projected().max(axis=1) - block.projected().min(axis=1)
    sides = 1.2 * extent.max(axis=1)
    limit = (sides.min() + sides.max()) / 2
    kept = read_camera(root, get_adapter("human4d", min_box_side=limit))
    assert kept.frames.tolist() == block.frames[sides >= limit].tolist()
    assert 0 < len(kept) < len(block)


def test_options_are_checked():
    with pytest.raises(UserError, match="offset_rule must be one of posepile, toolbox"):
        get_adapter("human4d", offset_rule="mine")


@pytest.mark.parametrize("name", [DEVICES, OFFSETS, EXTRINSICS, f"{TAKE}/Dump/gposes3d/0.npy"])
def test_damaged_files(tmp_path, name):
    root = copy_of("human4d", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=30)
