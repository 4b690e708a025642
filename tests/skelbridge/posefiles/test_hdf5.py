import subprocess
import sys

import h5py
import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, bounded, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import hdf5_texts
from skelbridge.posefiles.array_shapes import row_chunks
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.hdf5 import H5Rows, read_h5, write_h5

RNG = np.random.default_rng(0)
POSE = RNG.normal(size=(5, 17, 3))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "p.h5"


def full_poses(dtype="float32", shape=(6, 2, 4, 3), leading=("frame", "person")) -> PoseData:
    positions = RNG.normal(size=shape).astype(dtype)
    positions[..., 2, :] = np.nan
    return PoseData(
        positions,
        leading,
        joint_names=("hip", "knee", "tête", "head top"),
        skeleton="x_4",
        confidence=RNG.random(shape[:-1]),
        fps=29.97,
        units="mm",
        up="y",
        extras={"time": np.arange(6.0), "source": "cam 1", "labels": np.array(["a", "bé"])},
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "leading"),
    [
        ((6, 2, 4, 3), ("frame", "person")),
        ((6, 4, 2), ("instance",)),
        ((4, 3), ()),
        ((0, 4, 3), ("frame",)),
        ((2, 2, 2, 4, 3), ("axis0", "axis1", "axis2")),
    ],
)
def test_round_trip(path, dtype, shape, leading):
    poses = full_poses(dtype, shape, leading)
    write_h5(path, poses)
    again = read_h5(path)
    np.testing.assert_array_equal(again.positions, poses.positions)
    np.testing.assert_array_equal(again.confidence, poses.confidence)
    assert again.positions.dtype == dtype
    for field in ("leading", "joint_names", "skeleton", "fps", "units", "up", "notes"):
        assert getattr(again, field) == getattr(poses, field), field
    assert set(again.extras) == set(poses.extras)
    assert again.extras["source"] == "cam 1"
    assert again.extras["labels"].tolist() == ["a", "bé"]


def test_others_can_read_what_is_written(path):
    poses = full_poses()
    write_h5(path, poses)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["positions"][()], poses.positions)
        assert file["positions"].chunks is not None
        assert file.attrs["fps"] == 29.97
        assert [name.decode() for name in file.attrs["joint_names"]] == list(poses.joint_names)


def test_thousands_of_joint_names(path):
    names = tuple(f"vertex number {i}" for i in range(18439))
    write_h5(path, PoseData(np.zeros((1, 18439, 3)), joint_names=names))
    assert read_h5(path).joint_names == names


def test_awkward_extras(path):
    extras = {"a/b": np.arange(2), "..": 1, "positions": 2, "tree": {"x": [1]}, "nul\0": "a\0b"}
    write_h5(path, PoseData(POSE, extras=extras))
    found = read_h5(path).extras
    assert found.pop("a_b").tolist() == [0, 1]
    assert found == {"_": 1, "extra_positions": 2, "tree": '{"x": [1]}', "nul": "ab"}


@pytest.mark.parametrize("key", [None, "walk/left/joints", "/walk/left/joints"])
def test_a_dataset_in_a_tree_and_what_surrounds_it(path, key):
    with h5py.File(path, "w") as file:
        left = file.create_group("walk/left")
        left["joints"] = POSE.astype(">f4")
        left["time"] = np.arange(5)
        left["labels"] = ["a", "bé", ""]
        file["walk/right/betas"] = np.zeros(10)
        file["mesh"] = np.zeros((5, 9))
        left["joints"].attrs["fps"] = 50
        left.attrs["fps"] = 25  # the nearest counts
        left.attrs["joint_names"] = [f"j{i}" for i in range(17)]
        file["walk"].attrs["units"] = np.bytes_("cm")
        file.attrs["up"] = "z"
        file.attrs["skeleton"] = h5py.Empty("S10")
    poses = read_h5(path, key=key)
    assert poses.positions.dtype == np.float32
    np.testing.assert_array_equal(poses.positions, POSE.astype("f4"))
    assert (poses.fps, poses.units, poses.up, poses.skeleton) == (50.0, "cm", "z", None)
    assert poses.joint_names[3] == "j3"
    assert set(poses.extras) == {"time", "labels"}
    assert poses.extras["labels"].tolist() == ["a", "bé", ""]


def test_flat_rows_and_counts_of_joints(path):
    with h5py.File(path, "w") as file:
        file["a"] = POSE
        file["b"] = np.zeros((5, 72), int)
    poses = read_h5(path, n_joints=24)
    assert (poses.positions.shape, poses.positions.dtype) == ((5, 24, 3), np.float64)


