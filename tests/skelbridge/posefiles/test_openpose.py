import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from json_fuzzing import document_mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import openpose
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import load_json
from skelbridge.posefiles.openpose import read_openpose_folder, write_openpose_folder
from skeleton_defs.errors import UserError


def _read(source, **options):
    data = source.read_bytes() if hasattr(source, "read_bytes") else json.dumps(source).encode()
    return openpose.parse("o.json", load_json("o.json", data), **options)


def _person(count=25, **more):
    numbers = [v for i in range(count) for v in (10 + i, 20 + i, 0.5)]
    return {"person_id": [-1], "pose_keypoints_2d": numbers, "face_keypoints_2d": []} | more


def test_one_frame():
    first = _person()
    first["pose_keypoints_2d"][3:6] = [0, 0, 0]
    poses = _read({"version": 1.3, "people": [first, _person()]})
    assert poses.positions.shape == (1, 2, 25, 2)
    assert poses.leading == ("frame", "person")
    assert poses.positions[0, 0, 2].tolist() == [12, 22]
    assert np.isnan(poses.positions[0, 0, 1]).all()
    assert poses.confidence[0, 0, :3].tolist() == [0.5, 0, 0.5]
    assert (poses.skeleton, poses.units) == ("openpose_25", "px")
    assert "order of detection" in poses.notes[0]


@pytest.mark.parametrize(
    ("count", "skeleton"),
    [(15, "openpose_mpi_15"), (18, "openpose_18"), (25, "openpose_25"), (9, None)],
)
def test_the_count_tells_the_skeleton(count, skeleton):
    assert _read({"people": [_person(count)]}).skeleton == skeleton


def test_the_old_name_of_the_array_is_read():
    person = {"pose_keypoints": [1, 2, 0.5] * 18}
    assert _read({"people": [person]}).positions.shape == (1, 1, 18, 2)


def test_hands_are_put_aside():
    hand = [v for i in range(21) for v in (i, i, 1)]
    poses = _read({"people": [_person(), _person(hand_left_keypoints_2d=hand)]})
    assert poses.extras["hand_left_keypoints_2d"].shape == (1, 2, 21, 3)
    assert np.isnan(poses.extras["hand_left_keypoints_2d"][0, 0]).all()
    assert "put aside in extras: hand_left_keypoints_2d" in poses.notes
    chosen = _read({"people": [_person(hand_left_keypoints_2d=hand)]}, key="hand_left_keypoints_2d")
    assert chosen.positions[0, 0, 5].tolist() == [5, 5]
    assert chosen.skeleton is None


def test_3d_is_read_where_there_is_no_2d():
    person = {"pose_keypoints_2d": [], "pose_keypoints_3d": [1, 2, 3, 1, 0, 0, 0, 0] * 9}
    poses = _read({"people": [person]})
    assert poses.positions.shape == (1, 1, 18, 3)
    assert np.isnan(poses.positions[0, 0, 1]).all()
    assert (poses.skeleton, poses.units) == ("openpose_18", None)
    both = _read({"people": [person | _person(18)]}, key="pose_keypoints_3d")
    np.testing.assert_array_equal(both.positions, poses.positions)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"people": []}, "expected people, found none in any frame"),
        ({"people": [{}]}, "expected people, found none in any frame"),
        ({"people": [5]}, "people[0]: expected an object, found the number 5"),
        (
            {"people": [_person(), {"pose_keypoints_2d": [1, 2, 3, 4]}]},
            "people[1].pose_keypoints_2d: expected 3 numbers per keypoint",
        ),
        ({"people": [{"pose_keypoints_3d": [1, 2, 3]}]}, "pose_keypoints_3d: expected 4 numbers"),
        ({"people": [{"pose_keypoints_2d": [1, "2", 3]}]}, "people[0].pose_keypoints_2d[1] is the"),
        ({"people": [{"pose_keypoints_2d": [[1, 2, 3]]}]}, "expected any numbers, found 1 x 3"),
        ({"people": [_person(25), _person(18)]}, "found 18 in another"),
        ([1], "expected an OpenPose frame"),
    ],
)
def test_errors(document, problem):
    with pytest.raises(FileError) as error:
        _read(document)
    assert problem in str(error.value)


def test_an_unknown_key_is_told():
    with pytest.raises(FileError, match=r"expected one of pose_keypoints_2d, .* asked for 'legs'"):
        _read({"people": [_person()]}, key="legs")


