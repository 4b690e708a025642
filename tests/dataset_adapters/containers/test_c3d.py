"""C3D files: real ones in every encoding, hand-made ones, and damaged ones."""

import struct
import sys
import tempfile

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.c3d import parse_c3d
from dataset_adapters.containers.c3d_parameters import DEC, INTEL, SGI, decode_float
from dataset_adapters.containers.errors import FileError
from skeleton_defs.errors import UserError

SUITE = "kineticstoolkit/c3d_test_suite/"
POINTS = np.array(  # two frames of three points; the fourth value is -1 where one is missing
    [
        [[1, 2, 3, 0], [-4.5, 5, 6.25, 2], [0, 0, 0, -1]],
        [[7, 8, -9, 0], [0, 0, 0, -1], [10, 11, 12.5, 0]],
    ]
)
EXPECTED = np.where(POINTS[..., 3:] < 0, np.nan, POINTS[..., :3])


def pack_float(value, processor):
    if processor == DEC:
        raw = struct.pack("<f", value * 4)  # VAX F: halves swapped, exponent biased by two more
        return raw[2:] + raw[:2]
    return struct.pack(">f" if processor == SGI else "<f", value)


def parameter(group, name, value, processor=INTEL, *, kind=None, shape=None):
    """One record. Text: a list of strings; integers or a float otherwise."""
    order = ">" if processor == SGI else "<"
    if isinstance(value, list) and value and isinstance(value[0], str):
        width = max(map(len, value))
        raw, kind, shape = (
            "".join(v.ljust(width) for v in value).encode("latin-1"),
            -1,
            (width, len(value)),
        )
    elif isinstance(value, float):
        raw, kind, shape = pack_float(value, processor), 4, shape or ()
    else:
        values = value if isinstance(value, list) else [value]
        raw, kind = struct.pack(f"{order}{len(values)}H", *values), kind or 2
        shape = shape if shape is not None else ((len(values),) if isinstance(value, list) else ())
    body = struct.pack("bB", kind, len(shape)) + bytes(shape) + raw + b"\0"
    head = struct.pack("bb", len(name), group) + name.encode()
    return head + struct.pack(f"{order}H", len(body) + 2) + body


def group(number, name, processor=INTEL):
    order = ">" if processor == SGI else "<"
    return struct.pack("bb", len(name), -number) + name.encode() + struct.pack(f"{order}HB", 3, 0)