@pytest.mark.parametrize("array", [RNG.normal(size=(90, 17, 3)), RNG.integers(9, size=(90, 68))])
def test_large_datasets_are_read_row_by_row(path, monkeypatch, array):
    monkeypatch.setattr("skelbridge.posefiles.hdf5.STREAM_BYTES", 1000)
    monkeypatch.setattr("skelbridge.posefiles.array_shapes.CHUNK_BYTES", 5000)
    with h5py.File(path, "w") as file:
        file["joints"] = array
        file["confidence"] = np.zeros((90, 17)) if array.ndim == 3 else 0
        array[3] = 0
        file["joints"][3] = 0
    poses = read_h5(path, n_joints=17)
    assert poses.streams
    whole = array.reshape(90, 17, -1)[..., :3].astype(float)
    whole[3] = np.nan
    if array.ndim == 2:
        whole[(array.reshape(90, 17, 4) == 0).all(-1)] = np.nan
        scores = array.reshape(90, 17, 4)[..., 3]
        whole[(scores == 0) & (whole == 0).all(-1)] = np.nan
        np.testing.assert_array_equal(poses.confidence, scores)
    for rows in (slice(None), slice(0, 5), slice(None, None, -7), slice(2, 80, 9), slice(4, 4)):
        np.testing.assert_array_equal(poses.positions[rows], whole[rows])
    again = path.with_name("again.h5")
    write_h5(again, poses)
    np.testing.assert_array_equal(np.concatenate(list(row_chunks(poses.positions))), whole)
    with h5py.File(again) as file:
        np.testing.assert_array_equal(file["positions"][()], whole)


def test_streamed_rows_can_be_closed(path):
    with h5py.File(path, "w") as file:
        file["a"] = POSE
    rows = H5Rows(path, h5py.File(path)["a"])
    assert rows[1:2].shape == (1, 17, 3)
    rows.close()
    with pytest.raises(FileError, match="cannot be read as HDF5"):
        rows[1:2]


def test_half_a_gigabyte_takes_little_memory(path):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("joints", (500_000, 50, 3), "f8", chunks=(50_000, 50, 3))
        data[:50_000] = 1  # the rest is never stored
    with bounded(extra_bytes=200 << 20):
        poses = read_h5(path)
        n_rows = sum(len(chunk) for chunk in row_chunks(poses.positions))
    assert poses.streams
    assert n_rows == 500_000


def test_dm_control_trajectories_hold_no_poses(samples):
    """Their positions are `(bodies x 3, frames)`, the other way round."""
    with pytest.raises(FileError, match=r"no array of .*/body_positions' \(90, 10\).*and 18 more"):
        read_h5(samples / "dm_control_h5/test_trajectories.h5")


def fill_two_clips(file):
    file["a/joints"] = POSE
    file["b/joints"] = POSE


def fill_never_written(file):
    file.create_dataset("joints", (10**12, 17, 3), "f4", chunks=(100, 17, 3))


def fill_never_written_contiguous(file):
    file.create_dataset("joints", (10**12, 17, 3), "f4")


def fill_virtual(file):
    layout = h5py.VirtualLayout((5, 17, 3), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (5, 17, 3))
    file.create_virtual_dataset("joints", layout)


def fill_external(file):
    file.create_dataset("joints", (5, 17, 3), "f8", external=[("/etc/passwd", 0, 2040)])


def fill_links(file):
    file["hard/joints"] = np.zeros(3)
    file["joints"] = h5py.ExternalLink("other.h5", "/joints")
    file["soft"] = h5py.SoftLink("/hard/joints")
    file["hard/loop"] = file["/"]


def fill_records(file):
    file["joints"] = np.zeros(5, [("x", "f4"), ("y", "f4")])


@pytest.mark.parametrize(
    ("fill", "options", "message"),
    [
        (lambda file: None, {}, "it holds no arrays"),
        (fill_two_clips, {}, "more than one array .*'/a/joints' .*'/b/joints'.*--key"),
        (fill_two_clips, {"key": "c"}, "there is no key '/c'; it holds '/a/joints'"),
        (fill_two_clips, {"key": "a"}, "there is no key '/a'"),
        (fill_two_clips, {"n_joints": 24}, "no array of 24 joints"),
        (fill_never_written, {}, r"key '/joints': its shape .*promises 204000000000000 bytes"),
        (fill_never_written_contiguous, {}, "the file holds 0 of them"),
        (fill_never_written, {"key": "joints"}, "it was never filled: write it again"),
        (fill_virtual, {}, "its values lie in other files"),
        (fill_external, {}, "its values lie in other files"),
        (fill_links, {}, r"no array of .*; it holds '/hard/joints' \(3,\):"),
        (fill_links, {"key": "joints"}, "there is no key '/joints'"),
        (fill_records, {}, "key '/joints': it holds records .*; export it as CSV"),
        (lambda file: file.create_dataset("x", data=[POSE > 0]), {"key": "x"}, "found dtype bool"),
        (
            lambda file: [file.create_group(f"g{i}") for i in range(10_001)],
            {},
            "at most 10000 groups and datasets",
        ),
    ],
)
def test_files_that_are_refused(path, fill, options, message):
    with h5py.File(path, "w") as file:
        fill(file)
    with bounded(), pytest.raises(FileError, match=message):
        read_h5(path, **options)


