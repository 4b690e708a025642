import io

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.npy import NpyFile, NpyWriter
from skelbridge.posefiles.array_shapes import poses_from_array, row_chunks
from skelbridge.posefiles.arrays import (
    npy_stream_writer,
    read_npy,
    read_npz,
    write_npy,
    write_npz,
)
from skelbridge.posefiles.data import PoseData

RNG = np.random.default_rng(0)


def counted(*shape, dtype=float):
    """Returns an array whose values tell their places."""
    return np.arange(1, 1 + np.prod(shape, dtype=int), dtype=dtype).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "n_joints", "expected", "leading"),
    [
        ((17, 3), None, (17, 3), ()),
        ((5, 17, 3), None, (5, 17, 3), ("frame",)),
        ((5, 17, 2), None, (5, 17, 2), ("frame",)),
        ((5, 2, 17, 3), None, (5, 2, 17, 3), ("frame", "person")),
        ((4, 5, 2, 17, 3), None, (4, 5, 2, 17, 3), ("axis0", "axis1", "axis2")),
        ((0, 17, 3), None, (0, 17, 3), ("frame",)),
        ((5, 51), 17, (5, 17, 3), ("frame",)),
        ((5, 34), 17, (5, 17, 2), ("frame",)),
        ((5, 2, 51), 17, (5, 2, 17, 3), ("frame", "person")),
        ((51,), 17, (17, 3), ()),
        ((0, 51), 17, (0, 17, 3), ("frame",)),
        # Shapes that could be flat rows as well: the one with the right number of joints wins.
        ((7, 3), 1, (7, 1, 3), ("frame",)),
        ((7, 3), 7, (7, 3), ()),
        # Another number of joints is left for the conversion to complain about.
        ((5, 24, 3), 17, (5, 24, 3), ("frame",)),
    ],
)
def test_shapes(shape, n_joints, expected, leading):
    array = counted(*shape)
    poses = poses_from_array("p.npy", array, n_joints=n_joints)
    assert poses.leading == leading
    np.testing.assert_array_equal(poses.positions, array.reshape(expected))


@pytest.mark.parametrize(("shape", "n_joints"), [((2, 3, 4), None), ((2, 12), 3)])
def test_a_fourth_value_is_the_confidence(shape, n_joints):
    array = counted(2, 3, 4)
    array[0, 1] = 0  # not detected
    array[1, 0, 3] = -1  # not detected either, as others write it
    array[1, 2, 3] = 0  # doubtful, but a position
    poses = poses_from_array("p.npy", array.reshape(shape), n_joints=n_joints)
    expected = array[..., :3].copy()
    expected[[0, 1], [1, 0]] = np.nan
    np.testing.assert_array_equal(poses.positions, expected)
    np.testing.assert_array_equal(poses.confidence, array[..., 3])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int64", "float64"),
        ("uint8", "float64"),
        ("float16", "float16"),
        ("float32", "float32"),
        ("longdouble", "longdouble"),
    ],
)
def test_dtypes(dtype, expected):
    poses = poses_from_array("p.npy", counted(2, 3, 4, dtype=dtype))
    assert poses.positions.dtype == expected
    assert poses.positions[1, 2].tolist() == [21, 22, 23]


@pytest.mark.parametrize(
    ("array", "n_joints", "message"),
    [
        (np.array(3.0), None, r"expected poses of shape .* found shape \(\)"),
        (np.zeros(5), None, r"found shape \(5,\)$"),
        (np.zeros((5, 51)), None, r"found shape \(5, 51\); if each row holds .* source format"),
        (np.zeros((5, 51)), 16, r"no flat rows of 16 joints"),
        (np.zeros((5, 0, 3)), None, r"found shape \(5, 0, 3\)"),
        (np.zeros((5, 17, 7)), None, r"found shape \(5, 17, 7\)"),
        (np.zeros((5, 17, 3), complex), None, "expected real numbers, found dtype complex128"),
        (np.zeros((5, 17, 3), bool), None, "expected real numbers, found dtype bool"),
        (np.zeros((5, 17, 3), "U2"), None, "expected real numbers, found dtype <U2"),
    ],
)
def test_what_is_no_array_of_poses(array, n_joints, message):
    with pytest.raises(FileError, match=message):
        poses_from_array("p.npy", array, n_joints=n_joints)