@pytest.mark.parametrize("clip", ["0", "1"])
def test_real_clips(samples, clip):
    folder = samples / "openpose_motionet" / clip
    poses = read_openpose_folder(folder)
    assert poses.positions.shape == (80, 1, 25, 2)
    assert poses.skeleton == "openpose_25"
    for t, file in enumerate(sorted(folder.iterdir())):
        (person,) = json.loads(file.read_text())["people"]
        expected = np.array(person["pose_keypoints_2d"]).reshape(25, 3)
        np.testing.assert_array_equal(poses.confidence[t, 0], expected[:, 2])
        present = expected.any(axis=1)
        np.testing.assert_array_equal(poses.positions[t, 0][present], expected[present, :2])
        assert np.isnan(poses.positions[t, 0][~present]).all()


@pytest.mark.parametrize(("camera", "people"), [("cam01", 3), ("cam02", 2)])
def test_real_clips_of_several_people(samples, camera, people):
    (folder,) = samples.glob(f"pose2sim_demo/*/*/pose/{camera}_json")
    poses = read_openpose_folder(folder)
    assert poses.positions.shape == (100, people, 25, 2)
    counts = [len(json.loads(f.read_text())["people"]) for f in sorted(folder.iterdir())]
    present = (~np.isnan(poses.positions)).any(axis=(2, 3)).sum(axis=1)
    assert present.tolist() == counts
    assert "person_id" not in poses.extras  # they are all -1


def test_a_folder_with_empty_and_missing_frames(tmp_path):
    for number, people in ((3, [_person()]), (4, []), (6, [_person()])):
        file = tmp_path / f"walk_{number:012d}_keypoints.json"
        file.write_text(json.dumps({"people": people}))
    poses = read_openpose_folder(tmp_path)
    present = (~np.isnan(poses.positions)).all(axis=(1, 2, 3))
    assert present.tolist() == [True, False, False, True]
    assert poses.extras["frame_number"].tolist() == [3, 4, 5, 6]
    assert "1 frames between 3 and 6 have no file" in poses.notes[0]


def test_a_damaged_frame_is_named(tmp_path):
    (tmp_path / "a_1_keypoints.json").write_text(json.dumps({"people": [_person()]}))
    (tmp_path / "a_2_keypoints.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": 7}]}))
    with pytest.raises(FileError, match=r"a_2_keypoints\.json: people\[0\]\.pose_keypoints_2d"):
        read_openpose_folder(tmp_path)


def test_folder_round_trip(samples, tmp_path):
    (folder,) = samples.glob("pose2sim_demo/*/*/pose/cam02_json")
    poses = read_openpose_folder(folder)
    write_openpose_folder(tmp_path / "out", poses, stem="cam")
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names[0] == f"cam_{poses.extras['frame_number'][0]:012d}_keypoints.json"
    assert len(names) == 100
    again = read_openpose_folder(tmp_path / "out")
    np.testing.assert_array_equal(again.positions, poses.positions)
    np.testing.assert_array_equal(again.confidence, poses.confidence)
    np.testing.assert_array_equal(again.extras["frame_number"], poses.extras["frame_number"])


def test_people_keep_their_columns_through_written_ids(tmp_path):
    positions = np.random.default_rng(0).random((4, 2, 25, 2)).astype(np.float32)
    positions[1, 0] = np.nan  # the second person alone
    positions[2, 1, 3] = np.nan
    write_openpose_folder(tmp_path, PoseData(positions, ("frame", "person")))
    again = read_openpose_folder(tmp_path)
    np.testing.assert_array_equal(again.positions.astype(np.float32), positions)
    assert again.confidence[2, 1, 3] == 0
    assert again.confidence[0, 0, 0] == 1


def test_hands_are_written_back(tmp_path):
    hand = [v for i in range(1, 22) for v in (i, i, 1)]
    poses = _read({"people": [_person(hand_left_keypoints_2d=hand), _person()]})
    write_openpose_folder(tmp_path, poses, stem="o")
    people = json.loads((tmp_path / "o_000000000000_keypoints.json").read_text())["people"]
    assert people[0]["hand_left_keypoints_2d"] == hand
    assert people[1]["hand_left_keypoints_2d"] == []


def test_3d_poses_go_to_the_3d_array(tmp_path):
    write_openpose_folder(tmp_path, PoseData(np.ones((1, 25, 3))))
    again = read_openpose_folder(tmp_path)
    assert again.positions.shape == (1, 1, 25, 3)


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="must be finite"):
        write_openpose_folder(tmp_path, PoseData(np.full((1, 25, 2), np.inf)))


def test_fuzz(samples, tmp_path):
    (file,) = samples.glob("pose2sim_demo/*/*/pose/cam02_json/cam02.0080.json")
    results = [
        assert_result_or_user_error(_read, json_source)
        for json_source in document_mutations(json.loads(file.read_text()), 200)
    ]
    for damaged in mutations(file.read_bytes(), 150):
        (tmp_path / "d_1.json").write_bytes(damaged)
        results.append(assert_result_or_user_error(read_openpose_folder, tmp_path))
    assert any(results)
