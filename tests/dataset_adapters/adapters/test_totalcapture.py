import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

ADAPTER = get_adapter("totalcapture")
VIDEO = "video/s1/acting3/TC_S1_acting3_cam1.mp4"
SOURCE = Source("test", VIDEO)
POSES = "vicon/S1/acting3/gt_skel_gbl_pos.txt"


def read_one(root, source=SOURCE, adapter=ADAPTER):
    (block,) = adapter.read(root, source)
    return block


def test_inches_metres_and_up():
    block = read_one(master("totalcapture"))
    first = (master("totalcapture") / POSES).read_text().split("\n")[1].split("\t")[0].split()
    np.testing.assert_allclose(block.joints3d[0, 0], 25.4 * np.array(first, float))
    # The feet are below the hips, and the head is above them, along the camera's up.
    heights = (block.cameras.to_camera(block.joints3d[0]) @ block.cameras.up)[[6, 0, 17, 20]]
    assert heights[0] > heights[1] > max(heights[2:])


def test_joints_are_taken_by_name(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    expected = read_one(root).joints3d
    lines = [line.rstrip("\t\r") for line in (root / POSES).read_text().split("\n") if line.strip()]
    turned = ["\t".join(reversed(line.split("\t"))) + "\t" for line in lines]
    overwrite(root / POSES, ("\r\n".join(turned) + "\r\n\r\n").encode())
    np.testing.assert_array_equal(read_one(root).joints3d, expected)


def test_sequences_without_an_official_split(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    new = root / "video/s4/TC_S4_rom3_cam1.mp4"
    new.write_bytes((root / VIDEO).read_bytes())
    keys = {split: [s.key for s in ADAPTER.sources(root, split)] for split in ("train", "test")}
    assert not any("rom3" in key for key in keys["train"] + keys["test"])
    adapter = get_adapter("totalcapture", unassigned="test")
    assert [s.key for s in adapter.sources(root, "test") if "rom3" in s.key] == [
        "video/s4/TC_S4_rom3_cam1.mp4"
    ]
    with pytest.raises(UserError, match="unassigned must be one of"):
        get_adapter("totalcapture", unassigned="valid")


def test_people_that_leave_the_image_are_left_out(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    source = Source("train", "video/s1/walking1/TC_S1_walking1_cam1.mp4")
    path = root / "vicon/S1/walking1/gt_skel_gbl_pos.txt"
    lines = [line for line in path.read_text().split("\n") if line.strip()]
    # In frame 1 all joints but the first five are kilometres away, out of sight.
    cells = lines[2].split("\t")
    lines[2] = "\t".join([*cells[:5], *["99999 99999 99999"] * 16])
    overwrite(path, "\n".join(lines).encode())
    everyone, five, six = (
        read_one(root, source, get_adapter("totalcapture", min_joints_inside=n)).frames.tolist()
        for n in (0, 5, 6)
    )
    assert everyone == five and 1 in five
    assert six == [frame for frame in five if frame != 1]
    assert read_one(root, source).frames.tolist() == six


def test_toolbox_layout(tmp_path):
    root = copy_of("totalcapture", tmp_path)
    expected = read_one(root)
    folder = root / "totalcapture/s1/acting3"
    folder.mkdir(parents=True)
    (root / POSES).rename(folder / "gt_skel_gbl_pos.txt")
    (root / VIDEO).rename(folder / "TC_S1_acting3_cam1.mp4")
    source = Source("test", "totalcapture/s1/acting3/TC_S1_acting3_cam1.mp4")
    assert source in ADAPTER.sources(root, "test")
    n = len(expected)
    np.testing.assert_array_equal(read_one(root, source).joints3d[:n], expected.joints3d)


def edited(path, edit):
    overwrite(path, edit(path.read_text()).encode())


@pytest.mark.parametrize(
    "name, edit, message",
    [
        ("calibration.cal", lambda t: t.replace("8 1", "7 1", 1), "expected 8 cameras of 21"),
        ("calibration.cal", lambda t: t[: len(t) // 2], "calibration.cal: "),
        ("calibration.cal", lambda t: t + "\nextra", "expected numbers, found 'extra'"),
        (POSES, lambda t: t.replace("Hips", "Hip", 1), "line 1: expected the names of 21 joints"),
        (POSES, lambda t: t[:-40], "expected 63 numbers, found"),
        (POSES, lambda t: t.replace("\n", "\n1 2\n", 1), "line 2: expected 63 numbers, found 2"),
        (POSES, lambda t: t.split("\n")[0] + "\n" + "nan " * 62 + "x", "line 2: .* found 'x'"),
        (POSES, lambda t: t.split("\n")[0] + "\n" + "1e99 " * 63, "found 1e\\+99"),
    ],
)
def test_damage_is_named(tmp_path, name, edit, message):
    root = copy_of("totalcapture", tmp_path)
    edited(root / name, edit)
    with pytest.raises(FileError, match=message):
        read_one(root)


@pytest.mark.parametrize("name, message", [(POSES, "unpack s1_vicon"), ("calibration.cal", "none")])
def test_missing_files(tmp_path, name, message):
    root = copy_of("totalcapture", tmp_path)
    (root / name).unlink()
    with pytest.raises(FileError, match=message):
        read_one(root)


@pytest.mark.parametrize("name", [POSES, "calibration.cal"])
def test_damaged_files(tmp_path, name):
    root = copy_of("totalcapture", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=50)
