import re

import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.adapters.berkeley_mhad import WORLD_FROM_C3D
from dataset_adapters.containers.errors import FileError
from dataset_adapters.images import load

ADAPTER = get_adapter("berkeley_mhad")
FOLDER = "Camera/Cluster01/Cam02/S01/A01/R01"
SOURCE = Source("train", FOLDER)
C3D = "Mocap/OpticalData/moc_s01_a01_r01.c3d"
PAIRS = "Camera/Correspondences/corr_moc_img_s01_a01_r01.txt"
CONFIG = "Calibration/camcfg_l01.yml"
CLUSTER = "Calibration/RwTw_l01.txt"


def read_one(root, source=SOURCE, adapter=ADAPTER):
    (block,) = adapter.read(root, source)
    return block


def test_axes_of_the_motion_capture():
    assert (WORLD_FROM_C3D @ [-100, 250, 1700]).tolist() == [100, 1700, 250]


def test_text_and_c3d_agree():
    root = master("berkeley_mhad")
    c3d, text = (
        read_one(root, adapter=get_adapter("berkeley_mhad", mocap=kind)) for kind in ("c3d", "txt")
    )
    np.testing.assert_allclose(c3d.joints3d, text.joints3d, rtol=0, atol=0.05)


def test_bayer_images_are_marked_and_kinect_ones_are_not():
    root = master("berkeley_mhad")
    stereo = read_one(root)
    assert stereo.bayer == "GRBG" and stereo[0].image.bayer == "GRBG" and not stereo.extras
    assert load(root, stereo.image_ref(0)).shape == (480, 640, 3)
    kinect = Source("train", "Kinect/Kin01/S01/A01/R01")
    assert kinect in ADAPTER.sources(root, "train")
    block = read_one(root, kinect)
    assert not block.bayer and block.images[0].endswith(".ppm")
    without = get_adapter("berkeley_mhad", kinect=False)
    assert kinect not in without.sources(root, "train")


def test_converted_images_are_taken(tmp_path):
    root = copy_of("berkeley_mhad", tmp_path)
    for path in (root / FOLDER).glob("*.pgm"):
        path.rename(path.with_suffix(".jpg"))
    block = read_one(root)
    assert all(name.endswith(".jpg") for name in block.images) and not block.bayer


def test_missing_images_are_left_out(tmp_path):
    root = copy_of("berkeley_mhad", tmp_path)
    expected = read_one(root)
    (root / expected.images[0]).unlink()
    found = read_one(root)
    assert list(found.images) == list(expected.images[1:])
    np.testing.assert_array_equal(found.joints3d, expected.joints3d[1:])


def test_images_beyond_the_motion_capture_are_left_out(tmp_path):
    root = copy_of("berkeley_mhad", tmp_path)
    overwrite(root / PAIRS, b"0 0.0 3\n1 0.045 1000000\n")
    assert read_one(root).frames.tolist() == [0]


def edited(path, edit):
    overwrite(path, edit(path.read_text()).encode())


@pytest.mark.parametrize(
    "name, edit, message",
    [
        (PAIRS, lambda t: "0 0.0\n", "columns of image number, time and mocap frame, found 2"),
        (PAIRS, lambda t: "0 0.0 1.5\n", "expected whole numbers"),
        (PAIRS, lambda t: "0 0.0 -2\n", "expected whole numbers"),
        (PAIRS, lambda t: "0 0.0 1\n1 0.1\n", "line 2: expected 3 numbers, found 2"),
        (PAIRS, lambda t: "7 0.0 1\n", "expected images such as img_l01_c02_s01_a01_r01"),
        (CLUSTER, lambda t: t.replace("Tw=", "T="), "expected the lines 'Rw="),
        (CLUSTER, lambda t: t.replace("Rw=", "Rw=9 "), "expected the lines 'Rw="),
        (CLUSTER, lambda t: re.sub(r"Rw=\S+", "Rw=5", t), "Camera_2: no usable camera"),
        (CONFIG, lambda t: t.replace("PosRel", "Pos"), "expected a matrix 'PosRel'"),
        (CONFIG, lambda t: t.replace("Camera_2", "Camera_9"), "expected the map 'Camera_2'"),
    ],
)
def test_damage_is_named(tmp_path, name, edit, message):
    root = copy_of("berkeley_mhad", tmp_path)
    edited(root / name, edit)
    with pytest.raises(FileError, match=message):
        read_one(root)


def test_other_marker_sets_are_refused(tmp_path):
    root = copy_of("berkeley_mhad", tmp_path)
    text = root / "Mocap/OpticalData/moc_s01_a01_r01.txt"
    overwrite(text, b"1 2 3 4 5\n")
    with pytest.raises(FileError, match="line 1: expected 131 numbers, found 5"):
        read_one(root, adapter=get_adapter("berkeley_mhad", mocap="txt"))


@pytest.mark.parametrize("name", [C3D, PAIRS, CONFIG, CLUSTER])
def test_damaged_files(tmp_path, name):
    root = copy_of("berkeley_mhad", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=30)
