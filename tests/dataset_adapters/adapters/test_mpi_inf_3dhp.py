import io

import numpy as np
import pytest
from miniature_copies import copy_of, overwrite, read_damaged
from scipy.io import loadmat, savemat

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters._pinhole_fit import fit_intrinsics
from dataset_adapters.adapters._tdhp import read_cameras
from dataset_adapters.adapters.mpi_inf_3dhp import _OUTDOORS, _STUDIO
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.safe_pickle import load_pickle
from skeleton_defs import UserError

S1 = Source("train", "S1/Seq1")

#: The published values of camera 0 of S1/Seq1, and a joint with its annotated pixel.
CALIBRATION = """\
Skeletool Camera Calibration File V1.0
name          0
  sensor      10 10
  size        2048 2048
  animated    0
  intrinsic   1497.693 0 1024.704 0 0 1497.103 1051.394 0 0 0 1 0 0 0 0 1 \n\
  extrinsic   0.9650164 0.00488022 0.262144 -562.8666 -0.00448836 -0.9993728 0.0351275 1398.138 \
0.262151 -0.03507521 -0.9643893 3852.623 0 0 0 1 \n\
  radial      0
"""


@pytest.fixture
def root(tmp_path):
    return copy_of("mpi_inf_3dhp", tmp_path)


def test_published_camera_projects_the_published_joint(tmp_path):
    path = tmp_path / "camera.calibration"
    path.write_text(CALIBRATION.replace("\n", "\r\n"))
    camera = read_cameras(path)[0]
    joint = np.array([-18.0923, 102.071, 3726.17])
    np.testing.assert_allclose(camera.image_from_camera(joint), [1017.43, 1092.40], atol=0.01)
    np.testing.assert_allclose(camera.to_camera(camera.to_world(joint)), joint, atol=1e-9)
    assert camera.image_size == (2048, 2048)
    assert camera.up[1] < -0.99  # upright: against the camera's y


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("size        2048 2048", "size        2048", "line 4: expected 2 numbers after 'size'"),
        ("extrinsic   0.9650164", "extrinsic   x", "line 7: expected 16 numbers"),
        ("extrinsic   0.9650164", "extrinsic   5", "camera 0: no usable camera"),
        ("name          0", "name          left", "line 7: expected a camera whose name"),
        ("intrinsic", "x", "expected cameras"),
    ],
)
def test_calibration_errors(tmp_path, old, new, message):
    path = tmp_path / "camera.calibration"
    path.write_text(CALIBRATION.replace(old, new))
    with pytest.raises(FileError, match=message):
        read_cameras(path)


def test_test_cameras_agree_with_real_annotation(samples):
    # Intrinsics that mmpose fitted to the whole of TS1 and TS6, and one annotated frame of TS1.
    folder = samples / "mmpose_tests" / "mpi_inf_3dhp"
    fitted = load_pickle(folder / "cameras_test.pkl")
    for name, camera in (("TS1", _STUDIO), ("TS6", _OUTDOORS)):
        np.testing.assert_allclose(np.diag(camera.K)[:2], np.ravel(fitted[name]["f"]), atol=0.2)
        np.testing.assert_allclose(camera.K[:2, 2], np.ravel(fitted[name]["c"]), atol=0.1)
    with np.load(folder / "test_3dhp_test.npz") as test:
        names, joints, pixels = test["imgname"], test["S"], test["part"]
    first = names.tolist().index("TS1_002001.jpg")
    found = _STUDIO.image_from_camera(1000 * joints[first, :, :3])
    assert np.abs(np.median(found - pixels[first, :, :2], axis=0)).max() < 0.05


