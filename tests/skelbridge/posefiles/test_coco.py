import contextlib
import io
import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from json_fuzzing import document_mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import coco
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import load_json
from skeleton_defs.errors import UserError


def _read(source, **options):
    data = source.read_bytes() if hasattr(source, "read_bytes") else json.dumps(source).encode()
    return coco.parse("c.json", load_json("c.json", data), **options)


def _ground_truth(**annotation):
    first = {"id": 5, "image_id": 1, "category_id": 1, "keypoints": [10, 20, 2, 0, 0, 0, 30, 40, 1]}
    return {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [first | annotation],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "hip", "knee"]}],
    }


def test_ground_truth():
    poses = _read(_ground_truth(bbox=[1, 2, 3, 4], area=12, iscrowd=0))
    np.testing.assert_array_equal(poses.positions, [[[10, 20], [np.nan, np.nan], [30, 40]]])
    assert poses.confidence.tolist() == [[2, 0, 1]]
    assert poses.leading == ("instance",)
    assert poses.joint_names == ("nose", "hip", "knee")
    assert (poses.units, poses.skeleton) == ("px", None)
    assert poses.extras["bbox"].tolist() == [[1, 2, 3, 4]]
    assert poses.extras["image_id"].tolist() == [1]
    assert poses.extras["images"] == [{"id": 1, "file_name": "a.jpg"}]


def test_results_keep_what_is_given():
    record = {"image_id": 7, "category_id": 1, "score": 0.5, "keypoints": [1, 2, 0, 0, 0, 0] * 8}
    record["keypoints"] += [3, 4, 5]
    poses = _read([record])
    assert poses.positions.shape == (1, 17, 2)
    assert poses.positions[0, 0].tolist() == [1, 2]  # no confidence, yet a position is given
    assert np.isnan(poses.positions[0, 1]).all()
    assert poses.skeleton == "coco_17"
    assert poses.extras["score"].tolist() == [0.5]


#: file, key -> instances, joints, skeleton, first name.
REAL = {
    ("coco/test_coco.json", None): (12, 17, None, "nose"),
    ("coco/test_coco_wholebody.json", None): (12, 133, "coco_wholebody_133", None),
    ("coco/test_coco_wholebody.json", "keypoints"): (12, 17, None, "nose"),
    ("coco/test_coco_wholebody.json", "foot_kpts"): (10, 6, None, None),
    ("coco/test_keypoint_partition_metric.json", None): (12, 133, "coco_wholebody_133", None),
    ("aic/test_aic.json", None): (9, 14, None, "Right Shoulder"),
    ("crowdpose/test_crowdpose.json", None): (4, 14, None, "left_shoulder"),
    ("mhp/test_mhp.json", None): (4, 16, None, "Right-ankle"),
    ("mpii/test_mpii_trb.json", None): (5, 40, None, "left_shoulder"),
    ("posetrack18/annotations/test_posetrack18_val.json", None): (14, 17, None, "nose"),
    ("humanart/test_humanart.json", None): (4, 17, None, "nose"),
    ("humanart/test_humanart.json", "keypoints_21"): (4, 21, None, "nose"),
    ("ap10k/test_ap10k.json", None): (2, 17, None, "left_eye"),
    ("macaque/test_macaque.json", None): (2, 17, None, "nose"),
    ("horse10/test_horse10.json", None): (3, 22, None, "Nose"),
    ("onehand10k/test_onehand10k.json", None): (4, 21, None, "wrist"),
    ("ubody3d/ubody3d_train.json", None): (1, 133, "coco_wholebody_133", None),
    ("ubody3d/ubody3d_train.json", "keypoints_3d"): (1, 133, "coco_wholebody_133", None),
    ("h36m/h36m_coco.json", None): (4, 17, None, "root (pelvis)"),
}


@pytest.mark.parametrize(("file", "key"), REAL)
def test_real_files(samples, file, key):
    count, joints, skeleton, name = REAL[file, key]
    poses = _read(samples / "mmpose_tests" / file, key=key)
    dims = 3 if key == "keypoints_3d" else 2
    assert poses.positions.shape == (count, joints, dims)
    assert poses.skeleton == skeleton
    assert (poses.joint_names or (None,))[0] == name


@pytest.mark.parametrize(("file", "key"), [k for k in REAL if "ubody" not in k[0]])
def test_real_joints_are_missing_where_v_is_zero(samples, file, key):
    poses = _read(samples / "mmpose_tests" / file, key=key)
    flags = []
    for annotation in json.loads((samples / "mmpose_tests" / file).read_text())["annotations"]:
        keys = [key or "keypoints"]
        if key is None and "wholebody" in file:
            keys += ["foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"]
        v = [flag for k in keys for flag in annotation[k][2::3]]
        flags += [v] if any(v) else []
    np.testing.assert_array_equal(np.isnan(poses.positions).all(axis=-1), np.array(flags) == 0)
    np.testing.assert_array_equal(poses.confidence, flags)


