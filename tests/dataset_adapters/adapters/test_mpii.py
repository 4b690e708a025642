import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error
from json_fuzzing import document_mutations
from miniature_copies import copy_of, overwrite, read_damaged
from miniatures import scene
from miniatures._matlab_structs import EMPTY, struct_array
from scipy.io import savemat

from dataset_adapters import get_adapter
from dataset_adapters.containers.errors import FileError
from skeleton_defs import UserError

MAT = "mpii_human_pose_v1_u12_1.mat"
NAN = [np.nan, np.nan]


def points(n=16, **changes):
    return [
        {"x": 100.0 + k, "y": 200.0 + k, "id": float(k), "is_visible": "1", **changes}
        for k in range(n)
    ]


def rect(labelled, **others):
    return {"annopoints": struct_array([{"point": struct_array(labelled)}]), **others}


def write_mat(root, images, *, is_train=None, name=MAT):
    """`images`: name -> rectangles."""
    annolist = [
        {
            "image": struct_array([{"name": file}]),
            "annorect": struct_array(rects) if rects else EMPTY,
        }
        for file, rects in images.items()
    ]
    flags = np.array([[1.0] * len(images) if is_train is None else is_train])
    release = {"annolist": struct_array(annolist), "img_train": flags, "version": "12"}
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    savemat(root / name, {"RELEASE": struct_array([release])}, do_compression=True)
    return root


def entry(image="000000007.jpg", **changes):
    joints = [[10.0 + k, 20.0 + k] for k in range(16)]
    return {"image": image, "joints": joints, "joints_vis": [1] * 16, "scale": 1.5,
            "center": [200.0, 180.0], **changes}  # fmt: skip


def write_json(root, entries, name="mpii_train.json"):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    overwrite(root / name, json.dumps(entries).encode())
    return root


def read(root, split=None, **options):
    return list(get_adapter("mpii", **options).blocks(root, split=split))


def test_labelled_people_of_training_images(tmp_path):
    images = {
        "000000007.jpg": [rect(points()), rect(points(6)), rect(points(7)), {"scale": 2.0}],
        "000000008.jpg": [],
        "000000009.jpg": [rect(points())],
    }
    (block,) = read(write_mat(tmp_path, images, is_train=[1, 1, 0]))
    assert block.images == ["images/000000007.jpg"] * 2 and block.person == ["0", "2"]
    assert block.frames.tolist() == [7, 7]
    # Counted from 1 in the file, from 0 here.
    assert block.joints2d[0, 3].tolist() == [102, 202]
    assert read(tmp_path, one_based=False)[0].joints2d[0, 3].tolist() == [103, 203]
    assert block.joints2d[1, 6].tolist() == [105, 205] and np.isnan(block.joints2d[1, 7:]).all()
    assert read(tmp_path, min_labelled=6)[0].person == ["0", "1", "2"]


def test_visibility_in_all_its_forms(tmp_path):
    flags = ["1", "0", 1.0, 0.0, EMPTY, "", np.array([[True]]), "1 "]
    labelled = [{**p, "is_visible": flag} for p, flag in zip(points(8), flags, strict=True)]
    (block,) = read(write_mat(tmp_path, {"a.jpg": [rect(labelled)]}))
    assert block.extras["visible"][0, :8].tolist() == [1, 0, 1, 0, 0, 0, 1, 1]
    assert not np.isnan(block.joints2d[0, :8]).any()
    bare = [{key: p[key] for key in ("x", "y", "id")} for p in points(8)]
    (block,) = read(write_mat(tmp_path, {"a.jpg": [rect(bare)]}))
    assert not block.extras["visible"].any() and block.frames.tolist() == [0]


def test_head_rectangles(tmp_path):
    head = {"x1": 181.0, "y1": 91.0, "x2": 221.0, "y2": 41.0}
    (block,) = read(write_mat(tmp_path, {"a.jpg": [rect(points(), **head), rect(points())]}))
    assert block.extras["head_box"][0].tolist() == [180, 40, 40, 50]
    # The sheet's number: 0.6 of the diagonal.
    assert 0.6 * np.hypot(*block.extras["head_box"][0, 2:]) == pytest.approx(38.4, abs=0.02)
    assert np.isnan(block.extras["head_box"][1]).all()


def test_the_communitys_files(tmp_path):
    hidden = entry(joints_vis=[1] * 14 + [0, 0])
    hidden["joints"][14:] = [[-1.0, -1.0], [33.0, 44.0]]
    people = [entry(), entry("b.jpg"), hidden, entry(joints_vis=[0] * 16, joints=[[-1, -1]] * 16)]
    (block,) = read(write_json(tmp_path, people))
    assert block.images == ["images/000000007.jpg", "images/b.jpg", "images/000000007.jpg"]
    assert block.person == ["0", "0", "1"] and block.frames.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(block.joints2d[2, 13:], [[22, 32], NAN, [32, 43]])
    assert block.extras["visible"][2].tolist() == [True] * 14 + [False] * 2
    assert "head_box" not in block.extras


