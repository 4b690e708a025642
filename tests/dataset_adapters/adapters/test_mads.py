import numpy as np
import pytest
import scipy.io
from miniature_copies import copy_of, master, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters.mads import _read_poses
from dataset_adapters.containers.errors import FileError

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