def test_scores_in_place_of_z_are_remarked_on(samples):
    poses = read_npy(samples / "mmpose_tests/h36m/test_h36m_2d_detection.npy")
    assert poses.positions.shape == (4, 17, 3)
    assert "look like scores" in poses.notes[0]
    metres = RNG.random((4, 17, 3))
    assert poses_from_array("p.npy", metres).notes == ()
    flat = np.dstack([1000 * RNG.random((4, 17, 2)), np.zeros((4, 17))])
    assert poses_from_array("p.npy", flat).notes == ()


def test_numpy_file_of_another_project(samples):
    path = samples / "humanml3d/new_joints/012314.npy"
    poses = read_npy(path)
    np.testing.assert_array_equal(poses.positions, np.load(path))
    assert (poses.positions.shape, poses.leading) == ((170, 22, 3), ("frame",))
    from_memory = read_npy("stdin", data=path.read_bytes())
    np.testing.assert_array_equal(from_memory.positions, poses.positions)


def test_numpy_files_that_are_no_poses(samples):
    with pytest.raises(FileError, match=r"found shape \(8, 165\)"):
        read_npy(samples / "mhr_sam3d/example_smplx_poses.npy")
    with pytest.raises(FileError, match=r"found shape \(170, 263\)"):
        read_npy(samples / "humanml3d/new_joint_vecs/012314.npy")
    with pytest.raises(FileError, match="holds Python objects"):
        read_npy(samples / "isaac_amp/assets/amp/motions/amp_humanoid_run.npy")


@pytest.fixture
def small_stream_limit(monkeypatch):
    monkeypatch.setattr("skelbridge.posefiles.arrays.STREAM_BYTES", 1000)
    monkeypatch.setattr("skelbridge.posefiles.array_shapes.CHUNK_BYTES", 1000)


@pytest.mark.parametrize(
    ("array", "n_joints", "streams"),
    [
        (counted(100, 17, 3), None, True),
        (counted(100, 17, 3, dtype="f4"), None, True),
        (counted(100, 17, 3, dtype="i2"), None, True),
        (counted(100, 17, 3, dtype=">f8"), None, True),
        (counted(100, 51), 17, True),
        (counted(50, 2, 34, dtype=">i4"), 17, True),
        (counted(100, 17, 4), None, True),
        (counted(100, 68), 17, True),
        (counted(300, 3), None, False),
        (counted(2, 17, 3), None, False),
    ],
)
def test_large_files_are_read_row_by_row(tmp_path, small_stream_limit, array, n_joints, streams):
    if array.shape[-1] in (4, 68):
        array.reshape(-1, 4)[::7] = 0  # joints that were not detected
    np.save(tmp_path / "p.npy", array)
    poses = read_npy(tmp_path / "p.npy", n_joints=n_joints)
    whole = poses_from_array(
        "p.npy", array.astype(array.dtype.newbyteorder("=")), n_joints=n_joints
    )
    assert poses.streams is streams
    assert poses.positions.shape == whole.positions.shape
    assert poses.positions.dtype == whole.positions.dtype
    for rows in (slice(None), slice(30, 40), slice(None, None, -7)):
        np.testing.assert_array_equal(poses.positions[rows], whole.positions[rows])
    assert (poses.confidence is None) == (whole.confidence is None)
    if whole.confidence is not None:
        np.testing.assert_array_equal(poses.confidence, whole.confidence)
    write_npy(tmp_path / "again.npy", poses)
    np.testing.assert_array_equal(np.load(tmp_path / "again.npy"), whole.positions)
    write_npz(tmp_path / "again.npz", poses)
    np.testing.assert_array_equal(np.load(tmp_path / "again.npz")["positions"], whole.positions)


