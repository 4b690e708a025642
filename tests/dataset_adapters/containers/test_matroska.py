"""Headers of Matroska videos against what a decoder says."""

import struct

import cv2
import numpy as np
import pytest
from fuzzing import bounded, mutations
from miniatures.scene import write_video

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.matroska import read_matroska_header
from dataset_adapters.containers.video_header import VideoHeader

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
INFO, TRACKS = b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b"
UNKNOWN = b"\x01" + b"\xff" * 7


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("mkv") / "v.mkv"
    write_video(path, [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(7)], fps=50)
    return path


def element(kind, *contents):
    content = b"".join(contents)
    return kind + struct.pack(">I", 0x10000000 | len(content)) + content


def info(duration=140.0, *others):
    return element(INFO, element(b"\x44\x89", struct.pack(">d", duration)), *others)


def track(kind=1, *others, step=20_000_000, video=b""):
    sizes = element(b"\xb0", b"\x40") + element(b"\xba", b"\x30")
    default = element(b"\x23\xe3\x83", struct.pack(">I", step)) if step else b""
    return element(
        b"\xae", element(b"\x83", bytes([kind])), default, element(b"\xe0", sizes, video), *others
    )


def written(tmp_path, *parts, segment=None):
    path = tmp_path / "made.mkv"
    content = b"".join(parts) + element(CLUSTER, bytes(50))
    segment = SEGMENT + UNKNOWN + content if segment is None else segment
    path.write_bytes(element(EBML, element(b"\x42\x82", b"matroska")) + segment)
    return path


def test_header_is_that_of_the_decoder(video):
    header = read_matroska_header(video)
    capture = cv2.VideoCapture(str(video))
    found = [capture.get(key) for key in (3, 4, 7, 5)]
    capture.release()
    assert [header.width, header.height, header.n_frames] == found[:3] == [64, 48, 7]
    assert header.rate == found[3] == 50


def test_elements_by_hand(tmp_path):
    expected = VideoHeader(64, 48, 7, 50.0)
    void = element(b"\xec", bytes(300))
    sound = track(kind=2)
    path = written(tmp_path, void, info(), element(TRACKS, sound, track()))
    assert read_matroska_header(path) == expected
    # In ticks of 2 ms; and the tracks first.
    scale = element(b"\x2a\xd7\xb1", struct.pack(">I", 2_000_000))
    path = written(tmp_path, element(TRACKS, track()), info(70.0, scale))
    assert read_matroska_header(path) == expected


@pytest.mark.parametrize(
    "parts",
    [
        [info(), element(TRACKS, track(kind=2))],
        [info(), element(TRACKS, track(), track())],
        [info(), element(TRACKS, track(step=0))],
        [info(0.0), element(TRACKS, track())],
        [info(float("nan")), element(TRACKS, track())],
        [info(float("inf")), element(TRACKS, track())],
        [info(), element(TRACKS, track(video=element(b"\x54\xaa", b"\x08")))],
        [info()],
        [element(TRACKS, track())],
        [info(), TRACKS + UNKNOWN + track()],
        [info(), TRACKS + struct.pack(">I", 0x1FFFFFF0) + track()],
    ],
    ids=[
        "no video", "two", "no rate", "no length", "nan", "infinite", "cropped", "no tracks",
        "no info", "unknown size", "cut",
    ],
)  # fmt: skip
def test_what_is_left_to_the_decoder(tmp_path, parts):
    assert read_matroska_header(written(tmp_path, *parts)) is None


def test_other_files(tmp_path):
    path = tmp_path / "x.mkv"
    for data in (b"", bytes(60), EBML, b"hello world, this is text", element(EBML, bytes(9))):
        path.write_bytes(data)
        assert read_matroska_header(path) is None
    with pytest.raises(FileError, match="No such file"):
        read_matroska_header(tmp_path / "none.mkv")


def test_damaged_headers(video, tmp_path):
    path = tmp_path / "damaged.mkv"
    data = video.read_bytes()
    end = data.index(CLUSTER)
    found = 0
    for damaged in mutations(data[:end], 200):
        path.write_bytes(damaged + data[end:])
        with bounded():
            header = read_matroska_header(path)
        assert header is None or isinstance(header, VideoHeader)
        found += header is not None
    assert 0 < found < 200
