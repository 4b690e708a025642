import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from json_fuzzing import document_mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import panoptic
from skelbridge.posefiles.json_text import load_json
from skelbridge.posefiles.panoptic import read_panoptic_folder


def _read(source, **options):
    data = source.read_bytes() if hasattr(source, "read_bytes") else json.dumps(source).encode()
    return panoptic.parse("b.json", load_json("b.json", data), **options)


def _body(number=0, count=19):
    return {"id": number, f"joints{count}": [1.0, -2.0, 3.0, 0.5] * count}


def test_missing_joints_have_negative_confidence():
    body = _body()
    body["joints19"][4:8] = [7, 7, 7, -1]
    poses = _read({"version": 0.7, "univTime": 5.5, "fpsType": "hd_29_97", "bodies": [body]})
    assert poses.positions.shape == (1, 1, 19, 3)
    assert poses.positions[0, 0, 0].tolist() == [1, -2, 3]
    assert np.isnan(poses.positions[0, 0, 1]).all()
    assert poses.confidence[0, 0, :3].tolist() == [0.5, -1, 0.5]
    assert (poses.skeleton, poses.units, poses.up) == ("cmu_panoptic_19", "cm", None)
    assert poses.fps == 29.97
    assert poses.extras["univ_time"].tolist() == [5.5]


def test_the_older_release_has_15_joints():
    assert _read({"bodies": [_body(count=15)]}).skeleton == "cmu_panoptic_mpi15"


@pytest.mark.parametrize(
    ("sequence", "frames"), [("160906_band1", [168, 169]), ("160906_band2", [139, 140])]
)
def test_real_sequences(samples, sequence, frames):
    folder = samples / "mmpose_tests/panoptic_body3d" / sequence / "hdPose3d_stage1_coco19"
    poses = read_panoptic_folder(folder)
    assert poses.positions.shape == (2, 3, 19, 3)
    assert poses.extras["frame_number"].tolist() == frames
    assert poses.extras["person_id"].tolist() == [[0, 1, 2]] * 2
    for t, number in enumerate(frames):
        document = json.loads((folder / f"body3DScene_{number:08d}.json").read_text())
        for p, body in enumerate(document["bodies"]):
            expected = np.array(body["joints19"]).reshape(19, 4)
            found = expected[:, 3] >= 0
            np.testing.assert_array_equal(poses.positions[t, p][found], expected[found, :3])
            assert np.isnan(poses.positions[t, p][~found]).all()
    # The neck (0) is above the body centre (2), and y points down.
    assert (poses.positions[..., 0, 1] < poses.positions[..., 2, 1]).all()


def test_bodies_keep_their_columns(tmp_path):
    for number, ids in ((7, [2, 0]), (8, [2]), (9, [])):
        document = {"univTime": 1.0 * number, "bodies": [_body(i) for i in ids]}
        (tmp_path / f"body3DScene_{number:08d}.json").write_text(json.dumps(document))
    poses = read_panoptic_folder(tmp_path)
    present = (~np.isnan(poses.positions)).all(axis=(2, 3))
    assert present.tolist() == [[True, True], [False, True], [False, False]]
    assert poses.extras["person_id"].tolist() == [[0, 2], [-1, 2], [-1, -1]]
    assert poses.extras["univ_time"].tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"bodies": [], "univTime": 1}, "expected people, found none in any frame"),
        ({"bodies": [1]}, "bodies[0]: expected an object"),
        ({"bodies": [{"id": 0}]}, "bodies[0].joints19: expected a list of numbers, found null"),
        ({"bodies": [{"joints19": [1, 2, 3]}]}, "bodies[0].joints19: expected 76 numbers, found 3"),
        ({"people": []}, "expected a frame of Panoptic bodies"),
    ],
)
def test_errors(document, problem):
    with pytest.raises(FileError) as error:
        _read(document)
    assert problem in str(error.value)


def test_calibration_files_are_no_poses(samples):
    (file,) = samples.glob("mmpose_tests/panoptic_body3d/*band1/calibration*.json")
    assert not panoptic.matches(json.loads(file.read_text()))


def test_fuzz(samples):
    file = next(samples.glob("mmpose_tests/panoptic_body3d/*/hd*/*.json"))
    document = json.loads(file.read_text())
    results = [assert_result_or_user_error(_read, d) for d in document_mutations(document, 200)]
    for damaged in mutations(file.read_bytes(), 150):
        results.append(assert_result_or_user_error(lambda d: _read(load_json("b", d)), damaged))
    assert any(results)