def test_a_filter_that_is_not_installed(path):
    """The number of the gzip filter, 1, is overwritten with one that nobody has."""
    with h5py.File(path, "w") as file:
        file.create_dataset("joints", data=POSE, chunks=POSE.shape, compression="gzip")
    data = path.read_bytes()
    gzip = b"\x01\x00\x08\x00\x01\x00\x01\x00deflate"  # id, length of name, flags, values, name
    assert data.count(gzip) == 1
    path.write_bytes(data.replace(gzip, b"\xe7\x7f" + gzip[2:]))
    with pytest.raises(FileError, match=r"filter 32743 \('deflate'\), which is not installed"):
        read_h5(path)


def test_large_chunks_are_refused(path, monkeypatch):
    """A whole chunk is unpacked for one value."""
    monkeypatch.setattr("dataset_adapters.containers.hdf5_storage.MAX_CHUNK_BYTES", 1000)
    with h5py.File(path, "w") as file:
        file.create_dataset("joints", data=POSE, chunks=POSE.shape, compression="gzip")
    with pytest.raises(FileError, match="its chunks of 2040 bytes are too large"):
        read_h5(path)


def test_what_is_left_out_is_noted(path):
    with h5py.File(path, "w") as file:
        file["joints"] = POSE
        file["labels"] = np.zeros(200_000, "S1")
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/joints")
        file.create_dataset("empty", (10**9,), "f8", chunks=(100,))
    poses = read_h5(path)
    assert poses.extras == {}
    assert [note.split(":")[0].split(" is ")[0] for note in poses.notes] == [
        "'/elsewhere'",
        "key '/empty'",
        "key '/labels'",
    ]


@pytest.mark.parametrize(
    "data", [b"", b"no HDF5 at all" * 100, b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(500)]
)
def test_what_is_no_hdf5_file(path, data):
    path.write_bytes(data)
    with pytest.raises(FileError, match="cannot be read as HDF5"):
        read_h5(path)


def test_missing_file(tmp_path):
    for missing in (tmp_path, tmp_path / "absent.h5"):
        with pytest.raises(FileError, match="no such file"):
            read_h5(missing)


def test_a_file_that_is_cut_off(path):
    write_h5(path, full_poses())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(FileError, match=r"cannot be read as HDF5 .*truncated"):
        read_h5(path)


def test_texts_of_variable_length_are_read_by_a_child(path, monkeypatch):
    with h5py.File(path, "w") as file:
        file["joints"] = POSE[:, :2]
        file.attrs["joint_names"] = ["hip", "tête"]
        file["texts"] = ["a", "b" * 5000]
    poses = read_h5(path)
    assert poses.joint_names == ("hip", "tête")
    assert poses.extras["texts"].tolist() == ["a", "b" * 5000]
    real_run = subprocess.run
    for program, message in (
        ("import os; os.abort()", "the HDF5 library broke off"),
        ("while True: pass", "not done after 1 s"),
        ("print('\"no heap\"')", r"\(no heap\)"),
    ):
        monkeypatch.setattr(hdf5_texts, "TIMEOUT_SECONDS", 1 if "while" in program else 20)
        monkeypatch.setattr(
            subprocess,
            "run",
            lambda command, _program=program, **kw: real_run(
                [sys.executable, "-c", _program], **kw
            ),
        )
        with pytest.raises(FileError, match=f"text 'texts', 'joint_names' cannot be .*{message}"):
            read_h5(path)


def test_many_references_to_one_long_text(path):
    """A thousand places for one megabyte: a gigabyte out of a small file."""
    with h5py.File(path, "w") as file:
        file["joints"] = POSE
        texts = file.create_dataset("texts", (1000,), h5py.string_dtype(), chunks=(1000,))
        texts[0] = "x" * 1_000_000
    with h5py.File(path, "r+") as file:
        chunk = bytearray(file["texts"].id.read_direct_chunk((0,))[1])
        chunk[:] = chunk[:16] * 1000
        file["texts"].id.write_direct_chunk((0,), bytes(chunk))
    with pytest.raises(FileError, match=r"text 'texts' cannot be read .*longer than the file"):
        read_h5(path)


def read_with_values(path):
    poses = read_h5(path)
    return poses.positions[:]


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_damaged_files(path, libver):
    write_h5(path, full_poses())
    if libver == "latest":
        with h5py.File(path, "w", libver=libver) as file:
            file.create_dataset(
                "a/joints", data=POSE, chunks=(2, 17, 3), maxshape=(None, 17, 3), compression=4
            )
            file["a/joints"].attrs["joint_names"] = np.array([b"j"] * 17)
            file["a/time"] = np.arange(5)
    for damaged in mutations(path.read_bytes(), 150, seed=7):
        path.write_bytes(damaged)
        assert_result_or_user_error(read_with_values, path)


def test_a_damaged_heap_of_texts(path):
    """The library walks round in circles in some of these; the child is stopped."""
    with h5py.File(path, "w") as file:
        file["joints"] = POSE
        file["texts"] = [f"text {i}" for i in range(20)]
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    for size in (0, 1, 7, 1 << 20, (1 << 64) - 1):
        damaged = bytearray(data)
        damaged[heap + 8 : heap + 16] = size.to_bytes(8, "little")
        path.write_bytes(damaged)
        assert_result_or_user_error(read_h5, path)
