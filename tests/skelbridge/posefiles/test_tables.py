import csv
import io

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.tables import read_csv, read_parquet, write_csv, write_parquet

NAN = float("nan")


def read_text(text: str, **options) -> PoseData:
    return read_csv("poses.csv", text.encode(), **options)


def assert_same(positions, expected):
    np.testing.assert_array_equal(positions, np.array(expected, float))


TWO_FRAMES = [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]]
VALUES = "1,2,3,4,5,6\n7,8,9,10,11,12\n"


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("hip_x,hip_y,hip_z,knee_x,knee_y,knee_z", ("hip", "knee")),
        ("hip.X,hip.Y,hip.Z,knee.X,knee.Y,knee.Z", ("hip", "knee")),
        ("hip x,hip y,hip z,left knee x,left knee y,left knee z", ("hip", "left knee")),
        ("s:hip:X,s:hip:Y,s:hip:Z,s:knee:X,s:knee:Y,s:knee:Z", ("s:hip", "s:knee")),
        ("x_hip,y_hip,z_hip,x_l_knee,y_l_knee,z_l_knee", ("hip", "l_knee")),
        ("HipX,HipY,HipZ,KneeX,KneeY,KneeZ", ("Hip", "Knee")),
        ("x0,y0,z0,x1,y1,z1", None),
        ("x1,y1,z1,x2,y2,z2", None),
        ('"hip_x","hip_y","hip_z"," knee_x "," knee_y","knee_z"', ("hip", "knee")),
    ],
)
def test_wide_headers_in_every_spelling(header, names):
    poses = read_text(f"{header}\n{VALUES}")
    assert_same(poses.positions, TWO_FRAMES)
    assert poses.joint_names == names
    assert poses.leading == ("frame",)
    assert poses.notes == ()


def test_wide_columns_may_come_in_any_order_between_others():
    text = "time,knee_y,hip_x,label,hip_y,knee_x,frame\n0.0,4,1,walk,2,3,10\n0.5,8,5,run,6,7,11\n"
    poses = read_text(text)
    assert poses.joint_names == ("knee", "hip")
    assert_same(poses.positions, [[[3, 4], [1, 2]], [[7, 8], [5, 6]]])
    np.testing.assert_array_equal(poses.extras["time"], [0.0, 0.5])
    np.testing.assert_array_equal(poses.extras["frame"], [10, 11])
    assert poses.extras["label"].tolist() == ["walk", "run"]


def test_confidence_columns_and_missing_joints():
    text = (
        "a_x,a_y,a_score,b_x,b_y,b_score\n"
        "1,2,0.5,0,0,0\n"  # not detected: confidence 0 at the origin
        "3,4,-1,,,\n"  # a confidence of -1, and empty cells
        "5,6,0,nan,NA,0.25\n"  # confidence 0 elsewhere is a position all the same
    )
    poses = read_text(text)
    assert_same(
        poses.positions, [[[1, 2], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]], [[5, 6], [NAN, NAN]]]
    )
    assert_same(poses.confidence, [[0.5, 0], [-1, NAN], [0, 0.25]])


def test_wide_rows_of_several_persons():
    text = "frame,person,hip_x,hip_y,speed,time\n0,a,1,2,9,0.0\n0,b,3,4,8,0.0\n1,b,5,6,7,0.5\n"
    poses = read_text(text)
    assert poses.leading == ("frame", "person")
    assert_same(poses.positions, [[[[1, 2]], [[3, 4]]], [[[NAN, NAN]], [[5, 6]]]])
    assert poses.extras["person"].tolist() == ["a", "b"]
    assert_same(poses.extras["speed"], [[9, 8], [NAN, 7]])


def test_repeated_frames_without_persons_are_instances():
    poses = read_text("frame,hip_x,hip_y\n3,1,2\n3,4,5\n")
    assert poses.leading == ("instance",)
    assert poses.extras["frame"].tolist() == [3, 3]
    assert "repeat" in poses.notes[0]


def test_rotation_tables_are_remarked_on():
    poses = read_text("a_z,a_x,a_y\n3,1,2\n")
    assert_same(poses.positions, [[[1, 2, 3]]])
    assert "z, x, y" in poses.notes[0]


