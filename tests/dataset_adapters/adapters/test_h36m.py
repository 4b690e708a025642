import shutil
import struct

import h5py
import numpy as np
import pytest
from cdflib.cdfwrite import CDF
from miniature_copies import copy_of, master, read_damaged

import skeleton_defs
from dataset_adapters import get_adapter
from dataset_adapters.adapters._h36m_cameras import (
    METADATA,
    NAMES,
    published_cameras,
    read_metadata,
)
from dataset_adapters.adapters.h36m import read_box_masks
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

JOINTS = "S1/MyPoseFeatures/D3_Positions/Directions 1.cdf"


def source_of(adapter, root, key):
    return next(s for split in ("train", "test") for s in adapter.sources(root, split)
                if s.key == key)  # fmt: skip


def read_one(adapter, root, key="S1/Directions 1.54138969"):
    (block,) = adapter.read(root, source_of(adapter, root, key))
    return block


def test_published_camera_projects_as_documented():
    camera = published_cameras().camera("S1", "54138969", (1000, 1002))
    point = np.array([0, 0, 900.0])
    np.testing.assert_allclose(
        camera.to_camera(point), [-322.878, -337.041, 5307.244], rtol=0, atol=1e-3
    )
    np.testing.assert_allclose(camera.project(point), [442.961, 442.896], rtol=0, atol=1e-3)


def test_all_published_cameras_look_at_the_room():
    table = published_cameras()
    assert sorted(table.extrinsics) == ["S1", "S11", "S5", "S6", "S7", "S8", "S9"]
    for subject in table.extrinsics:
        for name in NAMES:
            u, v = table.camera(subject, name, (1000, 1000)).project([0, 0, 900])
            assert 200 < u < 800 and 200 < v < 800


def metadata_text(numbers):
    return b"<metadata><w0>[" + " ".join(map(repr, numbers)).encode() + b"]</w0></metadata>"


def test_metadata_holds_cameras_by_camera_and_subject(tmp_path):
    published = published_cameras()
    numbers = np.zeros(300)
    extrinsics = numbers[:264].reshape(4, 11, 6)
    for subject, rows in published.extrinsics.items():
        extrinsics[:, int(subject[1:]) - 1] = rows
    numbers[264:] = published.intrinsics.ravel()
    path = tmp_path / "metadata.xml"
    path.write_bytes(metadata_text(numbers.tolist()))
    table = read_metadata(path)
    for name in NAMES:
        expected = published.camera("S9", name, (10, 10))
        found = table.camera("S9", name, (10, 10))
        for field in ("R", "t", "K", "distortion"):
            np.testing.assert_array_equal(getattr(found, field), getattr(expected, field))


@pytest.mark.parametrize(
    "text, message",
    [
        (b"<metadata>", "expected \\[ 300 camera numbers \\], found 0"),
        (metadata_text([1.0] * 299), "found 299"),
        (b"<w0>[1 2 rubbish]</w0>", "found 'rubbish' among them"),
        (metadata_text([1e300] * 300), "found '1e\\+300' among them"),
    ],
)
def test_damaged_metadata(tmp_path, text, message):
    path = tmp_path / "metadata.xml"
    path.write_bytes(text)
    with pytest.raises(FileError, match=message):
        read_metadata(path)


def test_formats_share_the_joints_of_one_name():
    blocks = {
        name: read_one(get_adapter("h36m", skeleton=name), master("h36m"))
        for name in ("h36m_25", "h36m_17", "h36m_32")
    }
    full = skeleton_defs.get("h36m_32").joints
    for name in ("h36m_25", "h36m_17"):
        rows = [full.index(joint) for joint in skeleton_defs.get(name).joints]
        np.testing.assert_array_equal(blocks[name].joints3d, blocks["h36m_32"].joints3d[:, rows])


def test_shifted_takes_move_by_200_mm_and_their_boxes_follow(tmp_path):
    root = copy_of("h36m", tmp_path)
    key = "S9/Greeting.54138969"
    adapters = [get_adapter("h36m", correct_s9=correct) for correct in (True, False)]
    pelvis = skeleton_defs.get("h36m_25").joints.index("pelvis")
    u, v = read_one(adapters[1], root, key).projected()[0, pelvis].round().astype(int)
    masks = np.zeros((1, 1002, 1000), np.uint8)
    masks[0, v - 150 : v + 151, u - 60 : u + 61] = 1
    path = root / "S9/MySegmentsMat/ground_truth_bb/Greeting.54138969.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_masks(path, masks)
    moved, stored = (read_one(adapter, root, key) for adapter in adapters)
    assert len(moved) == len(stored) == 1
    np.testing.assert_allclose(
        moved.joints3d[0] - stored.joints3d[0], np.tile([-200, 0, 0], (25, 1)), rtol=0, atol=1e-3
    )
    assert "200 mm" in moved.notes[0] and not stored.notes
    for block in (moved, stored):
        left, top, width, height = block.boxes[0]
        center = np.array([left + width / 2, top + height / 2])
        np.testing.assert_allclose(center, block.projected()[0, pelvis], rtol=0, atol=6)
    assert np.abs(moved.boxes - stored.boxes).max() > 10


