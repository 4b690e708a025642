import json

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations
from json_fuzzing import document_mutations

from skelbridge.posefiles import plain_json
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import load_json
from skelbridge.posefiles.plain_json import json_text, write_json
from skeleton_defs.errors import UserError


def _read(document, **options):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return plain_json.parse("p.json", load_json("p.json", data), **options)


def test_the_documented_object():
    poses = _read(
        {
            "positions": [[[1, 2, 3], None], [[4, 5, 6], [7, 8, None]]],
            "joint_names": ["hip", "knee"],
            "skeleton": "mine_2",
            "fps": 25,
            "units": "mm",
            "up": "z",
            "confidence": [[1, 0.5], [0.25, None]],
            "extras": {"time": [0, 40], "subject": "S1"},
        }
    )
    np.testing.assert_array_equal(
        poses.positions, [[[1, 2, 3], [np.nan] * 3], [[4, 5, 6], [7, 8, np.nan]]]
    )
    np.testing.assert_array_equal(poses.confidence, [[1, 0.5], [0.25, np.nan]])
    assert poses.leading == ("frame",)
    assert poses.joint_names == ("hip", "knee")
    assert (poses.skeleton, poses.fps, poses.units, poses.up) == ("mine_2", 25, "mm", "z")
    assert poses.extras["time"].tolist() == [0, 40]
    assert poses.extras["subject"] == "S1"


@pytest.mark.parametrize(
    ("nested", "leading"),
    [
        ([[1, 2, 3]], ()),
        ([[[1, 2, 3]]], ("frame",)),
        ([[[[1, 2]]], [[[3, 4]]]], ("frame", "person")),
    ],
)
def test_bare_lists(nested, leading):
    poses = _read(nested)
    assert poses.leading == leading
    np.testing.assert_array_equal(poses.positions, nested)


@pytest.mark.parametrize("key", ["keypoints", "joints", "poses", "keypoints_3d", "data"])
def test_other_names_of_positions(key):
    poses = _read({key: [[[1, 2, 3]]], "note": "x"})
    assert poses.positions.shape == (1, 1, 3)
    assert poses.extras == {"note": "x"}


def test_a_key_chooses_the_poses():
    document = {"keypoints": [[1, 2]], "keypoints_3d": [[1, 2, 3]], "mine": [[7, 8]]}
    poses = _read(document)
    assert poses.positions.tolist() == [[1, 2, 3]]
    assert poses.notes == (
        "read 'keypoints_3d'; the file also holds keypoints (choose with --key)",
    )
    assert _read(document, key="keypoints").positions.tolist() == [[1, 2]]
    assert _read(document, key="mine").positions.tolist() == [[7, 8]]


def test_a_fourth_column_is_the_confidence():
    poses = _read([[[1, 2, 3, 0.5], [0, 0, 0, 0], [5, 5, 5, -1]]])
    np.testing.assert_array_equal(poses.positions, [[[1, 2, 3], [np.nan] * 3, [np.nan] * 3]])
    assert poses.confidence.tolist() == [[0.5, 0, -1]]
    assert "fourth number" in poses.notes[0]


def test_only_null_is_missing_in_our_own_files():
    document = {"positions": [[0, 0, 0]], "confidence": [0]}
    assert _read(document).positions.tolist() == [[0, 0, 0]]
    document = {"joints": [[0, 0, 0]], "confidence": [0]}
    assert np.isnan(_read(document).positions).all()


def test_named_joints():
    poses = _read({"hip": [1, 2, 3], "left_knee": None, "head": {"x": 4, "y": 5, "z": 6}})
    assert poses.leading == ()
    assert poses.joint_names == ("hip", "left_knee", "head")
    np.testing.assert_array_equal(poses.positions, [[1, 2, 3], [np.nan] * 3, [4, 5, 6]])


def test_named_joints_per_frame_may_differ():
    poses = _read([{"hip": [1, 2]}, None, {"knee": [3, 4], "hip": [5, 6]}])
    assert poses.joint_names == ("hip", "knee")
    nan = [np.nan] * 2
    np.testing.assert_array_equal(poses.positions, [[[1, 2], nan], [nan, nan], [[5, 6], [3, 4]]])


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([[[1, 2, 3], [4, 5]]], "list[0][1] has 2 entries where list[0][0] has 3"),
        ([[1] * 51] * 3, "found the shape 3 x 51"),
        ([1, 2, 3], "found the shape 3"),
        ([[]], "found the shape 1 x 0"),
        ([[[[[1, 2, 3]]]]], "name the first 3 axes in 'leading'"),
        ({"positions": "none", "x": 1}, "pose: expected a list of numbers"),
        ({"positions": [[1, 2]], "joint_names": ["a", "b"]}, "joint_names: expected 1 names"),
        ({"positions": [[1, 2]], "joint_names": [1]}, "joint_names: expected 1 names"),
        ({"positions": [[1, 2]], "skeleton": 5}, "skeleton: expected a text, found the number 5"),
        ({"positions": [[1, 2]], "fps": 0}, "fps: expected frames per second"),
        ({"positions": [[1, 2]], "fps": "30"}, "fps: expected a finite number, found the text"),
        ({"positions": [[1, 2]], "units": "ell"}, "units: expected one of mm, cm, m, px"),
        ({"positions": [[1, 2]], "up": "-y"}, "up: expected one of y, z, found the text '-y'"),
        ({"positions": [[1, 2]], "confidence": [1, 2]}, "confidence: expected one number per"),
        ({"positions": [[1, 2]], "leading": ["frame"]}, "leading: expected 0 names of axes"),
        ({"positions": [[1e300, 2]], "dtype": "float32"}, "too large for dtype float32"),
        ([{"hip": [1, 2]}, {"hip": 5}], "list[1].hip: expected a list of coordinates"),
        ([{"hip": [1, 2]}, [3]], "list[1]: expected an object of joints, found a list of 1"),
        ([{"hip": {"x": 1, "y": 2}}, {"hip": {"x": 1}}], "list[1].hip: expected x, y and z"),
        ([{"hip": [1, 2]}, {"knee": [1, 2, 3]}], "has 3 entries"),
    ],
)
def test_errors(document, problem):
    with pytest.raises(UserError) as error:
        _read(document)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_key_is_told():
    with pytest.raises(UserError, match="expected poses under 'hand', found the keys: positions"):
        _read({"positions": [[1, 2]]}, key="hand")


