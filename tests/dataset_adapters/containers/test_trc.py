"""TRC files: what the standard layout gives, and what real tools make of it."""

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.trc import parse_trc

GOOD = (
    b"PathFileType\t4\t(X/Y/Z)\twalk.trc\r\n"
    b"DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\r\n"
    b"100.00\t100.00\t  3\t2\tmm\t100.00\r\n"
    b"Frame#\tTime\tR.ASIS\t\t\tL.Knee\t\t\r\n"
    b"\t\tX1\tY1\tZ1\tX2\tY2\tZ2\r\n"
    b"\r\n"
    b"7\t0.00\t1.5\t-2\t3e1\t4\t5\t6\r\n"
    b"8\t0.01\t\t\t\t  7\t 8 \t9.25\r\n"
    b"9\t0.02\t10\t11\t12\t\t\t\r\n"
)
NAN = [np.nan] * 3
EXPECTED = [[[1.5, -2, 30], [4, 5, 6]], [NAN, [7, 8, 9.25]], [[10, 11, 12], NAN]]
POSE2SIM = "pose2sim_demo/S00_P00_SingleParticipant/S00_P00_T01_BalancingTrial/pose-3d/"


def read(data):
    return parse_trc("walk.trc", data)


def test_reads_positions_names_and_header():
    trc = read(GOOD)
    assert trc.names == ("R.ASIS", "L.Knee")
    np.testing.assert_array_equal(trc.positions, EXPECTED)
    assert trc.positions.dtype == np.float64
    np.testing.assert_array_equal(trc.frame_numbers, [7, 8, 9])
    np.testing.assert_array_equal(trc.times, [0, 0.01, 0.02])
    assert (trc.data_rate, trc.units, trc.notes) == (100.0, "mm", ())


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.replace(b"\r\n", b"\n"),
        lambda d: d.replace(b"\r\n", b"\r"),
        lambda d: b"\xef\xbb\xbf" + d,
        lambda d: d.replace(b"\t", b","),
        lambda d: d.replace(b"\t", b";"),
        lambda d: d.replace(b"Z2\r\n\r\n", b"Z2\r\n"),
        lambda d: d.replace(b"\t\tX1\tY1\tZ1\tX2\tY2\tZ2\r\n\r\n", b""),
        lambda d: d.replace(b"Z2\r\n\r\n", b"Z2\r\n\t\t\t\t\t\t\t\r\n"),
        lambda d: d.replace(b"6\r\n", b"6\t\t\t\r\n"),
        lambda d: d.rstrip(),
        lambda d: d.replace(b"8\t0.01\t\t\t", b"8\t0.01\tNaN\t-nan(ind)\t   "),
        lambda d: d.replace(b"Frame#", b"frame#"),
        lambda d: d.replace(b"R.ASIS\t\t\tL.Knee\t\t", b"R.ASIS\tL.Knee"),
        lambda d: d.replace(b"R.ASIS", b' "R.ASIS" '),
    ],
    ids=["lf", "cr", "bom", "commas", "semicolons", "no empty line", "no axes line", "blank row",
         "long row", "no last newline", "nan words", "lower case", "one cell per name", "quotes"],
)  # fmt: skip
def test_layouts_that_say_the_same(change):
    trc = read(change(GOOD))
    np.testing.assert_array_equal(trc.positions, EXPECTED)
    assert trc.names == ("R.ASIS", "L.Knee")
    assert trc.data_rate == 100 and trc.units == "mm"


def test_named_columns_beyond_the_count_are_kept():
    trc = read(GOOD.replace(b"\t2\tmm", b"\t1\tmm"))
    np.testing.assert_array_equal(trc.positions, EXPECTED)
    assert trc.notes == ("the header counts '1' markers, 2 are named and read",)


def test_unnamed_columns_are_left_out():
    trc = read(GOOD.replace(b"6\r\n", b"6\t21\t22\t23\r\n").replace(b"L.Knee", b""))
    np.testing.assert_array_equal(trc.positions[:, 0], np.array(EXPECTED)[:, 0])
    assert trc.names == ("R.ASIS",)
    assert any("2 rows go on beyond the named columns" in note for note in trc.notes)
    # A gap between named columns is no marker either.
    middle = GOOD.replace(b"R.ASIS", b"")
    np.testing.assert_array_equal(read(middle).positions[:, 0], np.array(EXPECTED)[:, 1])