def test_published_calibration_stands_in_for_the_metadata(tmp_path):
    root = copy_of("h36m", tmp_path)
    shutil.rmtree(root / "Release-v1.2")
    camera = read_one(get_adapter("h36m"), root).cameras
    np.testing.assert_array_equal(camera.R, published_cameras().camera("S1", "54138969", (1, 1)).R)
    with pytest.raises(FileError, match="metadata.xml: cannot be read"):
        read_one(get_adapter("h36m", cameras="file"), root)


def test_calibration_takes_are_left_out():
    keys = [s.key for s in get_adapter("h36m").sources(master("h36m"), "train")]
    assert keys and not [key for key in keys if "/_" in key]


def write_cdf(path, values):
    path.unlink()
    file = CDF(str(path))
    file.write_var(
        {"Variable": "Pose", "Data_Type": 21, "Num_Elements": 1, "Rec_Vary": True,
         "Var_Type": "zVariable", "Dim_Sizes": list(values.shape[1:])},
        var_data=values,
    )  # fmt: skip
    file.close()


def test_2d_poses_are_told_from_3d_ones(tmp_path):
    root = copy_of("h36m", tmp_path)
    write_cdf(root / JOINTS, np.zeros((1, 5, 64), np.float32))
    with pytest.raises(FileError, match=r"\(1, frames, 96\), found \(1, 5, 64\)"):
        read_one(get_adapter("h36m"), root)


def test_infinite_positions_are_refused(tmp_path):
    root = copy_of("h36m", tmp_path)
    values = np.zeros((1, 5, 96), np.float32)
    values[0, 3, 7] = np.inf
    write_cdf(root / JOINTS, values)
    with pytest.raises(FileError, match=r"expected finite numbers, found inf at \(3, 2, 1\)"):
        read_one(get_adapter("h36m"), root)


def test_missing_video(tmp_path):
    root = copy_of("h36m", tmp_path)
    (root / "S1/Videos/Directions 1.54138969.mp4").unlink()
    with pytest.raises(FileError, match="expected a video, found none; unpack Videos_S1.tgz"):
        read_one(get_adapter("h36m"), root)


def test_options_are_checked():
    with pytest.raises(UserError, match="skeleton must be one of h36m_25, h36m_17, h36m_32"):
        get_adapter("h36m", skeleton="coco_17")


def write_masks(path, masks, *, is_row=False):
    with h5py.File(path, "w", userblock_size=512) as file:
        shape = (1, len(masks)) if is_row else (len(masks), 1)
        cells = file.create_dataset("Masks", shape, h5py.ref_dtype)
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        for i, mask in enumerate(masks):
            stored = file.create_dataset(f"#refs#/m{i}", data=mask.T, compression="gzip")
            stored.attrs["MATLAB_class"] = np.bytes_("uint8")
            cells[(0, i) if is_row else (i, 0)] = stored.ref
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + struct.pack("<H", 0x200) + b"IM")


@pytest.mark.parametrize("is_row", [False, True])
def test_boxes_are_the_rectangles_of_ones(tmp_path, is_row):
    masks = np.zeros((40, 1002, 1000), np.uint8)
    masks[0, 240:715, 360:610] = 1
    masks[39, 5:6, 999:] = 1
    write_masks(tmp_path / "bb.mat", masks, is_row=is_row)
    boxes = read_box_masks(tmp_path / "bb.mat")
    assert boxes.shape == (40, 4)
    assert boxes[0].tolist() == [360, 240, 250, 475]
    assert boxes[39].tolist() == [999, 5, 1, 1]
    assert not boxes[1:39].any()


def test_masks_that_are_none(tmp_path):
    with h5py.File(tmp_path / "bb.mat", "w") as file:
        file["Masks"] = np.zeros((3, 1))
    with pytest.raises(FileError, match="expected an image of zeros and ones, frame 0"):
        read_box_masks(tmp_path / "bb.mat")


@pytest.mark.parametrize("name", [JOINTS, METADATA])
def test_damaged_files(tmp_path, name):
    root = copy_of("h36m", tmp_path)
    adapter = get_adapter("h36m", boxes="none")
    source = source_of(adapter, root, "S1/Directions 1.54138969")
    read_damaged(adapter, root, source, root / name, count=60)
