import json
import pickle
import shutil

import cv2
import numpy as np
import pytest
from miniature_copies import copy_of, overwrite, read_damaged
from pycocotools import mask

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.body_models.smpl_family import neutral_rest_joints
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

ADAPTER = get_adapter("behave")
NAME = "Date01_Sub01_backpack_back"
SOURCE = Source("train", NAME)
FRAME = f"sequences/{NAME}/t0003.000"
FIT = f"{FRAME}/person/fit02/person_fit.pkl"
KEYPOINTS = f"{FRAME}/person/person_J3d.json"
CONFIG = "calibs/Date01/config/2/config.json"
LENS = "calibs/intrinsics/2/calibration.json"
INFO = f"sequences/{NAME}/info.json"


@pytest.fixture
def root(tmp_path):
    return copy_of("behave", tmp_path)


def write_fit(path, **changes):
    fit = {"pose": np.zeros(156), "betas": np.zeros(10), "trans": np.array([0.1, 0.2, 2.3])}
    path.parent.mkdir(parents=True, exist_ok=True)
    overwrite(path, pickle.dumps({**fit, **changes}, protocol=2))


def examples(adapter, root, camera="k1"):
    (block,) = (b for b in adapter.read(root, SOURCE) if b.camera_name == camera)
    return {example.frame: example for example in block}


def test_zero_pose_stands_at_its_rest_place(root):
    write_fit(root / FIT)
    expected = 1000 * (neutral_rest_joints() + np.array([0.1, 0.2, 2.3]))
    np.testing.assert_allclose(examples(ADAPTER, root)[3000].joints3d, expected, atol=1e-9)


def test_fingers_move_no_joint(root):
    write_fit(root / FIT)
    before = examples(ADAPTER, root)[3000].joints3d
    pose = np.zeros(156)
    pose[66:] = 1.0
    write_fit(root / FIT, pose=pose)
    np.testing.assert_array_equal(examples(ADAPTER, root)[3000].joints3d, before)


def test_calibration_is_from_camera_to_world(root):
    values = {"rotation": [0, 0, 1, 0, 1, 0, -1, 0, 0], "translation": [-2.4, -0.16, 2.4]}
    overwrite(root / CONFIG, json.dumps(values).encode())
    camera = examples(ADAPTER, root, "k2")[3000].camera
    np.testing.assert_allclose(camera.center, (-2400, -160, 2400))
    # X_w = R x_cam + t
    turned = np.reshape(values["rotation"], (3, 3)) @ (100, 200, 1000)
    np.testing.assert_allclose(camera.to_camera(turned + camera.center), (100, 200, 1000))
    stated = json.loads((root / LENS).read_text())["color"]
    order = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    np.testing.assert_allclose(camera.distortion[:8], [stated[key] for key in order])
    assert camera.image_size == (2048, 1536) and camera.world_up is None


def test_lifted_keypoints(root):
    numbers = np.arange(100.0).reshape(25, 4)
    numbers[7, :3] = 0
    overwrite(root / KEYPOINTS, json.dumps({"body_joints3d": numbers.ravel().tolist()}).encode())
    example = examples(get_adapter("behave", skeleton="openpose_25"), root)[3000]
    assert example.skeleton == "openpose_25"
    np.testing.assert_allclose(example.joints3d[1], (4000, 5000, 6000))
    assert np.isnan(example.joints3d[7]).all()
    assert example.extras["score"][1] == 7


def test_fits_of_the_later_release(root):
    folder = root / "behave-30fps-params-v1" / NAME
    folder.mkdir(parents=True)
    times = np.array(["t0002.967", "t0003.000", "t0003.033"])
    trans = np.array([[0, 0, 9.0], [0, 0, 2.5], [0, 0, 9]])
    arrays = {"poses": np.zeros((3, 156)), "betas": np.zeros((3, 10)), "trans": trans}
    np.savez(folder / "smpl_fit_all.npz", frame_times=times, **arrays)
    found = examples(get_adapter("behave", fits="30fps"), root)
    assert list(found) == [3000]
    expected = 1000 * (neutral_rest_joints() + trans[1])
    np.testing.assert_allclose(found[3000].joints3d, expected, atol=1e-9)
    np.savez(folder / "smpl_fit_all.npz", frame_times=times, poses=arrays["poses"])
    with pytest.raises(FileError, match="expected the array 'betas', found frame_times, poses"):
        examples(get_adapter("behave", fits="30fps"), root)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # pycocotools
