import pickle

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("3dpw")
TEST = Source("test", "test/one_00")
K = [[1961.8, 0, 540], [0, 1969.2, 960], [0, 0, 1.0]]


def sequence(**changes):
    """Two people, three images; made from the sheet's example."""
    n = 3
    cam_poses = np.tile(np.eye(4), (n, 1, 1))
    cam_poses[:, 2, 3] = 4.0
    joints = np.arange(n * 72, dtype=float).reshape(n, 72) / 1000
    return {
        "sequence": "one_00",
        "genders": ["m", "f"],
        "jointPositions": [joints, joints + 1],
        "poses2d": [np.full((n, 3, 18), 300.0), np.full((n, 3, 18), 200.0)],
        "cam_poses": cam_poses,
        "campose_valid": [np.ones(n, int), np.ones(n, int)],
        "cam_intrinsics": np.array(K),
        **changes,
    }


@pytest.fixture
def read(tmp_path):
    folder = tmp_path / "sequenceFiles" / "test"
    folder.mkdir(parents=True)
    images = tmp_path / "imageFiles" / "one_00"
    images.mkdir(parents=True)
    source = next(master("3dpw").glob("imageFiles/*/image_00000.jpg"))
    for i in range(3):
        (images / f"image_{i:05d}.jpg").write_bytes(source.read_bytes())

    def run(adapter=ADAPTER, **changes):
        values = {k: v for k, v in sequence(**changes).items() if v is not None}
        overwrite(folder / "one_00.pkl", pickle.dumps(values, protocol=2))
        assert adapter.sources(tmp_path, "test") == [TEST]
        (block,) = adapter.read(tmp_path, TEST)
        return block

    return run


def rows(block):
    return list(zip(block.frames.tolist(), block.person, strict=True))


def test_joints_are_metres_in_the_world(read):
    block = read()
    assert rows(block) == [(0, "0"), (0, "1"), (1, "0"), (1, "1"), (2, "0"), (2, "1")]
    example = block[3]
    np.testing.assert_allclose(example.joints3d[1], (1075, 1076, 1077))
    np.testing.assert_allclose(example.camera.to_camera(example.joints3d[1]), (1075, 1076, 5077))
    np.testing.assert_allclose(example.camera.up, (0, -1, 0))
    assert example.image.path == "imageFiles/one_00/image_00001.jpg"
    assert block.extras["gender"][1] == "f"
    np.testing.assert_array_equal(block.extras["openpose_18"][0], np.full((18, 3), 300.0))


def test_invalid_cameras_and_undetected_people_go(read):
    seen = np.full((3, 3, 18), 200.0)
    seen[2] = 0
    changes = {
        "campose_valid": [np.array([1, 0, 1]), np.ones(3)],
        "poses2d": [np.full((3, 3, 18), 300.0), seen],
    }
    assert rows(read(**changes)) == [(0, "0"), (0, "1"), (1, "1"), (2, "0")]
    kept = read(get_adapter("3dpw", undetected="keep", invalid_cameras="keep"), **changes)
    assert len(kept) == 6
    assert np.isnan(kept.extras["openpose_18"][5]).all()


def test_invalid_cameras_may_hold_anything(read):
    poses = sequence()["cam_poses"]
    poses[1] = np.nan
    valid = [np.array([1, 0, 1])] * 2
    assert len(read(cam_poses=poses, campose_valid=valid)) == 4


@pytest.mark.parametrize(
    "key, note", [("poses2d", "no poses2d: "), ("campose_valid", "no campose_valid: ")]
)
def test_keys_may_be_missing(read, key, note):
    block = read(**{key: None})
    assert len(block) == 6
    assert block.notes[0].startswith(note)


def test_nobody_is_left(read):
    assert len(read(campose_valid=[np.zeros(3), np.zeros(3)])) == 0


def mirrored():
    poses = sequence()["cam_poses"]
    poses[2, 0, 0] = -1
    return poses


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"jointPositions": None}, "expected the key 'jointPositions', found sequence, genders"),
        ({"cam_poses": np.eye(4)}, r"cam_poses: expected numbers of shape \(n, 4, 4\)"),
        ({"cam_poses": mirrored()}, r"cam_poses\[2\]: no usable camera"),
        ({"cam_poses": np.full((3, 4, 4), np.nan)}, r"cam_poses\[0\]: no usable camera"),
        ({"cam_intrinsics": np.zeros((3, 3))}, r"cam_poses\[0\]: no usable camera: K must"),
        ({"poses2d": [np.zeros((3, 3, 18))]}, "poses2d: expected 2 people, found 1"),
        (
            {"jointPositions": [np.zeros((2, 72))] * 2},
            r"jointPositions\[0\]: expected numbers of shape \(3, 72\), found shape \(2, 72\)",
        ),
        ({"campose_valid": 1}, "campose_valid: expected a list of one array per person"),
    ],
)
def test_errors(read, changes, message):
    with pytest.raises(FileError, match=message):
        read(**changes)


def test_no_images(tmp_path):
    root = copy_of("3dpw", tmp_path)
    for path in root.glob("imageFiles/*/*.jpg"):
        path.unlink()
    with pytest.raises(FileError, match="expected an image, found none; unpack imageFiles.zip"):
        list(ADAPTER.examples(root))


def test_damaged_files(tmp_path):
    root = copy_of("3dpw", tmp_path)
    source = ADAPTER.sources(root, "test")[0]
    path = root / "sequenceFiles" / f"{source.key}.pkl"
    read_damaged(ADAPTER, root, source, path, count=150)
