import json

import numpy as np
import pytest
from fuzzing import bounded

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.frame_folders import FramePeople, read_frame_folder, stack_people


def _folder(path, names):
    for name in names:
        (path / name).write_text(json.dumps({"name": name}))
    return path


def _read(folder):
    return read_frame_folder(folder, lambda file, document: document["name"])


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    _folder(tmp_path, ["clip7_10_keypoints.json", "clip7_9_keypoints.json"])
    frames, numbers, notes = _read(tmp_path)
    assert frames == ["clip7_9_keypoints.json", "clip7_10_keypoints.json"]
    assert numbers.tolist() == [9, 10]
    assert notes == []


def test_gaps_are_kept_and_noted(tmp_path):
    _folder(tmp_path, ["a.001.json", "a.002.json", "a.005.json"])
    frames, numbers, notes = _read(tmp_path)
    assert frames == ["a.001.json", "a.002.json", None, None, "a.005.json"]
    assert numbers.tolist() == [1, 2, 3, 4, 5]
    assert notes == ["2 frames between 1 and 5 have no file; they are kept as missing"]


def test_a_constant_step_is_no_gap(tmp_path):
    frames, numbers, notes = _read(_folder(tmp_path, ["5.json", "10.json", "15.json"]))
    assert numbers.tolist() == [5, 10, 15]
    assert len(frames) == 3
    assert notes == ["the files hold every 5th frame only"]


def test_other_files_are_left_out(tmp_path):
    _folder(tmp_path, ["a_1.json", "info.json", "notes.txt"])
    (tmp_path / "2.json").mkdir()
    frames, _, notes = _read(tmp_path)
    assert frames == ["a_1.json"]
    assert notes == ["files without a frame number in their names are left out: 'info.json'"]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ([], "expected one JSON file per frame"),
        (["info.json"], "expected one JSON file per frame"),
        (["a_1.json", "b_1.json"], "found 2: 'a_<number>.json', 'b_<number>.json'"),
        (["a_1.json", "a_01.json"], "two files for frame 1: 'a_01.json' and 'a_1.json'"),
        (["a_1.json", "a_2.json", "a_999999999999.json"], "found 3 files for the frames 1 to 9999"),
    ],
)
def test_folders_that_are_not_one_clip(tmp_path, names, problem):
    with bounded(), pytest.raises(FileError) as error:
        _read(_folder(tmp_path, names))
    assert problem in str(error.value)


def test_a_missing_folder_is_a_file_error(tmp_path):
    with pytest.raises(FileError, match="cannot be listed: No such file"):
        _read(tmp_path / "none")


def test_the_damaged_file_is_named(tmp_path):
    _folder(tmp_path, ["a_1.json", "a_2.json"])
    (tmp_path / "a_2.json").write_text("[1,")
    with pytest.raises(FileError, match=r"a_2\.json: line 1, column 4: .* cut short"):
        _read(tmp_path)


def _people(*values, ids=None):
    joints = [np.full((2, 3), float(v)) for v in values]
    return FramePeople("f", joints, ids or [None] * len(joints))


def test_people_without_ids_stand_in_their_order():
    stacked = stack_people("f", [_people(1, 2), None, _people(3)])
    assert not stacked.tracked
    assert stacked.joints.shape == (3, 2, 2, 3)
    np.testing.assert_array_equal(
        stacked.joints[..., 0, 0], [[1, 2], [np.nan, np.nan], [3, np.nan]]
    )
    assert stacked.joints[1, 0, 0, 2] == 0  # confidence of an absent person


def test_people_with_ids_keep_their_columns():
    stacked = stack_people("f", [_people(1, 2, ids=[7, 4]), _people(3, ids=[7])])
    assert stacked.tracked
    np.testing.assert_array_equal(stacked.joints[..., 0, 0], [[2, 1], [np.nan, 3]])
    assert stacked.ids.tolist() == [[4, 7], [-1, 7]]


def test_repeated_ids_tell_nobody_apart():
    assert not stack_people("f", [_people(1, 2, ids=[7, 7])]).tracked


def test_extras_of_one_shape_are_stacked():
    frames = [_people(1), _people(2)]
    frames[0].extras["hand"] = [np.ones((2, 3))]
    stacked = stack_people("f", frames)
    assert stacked.extras["hand"].shape == (2, 1, 2, 3)
    assert np.isnan(stacked.extras["hand"][1]).all()
    frames[1].extras["hand"] = [np.ones((1, 3))]
    assert stack_people("f", frames).extras == {}


def test_joint_counts_must_agree():
    frames = [_people(1), FramePeople("frame2.json", [np.ones((3, 3))], [None])]
    with pytest.raises(FileError, match=r"^frame2\.json: expected 2 joints .* found 3"):
        stack_people("f", frames)


def test_one_crowd_does_not_blow_all_frames_up():
    frames = [_people(*range(3000))] + [_people(1)] * 3000
    with bounded(), pytest.raises(FileError, match="people: expected mostly present"):
        stack_people("f", frames)


def test_fresh_ids_in_every_frame_fall_back_to_the_order():
    with bounded():
        stacked = stack_people("f", [_people(1, ids=[t]) for t in range(5000)])
    assert stacked.joints.shape == (5000, 1, 2, 3)
    assert not stacked.tracked


def test_nobody_anywhere():
    with pytest.raises(FileError, match="expected people, found none in any frame"):
        stack_people("f", [_people(), None])