def test_wholebody_parts_are_in_the_order_of_the_133(samples):
    folder = samples / "mmpose_tests/coco"
    parts = _read(folder / "test_coco_wholebody.json")
    whole = _read(folder / "test_keypoint_partition_metric.json")
    np.testing.assert_array_equal(parts.positions, whole.positions)
    np.testing.assert_array_equal(parts.confidence, whole.confidence)


def test_3d_keypoints_are_the_same_bodies_as_in_the_other_file(samples):
    folder = samples / "mmpose_tests/h36m"
    poses = _read(folder / "h36m_coco.json", key="keypoints_3d")
    with np.load(folder / "test_h36m_body3d.npz") as reference:
        camera = reference["S"][..., :3]
    # World coordinates here, camera coordinates there: the distances between joints agree.
    distances = [
        np.linalg.norm(x[:, :, None] - x[:, None], axis=-1) for x in (poses.positions, camera)
    ]
    np.testing.assert_allclose(*distances, atol=1e-5)
    assert poses.confidence.tolist() == [[1] * 17] * 4
    assert poses.units is None


def test_real_results(samples):
    folder = samples / "cocoapi_results"
    file = folder / "person_keypoints_val2014_fakekeypoints100_results.json"
    poses = _read(file)
    assert poses.positions.shape == (125, 17, 2)
    record = json.loads(file.read_text())[3]
    np.testing.assert_array_equal(
        np.concatenate([poses.positions[3], poses.confidence[3][:, None]], axis=1).ravel(),
        record["keypoints"],
    )


def test_boxes_and_other_layouts_are_explained(samples):
    folder = samples / "mmpose_tests"
    with pytest.raises(FileError, match=r"found 118 results without; lists that they hold: bbox$"):
        _read(folder / "coco/test_coco_det_AP_H_56.json")
    with pytest.raises(FileError, match=r"hold: bbox, joint_valid$"):
        _read(folder / "interhand2.6m/test_interhand2.6m_data.json")


def test_categories_of_different_keypoints_are_read_one_at_a_time():
    document = _ground_truth()
    document["annotations"].append({"category_id": 2, "image_id": 1, "keypoints": [1, 2, 2] * 5})
    document["categories"].append({"id": 2, "name": "hand", "keypoints": list("abcde")})
    with pytest.raises(FileError) as error:
        _read(document)
    assert "annotations[1] has 5 keypoints where others have 3" in str(error.value)
    assert "'hand' and 'person'" in str(error.value)
    assert "--key @NAME" in str(error.value)
    assert _read(document, key="@hand").joint_names == tuple("abcde")
    assert _read(document, key="keypoints@person").joint_names == ("nose", "hip", "knee")
    with pytest.raises(FileError, match="category 'dog', found those of: person, hand"):
        _read(document, key="@dog")


def test_categories_that_name_the_same_count_differently_are_not_mixed():
    document = _ground_truth()
    document["annotations"].append(document["annotations"][0] | {"category_id": 2})
    document["categories"].append({"id": 2, "name": "dog", "keypoints": list("abc")})
    with pytest.raises(FileError, match=r"name their keypoints differently .*'dog' and 'person'"):
        _read(document)


def test_unlabelled_annotations_are_left_out():
    document = _ground_truth()
    document["annotations"] += [
        {"keypoints": [0] * 9},
        {"bbox": [1, 2, 3, 4]},
        {"keypoints": [1, 1, 2] * 3, "num_keypoints": 0},
    ]
    poses = _read(document)
    assert len(poses.positions) == 1
    assert poses.notes == ("3 of 4 annotations have no labelled joints and are left out",)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"annotations": []}, "found 0 annotations without"),
        ({"annotations": {}}, "expected COCO annotations or results, found an object"),
        ({"annotations": [3]}, "annotations[0]: expected an object, found the number 3"),
        (_ground_truth(keypoints=[1, 2, 3, 4]), "annotations[0].keypoints: expected 2 coordinates"),
        (_ground_truth(keypoints=[[1, 2, 3, 4, 5]]), "per keypoint, found 1 x 5"),
        (_ground_truth(keypoints=["x", 1, 2]), "annotations[0].keypoints[0] is the text 'x'"),
        (_ground_truth(keypoints={"a": 1}), "annotations[0].keypoints: expected a list of numbers"),
        (_ground_truth(keypoints=[0] * 9), "expected labelled joints, found none in 'keypoints'"),
        ([{"image_id": 1, "category_id": 1, "bbox": [1]}], "found 1 results without"),
    ],
)
def test_errors(document, problem):
    with pytest.raises(FileError) as error:
        _read(document)
    assert problem in str(error.value)


def test_an_unknown_key_names_the_lists():
    document = _ground_truth(foot_kpts=[1, 2, 2])
    with pytest.raises(FileError, match=r"hold: keypoints, foot_kpts \(choose one with --key\)"):
        _read(document, key="hand")


