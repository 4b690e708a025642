import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from json_fuzzing import document_mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import alphapose, coco
from skelbridge.posefiles.alphapose import write_alphapose
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import load_json
from skeleton_defs.errors import UserError


def _read(source, **options):
    data = source.read_bytes() if hasattr(source, "read_bytes") else json.dumps(source).encode()
    return alphapose.parse("a.json", load_json("a.json", data), **options)


def _record(image="12.jpg", count=17, **more):
    keypoints = [v for i in range(count) for v in (i + 1, i + 2, 0.5)]
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": 2.5} | more


@pytest.mark.parametrize(
    ("count", "skeleton"), [(17, "coco_17"), (26, "halpe_26"), (136, "halpe_136"), (20, None)]
)
def test_default_layout(count, skeleton):
    record = _record(count=count, box=[1, 2, 3, 4], idx=3)
    record["keypoints"][3:6] = [0, 0, 0]
    poses = _read([record])
    assert poses.positions.shape == (1, count, 2)
    assert poses.leading == ("instance",)
    assert poses.positions[0, 2].tolist() == [3, 4]
    assert np.isnan(poses.positions[0, 1]).all()
    assert poses.confidence[0, :3].tolist() == [0.5, 0, 0.5]
    assert (poses.skeleton, poses.units) == (skeleton, "px")
    assert poses.extras["image_id"].tolist() == ["12.jpg"]
    assert poses.extras["idx"].tolist() == [3]
    assert poses.extras["box"].tolist() == [[1, 2, 3, 4]]
    assert poses.extras["score"].tolist() == [2.5]


def test_images_of_a_clip_come_in_the_order_of_their_numbers():
    poses = _read([_record(f"{i}.jpg", idx=n) for n, i in enumerate([10, 9, 10, 2])])
    assert poses.extras["image_id"].tolist() == ["2.jpg", "9.jpg", "10.jpg", "10.jpg"]
    assert poses.extras["idx"].tolist() == [3, 1, 0, 2]


def test_images_of_different_names_come_as_first_seen():
    names = ["b/7.jpg", "a/1.jpg", "b/7.jpg"]
    assert _read([_record(n) for n in names]).extras["image_id"].tolist() == [
        "b/7.jpg", "b/7.jpg", "a/1.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("people", "array"), [("people", "pose_keypoints_2d"), ("bodies", "joints")]
)
def test_openpose_and_cmu_layouts(people, array):
    person = {array: [1, 2, 0.5] + [0, 0, 0] + [3, 4, 1] * 16}
    frame = {"version": "AlphaPose v0.3", people: [person, person]}
    poses = _read({"1.jpg": frame, "0.jpg": frame, "2.jpg": {"version": 1, people: []}})
    assert poses.positions.shape == (4, 18, 2)
    assert poses.skeleton == "openpose_18"
    assert poses.extras["image_id"].tolist() == ["0.jpg"] * 2 + ["1.jpg"] * 2
    assert poses.positions[0, 0].tolist() == [1, 2]
    assert np.isnan(poses.positions[0, 1]).all()
    single = _read(frame)
    assert single.positions.shape == (2, 18, 2)
    assert "image_id" not in single.extras


def test_it_is_told_from_coco():
    assert alphapose.matches([_record()])
    assert alphapose.matches([_record(5, idx=1)])
    assert not alphapose.matches([_record(5)])
    assert coco.matches([_record(5)])
    assert not alphapose.matches({"annotations": []})
    assert not alphapose.matches({"1.jpg": {"faces": []}})


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "expected AlphaPose results, found none"),
        ({}, "expected AlphaPose results, found an empty object"),
        ({"1.jpg": {"people": []}}, "expected AlphaPose results, found none"),
        ([_record(), 5], "[1]: expected an object, found the number 5"),
        (
            [_record(), _record(count=26)],
            "[1].keypoints has 26 keypoints where [0]",
        ),
        ([_record(keypoints=[1, 2])], "[0].keypoints: expected x, y, confidence"),
        ([_record(keypoints=None)], "[0].keypoints: expected a list of numbers, found null"),
        ({"1.jpg": {"people": []}, "2.jpg": 7}, "image '2.jpg': expected 'people' or 'bodies'"),
        ({"1.jpg": {"people": []}, "2.jpg": {"bodies": []}}, "expected one layout, found both"),
        (
            {"1.jpg": {"people": [{"pose_keypoints_2d": [1]}]}},
            "['1.jpg'].people[0].pose_keypoints_2d: expected x, y, confidence",
        ),
    ],
)
def test_errors(document, problem):
    with pytest.raises(FileError) as error:
        _read(document)
    assert problem in str(error.value)


def test_round_trip(tmp_path):
    records = [_record(f"{i}.jpg", idx=i, box=[1.5, 2, 3, 4]) for i in range(3)]
    records[1]["keypoints"][3:6] = [0, 0, 0]
    write_alphapose(tmp_path / "a.json", _read(records))
    assert json.loads((tmp_path / "a.json").read_text()) == records


def test_poses_per_frame_and_person(tmp_path):
    positions = np.full((2, 2, 17, 2), 0.1, dtype=np.float32)
    positions[0, 1] = np.nan
    write_alphapose(tmp_path / "a.json", PoseData(positions, ("frame", "person")))
    written = json.loads((tmp_path / "a.json").read_text())
    assert [record["image_id"] for record in written] == ["0.jpg", "1.jpg", "1.jpg"]
    assert written[0]["keypoints"] == [0.1, 0.1, 1.0] * 17


@pytest.mark.parametrize("positions", [np.zeros((1, 17, 3)), np.full((1, 17, 2), np.inf)])
def test_what_cannot_be_written(tmp_path, positions):
    with pytest.raises(UserError, match="AlphaPose keypoints"):
        write_alphapose(tmp_path / "a.json", PoseData(positions))


def test_fuzz():
    document = [_record(f"{i}.jpg", idx=i, box=[1, 2, 3, 4]) for i in range(3)]
    frames = {"1.jpg": {"people": [{"pose_keypoints_2d": [1.5, 2, 0.5] * 18}]}}
    results = []
    for source in (document, frames):
        for damaged in mutations(json.dumps(source).encode(), 150):
            results.append(
                assert_result_or_user_error(
                    lambda d: alphapose.parse("a.json", load_json("a.json", d)), damaged
                )
            )
        for damaged in document_mutations(source, 150):
            results.append(assert_result_or_user_error(_read, damaged))
    assert any(results)