def test_skeleton_option_takes_the_relevant_joints(root):
    all_28 = next(get_adapter("mpi_inf_3dhp").read(root, S1))
    relevant = next(get_adapter("mpi_inf_3dhp", skeleton="mpi_inf_3dhp_17").read(root, S1))
    assert relevant.skeleton == "mpi_inf_3dhp_17"
    np.testing.assert_array_equal(relevant.joints3d[:, 14], all_28.joints3d[:, 4])  # pelvis
    np.testing.assert_array_equal(relevant.joints3d[:, 0], all_28.joints3d[:, 7])  # head top
    with pytest.raises(UserError, match="option skeleton must be one of mpi_inf_3dhp_28"):
        get_adapter("mpi_inf_3dhp", skeleton="coco_17")


def test_universal_joints_are_an_extra(root):
    block = next(get_adapter("mpi_inf_3dhp", universal=True).read(root, S1))
    stored = loadmat(root / "S1" / "Seq1" / "annot.mat")["univ_annot3"][int(block.camera_name), 0]
    np.testing.assert_array_equal(
        block.extras["universal_joints"], stored.reshape(-1, 28, 3)[block.frames]
    )


def rewrite_annotation(path, change):
    variables = {k: v for k, v in loadmat(path).items() if k[:2] != "__"}
    change(variables)
    data = io.BytesIO()
    savemat(data, variables)
    overwrite(path, data.getvalue())


def test_poses_outside_of_the_image_are_left_out(root):
    def move(variables):
        variables["annot2"][0, 0][1, : 2 * 20] = -50  # 20 of 28 joints of frame 1

    path = root / "S1" / "Seq1" / "annot.mat"
    n = len(next(get_adapter("mpi_inf_3dhp").read(root, S1)))
    rewrite_annotation(path, move)
    block = next(get_adapter("mpi_inf_3dhp").read(root, S1))
    assert len(block) == n - 1 and 1 not in block.frames
    assert len(next(get_adapter("mpi_inf_3dhp", min_joints_inside=8).read(root, S1))) == n


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda v: v.pop("annot3"), "expected a variable 'annot3', found"),
        (lambda v: v.update(annot2=np.zeros((14, 1))), "annot2: expected a cell for each of 14"),
        (lambda v: v["annot3"].__setitem__((0, 0), np.zeros((5, 83))), r"shape \(n, 84\)"),
        (lambda v: v["annot2"].__setitem__((0, 0), np.zeros((1, 56))), "expected as many rows"),
    ],
)
def test_annotation_errors(root, change, message):
    rewrite_annotation(root / "S1" / "Seq1" / "annot.mat", change)
    with pytest.raises(FileError, match=message):
        list(get_adapter("mpi_inf_3dhp").read(root, S1))


def test_intrinsics_are_fitted_where_the_published_ones_do_not_project(root):
    source = Source("test", "TS1")
    published = next(get_adapter("mpi_inf_3dhp").read(root, source))
    assert published.notes == () and published.cameras.K[0, 0] == 1500.172
    fitted = next(get_adapter("mpi_inf_3dhp", test_cameras="fitted").read(root, source))
    assert "px off" in fitted.notes[0]
    np.testing.assert_allclose(fitted.cameras.K, published.cameras.K, atol=1)


def test_fit_intrinsics_recovers_them():
    points = np.random.default_rng(0).uniform((-500, -900, 2000), (500, 900, 4000), (50, 3))
    pixels = _STUDIO.image_from_camera(points)
    pixels[3] = np.nan
    np.testing.assert_allclose(fit_intrinsics(points, pixels), _STUDIO.K, atol=1e-6)
    assert fit_intrinsics(points[:1], pixels[:1]) is None


@pytest.mark.parametrize(
    "file, source, count",
    [
        ("S1/Seq1/annot.mat", S1, 40),
        ("S1/Seq1/camera.calibration", S1, 40),
        ("mpi_inf_3dhp_test_set/mpi_inf_3dhp_test_set/TS1/annot_data.mat",
         Source("test", "TS1"), 60),
    ],
)  # fmt: skip
def test_damaged_files(root, file, source, count):
    read_damaged(get_adapter("mpi_inf_3dhp"), root, source, root / file, count=count)