def test_the_communitys_split_is_not_mixed_with_the_mat_file(tmp_path):
    write_mat(tmp_path, {"a.jpg": [rect(points())]}, name=f"mpii_human_pose_v1_u12_2/{MAT}")
    adapter = get_adapter("mpii")

    def keys(**options):
        chosen = get_adapter("mpii", **options)
        return [s.key for split in ("train", "valid") for s in chosen.sources(tmp_path, split)]

    assert keys() == [f"mpii_human_pose_v1_u12_2/{MAT}"]
    write_json(tmp_path, [entry()], "annotations/mpii_val.json")
    # The .mat file's training images hold those of the validation file.
    assert keys() == ["annotations/mpii_val.json"] and not adapter.sources(tmp_path, "train")
    assert keys(edition="mat") == [f"mpii_human_pose_v1_u12_2/{MAT}"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="expected mpii_human_pose_v1_u12_1.mat or mpii_train.json"):
        read(tmp_path / "empty")
    with pytest.raises(FileError, match="expected mpii_val.json, found none of that name"):
        get_adapter("mpii", edition="json").sources(tmp_path / "empty", "valid")
    with pytest.raises(UserError, match="option edition must be one of auto, mat, json"):
        get_adapter("mpii", edition="h5")


def test_image_sizes_are_asked_for_when_needed(tmp_path):
    scene.write_image(tmp_path / "images/a.jpg", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "images/b.jpg").write_bytes(b"no image")
    names = ["a.jpg", "b.jpg", "c.jpg"]
    (block,) = read(write_json(tmp_path, [entry(name) for name in names]))
    assert [block.image_size(row) for row in range(3)] == [(64, 48), None, None]
    assert block.select(np.array([2, 0])).image_size(1) == (64, 48)


def test_a_real_slice(samples, tmp_path):
    folder = samples / "mmpose_tests/mpii"
    (tmp_path / "images").symlink_to(folder)
    (tmp_path / "mpii_val.json").symlink_to(folder / "test_mpii.json")
    (block,) = read(tmp_path)
    assert block.split == "valid" and len(block) == 5
    assert block.joints2d[0, 0].tolist() == [803, 710]
    assert np.isnan(block.joints2d[2, [0, 5]]).all() and block.validity[2].sum() == 14
    assert block.frames.tolist() == [5808361, 52475643, 51423444, 4645041, 60754485]
    for row in (1, 2):
        width, height = block.image_size(row)
        joints = block.joints2d[row][block.validity[row]]
        assert (joints >= 0).all() and (joints < (width, height)).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"id": 16.0}, "annopoints.point.id: expected 0 to 15, found 16"),
        ({"id": 2.5}, "annopoints.point.id: expected 0 to 15, found 2.5"),
        ({"x": "12"}, "annopoints.point.x: expected a number, found 12"),
        ({"y": EMPTY}, r"annopoints.point.y: expected a number, found \[\]"),
        ({"x": np.inf}, r"annopoints.point.x: expected a number, found \[\[inf"),
        ({"x": np.array([[1.0, 2.0]])}, "annopoints.point.x: expected a number"),
    ],
)
def test_odd_points(tmp_path, change, message):
    with pytest.raises(FileError, match=message) as caught:
        read(write_mat(tmp_path, {"a.jpg": [rect(points(8, **change))]}))
    assert "\n" not in str(caught.value)


def test_other_mat_files(tmp_path):
    write_mat(tmp_path, {"a.jpg": [rect(points())]}, is_train=[1, 1])
    with pytest.raises(FileError, match="expected img_train for 1 images, found 2"):
        read(tmp_path)
    savemat(tmp_path / MAT, {"annolist": 3})
    with pytest.raises(FileError, match="RELEASE"):
        read(tmp_path)
    savemat(tmp_path / MAT, {"RELEASE": 3})
    with pytest.raises(FileError, match="expected the key 'annolist'"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"a": 1}, "expected a list of people, found an object"),
        ([7], "expected the key 'image'"),
        ([entry(image=None)], "image of entry 1: expected text or a whole number, found null"),
        ([entry(), entry(joints=[[1, 2]] * 15)], "joints of entry 2: expected 16 points, found a"),
        ([entry(joints=[[1, 2, 3]] * 16)], "joints of entry 1: expected 2 numbers, found 3"),
        ([entry(), entry(joints=[["1", 2]] * 16)], "joints of entry 2: .*found '1' among them"),
        ([entry(joints_vis=[1] * 15)], "joints_vis of entry 1: expected 16 numbers, found 15"),
        ([entry(joints_vis="yes")], "joints_vis of entry 1: expected 16 numbers, found 'yes'"),
    ],
)
def test_odd_json(tmp_path, content, message):
    with pytest.raises(FileError, match=message):
        read(write_json(tmp_path, content))


def test_any_damage_is_told_in_one_line(tmp_path):
    root = copy_of("mpii", tmp_path)
    adapter = get_adapter("mpii")
    (source,) = adapter.sources(root, "train")
    read_damaged(adapter, root, source, root / MAT, count=120)
    write_json(root, [entry("086617615.jpg"), entry()])
    (source,) = adapter.sources(root, "train")
    path = root / "mpii_train.json"
    assert read_damaged(adapter, root, source, path, count=80) > 0
    for damaged in document_mutations([entry(), entry(joints_vis=[0] * 16)], 120):
        write_json(root, damaged)
        assert_result_or_user_error(lambda: list(adapter.read(root, source)))
