import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations
from json_fuzzing import document_mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import mediapipe
from skelbridge.posefiles.json_text import load_json
from skelbridge.posefiles.mediapipe import parse_landmark_text


def _read(document, **options):
    data = json.dumps(document).encode()
    return mediapipe.parse("m.json", load_json("m.json", data), **options)


def _landmarks(count=33, scale=0.01, **more):
    return [
        {"x": i * scale, "y": 0.5, "z": -i * scale, "visibility": 0.9} | more for i in range(count)
    ]


@pytest.mark.parametrize(
    ("document", "leading", "shape"),
    [
        ({"poseLandmarks": _landmarks()}, ("frame",), (1, 33, 3)),
        ({"pose_landmarks": {"landmark": _landmarks()}}, ("frame",), (1, 33, 3)),
        (_landmarks(), ("frame",), (1, 33, 3)),
        ([_landmarks()] * 4, ("frame",), (4, 33, 3)),
        ([{"landmarks": _landmarks()}, None, {"landmarks": []}, {}], ("frame",), (4, 33, 3)),
        ({"frames": [{"landmarks": _landmarks()}] * 2}, ("frame",), (2, 33, 3)),
        ({"landmarks": [_landmarks()]}, ("frame", "person"), (1, 1, 33, 3)),
        (
            [{"pose_landmarks": [_landmarks()] * n} for n in (0, 2, 1)],
            ("frame", "person"),
            (3, 2, 33, 3),
        ),
    ],
)
def test_the_ways_in_which_results_are_saved(document, leading, shape):
    assert mediapipe.matches(document)
    poses = _read(document)
    assert poses.leading == leading
    assert poses.positions.shape == shape
    assert poses.skeleton == "mediapipe_33"
    first = poses.positions[~np.isnan(poses.positions).any(axis=(-2, -1))][0]
    np.testing.assert_allclose(first[7], [0.07, 0.5, -0.07])
    assert np.nanmax(poses.confidence) == 0.9


def test_normalised_landmarks_come_with_a_warning():
    poses = _read({"poseLandmarks": _landmarks(presence=0.8)})
    assert poses.units is None
    assert "fractions of the image width and height" in poses.notes[0]
    assert poses.extras["presence"].tolist() == [[0.8] * 33]


def test_world_landmarks_are_preferred():
    document = [{"pose_landmarks": _landmarks(), "pose_world_landmarks": _landmarks(scale=0.02)}]
    poses = _read(document)
    assert poses.units == "m"
    assert poses.positions[0, 10, 0] == 0.2
    assert poses.extras["image_landmarks"][0, 10, 0] == 0.1
    image = _read(document, key="pose_landmarks")
    assert image.positions[0, 10, 0] == 0.1
    assert image.units is None


def test_pixels_are_told_by_their_size():
    assert _read({"landmarks": _landmarks(scale=20)}).units == "px"


def test_frames_without_anybody_are_missing():
    poses = _read([{"landmarks": _landmarks()}, {"landmarks": []}])
    assert np.isnan(poses.positions[1]).all()
    assert poses.confidence[1].tolist() == [0] * 33


def test_other_landmarks_are_named():
    poses = _read({"poseLandmarks": _landmarks(), "faceLandmarks": _landmarks(468), "time": 3})
    assert poses.notes[-1] == "left out: faceLandmarks"


def test_tensorflow_js_names_its_keypoints():
    people = [{"keypoints": [{"x": 5, "y": 6, "score": 0.5, "name": n} for n in ("nose", "hip")]}]
    poses = _read([people, []])
    assert poses.leading == ("frame", "person")
    assert poses.positions.shape == (2, 1, 2, 2)
    assert poses.joint_names == ("nose", "hip")
    assert poses.units == "px"
    assert poses.confidence[0, 0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"poseLandmarks": []}, "expected people, found none in any frame"),
        ({"poseLandmarks": 5}, "frame 0, poseLandmarks: expected landmarks, found the number 5"),
        ([{"landmarks": _landmarks()}, 7], "frame 1: expected landmarks, found the number 7"),
        (
            {"landmarks": [_landmarks(), [1]]},
            "frame 0, landmarks[1][0]: expected a landmark",
        ),
        ({"landmarks": [{"x": 1, "y": "2"}]}, "frame 0, landmarks[0][1] is the text '2'"),
        ([_landmarks(33), _landmarks(21)], "expected 33 joints per person"),
        ({"landmarks": _landmarks(), "frames": []}, "found none"),
    ],
)
def test_errors(document, problem):
    with pytest.raises(FileError) as error:
        _read(document)
    assert problem in str(error.value)


