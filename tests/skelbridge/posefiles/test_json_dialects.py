import json

import pytest

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import (
    alphapose,
    coco,
    mediapipe,
    mpii,
    openpose,
    panoptic,
    plain_json,
)
from skelbridge.posefiles.json_dialects import DIALECTS, read_json, read_json_folder, sniff

RECORD = {"image_id": 3, "category_id": 1, "keypoints": [1, 2, 1], "score": 1}
LANDMARK = {"x": 0.1, "y": 0.2, "z": 0.3}


@pytest.mark.parametrize(
    ("document", "module"),
    [
        ({"people": []}, openpose),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": []}]}, openpose),
        ({"bodies": [{"joints19": []}]}, panoptic),
        ({"bodies": [], "univTime": 1.0}, panoptic),
        ({"bodies": [{"joints": []}]}, alphapose),
        ({"0.jpg": {"people": []}}, alphapose),
        ([RECORD | {"image_id": "3.jpg"}], alphapose),
        ([RECORD | {"idx": 1}], alphapose),
        ([RECORD], coco),
        ({"annotations": []}, coco),
        ([{"image_id": 1, "category_id": 1, "bbox": []}], coco),
        ([{"joints": [], "joints_vis": []}], mpii),
        ({"poseLandmarks": [LANDMARK]}, mediapipe),
        ([None, {"landmarks": []}, {"landmarks": [[LANDMARK]]}], mediapipe),
        ([[[1, 2, 3]]], plain_json),
        ({"positions": [[1, 2, 3]]}, plain_json),
        ({"landmarks": [[1, 2, 3, 0.5]]}, plain_json),
        ({"hip": [1, 2, 3]}, plain_json),
        ([None, {"hip": None, "knee": [1, 2, 3]}], plain_json),
    ],
)
def test_sniff(document, module):
    assert sniff("p.json", document) is module


@pytest.mark.parametrize(
    "document",
    [
        None, 5, "text", True, [], {}, [1, 2], ["a"], [None], [[]], {"a": {"b": [1]}}, {"a": "b"},
        [{}], {"bodies": [5]}, {"people": {}}, {"annotations": {}}, {"landmarks": 5},
    ],
)  # fmt: skip
def test_what_is_no_dialect_is_answered_with_a_list_of_them(document):
    data = json.dumps(document).encode()
    with pytest.raises(FileError) as error:
        read_json("p.json", data)
    if document != [[]]:
        assert "OpenPose (people); CMU Panoptic" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_matches_function_raises():
    values = [
        None,
        5,
        "x",
        [],
        {},
        [None],
        [[None]],
        {"": None},
        [{"x": 1}],
        [{"y": {}}],
        [[[[1]]]],
    ]
    for module in DIALECTS.values():
        for value in values:
            for document in (value, {"frames": [value]}, {"people": value}, {"bodies": value}):
                assert module.matches(document) in (True, False)


def test_the_key_is_passed_on(samples):
    file = samples / "mmpose_tests/humanart/test_humanart.json"
    poses = read_json(file, file.read_bytes(), key="keypoints_21")
    assert poses.positions.shape == (4, 21, 2)


def test_folders_are_told_by_their_first_file(samples):
    (folder,) = samples.glob("pose2sim_demo/*/*/pose/cam02_json")
    assert read_json_folder(folder).skeleton == "openpose_25"
    folder = next(samples.glob("mmpose_tests/panoptic_body3d/*/hd*"))
    assert read_json_folder(folder).skeleton == "cmu_panoptic_19"


def test_folders_of_something_else(tmp_path):
    (tmp_path / "a_1.json").write_text("[[[1, 2, 3]]]")
    with pytest.raises(FileError, match=r"a_1\.json: expected one frame of OpenPose or CMU"):
        read_json_folder(tmp_path)
    (tmp_path / "a_1.json").write_text("{")
    with pytest.raises(FileError, match="cut short"):
        read_json_folder(tmp_path)
