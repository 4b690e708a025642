import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error
from json_fuzzing import document_mutations
from miniature_copies import copy_of, overwrite, read_damaged

from dataset_adapters import get_adapter
from dataset_adapters.containers.errors import FileError
from skelbridge.store import rle
from skeleton_defs import UserError

SIZE = {"width": 640, "height": 480}


def person(number=1, image=9, *, n=17, visible=17, side=300.0, **changes):
    """A person whose labelled joints' box has one side of `side` px."""
    visible = min(visible, n)
    flags = [2] * visible + [1] * (n - visible) + [0] * (17 - n)
    x = np.linspace(10, 10 + side, max(n, 2))[:n].tolist() + [0.0] * (17 - n)
    keypoints = [v for triple in zip(x, [40 if f else 0 for f in flags], flags, strict=True)
                 for v in triple]  # fmt: skip
    return {
        "id": number, "image_id": image, "keypoints": keypoints, "num_keypoints": n, "iscrowd": 0,
        "bbox": [10, 20, 300, 200], "segmentation": [[10, 20, 100, 20, 100, 90]], **changes,
    }  # fmt: skip


def write(
    root, people, *, name="person_keypoints_train2017", images=(9, 30), pattern="{:012d}.jpg"
):
    path = root / f"annotations/{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [{"id": i, "file_name": pattern.format(i), **SIZE} for i in images]
    overwrite(path, json.dumps({"images": listed, "annotations": people}).encode())
    return root


def read(root, split="train", **options):
    return list(get_adapter("coco", **options).blocks(root, split=split))


def test_who_is_chosen(tmp_path):
    people = [
        person(1),
        person(2, n=9, visible=6),
        person(3, n=8, visible=8),
        person(4, n=12, visible=5),
        person(5, side=159.9),
        person(6, side=160.0),
        person(7, iscrowd=1),
        person(8, n=0, visible=0),
    ]
    (block,) = read(write(tmp_path, people))
    assert block.person == ["1", "2", "6"]
    (block,) = read(tmp_path, min_labelled=1, min_visible=0, min_side_px=0)
    assert block.person == ["1", "2", "3", "4", "5", "6"]


def test_joints_that_are_not_labelled(tmp_path):
    (block,) = read(write(tmp_path, [person(n=12, visible=10)]))
    assert np.isnan(block.joints2d[0, 12:]).all() and not block.validity[0, 12:].any()
    assert block.joints2d[0, 0].tolist() == [10, 40]
    assert block.extras["visibility"][0].tolist() == [2] * 10 + [1] * 2 + [0] * 5
    assert block.boxes[0].tolist() == [10, 20, 300, 200] and block.image_sizes == [(640, 480)]
    assert rle.box_of(block.masks[0]) == pytest.approx([9.5, 19.5, 90, 70], abs=1.01)


def test_editions_are_not_mixed(tmp_path):
    older = "COCO_train2014_{:012d}.jpg"
    write(tmp_path, [person(1)], name="person_keypoints_train2014", pattern=older)
    (block,) = read(tmp_path)
    assert block.images == ["train2014/COCO_train2014_000000000009.jpg"]
    # With one split of 2017 there, photographs of train2014 may be in val2017.
    write(tmp_path, [person(2)], name="person_keypoints_val2017")
    assert read(tmp_path, "valid")[0].images == ["val2017/000000000009.jpg"]
    with pytest.raises(FileError, match="train2017.json: expected the annotations"):
        read(tmp_path)
    assert read(tmp_path, edition="2014")[0].person == ["1"]
    with pytest.raises(UserError, match="option edition must be one of auto, 2014, 2017"):
        get_adapter("coco", edition="2015")


