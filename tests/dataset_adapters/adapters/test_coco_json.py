import json

import numpy as np
import pytest
from miniature_copies import overwrite

from dataset_adapters.adapters._coco_json import coco_document, recent_coco, split_keypoints
from dataset_adapters.adapters._coco_masks import SegmentationMasks
from dataset_adapters.containers.errors import FileError
from skelbridge.store import rle

IMAGES = [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 6}, {"id": "b", "file_name": "b"}]
PEOPLE = [
    {"id": 5, "image_id": 1, "keypoints": [1, 2, 2], "bbox": [0, 1, 2, 3]},
    {"id": 6, "image_id": "b", "keypoints": [0, 0, 0], "bbox": [0, 1, 2, -3]},
]


def document(images=IMAGES, annotations=PEOPLE):
    return coco_document("f.json", {"images": images, "annotations": annotations})


def test_columns():
    found = document()
    assert found.numbers("keypoints", PEOPLE, 3).tolist() == [[1, 2, 2], [0, 0, 0]]
    assert found.boxes(PEOPLE[:1]).tolist() == [[0, 1, 2, 3]]
    assert [image["file_name"] for image in found.images_of(PEOPLE)] == ["a.jpg", "b"]
    assert found.sizes(IMAGES[:1]) == [(8, 6)]
    assert found.texts("id", IMAGES) == ["1", "b"]


def test_keypoints_without_a_flag_are_missing():
    joints, flags = split_keypoints(np.array([[1.0, 2, 2, 9, 9, 0, 3, 4, 1]]))
    np.testing.assert_array_equal(joints, [[[1, 2], [np.nan, np.nan], [3, 4]]])
    assert flags.tolist() == [[2, 0, 1]]
    assert split_keypoints(np.zeros((0, 51)))[0].shape == (0, 17, 2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda d: d.boxes(PEOPLE), "bbox of annotation 6: expected left, top, width, height"),
        (lambda d: d.sizes(IMAGES), "image b.*|image 'b': expected the field 'width', found none"),
        (lambda d: d.numbers("keypoints", PEOPLE, 6), "keypoints of annotation 5: expected 6"),
        (lambda d: d.image_of({"id": 7, "image_id": [1]}), "annotation 7 with image_id a list"),
        (
            lambda d: d.images_of([{"image_id": 9}]),
            "annotation without id with image_id 9: no such",
        ),
        (lambda d: d.visibility(np.array([[2.0], [7.0]]), PEOPLE), "annotation 6: .*found 7 for"),
        (
            lambda d: d.sizes([{"id": 3, "file_name": "c", "width": 1, "height": 10**9}]),
            "height of image 3: expected at most 65536 px, found 1000000000",
        ),
    ],
)
def test_entries_are_named(call, message):
    with pytest.raises(FileError, match=message) as caught:
        call(document())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        ([], "expected the key 'images'"),
        ({"images": []}, "expected the key 'annotations', found images"),
        ({"images": {}, "annotations": []}, "images: expected a list of objects, found an object"),
        ({"images": [], "annotations": [[1]]}, "annotations: .*found a list of 1 in it"),
        ({"images": [{}], "annotations": []}, "id that is a number in entry 1, found null"),
        ({"images": [{"id": [1]}], "annotations": []}, "entry 1, found a list of 1"),
        (
            {"images": [{"id": 1, "x": 1}, {"id": 1, "x": 2}], "annotations": []},
            "images: id 1 stands for two images",
        ),
    ],
)
def test_other_documents(content, message):
    with pytest.raises(FileError, match=message):
        coco_document("f.json", content)


def test_an_image_may_be_listed_twice():
    assert len(document([{"id": 1}, {"id": 1}], []).images) == 1


def test_a_file_is_parsed_once_until_it_changes(tmp_path):
    path = tmp_path / "f.json"
    overwrite(path, json.dumps({"images": IMAGES, "annotations": []}).encode())
    first = recent_coco(path)
    assert recent_coco(path) is first
    overwrite(path, json.dumps({"images": [], "annotations": []}).encode())
    assert recent_coco(path).images == {}


def masks(*segmentations, size=(8, 6)):
    return SegmentationMasks("f.json", segmentations, [size] * len(segmentations))


def test_polygons_and_both_kinds_of_run_lengths_agree():
    # Columns 2 to 4, rows 1 to 3 of an image of 8 x 6.
    square = np.zeros((6, 8), bool)
    square[1:4, 2:5] = True
    runs = [13, 3, 3, 3, 3, 3, 20]
    found = masks(
        [[2, 1, 5, 1, 5, 4, 2, 4]],
        {"size": [6, 8], "counts": runs},
        {"size": [6, 8], "counts": rle.encode(square)["counts"]},
        None,
        [],
    )
    assert [found[i] for i in (3, 4)] == [None, None]
    for i in range(3):
        np.testing.assert_array_equal(rle.decode(found[i]), square)
    two = masks([[0, 0, 2, 0, 2, 2, 0, 2], [5, 3, 8, 3, 8, 6, 5, 6]])
    assert rle.decode(two[0]).sum() == 4 + 9
    assert found.select(np.array([3, 1]))[0] is None


@pytest.mark.parametrize(
    "segmentation, message",
    [
        (7, "expected polygons or run lengths, found 7"),
        ("abc", "expected polygons or run lengths, found 'abc'"),
        ([[1, 2, 3, 4]], r"expected polygons \[x1, y1.*found a list of 4"),
        ([1, 2, 3, 4, 5, 6], "found 1$"),
        ([[1, 2, 3, 4, 5, "6"]], "found '6' among them"),
        ([[0, 0, 1e6, 0, 0, 1e6]], "expected polygons within 8 x 6 px, found an outline of"),
        ([[0, 9e6] + [0, 0, 9e6, 9e6] * 500], "found an outline of"),
        ({"counts": [48]}, "expected run lengths with size .6, 8. as the image, found null"),
        ({"size": [8, 6], "counts": [48]}, r"found \[8, 6\]"),
        ({"size": [6, 8], "counts": [40]}, "expected runs of 48 px together, found 40"),
        ({"size": [6, 8], "counts": [2**40, 8]}, "expected runs of 48 px together"),
        ({"size": [6, 8], "counts": [-8, 56]}, "a whole number of at least 0, found -8"),
        ({"size": [6, 8], "counts": [1.5]}, "found 1.5"),
        ({"size": [6, 8], "counts": None}, "expected run lengths, found null"),
    ],
)
def test_other_silhouettes(segmentation, message):
    with pytest.raises(FileError, match=message) as caught:
        masks(segmentation)[0]
    assert "\n" not in str(caught.value)
