import io
import struct

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.pose_format_files import read_pose


def _text(text):
    return struct.pack("<H", len(text)) + text.encode()


def _header(version=0.2, components=(("body", "XYC", ("a", "b")),), size=(640, 480, 0)):
    data = struct.pack("<f4H", version, *size, len(components))
    for name, form, points in components:
        data += _text(name) + _text(form) + struct.pack("<3H", len(points), 0, 0)
        data += b"".join(map(_text, points))
    return data


def _body(frames, people, positions, confidence, fps=25.0):
    numbers = np.asarray(positions, "<f4").tobytes() + np.asarray(confidence, "<f4").tobytes()
    return struct.pack("<fIH", fps, frames, people) + numbers


@pytest.fixture
def read(tmp_path):
    def read_bytes(data, **options):
        (tmp_path / "p.pose").write_bytes(data)
        return read_pose(tmp_path / "p.pose", **options)

    return read_bytes


def test_a_hand_made_file(read):
    body = _body(2, 1, [[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]], [[[1, 0.5]], [[0, 1]]])
    poses = read(_header() + body)
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(poses.positions, [[[[1, 2], [3, 4]]], [[nan, [7, 8]]]])
    assert poses.positions.dtype == np.float32
    assert poses.confidence.tolist() == [[[1, 0.5]], [[0, 1]]]
    assert poses.leading == ("frame", "person")
    assert poses.joint_names == ("body:a", "body:b")
    assert poses.fps == 25
    assert poses.extras["image_size"] == [640, 480]


def test_real_openpose_file(samples):
    poses = read_pose(samples / "pose_format/openpose.pose")
    assert poses.positions.shape == (93, 1, 25, 2)
    assert (poses.skeleton, poses.units, poses.fps) == ("openpose_25", "px", 24)
    assert poses.joint_names[:2] == ("Nose", "Neck")
    assert poses.extras["hand_left_keypoints_2d"].shape == (93, 1, 21, 2)
    np.testing.assert_array_equal(np.isnan(poses.positions).any(axis=-1), poses.confidence == 0)
    hand = read_pose(samples / "pose_format/openpose.pose", key="hand_left_keypoints_2d")
    np.testing.assert_array_equal(hand.positions, poses.extras["hand_left_keypoints_2d"])
    assert hand.joint_names[0] == "BASE"
    with pytest.raises(FileError, match="expected the component 'legs', found: pose_keypoints_2d"):
        read_pose(samples / "pose_format/openpose.pose", key="legs")


def test_real_mediapipe_file_of_chosen_points(samples):
    poses = read_pose(samples / "pose_format/mediapipe.pose")
    assert poses.positions.shape == (170, 1, 178, 3)  # 8 body points only: no whole body
    assert poses.skeleton is None
    assert poses.joint_names[0] == "POSE_LANDMARKS:LEFT_SHOULDER"
    assert poses.joint_names[-1].startswith("RIGHT_HAND_LANDMARKS:")
    # The numbers lie at the end of the file: all positions, then all confidences.
    data = (samples / "pose_format/mediapipe.pose").read_bytes()
    confidence = np.frombuffer(data[-170 * 178 * 4 :], "<f4").reshape(170, 1, 178)
    np.testing.assert_array_equal(poses.confidence, confidence)
    start = len(data) - 170 * 178 * 16
    positions = np.frombuffer(data[start : -170 * 178 * 4], "<f4").reshape(170, 1, 178, 3)
    np.testing.assert_array_equal(poses.positions[confidence > 0], positions[confidence > 0])


def test_real_hand_file(samples):
    poses = read_pose(samples / "pose_format/mediapipe_hand_normalized.pose")
    assert poses.positions.shape == (170, 1, 21, 3)


def test_a_mediapipe_body_is_found(read):
    names = tuple(map(str, range(33)))
    header = _header(components=[("FACE", "XYZC", ("0",)), ("POSE_LANDMARKS", "XYZC", names)])
    poses = read(header + _body(1, 1, np.arange(102), np.ones(34)))
    assert poses.skeleton == "mediapipe_33"
    assert poses.positions[0, 0, 0].tolist() == [3, 4, 5]
    assert poses.extras["FACE"].tolist() == [[[[0, 1, 2]]]]
    assert "they differ in scale" in poses.notes[1]


@pytest.mark.parametrize(
    ("scale", "units"), [((640, 480, 1), "m"), ((1, 1, 1), "m"), ((1e6, 480, 1), None)]
)
def test_world_landmarks_are_brought_back_to_metres(read, scale, units):
    metres = np.random.default_rng(0).uniform(-1, 1, (33, 3)).astype(np.float32)
    header = _header(components=[("POSE_WORLD_LANDMARKS", "XYZC", tuple(map(str, range(33))))])
    poses = read(header + _body(1, 1, metres * np.float32(scale), np.ones(33)))
    assert poses.units == units
    if units:
        np.testing.assert_allclose(poses.positions[0, 0], metres, rtol=1e-6)