def test_an_unknown_key_is_told():
    with pytest.raises(FileError, match="expected landmarks under 'hands', found the keys: land"):
        _read({"landmarks": _landmarks()}, key="hands")


def test_it_does_not_take_other_dialects():
    assert not mediapipe.matches({"people": []})
    assert not mediapipe.matches({"annotations": [{"keypoints": [1, 2, 2]}]})
    assert not mediapipe.matches([{"image_id": 1, "keypoints": [1, 2, 3]}])
    assert not mediapipe.matches([[[1, 2, 3]]])
    assert not mediapipe.matches({"landmarks": [[1, 2, 3]]})


def _rows(text):
    """The numbers of a text proto, read independently: one list per field in file order."""
    return [float(line.split(":")[1]) for line in text.splitlines()]


def test_real_landmark_text(samples):
    file = samples / "mediapipe_pose/expected_pose_landmarks.prototxt"
    poses = parse_landmark_text(file, file.read_bytes())
    assert poses.positions.shape == (1, 33, 3)
    assert poses.skeleton == "mediapipe_33"
    lines = [line.strip() for line in file.read_text().splitlines()]
    for axis, name in enumerate("xyz"):
        expected = _rows("\n".join(line for line in lines if line.startswith(f"{name}:")))
        assert poses.positions[0, :, axis].tolist() == expected
    assert poses.confidence[0, 0] == 0.99998844
    assert poses.extras["presence"][0, 0] == 0.99998903


def test_real_holistic_text_gives_the_body(samples):
    file = samples / "mediapipe_pose/male_full_height_hands_result_cpu.pbtxt"
    poses = parse_landmark_text(file, file.read_bytes())
    assert poses.positions.shape == (1, 33, 3)
    assert poses.positions[0, 0].tolist() == [0.51091266, 0.15435366, -0.2688592]
    assert poses.confidence[0, 0] == 8.322282
    assert poses.notes[-1].startswith("left out: left_hand_landmarks, right_hand_landmarks, face")


def test_several_groups_are_people():
    group = b"pose_landmarks { landmark { x: 1 y: 2 } landmark < x: 3, y: 4f; > }\n"
    poses = parse_landmark_text("m.pbtxt", group * 2)
    assert poses.leading == ("frame", "person")
    assert poses.positions.tolist() == [[[[1, 2], [3, 4]]] * 2]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "expected pose_landmarks, found landmarks of: none"),
        (b"hand_landmarks { landmark { x: 1 y: 1 } }", "found landmarks of: hand_landmarks"),
        (b"landmark { x: 1", "the text ends inside 'landmark'; the file is cut short"),
        (b"landmark {\n x: abc y: 1 }", "line 2: expected a text proto of landmarks, found 'abc'"),
        (b"landmark { x: 1 }\n}", "line 2: expected a text proto of landmarks, found a closing"),
        (b"landmark {\n x: 1 y: \x80 }", "line 2: expected a text proto, found binary data"),
        (b'landmark { x: 1 name: "ab', "found '\"'"),
        (b"a{" * 100_000, "nested more than 64 deep"),
        (b"landmark { x: inf y: 1 }", "[0][0] is infinite"),
    ],
)
def test_text_errors(data, problem):
    with bounded(), pytest.raises(FileError) as error:
        parse_landmark_text("m.pbtxt", data)
    assert problem in str(error.value)


def test_fuzz(samples):
    results = []
    for file in sorted(samples.glob("mediapipe_pose/*t")):
        for damaged in mutations(file.read_bytes()[:6000], 150):
            results.append(assert_result_or_user_error(parse_landmark_text, file, damaged))
    documents = [
        {"poseLandmarks": _landmarks(3), "poseWorldLandmarks": _landmarks(3)},
        [{"landmarks": [_landmarks(3)] * 2}, None, {"landmarks": []}],
        [[{"keypoints": _landmarks(3, name="nose")}]],
        [_landmarks(3)] * 2,
    ]
    for document in documents:
        for damaged in document_mutations(document, 120):
            assert_result_or_user_error(mediapipe.matches, damaged)
            results.append(assert_result_or_user_error(_read, damaged))
    assert any(results)