def test_fresh_names_in_every_frame_do_not_blow_up():
    with bounded(), pytest.raises(UserError, match="split the file"):
        _read([{f"j{i}": [1, 2, 3]} for i in range(20_000)])


def test_real_blazepose_lists(samples):
    folder = samples / "tfjs_pose"
    world = _read((folder / "pose_squats_3d.full.json").read_bytes())
    pixels = _read((folder / "pose_squats.full.json").read_bytes())
    assert world.positions.shape == pixels.positions.shape == (65, 33, 3)
    # The world origin lies between the hips (landmarks 23 and 24), up to the network's error.
    assert np.abs(world.positions[:, 23:25].mean(axis=1)).max() < 0.05


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 3), (4, 5, 3), (4, 2, 5, 2), (2, 2, 2, 5, 3)])
def test_round_trip_is_exact(tmp_path, dtype, shape):
    rng = np.random.default_rng(0)
    positions = rng.normal(scale=100, size=shape).astype(dtype)
    positions[..., 0, :] = np.nan
    poses = PoseData(
        positions,
        ("clip", "frame", "person")[-len(shape) + 2 :] if len(shape) > 2 else (),
        joint_names=tuple("abcde"),
        skeleton="five",
        confidence=rng.random(shape[:-1]).astype(dtype),
        fps=29.97,
        units="m",
        up="y",
        extras={"time": rng.random(shape[0]), "who": "S1", "drop": object()},
    )
    write_json(tmp_path / "p.json", poses)
    data = (tmp_path / "p.json").read_bytes()
    assert data.decode() == json_text(poses) + "\n"
    again = _read(data)
    assert again.positions.dtype == dtype
    assert again.positions.tobytes() == positions.tobytes()
    np.testing.assert_array_equal(again.confidence.astype(dtype), poses.confidence)
    for name in ("leading", "joint_names", "skeleton", "fps", "units", "up"):
        assert getattr(again, name) == getattr(poses, name)
    np.testing.assert_array_equal(again.extras["time"], poses.extras["time"])
    assert again.extras.keys() == {"time", "who"}


def test_written_text_is_strict_json_with_short_numbers():
    text = json_text(PoseData(np.array([[[0.1, np.nan, 2]]], dtype=np.float32)))
    assert "[[0.1, null, 2.0]]" in text

    def refuse(token):
        raise AssertionError(token)

    json.loads(text, parse_constant=refuse)


def test_infinite_positions_cannot_be_written():
    with pytest.raises(UserError, match="positions must be finite"):
        json_text(PoseData(np.full((1, 1, 3), np.inf)))


def test_poses_on_disk_are_written_in_slices(tmp_path):
    class OnDisk:
        shape = (600, 2, 3)
        dtype = np.dtype("float64")
        longest = 0

        def __getitem__(self, frames):
            chunk = np.arange(3600.0).reshape(600, 2, 3)[frames]
            OnDisk.longest = max(OnDisk.longest, len(chunk))
            return chunk

    write_json(tmp_path / "p.json", PoseData(OnDisk()))
    again = _read((tmp_path / "p.json").read_bytes())
    np.testing.assert_array_equal(again.positions, np.arange(3600.0).reshape(600, 2, 3))
    assert OnDisk.longest < 600


def test_fuzz(samples):
    data = json_text(
        PoseData(
            np.random.default_rng(0).random((3, 2, 3)),
            joint_names=("hip", "knee"),
            confidence=np.ones((3, 2)),
            fps=30.0,
            extras={"time": np.arange(3.0)},
        )
    ).encode()
    results = [assert_result_or_user_error(_read, damaged) for damaged in mutations(data, 200)]
    real = (samples / "tfjs_pose/pose_squats.full.json").read_bytes()[:4000].rpartition(b"]],")[0]
    results += [assert_result_or_user_error(_read, d) for d in mutations(real + b"]]]", 100)]
    for damaged in document_mutations(json.loads(data), 300):
        results.append(assert_result_or_user_error(_read, damaged))
    assert any(results)
