"""TRC and C3D files as poses."""

import functools

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles import markers
from skelbridge.posefiles.array_shapes import row_chunks
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.marker_labels import names_from_labels
from skelbridge.posefiles.markers import read_c3d, read_trc, write_trc
from skeleton_defs.errors import UserError

TRC = (
    b"PathFileType\t4\t(X/Y/Z)\twalk.trc\n"
    b"DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\n"
    b"50\t50\t2\t2\tm\n"
    b"Frame#\tTime\tAnn:C7\t\t\tAnn:LSHO\t\t\n"
    b"\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n"
    b"\n"
    b"4\t0.06\t1\t2\t3\t4\t5\t6\n"
    b"5\t0.08\t\t\t\t7\t8\t9\n"
)


def poses(**changes):
    positions = np.array([[[1, 2, 3], [4, 5, 6]], [[np.nan] * 3, [7, 8, 9.5]]], np.float32)
    fields = {"positions": positions, "joint_names": ("C7", "LSHO"), "fps": 50.0, "units": "m"}
    return PoseData(**(fields | changes))


@pytest.fixture
def round_trip(tmp_path):
    def write_and_read(poses):
        path = tmp_path / "out.trc"
        notes = write_trc(path, poses)
        return read_trc(path, path.read_bytes()), notes

    return write_and_read


def test_read_trc():
    data = read_trc("walk.trc", TRC)
    np.testing.assert_array_equal(
        data.positions, [[[1, 2, 3], [4, 5, 6]], [[np.nan] * 3, [7, 8, 9]]]
    )
    assert data.leading == ("frame",)
    assert data.joint_names == ("C7", "LSHO")
    assert (data.fps, data.units, data.up, data.skeleton, data.notes) == (50, "m", None, None, ())
    np.testing.assert_array_equal(data.extras["frame_number"], [4, 5])
    np.testing.assert_array_equal(data.extras["time"], [0.06, 0.08])
    assert data.extras["labels"] == ["Ann:C7", "Ann:LSHO"]


@pytest.mark.parametrize(
    ("spelled", "units", "factor", "note"),
    [
        (b"mm", "mm", 1, None),
        (b"Meters", "m", 1, None),
        (b"CM", "cm", 1, None),
        (b"inches", "mm", 25.4, "positions in inches are turned into mm"),
        (b"feet", None, 1, "the unit 'feet' is none of mm, cm, m; not used"),
        (b"", None, 1, None),
    ],
)
def test_units(spelled, units, factor, note):
    data = read_trc("walk.trc", TRC.replace(b"2\tm\n", b"2\t" + spelled + b"\n"))
    assert data.units == units
    np.testing.assert_array_equal(data.positions[1, 1], np.array([7, 8, 9]) * factor)
    assert data.notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("rate", "times", "fps", "note"),
    [
        (b"50", (b"0.06", b"0.08"), 50, None),
        (b"51", (b"0.06", b"0.08"), 51, None),
        (b"100", (b"0.06", b"0.08"), 100, "the header has 100 frames per second, the times of the "
         "rows 50; the header's is taken"),
        (b"", (b"0.06", b"0.08"), 50,
         "the header has no DataRate: 50 per second follows from the times"),
        (b"", (b"", b""), None, "neither the header nor the times tell the frame rate"),
        (b"", (b"1", b"1"), None, "neither the header nor the times tell the frame rate"),
        (b"60", (b"", b""), 60, None),
    ],
)  # fmt: skip
def test_frame_rate(rate, times, fps, note):
    data = TRC.replace(b"\n50\t", b"\n" + rate + b"\t")
    data = read_trc("", data.replace(b"0.06", times[0]).replace(b"0.08", times[1]))
    assert data.fps == pytest.approx(fps)
    assert data.notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (("Ann:C7", "Ann:LSHO"), ("C7", "LSHO")),
        (("Ann:C7", "Bob:C7"), ("Ann:C7", "Bob:C7")),
        (("Ann:C7", "LSHO"), ("Ann:C7", "LSHO")),
        (("A:B:C7", "A:B:LSHO"), ("C7", "LSHO")),
        (("Ann:C7", "*12", ""), ("C7", "*12", "unlabelled_3")),
        (("Ann:", "Ann:C7"), ("unlabelled_1", "C7")),
        (("C7", "C7", "C7#2", "C7"), ("C7", "C7#3", "C7#2", "C7#4")),
        (("", "", "unlabelled_2"), ("unlabelled_1", "unlabelled_2", "unlabelled_2#2")),
        ((), ()),
    ],
)
def test_names_from_labels(labels, names):
    found, notes = names_from_labels(labels)
    assert found == names
    assert len(set(found)) == len(labels)
    assert bool(notes) == any("#" in name for name in set(names) - set(labels))