def test_a_file_without_names_gives_numbered_points():
    trc = read(GOOD.replace(b"R.ASIS", b"").replace(b"L.Knee", b""))
    assert trc.names == ("unidentified_1", "unidentified_2")
    np.testing.assert_array_equal(trc.positions, EXPECTED)
    assert "no marker is named" in trc.notes[0]


def test_rows_that_end_early_lack_their_last_markers():
    trc = read(GOOD.replace(b"7\t0.00\t1.5\t-2\t3e1\t4\t5\t6\r\n", b"7\t0.00\t1.5\t-2\t3e1\r\n"))
    np.testing.assert_array_equal(trc.positions[0], [[1.5, -2, 30], NAN])
    assert trc.notes == ("1 rows end before the last marker; what they lack is missing",)


def test_every_contradiction_is_told():
    data = GOOD.replace(b"  3\t2", b"5\t9").replace(b"\t12\t\t\t\r\n", b"\t\r\n")
    assert read(data).notes == (
        "the header counts '9' markers, 2 are named and read",
        "the header counts 5 frames, the file holds 3",
        "1 rows end before the last marker; what they lack is missing",
        "1 positions lack some of x, y, z; they are read as missing",
    )


def test_a_marker_without_all_of_its_coordinates_is_missing():
    trc = read(GOOD.replace(b"-2\t3e1", b"\t3e1"))
    np.testing.assert_array_equal(trc.positions[0], [NAN, [4, 5, 6]])
    assert trc.notes == ("1 positions lack some of x, y, z; they are read as missing",)


def test_markers_absent_throughout_are_told():
    trc = read(
        GOOD.replace(b"4\t5\t6\r\n", b"\t\t\r\n").replace(b"  7\t 8 \t9.25\r\n", b"\t\t\r\n")
    )
    assert trc.notes == ("1 of 2 markers have no position in any frame ('L.Knee')",)


@pytest.mark.parametrize("count", [b"652", b"2"])
def test_rows_count_and_not_the_header(count):
    trc = read(GOOD.replace(b"  3", count))
    assert len(trc.positions) == 3
    assert trc.notes == (f"the header counts {count.decode()} frames, the file holds 3",)


@pytest.mark.parametrize("rate", [b"0", b"-5", b"nan", b"inf", b"", b"fast", b"1_0"])
def test_a_useless_frame_rate_is_none(rate):
    assert read(GOOD.replace(b"\n100.00", b"\n" + rate)).data_rate is None


def test_header_fields_may_be_absent():
    trc = read(b"\n".join(GOOD.replace(b"\r", b"").split(b"\n")[3:]))
    assert (trc.data_rate, trc.units) == (None, None)
    np.testing.assert_array_equal(trc.positions, EXPECTED)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found an empty one"),
        (b" \r\n\r\n", "found an empty one"),
        (b"\x00\x02P" * 300, "starts with 'Frame#'"),
        (GOOD.replace(b"Frame#", b"Frames"), "starts with 'Frame#'"),
        (b"Frame# Time a b\n1 0 1 2 3\n", "line 1 must name the markers, separated by tabs"),
        (GOOD[: GOOD.index(b"7\t0.00")], "expected a row of positions per frame, found none"),
        (GOOD.replace(b"3e1", b"3e1x"), "line 7 must hold numbers, found '3e1x' as z of marker 'R"),
        (GOOD.replace(b"3e1", b"3_1"), "found '3_1' as z of marker 'R.ASIS'"),
        (GOOD.replace(b"3e1", b"1e999"), "line 7 must hold finite numbers"),
        (GOOD.replace(b"3e1", b"-inf"), "as z of marker 'R.ASIS'"),
        (GOOD.replace(b"9\t0.02", b"\t0.02"), "line 9 must start with a frame number"),
        (GOOD.replace(b"9\t0.02", b"1e300\t0.02"), "line 9 must start with a frame number"),
        (GOOD.replace(b"0.02", b"late"), "found 'late' as the time"),
        (GOOD.replace(b"\t\t\tL.Knee", b"\t\tL.Knee"), "line 4 must name a marker every third"),
        (GOOD[: GOOD.index(b"\t12")], "found the end of the file within line 9"),
        (GOOD.replace(b"3e1", b"z" * 9999), "found 'zzzz"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(data, message):
    if b"12" not in data and b"10\t11" in data:  # only a file with too few rows is cut off
        data = data.replace(b"  3\t", b"  4\t")
    with pytest.raises(FileError) as error:
        read(data)
    assert str(error.value).startswith("walk.trc: ") and message in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_no_memory_for_cells_that_are_not_there():
    """30,000 names and 30,000 rows of two cells would be a table of 21 GB."""
    names = b"Frame#\tTime" + b"\tm\t\t" * 30_000
    with pytest.raises(FileError, match="most cells must be absent"):
        read(names + b"\n" + b"1\t0\n" * 30_000)


def test_large_files_are_read_whole():
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(0, 900, (2000, 180)), 5)
    rows = [
        f"{i}\t{i / 100}\t" + "\t".join(map(str, row)) + "\t\t\t" for i, row in enumerate(values)
    ]
    names = "".join(f"\tm{i}\t\t" for i in range(61))
    data = ("Frame#\tTime" + names + "\n" + "\n".join(rows) + "\n").encode()
    trc = read(data)
    np.testing.assert_array_equal(trc.positions[:, :60].reshape(2000, 180), values)


