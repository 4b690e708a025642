import ezc3d
import numpy as np
import pytest
from miniature_copies import copy_of, master, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.adapter import Source
from dataset_adapters.containers.errors import FileError

ADAPTER = get_adapter("umpm")
SOURCE = Source("train", "p2_chair_1/f")
JSON = "p2_chair_1.json"
C3D = "Groundtruth/p2_chair_1_vm.c3d"
CALIBRATION = "Calib/calib_n27_f.ini"


def test_two_people_are_told_apart():
    first, second = ADAPTER.read(master("umpm"), SOURCE)
    assert (first.person, second.person) == ("0", "1")
    assert np.nanmin(np.linalg.norm(first.joints3d[0] - second.joints3d[0], axis=-1)) > 100


def test_every_second_mocap_frame():
    root = master("umpm")
    points = ezc3d.c3d(str(root / C3D))["data"]["points"][:3].transpose(2, 1, 0)
    first, _ = ADAPTER.read(root, SOURCE)
    for row, frame in enumerate(first.frames):
        np.testing.assert_array_equal(first.joints3d[row], points[2 * frame, :15])


def test_wrong_calibration_names_are_mended():
    root = master("umpm")
    for sequence, right in (("p2_free_1", "calib_n27"), ("p3_circle_2", "calib_l06")):
        blocks = list(ADAPTER.read(root, Source("train", f"{sequence}/l")))
        K = np.array((root / f"Calib/{right}_l.ini").read_text().split()[:9], float).reshape(3, 3)
        np.testing.assert_allclose(blocks[0].cameras.K, K)


def test_dropped_sequence_is_an_option():
    def names(adapter):
        return {s.key.split("/")[0] for s in adapter.sources(master("umpm"), "train")}

    assert names(get_adapter("umpm", keep_dropped=True)) - names(ADAPTER) == {"p2_free_2"}


def test_one_folder_per_sequence(tmp_path):
    root = copy_of("umpm", tmp_path)
    expected = [block.joints3d for block in ADAPTER.read(root, SOURCE)]
    for name in (JSON, C3D, "Video/p2_chair_1_f.avi"):
        target = root / "p2_chair_1" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (root / name).rename(target)
    source = Source("train", "p2_chair_1/p2_chair_1/f")
    assert source in ADAPTER.sources(root, "train")
    blocks = list(ADAPTER.read(root, source))
    for block, joints in zip(blocks, expected, strict=True):
        np.testing.assert_array_equal(block.joints3d, joints)
        assert block.images == "p2_chair_1/Video/p2_chair_1_f.avi"


def edited(path, edit):
    overwrite(path, edit(path.read_text()).encode())


@pytest.mark.parametrize(
    "name, edit, message",
    [
        (JSON, lambda t: t.replace("calib_n27", "calib_n99"), "calib_n99_f.ini: cannot be read"),
        (JSON, lambda t: t.replace("calib_n27", "../../x"), "expected a name such as"),
        (JSON, lambda t: t.replace('"calib"', '"calibration"'), "expected the key 'calib', found"),
        (JSON, lambda t: t[:20], "expected JSON"),
        (JSON, lambda t: "[1, 2]", "expected the key 'calib', found a list"),
        (CALIBRATION, lambda t: t + " 5", "6 lines of 3, 3, 3, 4, 3 and 3 .* found 20 numbers"),
        (CALIBRATION, lambda t: "x " + t, "line 1: expected numbers, found 'x'"),
        (CALIBRATION, lambda t: "-" + t.strip(), "no usable camera: K must have positive"),
    ],
)
def test_damage_is_named(tmp_path, name, edit, message):
    root = copy_of("umpm", tmp_path)
    edited(root / name, edit)
    with pytest.raises(FileError, match=message):
        list(ADAPTER.read(root, SOURCE))


def test_other_point_counts_are_refused(tmp_path):
    root = copy_of("umpm", tmp_path)
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100]
    file["parameters"]["POINT"]["LABELS"]["value"] = [f"m{i}" for i in range(37)]
    file["data"]["points"] = np.ones((4, 37, 4))
    file.write(str(root / C3D))
    with pytest.raises(FileError, match="expected 15 points .* found 37"):
        list(ADAPTER.read(root, SOURCE))


def test_packed_video(tmp_path):
    root = copy_of("umpm", tmp_path)
    (root / "Video/p2_chair_1_f.avi").unlink()
    with pytest.raises(FileError, match="expected a video, found none; .*xz -d"):
        list(ADAPTER.read(root, SOURCE))


@pytest.mark.parametrize("name", [JSON, C3D, CALIBRATION])
def test_damaged_files(tmp_path, name):
    root = copy_of("umpm", tmp_path)
    read_damaged(ADAPTER, root, SOURCE, root / name, count=40)
