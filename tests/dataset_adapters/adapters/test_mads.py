import cv2
import numpy as np
import pytest
import scipy.io
from miniature_copies import copy_of, master, read_damaged
from miniatures import scene

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters.mads import _read_poses
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

ADAPTER = get_adapter("mads")
VIDEO = "multi_view_data/Kata/Kata_F2_C0.avi"
SOURCE = Source("train", VIDEO)
POSES = "multi_view_data/Kata/Kata_F2_GT.mat"
CAMERA = "multi_view_data/Kata/Calib_Cam0.mat"


def write_poses(path, poses):
    cell = np.empty((1, len(poses)), object)
    for i, pose in enumerate(poses):
        cell[0, i] = pose
    scipy.io.savemat(path, {"GTpose2": cell})
    return str(path)


def pose(n_joints, start=1.0):
    return start + np.arange(3.0 * n_joints).reshape(n_joints, 3)


def test_both_joint_counts_in_one_sequence(tmp_path):
    missing = pose(19)
    missing[4, 1] = np.nan
    path = write_poses(
        tmp_path / "a.mat", [pose(19), pose(15, 5), np.full((19, 3), np.nan), np.zeros((0, 0)),
                             missing]
    )  # fmt: skip
    poses = _read_poses(path)
    assert sorted(poses) == [15, 19]
    assert poses[15][0].tolist() == [1] and poses[19][0].tolist() == [0, 4]
    np.testing.assert_array_equal(poses[15][1][0], pose(15, 5))
    assert np.argwhere(np.isnan(poses[19][1])).tolist() == [[1, 4, 0], [1, 4, 1], [1, 4, 2]]


def test_both_formats_are_in_the_miniature():
    blocks = list(ADAPTER.blocks(master("mads")))
    assert {block.skeleton for block in blocks} == {"mads_19", "mads_15"}


def test_folders_above_do_not_matter(tmp_path):
    copy_of("mads", tmp_path)
    (source,) = [s for s in ADAPTER.sources(tmp_path, "train") if s.key.endswith("F2_C0.avi")]
    assert source.key == f"mads/{VIDEO}"
    (block,) = ADAPTER.read(tmp_path, source)
    assert block.images == source.key


@pytest.mark.parametrize(
    "poses, message",
    [
        ([pose(19), pose(17)], r"GTpose2\[1\]: expected 19 or 15 joints x 3, found shape \(17, 3"),
        ([pose(19).T], r"GTpose2\[0\]: .* found shape \(3, 19\)"),
        (["text"], r"GTpose2\[0\]: .* found shape \(\)"),
        ([np.full((15, 3), np.inf)], "GTpose2: expected finite numbers"),
    ],
)
def test_other_cells_are_refused(tmp_path, poses, message):
    with pytest.raises(FileError, match=message):
        _read_poses(write_poses(tmp_path / "a.mat", poses))


def test_no_cell(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"GTpose2": np.zeros((19, 3))})
    with pytest.raises(FileError, match="GTpose2: expected a cell"):
        _read_poses(str(path))
    scipy.io.savemat(path, {"GTpose": np.zeros((19, 3))})
    with pytest.raises(FileError, match="expected a variable 'GTpose2', found GTpose"):
        _read_poses(str(path))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kc": np.zeros(4)}, "kc: expected 5 numbers"),
        ({"KK": np.zeros((3, 3))}, "KK, kc, om_ext and T_ext: no usable camera"),
        ({"T_ext": np.full(3, np.nan)}, "T_ext: expected finite numbers"),
        ({"om_ext": None}, "expected a variable 'om_ext'"),
    ],
)
def test_other_cameras_are_refused(tmp_path, change, message):
    root = copy_of("mads", tmp_path)
    stored = {k: v for k, v in scipy.io.loadmat(root / CAMERA).items() if k[:2] != "__"}
    stored = {k: v for k, v in {**stored, **change}.items() if v is not None}
    scipy.io.savemat(root / CAMERA, stored)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, SOURCE))


@pytest.mark.parametrize("name", [POSES, CAMERA])
def test_damaged_files(tmp_path, name):
    root = copy_of("mads", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=60)


DEPTH = "depth_data/HipHop"
#: A camera that looks down on the people: they are 3.3 m in front of it, and 2.5 m off the origin.
PLACE = np.array([0, 1000, 2500])
OM = np.array([np.pi - 0.6, 0.05, -0.1])
T = [30.0, -40.0, 3300.0] - cv2.Rodrigues(OM)[0] @ PLACE


