"""Fit3D, HumanSC3D and CHI3D share one reader."""

import json

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError
from dataset_adapters.images import video_size
from skeleton_defs import UserError

ADAPTER = get_adapter("fit3d")
SOURCE = Source("train", "s03/squat/50591643")
JOINTS = "train/s03/joints3d_25/squat.json"
CAMERA = "train/s03/camera_parameters/50591643/squat.json"


def read_one(root, source=SOURCE, adapter=ADAPTER):
    (block,) = adapter.read(root, source)
    return block


def stored_joints(root):
    return np.array(json.loads((root / JOINTS).read_text())["joints3d_25"])


def test_metres_and_the_cameras_centre():
    root = master("fit3d")
    block = read_one(root)
    stored = json.loads((root / CAMERA).read_text())["extrinsics"]
    np.testing.assert_allclose(block.cameras.center, 1000 * np.ravel(stored["T"]))
    # The person stands in front of the camera, head above the feet.
    points = block.cameras.to_camera(block.joints3d[0])
    assert (points[:, 2] > 0).all()
    assert points[10, 1] < min(points[3, 1], points[6, 1])


def test_joints_of_the_first_release_are_at_200_hz(tmp_path):
    root = copy_of("fit3d", tmp_path)
    n = video_size(root / "train/s03/videos/50591643/squat.mp4")[2]
    base = stored_joints(root)[:1]
    joints = base + np.arange(4 * n)[:, None, None] / 100
    overwrite(root / JOINTS, json.dumps({"joints3d_25": joints.tolist()}).encode())
    block = read_one(root)
    np.testing.assert_allclose(block.joints3d, 1000 * joints[::4])
    assert f"{4 * n} joint frames against {n} video frames" in block.notes[0]
    forced = read_one(root, adapter=get_adapter("fit3d", joint_rate="1"))
    np.testing.assert_allclose(forced.joints3d, 1000 * joints[:n])


def test_folder_above(tmp_path):
    root = copy_of("fit3d", tmp_path)
    block = read_one(tmp_path)
    assert block.images == "fit3d/train/s03/videos/50591643/squat.mp4"
    np.testing.assert_array_equal(block.joints3d, read_one(root).joints3d)


def test_second_person_of_chi3d_has_no_markers():
    root = master("chi3d")
    source = next(s for s in get_adapter("chi3d").sources(root, "train") if "Grab 4" in s.key)
    blocks = list(get_adapter("chi3d").read(root, source))
    assert [(b.person, b.extras["has_markers"][0]) for b in blocks] == [("0", True), ("1", False)]


def test_first_release_of_chi3d_has_one_person(tmp_path):
    root = copy_of("chi3d", tmp_path)
    adapter = get_adapter("chi3d")
    source = next(s for s in adapter.sources(root, "train") if "Grab 4" in s.key)
    path = root / "train/s02/joints3d_25/Grab 4.json"
    two = json.loads(path.read_text())["joints3d_25"]
    overwrite(path, json.dumps({"joints3d_25": two[0]}).encode())
    block = read_one(root, source, adapter)
    np.testing.assert_allclose(block.joints3d, 1000 * np.array(two[0])[: len(block)])


def test_flat_lists_in_the_camera_file(tmp_path):
    root = copy_of("fit3d", tmp_path)
    expected = read_one(root).cameras
    stored = json.loads((root / CAMERA).read_text())
    lens = stored["intrinsics_w_distortion"]
    lens.update({key: np.ravel(value).tolist() for key, value in lens.items()})
    stored["extrinsics"]["T"] = stored["extrinsics"]["T"][0]
    overwrite(root / CAMERA, json.dumps(stored).encode())
    found = read_one(root).cameras
    np.testing.assert_array_equal(found.t, expected.t)
    np.testing.assert_array_equal(found.distortion, expected.distortion)


def edited(path, edit):
    stored = json.loads(path.read_text())
    edit(stored)
    overwrite(path, json.dumps(stored).encode())


@pytest.mark.parametrize(
    "name, edit, message",
    [
        (JOINTS, lambda j: j.pop("joints3d_25"), "expected the key 'joints3d_25', found none"),
        (JOINTS, lambda j: j["joints3d_25"][0].pop(), "joints3d_25: expected numbers of shape"),
        (JOINTS, lambda j: j.update(joints3d_25=[]), r"found shape \(0,\)"),
        (JOINTS, lambda j: j.update(joints3d_25="x"), "joints3d_25: expected numbers"),
        (
            JOINTS,
            lambda j: j["joints3d_25"][0][3].__setitem__(1, None),
            "finite numbers, found nan",
        ),
        (CAMERA, lambda c: c.pop("extrinsics"), "expected the key 'extrinsics'"),
        (CAMERA, lambda c: c["extrinsics"].pop("T"), "expected the key 'extrinsics.T', found R"),
        (CAMERA, lambda c: c["extrinsics"].update(R=[[2, 0, 0]] * 3), "no usable camera: R must"),
        (CAMERA, lambda c: c["extrinsics"].update(R=[[1, 2], [3]]), "extrinsics.R: expected"),
        (
            CAMERA,
            lambda c: c["intrinsics_w_distortion"].update(k=[1, 2]),
            r"intrinsics_w_distortion.k: expected 3 numbers, found shape \(2,\)",
        ),
    ],
)
def test_damage_is_named(tmp_path, name, edit, message):
    root = copy_of("fit3d", tmp_path)
    edited(root / name, edit)
    with pytest.raises(FileError, match=message):
        read_one(root)


def test_missing_video_and_cameras(tmp_path):
    root = copy_of("fit3d", tmp_path)
    (root / "train/s03/videos/50591643/squat.mp4").unlink()
    with pytest.raises(FileError, match="expected a video file, found none"):
        read_one(root)
    (root / "train/s03/camera_parameters").rename(root / "elsewhere")
    with pytest.raises(FileError, match="expected a folder per camera, found none"):
        ADAPTER.sources(root, "train")


def test_rate_is_checked():
    with pytest.raises(UserError, match="joint_rate must be one of auto, 1, 4"):
        get_adapter("humansc3d", joint_rate="2")


@pytest.mark.parametrize("name", [JOINTS, CAMERA])
def test_damaged_files(tmp_path, name):
    root = copy_of("fit3d", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=50)
