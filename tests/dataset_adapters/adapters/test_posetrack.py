import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error
from json_fuzzing import document_mutations
from miniature_copies import copy_of, overwrite, read_damaged
from miniatures import scene

from dataset_adapters import get_adapter
from dataset_adapters.containers.errors import FileError

SEQUENCE = "012834_mpii_train"
FOLDER = "posetrack_data/annotations/train"
FRAME = f"images/train/{SEQUENCE}/000007.jpg"


def person(track=0, *, image=10128340007, missing=(), **changes):
    keypoints = [v for k in range(17) for v in (100.0 + 10 * k, 50.5 + k, int(k not in (3, 4)))]
    for joint in missing:
        keypoints[3 * joint : 3 * joint + 3] = 0, 0, 0
    return {
        "bbox_head": [300, 100, 40, 50], "keypoints": keypoints, "track_id": track,
        "image_id": image, "bbox": [76.0, 40.0, 208.0, 40.0], "scores": [], "category_id": 1,
        "id": 100 * image + track, **changes,
    }  # fmt: skip


def write(root, people, *, name=f"{FOLDER}/{SEQUENCE}.json", images=None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = images or [{"id": 10128340007, "file_name": FRAME, "is_labeled": True}]
    overwrite(path, json.dumps({"images": listed, "annotations": people}).encode())
    return root


def read(root, split="train", **options):
    return list(get_adapter("posetrack", **options).blocks(root, split=split))


def point(joint, x, y):
    return {"id": [joint], "x": [x], "y": [y], "is_visible": [1]}


def rect(points, **others):
    return {"annopoints": [{"point": points}], "track_id": [3], **others}


def write_2017(root, rects, *, file=FRAME):
    path = root / FOLDER / f"{SEQUENCE}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [{"image": [{"name": file}], "annorect": rects}, {"image": [{"name": file}]}]
    overwrite(path, json.dumps({"annolist": entries}).encode())
    return root


def test_people_of_a_sequence(tmp_path):
    people = [person(0, missing=(16,)), person(1, missing=range(17)), person(2)]
    (block,) = read(write(tmp_path, people))
    assert block.person == ["0", "2"] and block.frames.tolist() == [7, 7]
    assert block.sequence == SEQUENCE and block.images == [FRAME] * 2 and block.subject == ""
    assert np.isnan(block.joints2d[0, [3, 4, 16]]).all() and block.validity[0].sum() == 14
    assert block.joints2d[0, 5].tolist() == [150, 55.5]
    assert block.boxes[0].tolist() == [76, 40, 208, 40]
    # The sheet's number: 0.6 of the diagonal.
    assert 0.6 * np.hypot(*block.extras["head_box"][0, 2:]) == pytest.approx(38.4, abs=0.02)


def test_a_place_without_a_flag_does_not_count(tmp_path):
    one = person()
    one["keypoints"][3 * 7 + 2] = 0
    (block,) = read(write(tmp_path, [one]))
    assert np.isnan(block.joints2d[0, 7]).all()


def test_people_without_a_box(tmp_path):
    bare = person(1)
    del bare["bbox"], bare["bbox_head"]
    root = write(tmp_path, [person(0), bare, person(2, bbox=[])])
    assert read(root)[0].person == ["0"]
    (block,) = read(root, require_box=False)
    assert block.person == ["0", "1", "2"]
    # x from 100 to 260, y from 50.5 to 66.5, 1.3 times as large.
    np.testing.assert_allclose(block.boxes[1], [76, 48.1, 208, 20.8])
    assert np.isnan(block.extras["head_box"][1]).all()


def test_layouts_and_identities_of_posetrack21(tmp_path):
    write(tmp_path, [person(0, person_id=5474)], name=f"posetrack_data/train/{SEQUENCE}.json")
    (block,) = read(tmp_path)
    assert block.subject == ["5474"]
    other = tmp_path / "other"
    write(other, [person()], name="annotations/val/000342_mpii_test.json")
    (block,) = read(other, "valid")
    assert block.split == "valid" and block.sequence == "000342_mpii_test"
    # Three ways to arrange the files: the first that is there is read.
    write(tmp_path, [person(0), person(1)])
    assert len(read(tmp_path)[0]) == 2


def test_image_sizes(tmp_path):
    write(tmp_path, [person()])
    assert read(tmp_path)[0].image_sizes is None
    scene.write_image(tmp_path / FRAME, np.zeros((36, 64, 3), np.uint8))
    assert read(tmp_path)[0].image_sizes == (64, 36)
    stated = {"id": 10128340007, "file_name": FRAME, "width": 1920, "height": 1080}
    assert read(write(tmp_path, [person()], images=[stated]))[0].image_sizes == (1920, 1080)


def test_files_of_2017(tmp_path):
    points = [point(0, 5, 6.5), point(12, 7, 8), point(14, 9, 1)]
    head = {"x1": [20], "y1": [10], "x2": [60], "y2": [60]}
    rects = [rect(points, **head), {"track_id": [4]}, rect([point(13, 3, 3)])]
    (block,) = read(write_2017(tmp_path, rects))
    assert block.skeleton == "posetrack_15" and block.person == ["3", "3"]
    np.testing.assert_array_equal(block.joints2d[0, [0, 12, 14]], [[5, 6.5], [7, 8], [9, 1]])
    assert block.validity.sum() == 4 and block.frames.tolist() == [7, 7]
    assert block.extras["head_box"][0].tolist() == [20, 10, 40, 50]
    assert np.isnan(block.extras["head_box"][1]).all()
    assert read(write_2017(tmp_path, [])) == []


def test_real_slices(samples):
    root = samples / "mmpose_tests/posetrack18"
    found = {block.sequence: block for block in read(root, "valid")}
    assert {name: len(block) for name, block in found.items()} == {
        "003418_mpii_test": 1, "009473_mpii_test": 2, "012834_mpii_test": 11,
    }  # fmt: skip
    block = found["003418_mpii_test"]
    assert block.image_sizes == (1920, 1080) and (root / block.images[0]).is_file()
    assert block.joints2d[0, 0].tolist() == [621, 471] and block.validity[0].sum() == 11
    for block in found.values():
        # The annotated box is the joints' extent, 1.3 times as large.
        low, high = np.nanmin(block.joints2d, axis=1), np.nanmax(block.joints2d, axis=1)
        np.testing.assert_allclose(block.boxes[:, 2:], 1.3 * (high - low), atol=1e-4)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"keypoints": [1.0] * 50}, "keypoints of annotation 7: expected 51 numbers, found 50"),
        ({"keypoints": [None] * 51}, "found null among them"),
        ({"keypoints": 5}, "expected 51 numbers, found 5"),
        ({"bbox": [1, 2, 3]}, "bbox of annotation 7: expected 4 numbers, found 3"),
        ({"bbox_head": [1, 2, -3, 4]}, "bbox_head of annotation 7: expected left, top"),
        ({"track_id": None}, "track_id of annotation 7: expected text or a whole number"),
        ({"person_id": [1]}, "person_id of annotation 7: expected text or a whole number"),
        ({"image_id": 5}, "annotation 7 with image_id 5: no such image listed"),
    ],
)
def test_odd_annotations(tmp_path, change, message):
    with pytest.raises(FileError, match=message) as caught:
        read(write(tmp_path, [person(**{"id": 7, **change})]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "image, message",
    [
        ({"file_name": "images/train/a/first.jpg"}, "expected digits as in 000012.jpg"),
        ({"file_name": 3.5}, "file_name of image 10128340007: expected text"),
        ({"file_name": FRAME, "width": "9", "height": 9}, "width of image .*found '9'"),
    ],
)
def test_odd_images(tmp_path, image, message):
    with pytest.raises(FileError, match=message):
        read(write(tmp_path, [person()], images=[{"id": 10128340007, **image}]))


@pytest.mark.parametrize(
    "rects, message",
    [
        ([rect([point(15, 1, 2)])], "point.id: expected 0 to 14, found 15"),
        ([rect([point(1.5, 1, 2)])], "point.id: expected 0 to 14, found 1.5"),
        ([rect([point(0, "1", 2)])], r"\(id, x, y\) of entry 1: .*found '1' among them"),
        ([rect([{"id": [0], "x": [1]}])], "found null among them"),
        ([rect([3])], "point: expected a list of objects, found a list of 1"),
        ([{"annopoints": 7}], "annopoints: expected a list of objects, found 7"),
        ("none", "annorect: expected a list of objects, found 'none'"),
        ([rect([point(0, 1, 2)], track_id=[2.5])], "track_id of entry 1: expected text"),
    ],
)
def test_odd_files_of_2017(tmp_path, rects, message):
    with pytest.raises(FileError, match=message):
        read(write_2017(tmp_path, rects))


def test_missing_and_cut_off_files(tmp_path):
    write(tmp_path, [person()])
    with pytest.raises(FileError, match="annotations/val: expected a .json file per sequence"):
        read(tmp_path, "valid")
    path = tmp_path / FOLDER / f"{SEQUENCE}.json"
    overwrite(path, path.read_bytes()[:-5])
    with pytest.raises(FileError, match="expected JSON .* damaged or cut off"):
        read(tmp_path)
    overwrite(path, b"[]")
    with pytest.raises(FileError, match="expected the key 'images', found a list of 0"):
        read(tmp_path)


def test_any_damage_is_told_in_one_line(tmp_path):
    root = copy_of("posetrack", tmp_path)
    adapter = get_adapter("posetrack", require_box=False)
    source = adapter.sources(root, "train")[0]
    assert read_damaged(adapter, root, source, root / source.key, count=100) > 0
    write(tmp_path, [person(0), person(1, person_id=3)])
    write_2017(tmp_path / "old", [rect([point(0, 5, 6.5), point(12, 7, 8)], x1=[3])])
    for folder in (tmp_path, tmp_path / "old"):
        path = folder / FOLDER / f"{SEQUENCE}.json"
        (source,) = adapter.sources(folder, "train")
        for damaged in document_mutations(json.loads(path.read_text()), 120):
            overwrite(path, json.dumps(damaged).encode())
            assert_result_or_user_error(lambda f=folder, s=source: list(adapter.read(f, s)))