def _person_0_0(people, points=2):
    return struct.pack("<H", people) + b"".join(
        struct.pack("<h", 0) + np.full(3 * points, 1 + p, "<f4").tobytes() for p in range(people)
    )


def test_version_0_0_keeps_the_first_person(read):
    frames = _person_0_0(2) + _person_0_0(0) + _person_0_0(1)
    poses = read(_header(0.0) + struct.pack("<2H", 25, 3) + frames)
    assert poses.positions.shape == (3, 1, 2, 2)
    assert np.isnan(poses.positions[:, 0, 0, 0]).tolist() == [False, True, False]
    assert poses.notes == ("1 frames hold several people; only the first of each is read",)


def test_version_0_1_counts_beyond_16_bits(read):
    frames = 65536 + 3
    numbers = np.ones(frames * 6, "<f4").tobytes()
    poses = read(_header(0.1) + struct.pack("<3H", 25, 3, 1) + numbers)
    assert poses.positions.shape == (frames, 1, 2, 2)


GOOD = _header() + _body(3, 1, np.arange(12), np.ones(6))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file ends in the header, at the version"),
        (GOOD[:20], "the file ends in the header, at component 0"),
        (GOOD[:-4], "promises 3 frames of 1 people, 72 bytes, but 68 follow"),
        (_header() + _body(2**32 - 1, 65535, [], []), "the header promises 4294967295 frames"),
        (_header() + _body(0, 1, [], []), "expected poses, found 0 frames of 1 people"),
        (_header(0.1) + struct.pack("<3H", 25, 5, 1) + b"0" * 48, "promises 5 frames of 1 people"),
        (_header(0.1) + struct.pack("<3H", 25, 2, 1) + b"0" * 47, "promises 2 frames of 1 people"),
        (_header(0.7), "expected a .pose file of version 0.0, 0.1 or 0.2, found 0.7"),
        (_header(float("nan")), "found nan"),
        (_header(components=[]), "expected 1 to 256 components, found 0"),
        (_header(components=[("a", "XYC", ())]), "expected points in the components, found none"),
        (_header(components=[("a", "XY", ("p",))]), "expected the format XYC or XYZC, found 'XY'"),
        (_header(components=[("a", "XYC", ("p",))] * 2), "expected components of different names"),
        (_header(0.0) + struct.pack("<2H", 25, 60000) + b"\xff" * 99, "the file ends in frame 0"),
        (_header(0.0) + struct.pack("<2H", 25, 2) + b"\0" * 4, "found no people in 2 frames"),
        (
            _header() + _body(1, 1, [1, np.inf, 2, 3], [1, 1]),
            "frame 0, person 0, point 0: exp",
        ),
    ],
)
def test_errors(read, data, problem):
    with bounded(), pytest.raises(FileError) as error:
        read(data)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_empty_frames_of_many_points_do_not_blow_up(read):
    points = tuple(map(str, range(5000)))
    header = _header(0.0, components=[("a", "XYC", points)])
    frames = _person_0_0(1, 5000) + _person_0_0(0) * 60_000
    with bounded(), pytest.raises(FileError, match="expected mostly present joints"):
        read(header + struct.pack("<2H", 25, 60_001) + frames)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_pose(tmp_path / "none.pose")


def test_files_that_the_package_writes(read):
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    component = PoseHeaderComponent("body", ["a", "b"], [(0, 1)], [(255, 0, 0)], "XYZC")
    positions = np.random.default_rng(0).random((4, 2, 2, 3)).astype(np.float32)
    confidence = np.ones((4, 2, 2), np.float32)
    confidence[1, 0, 1] = 0
    pose = Pose(
        PoseHeader(0.2, PoseHeaderDimensions(640, 480, 0), [component]),
        NumPyPoseBody(29.97, positions, confidence),
    )
    buffer = io.BytesIO()
    pose.write(buffer)
    poses = read(buffer.getvalue())
    expected = np.where(confidence[..., None] == 0, np.nan, positions)
    np.testing.assert_array_equal(poses.positions, expected)
    assert abs(poses.fps - 29.97) < 1e-5


def test_fuzz(samples, read):
    results = [assert_result_or_user_error(read, d) for d in mutations(GOOD, 150)]
    for name in ("openpose", "mediapipe_hand_normalized"):
        data = (samples / f"pose_format/{name}.pose").read_bytes()
        results += [assert_result_or_user_error(read, damaged) for damaged in mutations(data, 80)]
    assert any(results)