def test_a_large_file_is_read_in_little_memory(tmp_path):
    path = tmp_path / "large.npy"
    np.save(path, np.zeros((1, 50, 3)))
    header = path.read_bytes()[:128].replace(b"(1, 50, 3)", b"(300000, 50, 3)")
    with path.open("wb") as file:  # the file system does not store these zeros
        file.write(header[:127].rstrip().ljust(127) + b"\n")
        file.truncate(128 + 300_000 * 50 * 3 * 8)
    with bounded(extra_bytes=100 << 20):
        poses = read_npy(path)
        assert isinstance(poses.positions, NpyFile)
        n_rows = sum(len(chunk) for chunk in row_chunks(poses.positions))
    assert n_rows == 300_000


def test_stream_writer_is_the_npy_writer():
    assert npy_stream_writer is NpyWriter


def npz(**arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


POSE = counted(5, 17, 3)


@pytest.mark.parametrize(
    ("arrays", "n_joints", "key"),
    [
        ({"whatever": POSE}, None, "whatever"),
        ({"arr_0": POSE}, None, "arr_0"),
        ({"betas": np.zeros(10), "xyz": POSE}, None, "xyz"),
        ({"data": POSE, "joints": POSE}, None, "joints"),
        ({"joints": POSE, "positions": POSE}, None, "positions"),
        ({"keypoints": POSE[..., :2], "keypoints3d": POSE}, None, "keypoints3d"),
        ({"Joints3D": POSE, "something": POSE}, None, "Joints3D"),
        ({"joints": POSE, "other": counted(5, 24, 3)}, 24, "other"),
        ({"joints": POSE, "other": counted(5, 72)}, 24, "other"),
        # Parameters, cameras, boxes and meshes have the shape of poses, but are none.
        ({"joints": POSE, "trans": np.zeros((5, 3)), "R": np.zeros((5, 3, 3))}, None, "joints"),
        ({"xyz": POSE, "rotmats": np.zeros((5, 24, 3, 3)), "bbox": np.zeros((5, 4))}, None, "xyz"),
        ({"xyz": POSE, "verts": np.zeros((5, 99, 3)), "cam_K": np.zeros((3, 3))}, None, "xyz"),
        ({"xyz": POSE, "poses": np.zeros((5, 51))}, 17, "xyz"),
    ],
)
def test_the_pose_array_of_an_archive(arrays, n_joints, key):
    poses = read_npz("p.npz", n_joints=n_joints, data=npz(**arrays))
    expected = arrays[key].reshape(5, -1, 3)
    np.testing.assert_array_equal(poses.positions, expected)
    assert set(poses.extras) == set(arrays) - {key}


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"a": POSE, "b": POSE}, {}, r"more than one array .* 'a' \(5, 17, 3\), 'b' .*--key"),
        ({"a": POSE}, {"n_joints": 24}, r"no array of 24 joints found; it holds 'a' \(5, 17, 3\)"),
        ({"a": np.zeros(3)}, {}, r"no array of shape .* it holds 'a' \(3,\): name one with --key"),
        ({"poses": np.zeros((5, 72)), "trans": np.zeros((5, 3))}, {"n_joints": 24}, "no array of"),
        ({"a": POSE}, {"key": "b"}, r"there is no key 'b'; it holds 'a' \(5, 17, 3\)"),
        ({"a": np.zeros(3)}, {"key": "a"}, r"key 'a': expected poses of shape"),
        ({}, {}, "it holds no arrays"),
    ],
)
def test_archives_without_a_clear_pose_array(arrays, options, message):
    with pytest.raises(FileError, match=message):
        read_npz("p.npz", data=npz(**arrays), **options)