def test_naming_many_alike_is_quick():
    names, _ = names_from_labels(("C7",) * 50_000)
    assert names[-1] == "C7#50000"


def test_written_text(tmp_path):
    path = tmp_path / "out.trc"
    assert write_trc(path, poses()) == ()
    assert path.read_bytes() == (
        b"PathFileType\t4\t(X/Y/Z)\tskelbridge\n"
        b"DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        b"\tOrigNumFrames\n"
        b"50\t50\t2\t2\tm\t50\t1\t2\n"
        b"Frame#\tTime\tC7\t\t\tLSHO\t\t\n"
        b"\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n"
        b"\n"
        b"1\t0\t1\t2\t3\t4\t5\t6\n"
        b"2\t0.02\t\t\t\t7\t8\t9.5\n"
    )


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1234.5, 1e30])
def test_float32_comes_back_unchanged(round_trip, scale):
    positions = (np.random.default_rng(1).normal(size=(40, 9, 3)) * scale).astype(np.float32)
    positions[3, 4] = np.nan
    data, _ = round_trip(poses(positions=positions, joint_names=None))
    np.testing.assert_array_equal(data.positions.astype(np.float32), positions)


def test_what_is_read_is_written_again(round_trip):
    first = read_trc("", TRC)
    again, notes = round_trip(first)
    np.testing.assert_array_equal(again.positions, first.positions)
    assert (again.joint_names, again.fps, again.units) == (first.joint_names, 50, "m")
    np.testing.assert_array_equal(again.extras["frame_number"], [4, 5])
    np.testing.assert_array_equal(again.extras["time"], [0.06, 0.08])
    assert again.notes == () and notes == ()


def test_what_the_poses_do_not_say_is_told(round_trip):
    data, notes = round_trip(poses(fps=None, units=None, joint_names=None))
    assert (data.fps, data.units, data.joint_names) == (30, "mm", ("joint_0", "joint_1"))
    assert notes == (
        "the frame rate is unknown: 30 per second is written",
        "the length unit is unknown: mm is written",
        "the joints have no names: joint_0, ... are written",
    )


def test_extras_of_another_length_are_not_used(round_trip):
    extras = {"frame_number": np.array([7]), "time": np.array([np.nan, 1.0])}
    data, _ = round_trip(poses(extras=extras))
    np.testing.assert_array_equal(data.extras["frame_number"], [1, 2])
    np.testing.assert_array_equal(data.extras["time"], [0, 0.02])


def test_single_pose_and_single_person(round_trip):
    whole = poses().positions
    data, _ = round_trip(poses(positions=whole[0], leading=()))
    np.testing.assert_array_equal(data.positions, whole[:1])
    data, _ = round_trip(poses(positions=whole[:, None], leading=("frame", "person")))
    np.testing.assert_array_equal(data.positions, whole)


class OnDisk:
    """Positions that can only be read in slices of some rows."""

    def __init__(self, array, most_rows):
        self.shape, self.dtype = array.shape, array.dtype
        self._array, self._most_rows = array, most_rows

    def __getitem__(self, rows):
        part = self._array[rows]
        assert len(part) <= self._most_rows
        return part