def _average_precision(folder):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(folder / "truth.json")
        evaluation = COCOeval(truth, truth.loadRes(str(folder / "results.json")), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def test_pycocotools_finds_written_results_equal_to_written_truth(samples, tmp_path):
    poses = _read(samples / "mmpose_tests/coco/test_coco.json")
    coco.write_coco(tmp_path / "truth.json", poses)
    coco.write_coco(tmp_path / "results.json", poses, style="results")
    np.testing.assert_array_equal(_average_precision(tmp_path), np.ones(10))
    moved = PoseData(
        poses.positions + 50, ("instance",), confidence=poses.confidence, extras=poses.extras
    )
    coco.write_coco(tmp_path / "results.json", moved, style="results")
    assert _average_precision(tmp_path)[0] < 0.9


def test_written_truth_is_what_was_read(samples, tmp_path):
    file = samples / "mmpose_tests/coco/test_coco.json"
    original = json.loads(file.read_text())
    coco.write_coco(tmp_path / "c.json", _read(file))
    written = json.loads((tmp_path / "c.json").read_text())
    for key in ("images", "categories", "licenses", "info"):
        assert written[key] == original[key]
    by_id = {annotation["id"]: annotation for annotation in original["annotations"]}
    assert len(written["annotations"]) == 12
    for annotation in written["annotations"]:
        expected = by_id[annotation["id"]]
        assert annotation == {key: expected[key] for key in annotation}


def test_poses_without_coco_extras_are_written_per_frame(tmp_path):
    positions = np.zeros((2, 2, 3, 2), dtype=np.float32)
    positions[0, 0] = [[10, 20], [30, 60], [0.1, 20]]
    positions[1, 1] = [[1, 2], [3, 4], [5, 6]]
    positions[0, 1] = positions[1, 0] = np.nan
    positions[1, 1, 2] = np.nan
    confidence = np.full((2, 2, 3), 0.5)
    poses = PoseData(
        positions, ("frame", "person"), joint_names=("a", "b", "c"), confidence=confidence
    )
    coco.write_coco(tmp_path / "c.json", poses)
    written = json.loads((tmp_path / "c.json").read_text())
    assert [image["id"] for image in written["images"]] == [1, 2]
    first, second = written["annotations"]
    assert first["keypoints"] == [10, 20, 2, 30, 60, 2, 0.1, 20, 2]
    assert second["keypoints"] == [1, 2, 2, 3, 4, 2, 0, 0, 0]
    assert (first["image_id"], second["image_id"]) == (1, 2)
    assert second["bbox"] == [1, 2, 2, 2]
    assert (second["area"], second["num_keypoints"], second["iscrowd"]) == (4, 2, 0)
    assert written["categories"] == [
        {"id": 1, "name": "person", "supercategory": "person", "keypoints": ["a", "b", "c"],
         "skeleton": []}
    ]  # fmt: skip
    coco.write_coco(tmp_path / "r.json", poses, style="results")
    results = json.loads((tmp_path / "r.json").read_text())
    assert results[1]["keypoints"] == [1, 2, 0.5, 3, 4, 0.5, 0, 0, 0]
    assert results[1]["score"] == 0.5


def test_image_names_become_images(tmp_path):
    extras = {"image_id": np.array(["b.jpg", "a.jpg", "b.jpg"]), "idx": np.array([4, 5, 6])}
    coco.write_coco(tmp_path / "c.json", PoseData(np.ones((3, 1, 2)), ("instance",), extras=extras))
    written = json.loads((tmp_path / "c.json").read_text())
    assert [image["file_name"] for image in written["images"]] == ["b.jpg", "a.jpg"]
    assert [a["image_id"] for a in written["annotations"]] == [1, 2, 1]
    assert [a["track_id"] for a in written["annotations"]] == [4, 5, 6]


@pytest.mark.parametrize(
    ("positions", "style", "problem"),
    [
        (np.zeros((1, 2, 3)), "results", "COCO keypoints are 2D"),
        (np.full((1, 2, 2), np.inf), "results", "must be pixels below 1e"),
        (np.full((1, 2, 2), 1e300), "ground_truth", "must be pixels below 1e"),
        (np.zeros((1, 2, 2)), "yolo", "must be one of ground_truth, results. Received 'yolo'"),
    ],
)
def test_what_cannot_be_written(tmp_path, positions, style, problem):
    with pytest.raises(UserError, match=problem):
        coco.write_coco(tmp_path / "c.json", PoseData(positions), style=style)


def test_fuzz(samples, tmp_path):
    real = samples / "mmpose_tests"
    results = []
    for file in ("coco/test_coco_wholebody.json", "humanart/test_humanart.json"):
        for damaged in mutations((real / file).read_bytes(), 100):
            (tmp_path / "d.json").write_bytes(damaged)
            results.append(assert_result_or_user_error(_read, tmp_path / "d.json"))
    for file in ("humanart/test_humanart.json", "h36m/h36m_coco.json", "aic/test_aic.json"):
        for damaged in document_mutations(json.loads((real / file).read_text()), 80):
            poses = assert_result_or_user_error(_read, damaged)
            results.append(poses)
            if poses is not None:
                for style in ("results", "ground_truth"):
                    assert_result_or_user_error(
                        coco.write_coco, tmp_path / "w.json", poses, style=style
                    )
    assert any(results)