def write_depth(root, poses, *, om, **changes):
    """A depth sequence of three frames; its camera is where `om` and `T` put it."""
    folder = root / "MADS_depth" / DEPTH
    scene.write_video(folder / "HipHop_HipHop1_Left.avi", [np.zeros((384, 512, 3), np.uint8)] * 3)
    (folder / "HipHop_HipHop1_Right.avi").write_bytes(b"not read")
    write_poses(folder / "HipHop_HipHop1_GT.mat", poses)
    calibration = {
        "fc": [[430.0], [431.0]], "cc": [[258.0], [190.0]], "alpha_c": 0.01,
        "kc": np.array([[-0.2], [0.1], [0.001], [0.002], [0]]), "om": om[:, None], "T": T[:, None],
    }  # fmt: skip
    scipy.io.savemat(folder / "Calib_C0_left.mat", {**calibration, **changes})
    return root


def people(n=4):
    """Poses (n, 19, 3) mm."""
    return np.random.default_rng(1).normal(PLACE, 200, (n, 19, 3))


def test_the_depth_part(tmp_path):
    poses = people()
    poses[1] = np.nan
    # The file's rotation has the wrong sign.
    root = write_depth(tmp_path, list(poses), om=-OM)
    assert list(ADAPTER.blocks(root)) == []
    (block,) = get_adapter("mads", part="depth").blocks(root)
    assert block.sequence == "depth/HipHop_HipHop1" and block.camera_name == "left"
    # Frame 1 has no joints, and frame 3 no picture.
    assert block.frames.tolist() == [0, 2] and block.video_frames.tolist() == [0, 2]
    np.testing.assert_array_equal(block.joints3d, poses[[0, 2]])
    R = cv2.Rodrigues(OM)[0]
    np.testing.assert_allclose(block.cameras.R, R, atol=1e-12)
    np.testing.assert_allclose(block.cameras.t, T)
    np.testing.assert_allclose(block.cameras.K, [[430, 4.3, 258], [0, 431, 190], [0, 0, 1]])
    assert block.cameras.image_size == (512, 384)
    plain = cv2.projectPoints(
        block.joints3d[0], OM, T, np.diag([1.0, 1, 1]), np.array([-0.2, 0.1, 0.001, 0.002, 0])
    )[0][:, 0]
    expected = plain @ np.array([[430, 0], [4.3, 431]]) + [258, 190]
    np.testing.assert_allclose(block.projected()[0], expected, atol=1e-6)
    assert "rotation of the left camera negated: joints in the image are 100 % " in block.notes[0]
    assert block.notes[0].endswith(" and 0 % stored")


def test_the_depth_parts_rotation_is_told_by_the_data(tmp_path):
    root = write_depth(tmp_path, list(people()), om=OM)
    (block,) = get_adapter("mads", part="depth").blocks(root)
    np.testing.assert_allclose(block.cameras.R, cv2.Rodrigues(OM)[0], atol=1e-12)
    assert "left camera stored: joints in the image are 0 % negated" in block.notes[0]
    (block,) = get_adapter("mads", part="depth", rotation="negated").blocks(root)
    np.testing.assert_allclose(block.cameras.R, cv2.Rodrigues(-OM)[0], atol=1e-12)
    # Where the data do not tell, it is negated as by the later loader: nobody is in the image.
    write_depth(tmp_path, [np.full((19, 3), -1e6)], om=OM)
    (block,) = get_adapter("mads", part="depth").blocks(root)
    np.testing.assert_allclose(block.cameras.R, cv2.Rodrigues(-OM)[0], atol=1e-12)


def test_both_parts_and_odd_depth_files(tmp_path):
    copy_of("mads", tmp_path)
    root = write_depth(tmp_path, list(people()), om=OM)
    keys = [s.key for s in get_adapter("mads", part="both").sources(root, "train")]
    multiview = [s.key for s in ADAPTER.sources(root, "train")]
    assert sorted(keys) == sorted([*multiview, f"MADS_depth/{DEPTH}/HipHop_HipHop1_Left.avi"])
    with pytest.raises(UserError, match="option part must be one of multiview, depth, both"):
        get_adapter("mads", part="stereo")
    with pytest.raises(UserError, match="option rotation must be one of auto, negated, stored"):
        get_adapter("mads", rotation="left")
    adapter = get_adapter("mads", part="depth")
    write_depth(tmp_path, list(people()), om=OM, fc=np.zeros(3))
    with pytest.raises(FileError, match="Calib_C0_left.mat: fc: expected 2 numbers"):
        list(adapter.blocks(root))
    write_depth(tmp_path, list(people()), om=OM)
    (source,) = adapter.sources(root, "train")
    path = root / "MADS_depth" / DEPTH / "Calib_C0_left.mat"
    assert read_damaged(adapter, root, source, path, count=60) > 0