def c3d_bytes(
    points=POINTS, *, processor=INTEL, scale=-1.0, analog=0, extra=b"", n_frames=None, used=None,
    frames=None, labels=("A", "B", "C"),
):  # fmt: skip
    """A C3D file with its parameters in block 2 and ANALOG samples of 99 behind each frame."""
    order = ">" if processor == SGI else "<"
    n_frames = len(points) if n_frames is None else n_frames
    used = points.shape[1] if used is None else used
    section = (
        group(1, "POINT", processor)
        + parameter(1, "USED", used, processor)
        + parameter(1, "FRAMES", n_frames if frames is None else frames, processor)
        + parameter(1, "SCALE", scale, processor)
        + parameter(1, "RATE", 50.0, processor)
        + parameter(1, "UNITS", ["mm  "], processor)
        + (parameter(1, "LABELS", list(labels), processor) if labels else b"")
        + extra
    )
    n_blocks = -(-(len(section) + 4) // 512)
    section = (bytes([1, 0x50, n_blocks, processor]) + section).ljust(n_blocks * 512, b"\0")
    header = bytes([2, 0x50]) + struct.pack(f"{order}5H", points.shape[1], analog, 1, n_frames, 0)
    header += pack_float(scale, processor) + struct.pack(
        f"{order}2H", 2 + n_blocks, int(analog > 0)
    )
    header += pack_float(50.0, processor)
    values = points.reshape(len(points), -1)
    values = np.concatenate([values, np.full((len(points), analog), 99)], axis=1)
    if scale > 0:
        data = np.round(values).astype(f"{order}i2").tobytes()
    elif processor == DEC:
        data = np.ascontiguousarray((values * 4).astype("<f4")).view("<u2")
        data = data.reshape(-1, 2)[:, ::-1].tobytes()
    else:
        data = values.astype(f"{order}f4").tobytes()
    return header.ljust(512, b"\0") + section + data


@pytest.fixture
def read(tmp_path):
    def read_bytes(data):
        path = tmp_path / "take.c3d"
        path.write_bytes(data)
        return parse_c3d(path)

    return read_bytes


def test_dec_floats():
    """DEC's own example: 1.0 is the word pair 0x4080, 0x0000."""
    assert decode_float(b"\x80\x40\x00\x00", DEC) == 1.0
    assert decode_float(pack_float(-118.625, DEC), DEC) == -118.625


@pytest.mark.parametrize("analog", [0, 3])
@pytest.mark.parametrize("processor", [INTEL, DEC, SGI])
def test_float_files(read, processor, analog):
    c3d = read(c3d_bytes(processor=processor, analog=analog))
    np.testing.assert_array_equal(c3d.positions, EXPECTED)
    assert c3d.labels == ("A", "B", "C")
    assert (c3d.rate, c3d.units, c3d.first_frame, c3d.screen_up) == (50, "mm", 1, None)
    assert c3d.notes == () and c3d.outputs == frozenset()


@pytest.mark.parametrize("processor", [INTEL, DEC, SGI])
def test_integer_files_are_scaled(read, processor):
    c3d = read(c3d_bytes(np.round(POINTS), processor=processor, scale=0.25, analog=2))
    np.testing.assert_array_equal(
        c3d.positions, np.where(np.isnan(EXPECTED), np.nan, np.round(EXPECTED) * 0.25)
    )


def test_points_at_the_origin_are_missing_unless_they_stay_there(read):
    points = POINTS.copy()
    points[..., 3] = 0
    points[:, 0, :3] = 0
    c3d = read(c3d_bytes(points))
    np.testing.assert_array_equal(c3d.positions[:, 0], 0)
    np.testing.assert_array_equal(c3d.positions[:, 1:], EXPECTED[:, 1:])
    assert "2 positions are exactly (0, 0, 0)" in c3d.notes[0]


def test_infinite_and_nan_coordinates_are_missing(read):
    points = POINTS.copy()
    points[0, 0, 1], points[1, 2, 0] = np.inf, np.nan
    assert np.isnan(read(c3d_bytes(points)).positions[[0, 1], [0, 2]]).all()


def test_texts(read):
    extra = parameter(1, "Y_SCREEN", ["+Z"]) + parameter(1, "ANGLES", ["B ", "LKneeAngle"])
    c3d = read(c3d_bytes(extra=extra, labels=("A\0", "B \x07", "Ann:\xb5")))
    assert c3d.labels == ("A", "B ?", "Ann:\xb5")
    assert c3d.screen_up == "+Z"
    assert c3d.outputs == {"B", "LKneeAngle"}


def test_labels_continue_in_further_parameters(read):
    names = [f"m{i:03}" for i in range(400)]
    extra = parameter(1, "LABELS3", names[300:]) + parameter(1, "LABELS2", names[255:300])
    points = np.tile(np.arange(1.0, 401)[:, None] * [1, 1, 1, 0], (2, 1, 1))
    c3d = read(c3d_bytes(points, labels=names[:255], extra=extra))
    assert c3d.labels == tuple(names)
    np.testing.assert_array_equal(c3d.positions, points[..., :3])


def test_points_without_label_and_labels_without_point(read):
    c3d = read(c3d_bytes(labels=()))
    assert c3d.labels == ("", "", "") and c3d.notes == ("3 of 3 points have no label",)
    assert read(c3d_bytes(labels=("A", "B", "C", "D"))).labels == ("A", "B", "C")


@pytest.mark.parametrize(
    ("options", "n_frames"),
    [
        ({}, 65535),
        ({"extra": parameter(1, "LONG_FRAMES", 70_000.0)}, 70_000),
        ({"frames": 70_000.0}, 70_000),
        (
            {
                "extra": group(2, "TRIAL")
                + parameter(2, "ACTUAL_START_FIELD", [3, 0])
                + parameter(2, "ACTUAL_END_FIELD", [70_002 - 65536, 1])
            },
            70_000,
        ),
    ],
    ids=["header only", "long frames", "float frames", "trial"],
)
def test_more_frames_than_the_header_can_count(read, options, n_frames):
    points = np.ones((70_000, 1, 4))
    points[:, 0, 0] = np.arange(70_000)
    data = c3d_bytes(points, n_frames=65535, labels=["A"], **options)
    c3d = read(data.ljust(-(-len(data) // 512) * 512, b"\0"))
    np.testing.assert_array_equal(c3d.positions[:, 0, 0], np.arange(70_000))
    if n_frames == 65535:
        assert c3d.notes == ("the header counts 65535 frames at most; all 70000 are read",)
    assert c3d.first_frame == (3 if "TRIAL" in str(options) else 1)


def test_a_count_that_the_file_is_too_short_for_is_passed_over(read):
    c3d = read(c3d_bytes(frames=3))
    np.testing.assert_array_equal(c3d.positions, EXPECTED)
    assert c3d.notes == (
        "the file contradicts itself (POINT:FRAMES 3, the header 2 frames); 2 are read",
    )


def patched(at, values, **options):
    data = bytearray(c3d_bytes(**options))
    data[at : at + len(values)] = values
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found an empty one"),
        (b"\x02P", "found 2 bytes that start with 0x0250"),
        (b"PK\3\4" * 200, "start with 0x504b; is this a C3D file?"),
        (patched(0, b"\1"), "expected parameters in block 1"),
        (patched(0, b"\xff"), "expected parameters in block 255, found 2 blocks"),
        (patched(515, b"\x57"), "expected processor type 84, 85 or 86, found 87"),
        (patched(16, b"\1"), "expected frames from byte 0 on"),
        (patched(16, b"\xff\xff"), "found 1120 bytes in all"),
        (patched(2, b"\4"), "must be the header's count of points (4), found 3"),
        (patched(4, b"\4", analog=3, extra=group(2, "ANALOG") + parameter(2, "USED", 3)),
         "expected 3 analog channels with 1 samples per frame"),
        (c3d_bytes(n_frames=3), "expected 3 frames of 48 bytes (POINT:FRAMES), found 96 bytes"),
        (c3d_bytes()[:-1], "the file is cut off or damaged"),
        (c3d_bytes(n_frames=0), "expected 0 frames"),
        (c3d_bytes(scale=-0.0), "POINT:SCALE must be finite and not 0"),
        (c3d_bytes(scale=float("nan")), "POINT:SCALE must be finite"),
        (c3d_bytes(np.zeros((2, 0, 4)), labels=(), analog=2), "found analog channels only"),
        (c3d_bytes(np.zeros((1, 40_000, 4))), "at most 32767 points, found 40000"),
        (c3d_bytes(extra=parameter(1, "DESCRIPTIONS", 7, shape=(255,) * 5)),
         "parameter 'DESCRIPTIONS' must be of type -1, 1, 2 or 4 and end before the next one"),
        (c3d_bytes(extra=parameter(1, "DESCRIPTIONS", 7, shape=(255,) * 200)), "'DESCRIPTIONS'"),
        (c3d_bytes(extra=parameter(1, "DESCRIPTIONS", 7, kind=3)), "found type 3"),
        (c3d_bytes(extra=b"\1\1X\1\0" * 9), "parameter 'X' must be at least 2 bytes long"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(read, data, message):
    with pytest.raises(FileError) as error:
        read(data)
    assert message in str(error.value)
    assert "\n" not in str(error.value) and len(error.value.problem) < 300


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        parse_c3d(tmp_path / "none.c3d")
    with pytest.raises(FileError, match="cannot be read"):
        parse_c3d(tmp_path)


def test_without_ezc3d(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(UserError, match="pip install ezc3d"):
        read(c3d_bytes())


def test_no_temporary_file_stays(read, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    read(c3d_bytes())
    assert list(scratch.iterdir()) == []


def test_slices_join(read, monkeypatch):
    """With slices of two frames, seven frames take four."""
    monkeypatch.setattr("dataset_adapters.containers.c3d._SLICE_BYTES", 2 * (3 * 4 + 2) * 4)
    points = np.random.default_rng(0).normal(size=(7, 3, 4)).astype(np.float32)
    points[..., 3] = 0
    np.testing.assert_array_equal(read(c3d_bytes(points, analog=2)).positions, points[..., :3])


def test_sample01_is_the_same_in_all_encodings(samples):
    """Integers differ from floats by their rounding only: at most 0.000102 mm."""
    real, vax_real, integer, vax_integer = (
        parse_c3d(samples / SUITE / f"Sample01/Eb015{code}.c3d")
        for code in ("pr", "vr", "pi", "vi")
    )
    np.testing.assert_array_equal(vax_real.positions, real.positions)
    np.testing.assert_array_equal(vax_integer.positions, integer.positions)
    np.testing.assert_allclose(integer.positions, real.positions, rtol=0, atol=1.1e-4)
    assert np.isnan(real.positions[..., 0]).sum() == 226
    assert real.labels == vax_real.labels == integer.labels == vax_integer.labels
    assert real.labels[:3] == ("RFT1", "RFT2", "RFT3")


def test_sample02_is_the_same_in_all_encodings(samples):
    """A quantisation step is 0.28118187 mm; 59 integers of the DEC file are one off the others."""
    take = {
        name: parse_c3d(samples / SUITE / f"Sample02/{name}.c3d")
        for name in ("pc_real", "dec_real", "sgi_real", "pc_int", "dec_int", "sgi_int")
    }
    real = take["pc_real"].positions
    np.testing.assert_array_equal(take["dec_real"].positions, real)
    np.testing.assert_array_equal(take["sgi_real"].positions, real)
    np.testing.assert_array_equal(take["sgi_int"].positions, take["pc_int"].positions)
    np.testing.assert_allclose(take["pc_int"].positions, real, rtol=0, atol=0.2812)
    np.testing.assert_allclose(take["dec_int"].positions, real, rtol=0, atol=1.3e-4)
    assert np.isnan(real[..., 0]).sum() == 228
    for c3d in take.values():
        assert c3d.labels == take["pc_real"].labels
        assert (c3d.rate, c3d.units, c3d.screen_up, c3d.notes) == (50, "mm", "+Z", ())


@pytest.mark.parametrize(
    ("file", "dtype", "data_at", "n_points", "n_analog"),
    [
        (SUITE + "Sample02/sgi_real.c3d", ">f4", 6144, 36, 64),
        ("btk_files/C3DSamples/c3d.org/sample13/Dance.c3d", "<f4", 3584, 40, 8),
        ("nimble_markers/c3d/cmu_02_05.c3d", "<f4", 6144, 41, 0),
    ],
)
def test_floats_equal_what_lies_in_the_file(samples, file, dtype, data_at, n_points, n_analog):
    """The first two are files that ezc3d refuses as they are."""
    c3d = parse_c3d(samples / file)
    raw = np.frombuffer((samples / file).read_bytes()[data_at:], dtype)
    width = 4 * n_points + n_analog
    raw = raw[: len(raw) // width * width].reshape(-1, width)[:, : 4 * n_points]
    raw = raw.reshape(-1, n_points, 4)[: len(c3d.positions)].astype(np.float64)
    raw[raw[..., 3] < 0] = np.nan
    np.testing.assert_array_equal(c3d.positions, raw[..., :3])


@pytest.mark.parametrize(
    "file",
    [
        "btk_files/C3DSamples/others/Gait.c3d",
        "btk_files/C3DSamples/others/MyCube.c3d",
        "kineticstoolkit/kinematics_tennis_serve.c3d",
        SUITE + "Sample01/Eb015vi.c3d",
        SUITE + "Sample02/dec_real.c3d",
    ],
)
def test_equals_ezc3d_on_the_whole_file(samples, file):
    ezc3d = pytest.importorskip("ezc3d")
    theirs = ezc3d.c3d(str(samples / file))
    c3d = parse_c3d(samples / file)
    np.testing.assert_array_equal(c3d.positions, theirs["data"]["points"][:3].transpose(2, 1, 0))
    labels = theirs["parameters"]["POINT"]["LABELS"]["value"]
    assert list(c3d.labels) == labels[: len(c3d.labels)]
    assert c3d.rate == theirs["parameters"]["POINT"]["RATE"]["value"][0]


@pytest.mark.parametrize(
    ("file", "shape", "rate", "first_frame", "note"),
    [
        ("btk_files/C3DSamples/others/MyCube.c3d", (1, 14, 3), 50, 1, None),
        ("btk_files/C3DSamples/c3d.org/sample13/Dance.c3d", (499, 40, 3), 65.053345, 1,
         "(POINT:FRAMES 500, the header 499 frames); 499 are read"),
        ("nimble_markers/c3d/JA1Gait35.c3d", (324, 53, 3), 250, 833, "1 positions are exactly"),
        ("nimble_markers/c3d/cmu_02_05.c3d", (1854, 41, 3), 120, 1, None),
    ],
)  # fmt: skip
def test_real_files(samples, file, shape, rate, first_frame, note):
    c3d = parse_c3d(samples / file)
    assert c3d.positions.shape == shape
    assert c3d.rate == pytest.approx(rate, rel=1e-7)
    assert c3d.first_frame == first_frame
    assert (note in c3d.notes[0]) if note else not c3d.notes


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("Empty.c3d", "found an empty one"),
        (
            "badParameterOffset.c3d",
            "parameter 'UNITS' must be of type -1, 1, 2 or 4 and end before",
        ),
    ],
)
def test_real_broken_files(samples, file, message):
    with pytest.raises(FileError, match=message) as error:
        parse_c3d(samples / "btk_files/C3DSamples/others" / file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("file", ["MyCube.c3d", "pc_int.c3d", "dec_real.c3d", "sgi_real.c3d"])
def test_damaged_files(samples, tmp_path, file):
    folder = "btk_files/C3DSamples/others/" if file == "MyCube.c3d" else SUITE + "Sample02/"
    whole = (samples / folder / file).read_bytes()
    path = tmp_path / "damaged.c3d"
    results = []
    for damaged in mutations(whole, 60, seed=3):
        path.write_bytes(damaged)
        results.append(assert_result_or_user_error(parse_c3d, path))
    assert any(result is not None for result in results)
    assert any(result is None for result in results)
