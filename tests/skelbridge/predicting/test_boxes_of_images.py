"""Files of boxes: both kinds, and which image an entry means."""

import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from skelbridge.predicting import read_boxes
from skelbridge.predicting.boxes import check_boxes
from skeleton_defs import UserError


@pytest.fixture
def file(tmp_path):
    def write(tree):
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(tree))
        return path

    return write


def listed(boxes):
    return [box.tolist() for box in boxes]


def test_a_detector_s_boxes_by_image(file):
    path = file(
        {"a/x.jpg": [[1, 2, 3, 4, 0.9], [5, 6, 7, 8]], "y.png": [], "z.png": [[0, 0, 1, 1]]}
    )
    boxes, notes = read_boxes(path, ["a/x.jpg", "y.png"])
    assert listed(boxes) == [[[1, 2, 3, 4], [5, 6, 7, 8]], []]
    assert boxes[1].shape == (0, 4) and not notes


@pytest.mark.parametrize(
    ("names", "image", "expected"),
    [
        (["x.jpg"], "/data/b/x.jpg", 0),
        (["b/x.jpg", "a/x.jpg"], "/data/a/x.jpg", 1),
        (["x.jpg", "a/x.jpg"], "a/x.jpg", 1),
        (["root/sub/x.jpg"], "sub/x.jpg", 0),
        (["x"], "a/x.jpg", 0),
        (["x", "x.jpg"], "x.jpg", 1),
        (["139"], "val/000000000139.jpg", 0),
        (["139"], "COCO_val2014_000000000139.jpg", 0),
    ],
)
def test_how_images_may_be_named(file, names, image, expected):
    path = file({name: [[place, 0, 1, 1]] for place, name in enumerate(names)})
    ((box,),) = read_boxes(path, [image])[0]
    assert box[0] == expected


def test_images_without_boxes_are_told(file):
    boxes, notes = read_boxes(file({"x.jpg": [[1, 2, 3, 4]]}), ["x.jpg", "y.jpg", "z.jpg"])
    assert [len(b) for b in boxes] == [1, 0, 0]
    assert "no boxes of y.jpg and 1 more" in notes[0]


def test_coco_results(file):
    person = {"category_id": 1, "score": 0.9}
    path = file(
        [
            {"image_id": 7, "bbox": [1, 2, 3, 4], **person},
            {"image_id": 7, "bbox": [9, 2, 3, 4], "category_id": 3, "score": 0.9},
            {"image_id": 7, "bbox": [8, 2, 3, 4], "category_id": 1, "score": 0.2},
            {"image_id": "photos/me.jpg", "bbox": [5.5, 6, 7, 8]},
        ]
    )
    boxes, notes = read_boxes(path, ["0007.jpg", "photos/me.jpg"])
    assert listed(boxes) == [[[1, 2, 3, 4]], [[5.5, 6, 7, 8]]]
    assert notes == (
        "1 boxes of other things than people (category 1) are left out",
        "1 boxes with a score below 0.5 are left out",
    )
    assert len(read_boxes(path, ["0007.jpg"], min_score=0.1)[0][0]) == 2


def test_coco_annotations_name_their_images(file):
    path = file(
        {
            "images": [{"id": 3, "file_name": "x.jpg"}, {"id": 4, "file_name": "empty.jpg"}],
            "annotations": [{"image_id": 3, "bbox": [1, 2, 3, 4], "category_id": 1}],
        }
    )
    boxes, notes = read_boxes(path, ["d/x.jpg", "d/empty.jpg"])
    assert listed(boxes) == [[[1, 2, 3, 4]], []] and not notes


@pytest.mark.parametrize(
    ("tree", "images", "message"),
    [
        ({"other.jpg": [[1, 2, 3, 4]]}, ["x.jpg"], "expected boxes of x.jpg, found those of 'oth"),
        ({}, ["x.jpg"], "no image at all"),
        ([], ["x.jpg"], "no image at all"),
        ({"a/x.jpg": [], "b/x.jpg": []}, ["x.jpg"], "x.jpg may be 'a/x.jpg' or 'b/x.jpg'"),
        ({"x.jpg": []}, ["a/x.jpg", "b/x.jpg"], "'x.jpg' may be a/x.jpg or b/x.jpg"),
        ({"x.jpg": [[1, 2, 3]]}, ["x.jpg"], "expected boxes"),
        ({"x.jpg": [[1, 2, -3, 4]]}, ["x.jpg"], "expected boxes"),
        (7, ["x.jpg"], "expected an object"),
        (["x.jpg"], ["x.jpg"], "entry 1: expected an object with"),
        ([{"bbox": [1, 2, 3, 4]}], ["x.jpg"], "entry 1: expected 'image_id'"),
        ([{"image_id": 1, "bbox": [1, 2, 3]}], ["x.jpg"], "entry 1: expected 'bbox'"),
        ([{"image_id": 1, "bbox": [1, 2, 3, None]}], ["x.jpg"], "entry 1: expected 'bbox'"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 10**400]}], ["x.jpg"], "entry 1: expected 'bbox'"),
        ([{"image_id": 1, "bbox": [1] * 4, "score": "a"}], ["x.jpg"], "expected a number as 'sc"),
        ({"annotations": [], "images": [{"id": []}]}, ["x.jpg"], "images: expected objects"),
        ({"annotations": [], "images": 5}, ["x.jpg"], "images: expected objects"),
    ],
)
def test_unfit_files(file, tree, images, message):
    with pytest.raises(UserError, match=message):
        read_boxes(file(tree), images)


def test_no_json_and_no_file(tmp_path):
    (tmp_path / "b.json").write_text('{"x.jpg": [[1, 2')
    with pytest.raises(UserError, match="expected JSON"):
        read_boxes(tmp_path / "b.json", ["x.jpg"])
    with pytest.raises(UserError, match="cannot be read"):
        read_boxes(tmp_path / "none.json", ["x.jpg"])


@pytest.mark.parametrize(
    "tree",
    [
        {"a/7.jpg": [[1, 2, 3, 4, 0.9], [5, 6, 7, 8]]},
        [{"image_id": 7, "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 1}],
        {
            "images": [{"id": 3, "file_name": "7.jpg"}],
            "annotations": [{"image_id": 3, "bbox": [1, 2, 3, 4]}],
        },
    ],
)
def test_damage(tmp_path, tree):
    path = tmp_path / "boxes.json"
    for data in mutations(json.dumps(tree).encode(), 60):
        path.write_bytes(data)
        assert_result_or_user_error(lambda: read_boxes(path, ["a/7.jpg"]))


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([10, 10, 0, 5], "box 2 .* must be of more than 0 x 0 px. Received 10, 10, 0, 5"),
        ([10, 10, 5, 0], "more than 0 x 0 px"),
        ([-30, 10, 29, 20], "must meet the image's 100 x 80"),
        ([10, 80, 29, 20], "must meet the image's 100 x 80"),
        ([100, 10, 29, 20], "must meet"),
        ([10, -50, 29, 20], "must meet"),
    ],
)
def test_boxes_must_show_something(box, message):
    with pytest.raises(UserError, match=f"x.jpg: {message}" if "box" in message else message):
        check_boxes("x.jpg", (100, 80), np.array([[-5, -5, 20, 20], box], float))


def test_boxes_may_reach_out_of_the_image():
    check_boxes("x.jpg", (100, 80), np.array([[-50, -50, 60, 300], [90, 70, 500, 500]], float))
    check_boxes("x.jpg", (100, 80), np.zeros((0, 4)))
