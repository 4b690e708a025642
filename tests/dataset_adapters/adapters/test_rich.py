import pickle
import shutil

import numpy as np
import pytest
from miniature_copies import copy_of, overwrite, read_damaged
from miniatures.scene import write_image

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.body_models.smpl_family import SMPLX, neutral_rest_joints
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("rich")
ANYWHERE = get_adapter("rich", min_box_side=0)
SEQUENCE = "ParkingLot1_005_pushup2"
SOURCE = Source("train", SEQUENCE)
BODY = f"train_body/{SEQUENCE}/00150/005.pkl"
CAMERA = "scan_calibration/ParkingLot1/calibration/001.xml"


@pytest.fixture
def root(tmp_path):
    return copy_of("rich", tmp_path)


def write_body(path, **changes):
    sizes = {"transl": 3, "global_orient": 3, "body_pose": 63, "betas": 10, "jaw_pose": 3}
    body = {key: np.zeros((1, size), np.float32) for key, size in sizes.items()}
    overwrite(path, pickle.dumps({**body, **changes}))


def blocks(adapter, root):
    return {block.camera_name: block for block in adapter.read(root, SOURCE)}


def test_zero_pose_stands_at_its_rest_place(root):
    write_body(root / BODY, transl=np.array([[0.25, 0.5, 4.5]], np.float32))
    joints = blocks(ANYWHERE, root)["cam_01"][0].joints3d
    expected = 1000 * (neutral_rest_joints()[:22] + np.array([0.25, 0.5, 4.5]))
    np.testing.assert_allclose(joints[:22], expected, atol=1e-9)
    assert joints.shape == (127, 3) and np.isnan(joints[22:]).all()


def test_own_model_files_by_gender(root, tmp_path):
    (tmp_path / "models").mkdir()
    templates = {}
    for gender in ("female", "male"):
        templates[gender] = np.random.default_rng(len(gender)).normal(size=(55, 3))
        shape = np.zeros((55, 3, 20))
        shape[:, 0, 0] = 0.5
        np.savez(
            tmp_path / "models" / f"SMPLX_{gender.upper()}.npz",
            v_template=templates[gender],
            shapedirs=shape,
            J_regressor=np.eye(55),
            kintree_table=np.array([SMPLX.parents, range(55)]),
        )
    betas = np.zeros((1, 10), np.float32)
    betas[0, 0] = 2
    write_body(root / BODY, betas=betas)
    female = root / BODY.replace("005.pkl", "009.pkl")
    write_body(female, betas=betas)
    adapter = get_adapter("rich", min_box_side=0, body_models=str(tmp_path / "models"))
    block = blocks(adapter, root)["cam_00"]
    assert block.person == ["005", "009", "005"] and block.notes == ()
    # Of the fingers only the knuckles, which hang on the wrists.
    knuckles = [25, 28, 31, 34, 37, 40, 43, 46, 49, 52]
    for row, gender in enumerate(("male", "female")):
        expected = np.full((127, 3), np.nan)
        known = [*range(25), *knuckles]
        expected[known] = 1000 * (templates[gender][known] + np.array([1.0, 0, 0]))
        np.testing.assert_allclose(block.joints3d[row], expected, atol=1e-6)


def test_frames_without_a_body_and_cameras_without_calibration(root):
    found = blocks(ADAPTER, root)
    assert list(found) == ["cam_00", "cam_01"]
    assert found["cam_01"].frames.tolist() == [150, 153]
    assert found["cam_01"].images[1] == f"train/{SEQUENCE}/cam_01/00153_01.jpg"
    assert found["cam_01"].person == ["005", "005"]


def test_up_is_that_of_the_camera(root):
    for block in blocks(ADAPTER, root).values():
        np.testing.assert_allclose(block.cameras.up, (0, -1, 0), atol=1e-12)


def test_people_out_of_sight_go(root):
    write_body(root / BODY, transl=np.array([[0, 0, -50]], np.float32))
    assert blocks(ADAPTER, root)["cam_00"].frames.tolist() == [153]
    assert blocks(ANYWHERE, root)["cam_00"].frames.tolist() == [150, 153]
    for distance_m, frames in ((40, [150, 153]), (100, [153])):
        write_body(root / BODY, transl=np.array([[0, 0, distance_m]], np.float32))
        assert blocks(ADAPTER, root)["cam_00"].frames.tolist() == frames
    small = get_adapter("rich", min_box_side=10)
    assert blocks(small, root)["cam_00"].frames.tolist() == [150, 153]


def test_scaled_images(root):
    for path in root.glob(f"train/{SEQUENCE}/cam_01/*.jpg"):
        write_image(path, np.zeros((752, 1028, 3), np.uint8))
    whole, scaled = (blocks(ANYWHERE, root)[name].cameras for name in ("cam_00", "cam_01"))
    assert whole.image_size == (4112, 3008) and scaled.image_size == (1028, 752)
    shutil.copy(root / CAMERA.replace("001", "000"), root / CAMERA)
    block = blocks(ANYWHERE, root)["cam_01"]
    assert block.notes[-1] == "images are scaled by 0.25: intrinsics as well"
    np.testing.assert_allclose(block.cameras.K[0, 0], whole.K[0, 0] / 4)
    write_image(next(root.glob(f"train/{SEQUENCE}/cam_01/00150*")), np.zeros((99, 99, 3), np.uint8))
    with pytest.raises(FileError, match="expected an image of 4112x3008 px or a scaled copy"):
        blocks(ANYWHERE, root)


def test_layout_of_the_toolkit(root):
    expected = {name: block.joints3d for name, block in blocks(ADAPTER, root).items()}
    for split in ("train", "val", "test"):
        for old, new in ((split, "images"), (f"{split}_body", "bodies")):
            (root / "data" / new).mkdir(parents=True, exist_ok=True)
            (root / old).rename(root / "data" / new / split)
    (root / "scan_calibration").rename(root / "data/scan_calibration")
    assert ADAPTER.sources(root, "train") == [SOURCE]
    found = blocks(ADAPTER, root)
    assert found["cam_00"].images[0] == f"data/images/train/{SEQUENCE}/cam_00/00150_00.jpg"
    for name, joints in expected.items():
        np.testing.assert_array_equal(found[name].joints3d, joints)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: write_body(r / BODY, body_pose=np.zeros(69)), "body_pose: expected 63 numbers"),
        (
            lambda r: shutil.rmtree(r / "scan_calibration"),
            "000.xml: expected cameras, found none; get scan_calibration",
        ),
        (
            lambda r: overwrite(r / CAMERA, b"<opencv_storage></opencv_storage>"),
            "expected a matrix 'CameraMatrix', found none",
        ),
        (
            lambda r: overwrite(
                r / CAMERA, (r / CAMERA).read_bytes().replace(b"Intrinsics", b"CameraMatrix")
            ),
            "CameraMatrix: expected 3 x 4 numbers, found 3 x 3",
        ),
    ],
)
def test_errors(root, change, message):
    change(root)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, SOURCE))


@pytest.mark.parametrize(
    "name, count", [(BODY, 80), (BODY.replace("00150", "00153"), 60), (CAMERA, 60)]
)
def test_damaged_files(root, name, count):
    read_damaged(ADAPTER, root, SOURCE, root / name, count=count)