def test_what_an_archive_says_of_its_poses():
    data = npz(
        joints=POSE,
        joint_names=[f"j{i}" for i in range(17)],
        skeleton="x_17",
        fps=np.int32(50),
        units="Metres",
        up=np.array(["Z"]),
        confidence=np.ones((5, 17), np.uint8),
        leading=["instance"],
        imgname=["a", "b", "c", "d", "e"],
        gender="neutral",
        betas=np.zeros(10),
    )
    poses = read_npz("p.npz", data=data)
    assert poses.joint_names == tuple(f"j{i}" for i in range(17))
    assert (poses.skeleton, poses.fps, poses.units, poses.up) == ("x_17", 50.0, "m", "z")
    assert poses.leading == ("instance",)
    assert poses.confidence.dtype == np.float64
    assert set(poses.extras) == {"imgname", "gender", "betas"}
    assert poses.extras["gender"] == "neutral"
    assert poses.notes == ()


def test_an_archive_that_contradicts_itself_keeps_both_and_says_so():
    data = npz(joints=POSE, joint_names=["a", "b"], fps=-1, units="furlong", up="x", skeleton=3)
    poses = read_npz("p.npz", data=data)
    assert poses.joint_names is None
    assert (poses.skeleton, poses.fps, poses.units, poses.up) == (None, None, None, None)
    assert set(poses.extras) == {"joint_names", "fps", "units", "up", "skeleton"}
    assert len(poses.notes) == 5


def test_joints_of_confidence_zero_at_the_origin_are_missing():
    joints, confidence = counted(2, 3, 3), np.ones((2, 3))
    joints[0, 1], confidence[0] = 0, 0
    poses = read_npz("p.npz", data=npz(joints=joints, confidence=confidence))
    np.testing.assert_array_equal(np.isnan(poses.positions).all(-1), [[0, 1, 0], [0, 0, 0]])


def test_object_arrays_beside_the_poses_are_left_out():
    poses = read_npz("p.npz", data=npz(joints=POSE, meta=np.array({"a": 1})))
    assert poses.extras == {}
    assert "key 'meta': it holds Python objects" in poses.notes[0]
    with pytest.raises(FileError, match="key 'meta': it holds Python objects"):
        read_npz("p.npz", key="meta", data=npz(joints=POSE, meta=np.array({"a": 1})))


def test_archives_of_other_projects(samples):
    romp = samples / "aitviewer_results/romp/romp_output.npz"
    for key in (None, "results", "joints"):
        with pytest.raises(FileError, match="key 'results': it holds Python objects"):
            read_npz(romp, key=key)
    sam3d = samples / "mhr_sam3d/sam3d_body_outputs/img_subj02.npz"
    with np.load(sam3d) as expected:
        poses = read_npz(sam3d)
        np.testing.assert_array_equal(poses.positions, expected["pred_keypoints_3d"])
        assert poses.leading == ()
        assert len(poses.extras) == len(expected.files) - 1
        poses = read_npz(sam3d, n_joints=127)
        np.testing.assert_array_equal(poses.positions, expected["pred_joint_coords"])
        poses = read_npz(sam3d, key="pred_keypoints_2d")
        assert poses.positions.shape == (70, 2)
    body3d = samples / "mmpose_tests/h36m/test_h36m_body3d.npz"
    with np.load(body3d) as expected:
        poses = read_npz(body3d)
        np.testing.assert_array_equal(poses.positions, expected["S"][..., :3])
        np.testing.assert_array_equal(poses.confidence, expected["S"][..., 3])
        assert set(poses.extras) == {"center", "imgname", "part", "scale"}
    mosh = samples / "mmpose_tests/mosh/test_mosh.npz"
    with pytest.raises(FileError, match=r"no array of 24 joints found; it holds 'pose' \(4, 72\)"):
        read_npz(mosh, n_joints=24)


def test_lsp_ordered_slots_without_a_joint_become_missing(samples):
    poses = read_npz(samples / "mmpose_tests/h36m/test_h36m.npz", key="S")
    assert poses.positions.shape == (4, 24, 3)
    missing = np.isnan(poses.positions).all(-1)
    np.testing.assert_array_equal(missing, poses.confidence == 0)
    assert 0 < missing.sum() < 4 * 24


