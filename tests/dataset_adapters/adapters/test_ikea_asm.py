import json
import pickle
import shutil

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("ikea_asm", min_joints_inside=1)
SCAN = "Lack_TV_Bench/0007_white_floor_02_04_2019_08_28_10_47"
OTHER = "Kallax_Shelf_Drawer/0031_oak_table_08_01_2019_09_10_14_00"
DEV3 = Source("train", f"{SCAN}/dev3")
POSE = f"{SCAN}/dev3/pose3d/000005.json"
CALIBRATION = "Calibration/camera_parameters.pkl"


@pytest.fixture
def root(tmp_path):
    return copy_of("ikea_asm", tmp_path)


def write_pose(root, numbers):
    overwrite(root / POSE, json.dumps({"format": "ikea", "pose_keypoints_3d": numbers}).encode())


def test_centimetres_of_the_device(root):
    write_pose(root, [-10.5, -20.0, 240.0, 0.9] + 12 * [0] + 3 * [1.0, 2, 300, 0.5] + 40 * [0])
    example = next(e for e in ADAPTER.examples(root) if e.frame == 5 and e.camera_name == "dev3")
    in_camera = example.camera.to_camera(example.joints3d)
    np.testing.assert_allclose(in_camera[0], (-105, -200, 2400))
    np.testing.assert_allclose(in_camera[4], (10, 20, 3000))
    assert np.isnan(in_camera[1:4]).all() and np.isnan(in_camera[7:]).all()
    assert example.subject == "0007"
    np.testing.assert_array_equal(example.extras["score"][:6], (0.9, 0, 0, 0, 0.5, 0.5))


def test_world_is_device_2(root):
    calibration = pickle.loads((root / CALIBRATION).read_bytes())["02"]["dev3"]
    (block,) = ADAPTER.read(root, DEV3)
    point = np.array([100.0, -50, 2000])
    expected = np.array(calibration["R"]) @ point + 10 * np.ravel(calibration["T"])
    np.testing.assert_allclose(block.cameras.to_camera(point), expected)
    np.testing.assert_allclose(block.cameras.up, (0, -1, 0))


def test_poses_with_few_joints_in_the_image_go(root):
    write_pose(root, 3 * [0.0, 0, 300, 0.9] + 56 * [0])
    for count, frames in ((3, [2, 5, 7]), (4, [2, 7])):
        (block,) = get_adapter("ikea_asm", min_joints_inside=count).read(root, DEV3)
        assert block.frames.tolist() == frames
    write_pose(root, 68 * [0])
    (block,) = get_adapter("ikea_asm", min_joints_inside=0).read(root, DEV3)
    assert block.frames.tolist() == [2, 7]


def test_human_annotation_is_an_extra(root):
    path = root / f"{SCAN}/dev3/pose2d/000005.json"
    document = json.loads(path.read_text())
    document["left eye"] = {"position": [950.0, 400.0], "confidence": 3}
    del document["nose"]
    overwrite(path, json.dumps(document).encode())
    (block,) = get_adapter("ikea_asm", human_2d=True).read(root, DEV3)
    annotated = block.extras["human_2d"][1]
    assert annotated[1].tolist() == [950, 400, 3]
    assert np.isnan(annotated[0]).all() and not np.isnan(annotated[1:]).any()


def test_splits_without_lists_are_by_calibration(root):
    with_lists = {split: ADAPTER.sources(root, split) for split in ("train", "test")}
    for path in root.glob("t*_cross_env.txt"):
        path.unlink()
    assert {split: ADAPTER.sources(root, split) for split in with_lists} == with_lists
    assert {source.key[: len(SCAN)] for source in with_lists["train"]} == {SCAN}


def test_lists_decide(root):
    (root / "train_cross_env.txt").write_text(f"{OTHER}\n")
    (root / "test_cross_env.txt").write_text("\n")
    keys = [source.key for source in ADAPTER.sources(root, "train")]
    assert keys == [f"{OTHER}/dev{i}" for i in (1, 2, 3)]
    assert ADAPTER.sources(root, "test") == []


def test_extracted_frames_are_preferred_where_all_are_there(root):
    images = root / f"{SCAN}/dev3/images"
    picture = next(master("ikea_asm").glob(f"{OTHER}/dev3/images/*.jpg"))
    shutil.copy(picture, images / "000002.png")
    (block,) = ADAPTER.read(root, DEV3)
    assert block.images[0].endswith("scan_video.avi") and block.video_frames.tolist() == [2, 5, 7]
    for frame in (5, 7):
        shutil.copy(picture, images / f"{frame:06d}.jpg")
    (block,) = ADAPTER.read(root, DEV3)
    assert [image.rpartition("/")[2] for image in block.images] == [
        "000002.png",
        "000005.jpg",
        "000007.jpg",
    ]
    assert block.video_frames is None


def test_poses_behind_the_end_of_the_video_go(root):
    shutil.copy(root / POSE, root / POSE.replace("000005", "000999"))
    (block,) = ADAPTER.read(root, DEV3)
    assert block.frames.tolist() == [2, 5, 7]


def without_images(root):
    (root / f"{SCAN}/dev3/images/scan_video.avi").unlink()


def change_calibration(root, change):
    values = pickle.loads((root / CALIBRATION).read_bytes())
    change(values)
    overwrite(root / CALIBRATION, pickle.dumps(values, protocol=2))


@pytest.mark.parametrize(
    "change, message",
    [
        (without_images, "expected scan_video.avi or the annotated frames"),
        (lambda r: write_pose(r, [1.0] * 67), r"000005.json: pose_keypoints_3d: .* shape \(68\)"),
        (lambda r: write_pose(r, ["x"] * 68), "000005.json: pose_keypoints_3d: expected numbers"),
        (lambda r: overwrite(r / POSE, b"{}"), "expected the key 'pose_keypoints_3d', found none"),
        (lambda r: overwrite(r / POSE, b'{"a": ['), "line 1: expected JSON"),
        (lambda r: (r / CALIBRATION).unlink(), "camera_parameters.pkl: cannot be read"),
        (lambda r: change_calibration(r, lambda v: v.pop("02")), "expected the key '02', found"),
        (
            lambda r: change_calibration(r, lambda v: v["02"]["dev3"].update(R=np.eye(2))),
            "R: expected 9 numbers",
        ),
        (
            lambda r: change_calibration(r, lambda v: v["02"]["dev3"].update(dist_coefs=[0] * 20)),
            "dist_coefs: expected up to 12 numbers",
        ),
        (
            lambda r: change_calibration(r, lambda v: v["02"]["dev3"].update(K=np.zeros((3, 3)))),
            "calibration 02, dev3: no usable camera",
        ),
    ],
)
def test_errors(root, change, message):
    change(root)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, DEV3))


@pytest.mark.parametrize(
    "name, count", [(POSE, 80), (CALIBRATION, 80), (POSE.replace("pose3d", "pose2d"), 60)]
)
def test_damaged_files(root, name, count):
    adapter = get_adapter("ikea_asm", human_2d=True)
    read_damaged(adapter, root, DEV3, root / name, count=count)