@pytest.mark.parametrize(
    ("file", "shape", "rate", "units", "first", "last", "missing"),
    [
        ("bmc_walk/walk.trc", (184, 55, 3), 150, "mm", "R.ASIS", "V_L.MT2", 4968),
        ("btk_files/TRCSamples/Gait.trc", (487, 33, 3), 100, "mm", "R.Shoulder", "PX", 7306),
        ("btk_files/TRCSamples/10002-20130626160334-Unnamed.trc", (882, 10, 3), 400, "mm",
         "unidentified_1", "unidentified_10", 6678),
        ("pyomeca_markers/markers.trc", (93, 51, 3), 100, "mm", "ASISl", "boite_arriere_gauche", 0),
        ("nimble_markers/grf/OpenCapUnfiltered/MarkerData/walking2.trc", (136, 51, 3), 100, "m",
         "C7", "r_toe", 104),
        (POSE2SIM + "S00_P00_T01_BalancingTrial_0-100.trc", (100, 21, 3), 60, "m", "RHip",
         "LWrist", 0),
        (POSE2SIM + "S00_P00_T01_BalancingTrial_0-100_filt_butterworth_LSTM.trc", (100, 64, 3), 60,
         "m", "RHip", "L_mwrist_study", 0),
    ],
)  # fmt: skip
def test_real_files(samples, file, shape, rate, units, first, last, missing):
    trc = parse_trc(file, (samples / file).read_bytes())
    assert trc.positions.shape == shape
    assert (trc.data_rate, trc.units) == (rate, units)
    assert (trc.names[0], trc.names[-1]) == (first, last)
    assert np.isnan(trc.positions[..., 0]).sum() == missing


def test_real_values(samples):
    """Numbers picked by eye from the text of three files."""
    trc = parse_trc("", (samples / "bmc_walk/walk.trc").read_bytes())
    np.testing.assert_array_equal(trc.positions[0, 0], [516.54236, 966.88000, -306.10416])
    trc = parse_trc("", (samples / "pyomeca_markers/markers.trc").read_bytes())
    np.testing.assert_array_equal(trc.positions[0, 1], [651.6759, 313.4902, 178.9877])
    path = samples / "btk_files/TRCSamples/10002-20130626160334-Unnamed.trc"
    trc = parse_trc("", path.read_bytes())
    np.testing.assert_array_equal(trc.positions[881, 0], [-799.76202, 801.21472, -391.54608])
    np.testing.assert_array_equal(trc.positions[881, 3], [-1837.97595, -1082.82910, -1182.05762])
    assert np.isnan(trc.positions[881, 1:3]).all()


def test_augmented_file_begins_with_the_keypoints_it_was_made_from(samples):
    """Pose2Sim's augmented file repeats the filtered keypoints, lifted by one height throughout."""
    stem = POSE2SIM + "S00_P00_T01_BalancingTrial_0-100_filt_butterworth"
    plain = parse_trc("", (samples / f"{stem}.trc").read_bytes())
    augmented = parse_trc("", (samples / f"{stem}_LSTM.trc").read_bytes())
    assert augmented.names[:21] == plain.names
    lift = plain.positions - augmented.positions[:, :21]
    np.testing.assert_allclose(lift[..., [0, 2]], 0, atol=1e-7)
    np.testing.assert_allclose(lift[..., 1], lift[0, 0, 1], atol=1e-7)


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files(samples, seed):
    text = (samples / "bmc_walk/walk.trc").read_bytes()[:12_000]
    whole_rows = text[: text.rindex(b"\n") + 1]
    results = [
        assert_result_or_user_error(parse_trc, "walk.trc", damaged)
        for damaged in mutations(whole_rows, 100, seed)
    ]
    assert any(result is not None for result in results)
    assert any(result is None for result in results)