def test_long_table():
    text = (
        "frame,time,joint,x,y,z,visibility\n"
        "5,0.1,hip,1,2,3,0.5\n"
        "5,0.1,knee,4,5,6,0.6\n"
        "6,0.2,knee,7,8,9,0.7\n"
    )
    poses = read_text(text)
    assert poses.joint_names == ("hip", "knee")
    assert_same(poses.positions, [[[1, 2, 3], [4, 5, 6]], [[NAN, NAN, NAN], [7, 8, 9]]])
    assert_same(poses.confidence, [[0.5, 0.6], [NAN, 0.7]])
    assert poses.extras["frame"].tolist() == [5, 6]
    assert poses.extras["time"].tolist() == [0.1, 0.2]


def test_long_table_of_persons_and_numbered_joints():
    text = "person_id,landmark_index,frame,x,y\n1,1,0,3,4\n1,0,0,1,2\n2,1,1,5,6\n"
    poses = read_text(text)
    assert poses.leading == ("frame", "person")
    assert poses.joint_names is None
    nothing = [[NAN, NAN], [NAN, NAN]]
    assert_same(
        poses.positions,
        [[[[1, 2], [3, 4]], nothing], [nothing, [[NAN, NAN], [5, 6]]]],
    )
    assert poses.extras["person"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("numbers", "n_joints", "shape", "first"),
    [
        ((0, 1), None, (2, 2), (1, 2)),
        ((1, 2), None, (2, 2), (1, 2)),
        ((0, 2), None, (3, 2), (1, 2)),
        ((1, 2), 3, (3, 2), (NAN, NAN)),
        ((0, 1), 4, (4, 2), (1, 2)),
        ((1, 4), 4, (4, 2), (1, 2)),
    ],
)
def test_numbered_joints_keep_their_places(numbers, n_joints, shape, first):
    rows = "".join(f"{number},{i},{i + 1}\n" for number, i in zip(numbers, (1, 3), strict=True))
    poses = read_text(f"joint,x,y\n{rows}", n_joints=n_joints)
    assert poses.positions.shape == shape
    assert poses.leading == ()
    assert_same(poses.positions[0], first)