def test_positions_on_disk_are_written_in_slices(round_trip, monkeypatch):
    monkeypatch.setattr(markers, "row_chunks", functools.partial(row_chunks, max_bytes=1000))
    positions = np.random.default_rng(2).normal(size=(90, 20, 3)).astype(np.float32)
    on_disk = OnDisk(positions, most_rows=4)  # of 240 bytes each
    data, _ = round_trip(poses(positions=on_disk, joint_names=None))
    np.testing.assert_array_equal(data.positions.astype(np.float32), positions)
    np.testing.assert_array_equal(data.extras["frame_number"], np.arange(1, 91))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((2, 2, 2))}, "holds 3D poses. Received 2D poses"),
        ({"positions": np.zeros((2, 3, 2, 3)), "leading": ("frame", "person")},
         "holds one person. Received 3 people; write .npz or .csv, which hold all, or pick one"),
        ({"leading": ("instance",)}, "frames of one person. Received axes ('instance',)"),
        ({"positions": np.zeros((0, 2, 3))}, "at least one frame and joint"),
        ({"joint_names": ("C7", "L\tSHO")}, "printable text. Received 'L\\tSHO'"),
        ({"joint_names": ("C7", " ")}, "printable text. Received ' '"),
        ({"positions": np.array([[[0, 0, 0]] * 2, [[0] * 3, [0, np.inf, 0]]])},
         "Found an infinite one of joint 'LSHO' in frame 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_written(tmp_path, changes, message):
    with pytest.raises(UserError) as error:
        write_trc(tmp_path / "out.trc", poses(**changes))
    assert message in str(error.value) and "\n" not in str(error.value)


C3D_FACTS = [
    ("btk_files/C3DSamples/others/Gait.c3d", (487, 33, 3), 100, "mm", "z", 1),
    ("btk_files/C3DSamples/others/MyCube.c3d", (1, 14, 3), 50, "mm", "z", 1),
    ("kineticstoolkit/kinematics_tennis_serve.c3d", (1092, 39, 3), 50, "m", None, 1),
    ("nimble_markers/c3d/JA1Gait35.c3d", (324, 53, 3), 250, "mm", "z", 833),
    ("nimble_markers/c3d/cmu_02_05.c3d", (1854, 41, 3), 120, "mm", "z", 1),
]


@pytest.mark.parametrize(("file", "shape", "fps", "units", "up", "first_frame"), C3D_FACTS)
def test_read_c3d(samples, file, shape, fps, units, up, first_frame):
    data = read_c3d(samples / file)
    assert data.positions.shape == shape and data.leading == ("frame",)
    assert (data.fps, data.units, data.up) == (fps, units, up)
    assert data.extras["first_frame"] == first_frame
    assert len(set(data.joint_names)) == shape[1]


def test_labels_of_real_c3d_files(samples):
    data = read_c3d(samples / "nimble_markers/c3d/cmu_02_05.c3d")
    assert data.joint_names[:2] == ("RBWT", "LBWT")
    assert data.extras["labels"][:2] == ["TakeoMonday:RBWT", "TakeoMonday:LBWT"]
    data = read_c3d(samples / "nimble_markers/c3d/JA1Gait35.c3d")
    assert data.joint_names[0] == "C7" and data.joint_names[-1] == "*53"
    assert "labels" not in data.extras
    data = read_c3d(samples / "btk_files/C3DSamples/others/Gait.c3d")
    assert data.joint_names[11] == "RKNE" and data.joint_names[22] == "RKNE#2"
    assert "names come more than once ('RKNE', ...)" in data.notes[0]


@pytest.mark.parametrize(
    ("labels", "screen_up", "outputs", "names", "up", "note"),
    [
        (("A", "B"), "+Y", (), ("A", "B"), "y", None),
        (("A", "B"), "-Z", (), ("A", "B"), None, "the vertical axis '-Z' is none of +Y, +Z"),
        (("A", "B"), None, ("B", "C"), ("A",), None, "1 computed angles, forces and the like are"),
    ],
)
def test_axes_and_computed_points(monkeypatch, labels, screen_up, outputs, names, up, note):
    from dataset_adapters.containers.c3d import C3d

    positions = np.arange(6.0).reshape(1, 2, 3)
    c3d = C3d(labels, positions, frozenset(outputs), 100.0, "mm", 1, screen_up, ())
    monkeypatch.setattr(markers, "parse_c3d", lambda path: c3d)
    data = read_c3d("take.c3d")
    assert (data.joint_names, data.up) == (names, up)
    np.testing.assert_array_equal(data.positions, positions[:, : len(names)])
    assert (note in data.notes[0]) if note else data.notes == ()


def test_computed_points_alone_are_no_pose(monkeypatch):
    from dataset_adapters.containers.c3d import C3d

    c3d = C3d(("A",), np.zeros((1, 1, 3)), frozenset("A"), None, None, 1, None, ())
    monkeypatch.setattr(markers, "parse_c3d", lambda path: c3d)
    with pytest.raises(FileError, match="computed angles, forces and the like only"):
        read_c3d("take.c3d")


def test_sprinter_is_the_same_in_both_formats(samples):
    """The TRC file has the C3D file's frames from the third on, in metres, as (y, z, x).

    Where the TRC file lost a marker it is off for one frame beside the gap, 12 times in all.
    """
    path = samples / "nimble_markers/grf/Sprinter/MarkerData/JA1Gait35.trc"
    trc, c3d = (
        read_trc(path, path.read_bytes()),
        read_c3d(samples / "nimble_markers/c3d/JA1Gait35.c3d"),
    )
    shared = [name for name in trc.joint_names if name in c3d.joint_names]
    assert len(shared) == 51
    ours = trc.positions[:, [trc.joint_names.index(name) for name in shared]] * 1000
    theirs = c3d.positions[2:, [c3d.joint_names.index(name) for name in shared]][..., [1, 2, 0]]
    distance = np.linalg.norm(ours - theirs, axis=-1)
    assert np.nanmedian(distance) < 0.01
    missing = np.isnan(ours[..., 0])
    beside_gap = missing.copy()
    beside_gap[1:] |= missing[:-1]
    beside_gap[:-1] |= missing[1:]
    assert np.nanmax(np.where(beside_gap, 0, distance)) < 1
    assert np.count_nonzero(distance > 1) == 12
    assert (trc.fps, trc.units, c3d.fps, c3d.units) == (250, "m", 250, "mm")


def test_gait_is_the_same_take_in_both_formats(samples):
    """The C3D file was smoothed and its gaps filled otherwise, so the two agree to millimetres.

    A shift by one frame would make it 14 mm.
    """
    folder = samples / "btk_files"
    path = folder / "TRCSamples/Gait.trc"
    trc, c3d = read_trc(path, path.read_bytes()), read_c3d(folder / "C3DSamples/others/Gait.c3d")
    assert trc.positions.shape == c3d.positions.shape == (487, 33, 3)
    distance = np.linalg.norm(trc.positions - c3d.positions, axis=-1)
    assert np.nanmedian(distance) < 1
    assert np.nanmedian(distance, axis=0).max() < 2
    assert np.nanmax(distance) < 10
    shifted = np.linalg.norm(trc.positions[1:] - c3d.positions[:-1], axis=-1)
    assert np.nanmedian(shifted) > 10


def test_real_trc_files_survive_a_round_trip(samples, round_trip):
    for file in ("bmc_walk/walk2.trc", "pyomeca_markers/markers.trc"):
        first = read_trc(file, (samples / file).read_bytes())
        again, _ = round_trip(first)
        np.testing.assert_allclose(again.positions, first.positions, rtol=1e-8)
        assert again.joint_names == first.joint_names


def test_damaged_trc():
    results = [
        assert_result_or_user_error(read_trc, "", bad) for bad in mutations(TRC, 300, seed=5)
    ]
    assert any(result is not None for result in results)
    assert any(result is None for result in results)


def test_damaged_c3d(samples, tmp_path):
    whole = (samples / "btk_files/C3DSamples/others/MyCube.c3d").read_bytes()
    path = tmp_path / "damaged.c3d"
    results = []
    for damaged in mutations(whole, 150, seed=6):
        path.write_bytes(damaged)
        results.append(assert_result_or_user_error(read_c3d, path))
    assert any(result is not None for result in results)
    assert any(result is None for result in results)