def test_a_large_file_is_read_in_pieces(tmp_path, monkeypatch):
    people = [person(i, image=[9, 30, 9, 31, 32][i]) for i in range(5)]
    write(tmp_path, people, images=(9, 30, 31, 32))
    size = (tmp_path / "annotations/person_keypoints_train2017.json").stat().st_size
    monkeypatch.setattr("dataset_adapters.adapters.coco._BYTES_PER_SOURCE", size // 2)
    adapter = get_adapter("coco")
    sources = adapter.sources(tmp_path, "train")
    assert [source.key[-4:] for source in sources] == ["#1/3", "#2/3", "#3/3"]
    found = [[p for b in adapter.read(tmp_path, s) for p in b.person] for s in sources]
    assert found == [["0", "2"], ["1"], ["3", "4"]]


def test_whole_body(tmp_path):
    parts = {"foot": 6, "face": 68, "lefthand": 21, "righthand": 21}
    one = person(1, n=16)
    for i, (part, n) in enumerate(parts.items()):
        one[f"{part}_kpts"] = [v for k in range(n) for v in (100 * i + k, 7, 1 - (k == 2))]
        one[f"{part}_valid"] = part != "face"
    write(tmp_path, [one], name="coco_wholebody_train_v1.0")
    (block,) = read(tmp_path, skeleton="coco_wholebody_133")
    assert block.images == ["train2017/000000000009.jpg"]
    joints = block.joints2d[0]
    assert np.isnan(joints[[16, 17 + 2]]).all() and joints[17].tolist() == [0, 7]
    assert np.isnan(joints[23:91]).all(), "the face is not vouched for"
    assert joints[91].tolist() == [200, 7] and joints[132].tolist() == [320, 7]
    flags = block.extras["visibility"][0]
    assert flags[23:91].sum() == 0 and flags[17:23].tolist() == [2, 2, 0, 2, 2, 2]


def test_real_slices(samples, tmp_path):
    folder = samples / "mmpose_tests/coco"
    (tmp_path / "annotations").mkdir()
    for name, copied in [("test_coco", "person_keypoints_val2017"),
                         ("test_coco_wholebody", "coco_wholebody_val_v1.0")]:  # fmt: skip
        (tmp_path / f"annotations/{copied}.json").symlink_to(folder / f"{name}.json")
    (block,) = read(tmp_path, "valid")
    document = json.loads((folder / "test_coco.json").read_text())
    expected = {}
    for entry in document["annotations"]:
        points = [p for p in np.reshape(entry["keypoints"], (17, 3)).tolist() if p[2] > 0]
        if len(points) >= 9 and sum(p[2] == 2 for p in points) >= 6:
            sides = [max(p[d] for p in points) - min(p[d] for p in points) for d in (0, 1)]
            if max(sides) >= 160:
                expected[str(entry["id"])] = points
    assert block.person == list(expected) and len(expected) == 8
    for joints, points in zip(block.joints2d, expected.values(), strict=True):
        assert joints[~np.isnan(joints[:, 0])].tolist() == [p[:2] for p in points]
    for row in range(len(block)):
        # Silhouette and box were annotated together.
        np.testing.assert_allclose(rle.box_of(block.masks[row]), block.boxes[row], atol=2)
    (whole,) = read(tmp_path, "valid", skeleton="coco_wholebody_133")
    flat = json.loads((folder / "test_keypoint_partition_metric.json").read_text())
    oracle = {str(a["id"]): np.reshape(a["keypoints"], (133, 3)) for a in flat["annotations"]}
    assert whole.person == block.person
    for name, joints, valid in zip(whole.person, whole.joints2d, whole.validity, strict=True):
        np.testing.assert_allclose(joints[valid], oracle[name][valid, :2])
        assert (oracle[name][~valid, 2] == 0).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"keypoints": [1, 2, 3]}, "keypoints of annotation 1: expected 51 numbers, found 3"),
        ({"keypoints": ["1"] * 51}, "found '1' among them"),
        ({"keypoints": None}, "keypoints of annotation 1: expected 51 numbers, found null"),
        ({"keypoints": [1, 1, 3] * 17}, "a flag of 0, 1 or 2 behind x and y, found 3 for joint 0"),
        ({"keypoints": [1e9, 1, 2] * 17}, "expected finite numbers, found 1e\\+09"),
        ({"bbox": [1, 2, -3, 4]}, "bbox of annotation 1: expected left, top, width, height"),
        ({"bbox": "none"}, "bbox of annotation 1: expected 4 numbers, found 'none'"),
        ({"image_id": 77}, "annotation 1 with image_id 77: no such image listed"),
        ({"image_id": [9]}, "annotation 1 with image_id a list of 1: no such image"),
        ({"id": {}}, "id of annotation an object: expected text or a whole number"),
    ],
)
def test_odd_annotations(tmp_path, change, message):
    with pytest.raises(FileError, match=message) as caught:
        read(write(tmp_path, [person(1, **change)]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"width": "640"}, "width of image 9: expected a whole number of at least 1, found '640'"),
        ({"height": 0}, "height of image 9: expected a whole number of at least 1, found 0"),
        ({"file_name": None}, "file_name of image 9: expected text"),
        ({"id": "9"}, "no such image listed"),
    ],
)
def test_odd_images(tmp_path, change, message):
    path = tmp_path / "annotations/person_keypoints_train2017.json"
    document = json.loads((write(tmp_path, [person()]) / path).read_text())
    document["images"][0].update(change)
    overwrite(path, json.dumps(document).encode())
    with pytest.raises(FileError, match=message):
        read(tmp_path)


def test_cut_off_and_missing_files(tmp_path):
    path = write(tmp_path, [person()]) / "annotations/person_keypoints_train2017.json"
    overwrite(path, path.read_bytes()[:-9])
    with pytest.raises(FileError, match="line 1: expected JSON .* damaged or cut off"):
        read(tmp_path)
    with pytest.raises(FileError, match="val2017.json: expected the annotations; unpack them here"):
        read(tmp_path, "valid")
    assert read(write(tmp_path, [])) == []


def test_any_damage_is_told_in_one_line(tmp_path):
    root = copy_of("coco", tmp_path)
    path = root / "annotations/person_keypoints_train2017.json"
    adapter = get_adapter("coco")
    (source,) = adapter.sources(root, "train")
    assert read_damaged(adapter, root, source, path, count=120) > 0
    document = json.loads(path.read_text())

    def with_masks():
        return [block.masks[i] for block in adapter.read(root, source) for i in range(len(block))]

    for damaged in document_mutations(document, 200):
        overwrite(path, json.dumps(damaged).encode())
        assert_result_or_user_error(with_masks)