def test_long_table_without_frames_counts_the_rows_of_a_joint():
    poses = read_text("joint,x,y\na,1,2\nb,3,4\na,5,6\nb,7,8\n")
    assert_same(poses.positions, [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert "no column of frames" in poses.notes[0]


def test_long_table_without_joints_takes_rows_in_order():
    poses = read_text("frame,x,y\n0,1,2\n0,3,4\n1,5,6\n1,7,8\n")
    assert_same(poses.positions, [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert "no column of joints" in poses.notes[0]


def test_unit_in_the_header():
    assert read_text("hip_x [mm],hip_y [mm]\n1,2\n").units == "mm"
    assert read_text("joint,x (m),y (m)\na,1,2\n").units == "m"


@pytest.mark.parametrize(
    ("n_columns", "n_joints", "shape"),
    [(6, None, (2, 2, 3)), (4, None, (2, 2, 2)), (6, 3, (2, 3, 2)), (8, 2, (2, 2, 3))],
)
def test_bare_numbers(n_columns, n_joints, shape):
    numbers = np.arange(1, 2 * n_columns + 1).reshape(2, n_columns)
    text = "\n".join(",".join(map(str, row)) for row in numbers)
    poses = read_text(text, n_joints=n_joints)
    assert poses.positions.shape == shape
    assert poses.joint_names is None
    assert_same(poses.positions[1, 0], numbers[1, : shape[-1]])
    assert bool(poses.notes) == (n_joints is None)


def test_array_that_pandas_wrote():
    for text in (",0,1,2,3,4,5\n0,1,2,3,4,5,6\n1,7,8,9,10,11,12\n", f"0,1,2,3,4,5\n{VALUES}"):
        for n_joints in (None, 2):
            assert_same(read_text(text, n_joints=n_joints).positions, TWO_FRAMES)


def test_bare_numbers_after_a_frame_number():
    poses = read_text("7,1,2,3,4,5,6\n8,7,8,9,10,11,12\n", n_joints=2)
    assert_same(poses.positions, TWO_FRAMES)
    assert poses.extras["frame"].tolist() == [7, 8]


@pytest.mark.parametrize(
    "text",
    [
        "a_x;a_y\n1,5;2,25\n",
        "a_x;a_y\n1.5;2.25\n",
        "a_x\ta_y\r\n1.5\t2.25\r\n",
        "a_x\ta_y\n1,5\t2,25\n",
        "sep=;\na_x;a_y\n1,5;2,25\n",
        "# made by hand\n#\na_x,a_y\n1.5,2.25",
        "\n\na_x,a_y\n\n 1.5 , +2.25\n\n",
        "a_x,a_y,\n1.5,2.25,\n",
        "a_x,a_y\n1.5,2.25,,\n",
        "a_x,a_y\r1.5,2.25\r",
        "\ufeffa_x,a_y\n1.5,2.25\n",
    ],
)
def test_delimiters_decimals_and_line_ends(text):
    assert_same(read_text(text).positions, [[[1.5, 2.25]]])


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings(encoding):
    poses = read_csv("poses.csv", "tête_x,tête_y\n1,2\n".encode(encoding))
    assert poses.joint_names == ("tête",)
    poses = read_csv("poses.csv", "joint,x,y\ntête,1,2\n".encode(encoding))
    assert poses.joint_names == ("tête",)


DEEPLABCUT = (
    "scorer,net,net,net,net,net,net\n"
    "bodyparts,nose,nose,nose,tail,tail,tail\n"
    "coords,x,y,likelihood,x,y,likelihood\n"
    "0,1,2,0.9,3,4,0.8\n"
    "1,5,6,0.7,7,8,0.6\n"
)


def test_deeplabcut_header():
    poses = read_text(DEEPLABCUT)
    assert poses.joint_names == ("nose", "tail")
    assert_same(poses.positions, [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert_same(poses.confidence, [[0.9, 0.8], [0.7, 0.6]])
    assert "frame" not in poses.extras


def test_deeplabcut_header_of_several_animals():
    text = (
        "scorer,net,net,net,net,net,net\n"
        "individuals,mus1,mus1,mus2,mus2,single,single\n"
        "bodyparts,nose,nose,nose,nose,corner,corner\n"
        "coords,x,y,x,y,x,y\n"
        "labeled-data/a/img1.png,1,2,3,4,5,6\n"
    )
    poses = read_text(text)
    assert poses.leading == ("frame", "person")
    assert poses.joint_names == ("nose", "corner")
    assert poses.extras["person"].tolist() == ["mus1", "mus2", "single"]
    assert_same(
        poses.positions,
        [[[[1, 2], [NAN, NAN]], [[3, 4], [NAN, NAN]], [[NAN, NAN], [5, 6]]]],
    )
    assert poses.extras["frame"].tolist() == ["labeled-data/a/img1.png"]


def test_header_of_two_levels():
    text = ",hip,,,knee,,\nframe,x,y,z,x,y,z\n3,1,2,3,4,5,6\n4,7,8,9,10,11,12\n"
    poses = read_text(text)
    assert poses.joint_names == ("hip", "knee")
    assert_same(poses.positions, TWO_FRAMES)
    assert poses.extras["frame"].tolist() == [3, 4]


def test_vicon_nexus_export_with_other_sections():
    text = (
        "Devices\n1000\n,,Force\nFrame,Sub Frame,Fx\n,,N\n1,0,5\n\n"
        "Trajectories\n120\n,,S:LASI,,,S:RASI,,\nFrame,Sub Frame,X,Y,Z,X,Y,Z\n"
        ",,mm,mm,mm,mm,mm,mm\n1,0,1,2,3,4,5,6\n2,0,7,8,9,,,\n\nEvents\n120\n"
    )
    poses = read_text(text)
    assert poses.joint_names == ("S:LASI", "S:RASI")
    assert (poses.fps, poses.units) == (120.0, "mm")
    assert_same(poses.positions, [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [NAN, NAN, NAN]]])
    assert poses.extras["frame"].tolist() == [1, 2]


def test_bvh_toolbox_positions(samples):
    path = samples / "bvh_toolbox/csv/walk01_pos.csv"
    poses = read_csv(path, path.read_bytes())
    with path.open(newline="") as file:
        first, *rows = csv.reader(file)
    expected = np.array([[float(cell) for cell in row[1:]] for row in rows])
    assert poses.positions.shape == (101, 24, 3)
    assert_same(poses.positions.reshape(101, 72), expected)
    assert poses.joint_names == tuple(name.removesuffix(".x") for name in first[1::3])
    assert poses.extras["time"][1] == 0.04167


def test_bvh_toolbox_tables_that_are_no_positions(samples):
    rotations = samples / "bvh_toolbox/csv/walk01_rot.csv"
    assert "rotations" in read_csv(rotations, rotations.read_bytes()).notes[0]
    hierarchy = samples / "bvh_toolbox/csv/walk01_hierarchy.csv"
    with pytest.raises(FileError, match=r"found columns 'joint', 'parent', 'offset\.x'"):
        read_csv(hierarchy, hierarchy.read_bytes())


def test_vicon_nexus_markers(samples):
    path = samples / "pyomeca_markers/markers.csv"
    poses = read_csv(path, path.read_bytes())
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    expected = [[float(cell or "nan") for cell in row[2:]] for row in rows[5:]]
    assert_same(poses.positions.reshape(580, 153), expected)
    assert poses.joint_names == tuple(rows[2][2::3])
    assert (poses.fps, poses.units, len(poses.extras["frame"])) == (100.0, "mm", 580)


def test_vicon_markers_are_those_of_another_trial_of_the_same_person(samples):
    """Markers on one bone are equally far apart in the TRC file of this subject."""
    path = samples / "pyomeca_markers/markers.csv"
    poses = read_csv(path, path.read_bytes())
    with (samples / "pyomeca_markers/markers.trc").open(newline="") as file:
        rows = list(csv.reader(file))
    names = rows[3][2::3]
    trc = np.array([[float(cell or "nan") for cell in row[2:155]] for row in rows[6:]])
    trc = trc.reshape(len(trc), 51, 3)
    for first, second in (
        ("Daphnee:EPICl", "Daphnee:EPICm"),
        ("Daphnee:STYLr", "Daphnee:STYLu"),
        ("boite:gauche_ext", "boite:gauche_int"),
    ):
        in_csv = [poses.joint_names.index(name) for name in (first, second)]
        in_trc = [
            names.index(name.removeprefix("Daphnee:").replace(":", "_")) for name in (first, second)
        ]
        lengths = [
            np.nanmedian(np.linalg.norm(array[:, i] - array[:, j], axis=-1))
            for array, (i, j) in ((poses.positions, in_csv), (trc, in_trc))
        ]
        assert lengths[0] == pytest.approx(lengths[1], abs=3), (first, second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("\n\n \n", "found an empty file"),
        ("a_x,a_y\n1,2\n3,abc\n", r"line 3: expected a number in column 'a_y', found 'abc'"),
        ("a_x,a_y\n1,2\n\n3,1_0\n", r"line 4: expected a number in column 'a_y', found '1_0'"),
        ("# c\na_x,a_y\n1,0x10\n", r"line 3: expected a number in column 'a_y', found '0x10'"),
        ("a_x,a_y\n1,2\n3\n", "line 3: expected 2 cells as in the first row, found 1"),
        ("a_x,a_y\n1,2\n3,4,5\n", "line 3: expected 2 cells as in the first row, found 3"),
        ("a,b\n1,2\n", r"expected columns like hip_x.*found columns 'a', 'b'"),
        ("joint,parent\na,b\n", r"expected columns like hip_x"),
        ("a_x,a_y,a_x\n1,2,3\n", "column 'a_x' is there twice"),
        ("joint,x,y\n", "expected rows of joints, found none"),
        ("joint,x,y,x\n", "column 'x' is there twice"),
        ("frame,joint,x,y\n0,a,1,2\n0,a,3,4\n", r"row 2 after the header repeats \(0, 'a'\)"),
        ("frame,x,y\n0,1,2\n0,3,4\n1,5,6\n", "expected a column joint"),
        ("1,2,3,4,5\n", "found 5 columns without names"),
        ("a_x,a_y\n\0\0,2\n", "found binary data"),
        (DEEPLABCUT.replace("0.7", "high"), "line 5: expected a number in column 'net_nose_likeli"),
    ],
)
def test_bad_tables_are_explained(text, message):
    with pytest.raises(FileError, match=message):
        read_text(text)


def test_bare_numbers_of_another_joint_count():
    with pytest.raises(FileError, match="expected rows of 17 joints, found 6 columns"):
        read_text("1,2,3,4,5,6\n", n_joints=17)


def test_a_grid_that_could_not_be_filled_is_refused():
    rows = "".join(f"{i},j{i},1,2\n" for i in range(2000))
    with pytest.raises(FileError, match="found 2000 rows for 2000 x 2000 of them"):
        read_text(f"frame,joint,x,y\n{rows}")


def test_the_slow_way_agrees_with_the_fast_one():
    rng = np.random.default_rng(1)
    numbers = rng.normal(size=(50, 6)) * 10.0 ** rng.integers(-9, 9, size=(50, 6))
    rows = [",".join(map(repr, row)) for row in numbers.tolist()]
    text = "\n".join(["a_x,a_y,a_z,b_x,b_y,b_z", *rows])
    slow = text + ",,"  # surplus empty cells, which the fast way does not take
    assert_same(read_text(text).positions, numbers.reshape(50, 2, 3))
    assert_same(read_text(slow).positions, numbers.reshape(50, 2, 3))


def some_poses(shape, leading, dtype, *, names=True, scored=True, **fields) -> PoseData:
    rng = np.random.default_rng(2)
    positions = (rng.normal(size=shape) * 1000).astype(dtype)
    positions[..., 1, :] = np.nan
    return PoseData(
        positions,
        leading,
        joint_names=("hip", "left knee", "a,b", 'é"')[: shape[-2]] if names else None,
        confidence=rng.random(shape[:-1]) if scored else None,
        **fields,
    )


SHAPES = [
    ((6, 4, 3), ("frame",)),
    ((6, 4, 2), ("instance",)),
    ((6, 2, 4, 3), ("frame", "person")),
    ((0, 4, 3), ("frame",)),
    ((4, 3), ()),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize(("shape", "leading"), SHAPES)
@pytest.mark.parametrize("layout", ["wide", "long", "parquet"])
def test_round_trip(tmp_path, layout, shape, leading, names, dtype):
    poses = some_poses(shape, leading, dtype, names=names)
    if leading:
        poses.extras["time"] = np.arange(shape[0]) / 3
    path = tmp_path / "poses"
    if layout == "parquet":
        write_parquet(path, poses)
        again = read_parquet(path)
        assert again.positions.dtype == dtype
    else:
        write_csv(path, poses, layout=layout)
        if layout == "long" and not shape[0]:
            with pytest.raises(FileError, match="expected rows of joints"):
                read_csv(path, path.read_bytes())
            return
        again = read_csv(path, path.read_bytes())
    positions, confidence = poses.positions, poses.confidence
    if layout == "wide" and not leading:  # a table of one row does not say that it is one pose
        positions, confidence, leading = positions[None], confidence[None], ("frame",)
    np.testing.assert_array_equal(again.positions.astype(dtype), positions)
    np.testing.assert_array_equal(again.confidence, confidence)
    assert again.leading == leading
    assert again.joint_names == poses.joint_names
    if "time" in poses.extras:
        np.testing.assert_array_equal(again.extras["time"], poses.extras["time"])


def test_parquet_keeps_what_a_table_cannot_say(tmp_path):
    poses = some_poses(
        (3, 4, 3), ("frame",), "float32", skeleton="x_4", fps=29.97, units="cm", up="z"
    )
    write_parquet(tmp_path / "p.parquet", poses)
    again = read_parquet(tmp_path / "p.parquet")
    assert (again.skeleton, again.fps, again.units, again.up) == ("x_4", 29.97, "cm", "z")


def test_labels_of_frames_and_persons_come_back(tmp_path):
    extras = {"frame": np.array([10, 12]), "person": np.array(["ann", "bob"])}
    poses = some_poses((2, 2, 4, 3), ("frame", "person"), "float64", extras=extras)
    write_csv(tmp_path / "p.csv", poses)
    again = read_csv("p", (tmp_path / "p.csv").read_bytes())
    assert again.extras["frame"].tolist() == [10, 12]
    assert again.extras["person"].tolist() == ["ann", "bob"]


def test_awkward_joint_names_are_told_apart(tmp_path):
    names = ("", "hip", "hip", "a\nb", "\ud800")
    poses = PoseData(np.zeros((1, 5, 3)), joint_names=names)
    for layout in ("wide", "long"):
        write_csv(tmp_path / "p.csv", poses, layout=layout)
        again = read_csv("p", (tmp_path / "p.csv").read_bytes())
        assert again.joint_names == ("joint0", "hip", "hip#2", "a b", "?")


class Counted:
    """An array on disk that tells how much of it was asked for at a time."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, rows):
        self.most = max(self.most, len(self.array[rows]))
        return self.array[rows]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_streamed_positions_are_never_held_together(tmp_path, suffix):
    array = np.random.default_rng(3).normal(size=(40_000, 10, 3))
    source = Counted(array)
    path = tmp_path / f"p.{suffix}"
    if suffix == "csv":
        write_csv(path, PoseData(source))
        again = read_csv(path, path.read_bytes())
    else:
        write_parquet(path, PoseData(source))
        again = read_parquet(path)
    assert 0 < source.most < 20_000
    np.testing.assert_array_equal(again.positions, array)


def test_unknown_layout():
    with pytest.raises(ValueError, match="layout must be 'wide' or 'long'"):
        write_csv("nowhere.csv", some_poses((1, 4, 3), ("frame",), "float64"), layout="tall")


def parquet_bytes(columns: dict) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_parquet_of_other_tools(tmp_path):
    columns = {
        "frame": [0, 0, 1],
        "joint": ["a", "b", "b"],
        "x": [1, 2, None],
        "y": [3.5, 4.5, None],
        "nested": [[1], [2], [3]],
    }
    path = tmp_path / "p.parquet"
    path.write_bytes(parquet_bytes(columns))
    poses = read_parquet(path)
    assert_same(poses.positions, [[[1, 3.5], [2, 4.5]], [[NAN, NAN], [NAN, NAN]]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read as Parquet"),
        (b"PAR1", "cannot be read as Parquet"),
        (parquet_bytes({"a": [1]}), "expected columns like hip_x"),
        (parquet_bytes({"a_x": ["1"], "a_y": [2.0]}), "expected numbers in column 'a_x'"),
        (parquet_bytes({"a_x": [1.0], "a_y": [2.0]})[:-9], "cannot be read as Parquet"),
    ],
)
def test_bad_parquet_files_are_explained(tmp_path, data, message):
    path = tmp_path / "p.parquet"
    path.write_bytes(data)
    with pytest.raises(FileError, match=message):
        read_parquet(path)


def test_parquet_that_promises_more_than_it_holds(tmp_path):
    """Two billion equal numbers take a few kilobytes; nobody means them."""
    import pyarrow as pa
    import pyarrow.parquet

    path = tmp_path / "p.parquet"
    zeros = pa.table({"a_x": np.zeros(1 << 20), "a_y": np.zeros(1 << 20)})
    with pyarrow.parquet.ParquetWriter(path, zeros.schema) as writer:
        for _ in range(100):
            writer.write_table(zeros)
    with pytest.raises(FileError, match="it promises 104857600 rows of 2 columns"):
        read_parquet(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_parquet(tmp_path / "absent.parquet")


LONG = "frame,person,joint,x,y,z,c\n" + "".join(
    f"{t},{p},j{j},{t}.5,{p},{j}e-3,0.{j}\n" for t in range(6) for p in range(2) for j in range(4)
)


@pytest.mark.parametrize("name", ["nexus", "deeplabcut", "long", "wide"])
def test_damaged_tables(name, samples):
    path = samples / "pyomeca_markers/markers.csv"
    data = {
        "nexus": lambda: b"\n".join(path.read_bytes().split(b"\n")[:9]),
        "deeplabcut": DEEPLABCUT.encode,
        "long": LONG.encode,
        "wide": lambda: b"time;a x;a y\n0,5;1,5;2\n1;3;\n",
    }[name]()
    for damaged in mutations(data, 60, seed=5):
        assert_result_or_user_error(read_csv, "poses.csv", damaged)


def test_damaged_parquet(tmp_path):
    path = tmp_path / "p.parquet"
    write_parquet(path, some_poses((5, 4, 3), ("frame",), "float32", fps=30.0))
    for damaged in mutations(path.read_bytes(), 120, seed=6):
        path.write_bytes(damaged)
        assert_result_or_user_error(read_parquet, path)