def full_poses(dtype="float32") -> PoseData:
    positions = RNG.normal(size=(6, 2, 4, 3)).astype(dtype)
    positions[0, 1, 2] = np.nan
    return PoseData(
        positions,
        ("frame", "person"),
        joint_names=("hip", "knee", "tête", "head top"),
        skeleton="x_4",
        confidence=RNG.random((6, 2, 4)),
        fps=29.97,
        units="mm",
        up="y",
        extras={"time": np.arange(6.0), "source": "cam 1", "ids": np.array([3, 4])},
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_npz_round_trip(tmp_path, dtype):
    poses = full_poses(dtype)
    write_npz(tmp_path / "p.npz", poses)
    again = read_npz(tmp_path / "p.npz")
    np.testing.assert_array_equal(again.positions, poses.positions)
    np.testing.assert_array_equal(again.confidence, poses.confidence)
    assert again.positions.dtype == dtype
    for field in ("leading", "joint_names", "skeleton", "fps", "units", "up", "notes"):
        assert getattr(again, field) == getattr(poses, field), field
    assert set(again.extras) == set(poses.extras)
    np.testing.assert_array_equal(again.extras["time"], poses.extras["time"])
    assert again.extras["source"] == "cam 1"


@pytest.mark.parametrize(
    ("shape", "leading"),
    [((4, 3), ()), ((0, 4, 2), ("frame",)), ((5, 4, 3), ("instance",))],
)
def test_npz_round_trip_of_other_shapes(tmp_path, shape, leading):
    poses = PoseData(RNG.random(shape), leading)
    write_npz(tmp_path / "p.npz", poses)
    again = read_npz(tmp_path / "p.npz")
    np.testing.assert_array_equal(again.positions, poses.positions)
    assert again.leading == leading


def test_extras_keep_their_names_unless_they_are_taken(tmp_path):
    extras = {
        "positions": np.zeros(3),
        "fps": "fast",
        "tree": {"a": [1, (2, 3)]},
        "nothing": None,
        "ragged": [[1], [2, 3]],
        "bad \0 name \ud800": "bad \0 text \ud800",
    }
    poses = PoseData(RNG.random((5, 4, 3)), fps=30.0, extras=extras)
    write_npz(tmp_path / "p.npz", poses, key="joints")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as found:
        assert set(found.files) == {
            "joints",
            "positions",
            "fps",
            "extra_fps",
            "tree",
            "nothing",
            "ragged",
            "bad  name ?",
        }
        assert found["fps"] == 30
        assert found["tree"] == '{"a": [1, [2, 3]]}'
        assert found["ragged"] == "[[1], [2, 3]]"
        assert found["bad  name ?"] == "bad  text ?"
    write_npz(tmp_path / "p.npz", poses)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as found:
        assert found["positions"].shape == (5, 4, 3)
        assert found["extra_positions"].shape == (3,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 3), (6, 4, 2), (6, 2, 4, 3), (0, 4, 3)])
def test_npy_round_trip(tmp_path, shape, dtype):
    positions = RNG.normal(size=shape).astype(dtype)
    positions[..., 1, :] = np.nan
    poses = PoseData(positions, ("frame", "person")[: len(shape) - 2])
    write_npy(tmp_path / "p.npy", poses)
    again = read_npy(tmp_path / "p.npy")
    np.testing.assert_array_equal(again.positions, positions)
    assert (again.positions.dtype, again.leading) == (dtype, poses.leading)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), positions)


def test_lies_and_damage(tmp_path):
    write_npz(tmp_path / "p.npz", full_poses())
    write_npy(tmp_path / "p.npy", full_poses())
    data = (tmp_path / "p.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(data[:-1])
    with pytest.raises(FileError, match="header promises 144 values"):
        read_npy(tmp_path / "cut.npy")
    for damaged in mutations(data, 80, seed=3):
        assert_result_or_user_error(read_npy, "p.npy", data=damaged, n_joints=4)
    for damaged in mutations((tmp_path / "p.npz").read_bytes(), 150, seed=4):
        assert_result_or_user_error(read_npz, "p.npz", data=damaged)