def test_frames_lack_fits_images_and_masks(root):
    shutil.copytree(root / FRAME, root / FRAME.replace("t0003", "t0007"))
    shutil.copytree(root / FRAME, root / FRAME.replace("t0003", "t0008"))
    (root / FIT.replace("t0003", "t0007")).unlink()
    (root / FRAME.replace("t0003", "t0008") / "k1.color.jpg").unlink()
    (root / FRAME / "k1.person_mask.jpg").unlink()
    found = examples(ADAPTER, root)
    assert list(found) == [3000] + [4000] * (4000 in found)
    assert found[3000].mask is None
    others = examples(ADAPTER, root, "k3")
    assert 8000 in others and 7000 not in others
    silhouette = cv2.imread(str(root / f"sequences/{NAME}/t0008.000/k3.person_mask.jpg"), 0) > 127
    np.testing.assert_array_equal(mask.decode(others[8000].mask), silhouette)
    for path in root.rglob("*.person_mask.jpg"):
        path.unlink()
    (block, *_) = ADAPTER.read(root, SOURCE)
    assert block.masks is None


def test_sequences_that_are_not_for_training_are_for_testing(root):
    names = [path.name for path in root.glob("sequences/Date*")]
    overwrite(root / "split.json", b'{"train": [], "test": []}')
    assert sorted(s.key for s in ADAPTER.sources(root, "test")) == sorted(names)
    overwrite(root / "split.json", b'{"train": "all"}')
    with pytest.raises(FileError, match="train: expected a list of sequences"):
        ADAPTER.sources(root, "train")


def test_approximation_is_noted(root, tmp_path):
    (block, *_) = ADAPTER.read(root, SOURCE)
    assert "body_models makes them exact" in block.notes[0]
    (tmp_path / "models").mkdir()
    adapter = get_adapter("behave", body_models=str(tmp_path / "models"))
    with pytest.raises(UserError, match=r"a model file such as SMPL_MALE.npz"):
        list(adapter.read(root, SOURCE))


def edit(name, **changes):
    def apply(root):
        values = json.loads((root / name).read_text())
        overwrite(root / name, json.dumps({**values, **changes}).encode())

    return apply


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda r: write_fit(r / FIT, pose=np.zeros(72)), "pose: expected 156 numbers"),
        (lambda r: write_fit(r / FIT, trans=np.full(3, np.inf)), "trans: expected finite numbers"),
        (lambda r: overwrite(r / FIT, pickle.dumps({})), "expected the key 'pose', found none"),
        (edit(CONFIG, rotation=[1] * 9), "Kinect 2 with Date01: no usable camera: R"),
        (edit(CONFIG, translation=None), "translation: expected"),
        (edit(LENS, color={}), "expected the key 'fx', found none"),
        (edit(INFO, config="/somewhere/else"), "config: expected a path such as ../../calibs/"),
        (edit(INFO, config="calibs/../../.."), "config: expected a path such as ../../calibs/"),
        (lambda r: (r / INFO).unlink(), "info.json: cannot be read"),
    ],
)
def test_errors(root, change, message):
    change(root)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, SOURCE))


@pytest.mark.parametrize(
    "name, count", [(FIT, 80), (FIT.replace("3.000", "4.000"), 60), (CONFIG, 40), (INFO, 40)]
)
def test_damaged_files(root, name, count):
    read_damaged(ADAPTER, root, SOURCE, root / name, count=count)


def test_damaged_keypoints(root):
    adapter = get_adapter("behave", skeleton="openpose_25")
    read_damaged(adapter, root, SOURCE, root / KEYPOINTS, count=50)
