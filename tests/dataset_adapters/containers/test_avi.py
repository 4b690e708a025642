"""Headers of AVI videos against what a decoder says."""

import struct

import numpy as np
import pytest
from fuzzing import bounded, mutations
from miniatures.scene import write_video

from dataset_adapters.containers.avi import read_avi_header
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.video_header import VideoHeader

HEADER = VideoHeader(64, 48, 7, 29.97)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("avi") / "v.avi"
    write_video(path, [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(7)], fps=29.97)
    return path


def chunk(kind, content):
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def stream(kind, *, n_frames=7, scale=100, rate=2997, height=48):
    header = kind + bytes(16) + struct.pack("<4I", scale, rate, 0, n_frames) + bytes(20)
    bitmap = struct.pack("<I2i", 40, 64, height) + bytes(28)
    return chunk(b"LIST", b"strl" + chunk(b"strh", header) + chunk(b"strf", bitmap))


def written(tmp_path, *streams):
    headers = b"hdrl" + chunk(b"avih", bytes(56)) + chunk(b"JUNK", b"odd") + b"".join(streams)
    path = tmp_path / "made.avi"
    path.write_bytes(chunk(b"RIFF", b"AVI " + chunk(b"LIST", headers) + chunk(b"JUNK", bytes(99))))
    return path


def test_header_is_that_of_the_writer(video):
    header = read_avi_header(video)
    assert (header.width, header.height, header.n_frames) == (64, 48, 7)
    assert header.rate == pytest.approx(29.97, rel=1e-4)


def test_streams_by_hand(tmp_path):
    assert read_avi_header(written(tmp_path, stream(b"auds"), stream(b"vids"))) == HEADER
    # A negative height says that the rows run from top to bottom.
    assert read_avi_header(written(tmp_path, stream(b"vids", height=-48))) == HEADER


@pytest.mark.parametrize(
    "streams",
    [
        [stream(b"auds")],
        [stream(b"vids"), stream(b"vids")],
        # A recording that was interrupted.
        [stream(b"vids", n_frames=0)],
        [stream(b"vids", scale=0)],
        [stream(b"vids", height=0)],
        [chunk(b"LIST", b"strl" + chunk(b"strh", b"vids" + bytes(8)) + chunk(b"strf", b""))],
        [stream(b"vids")[:-60]],
    ],
    ids=["no video", "two", "no frames", "no rate", "no size", "short", "cut"],
)
def test_what_is_left_to_the_decoder(tmp_path, streams):
    assert read_avi_header(written(tmp_path, *streams)) is None


def test_other_files(tmp_path):
    path = tmp_path / "x.avi"
    for data in (b"", b"RIFF" + bytes(60), b"RIFF" + bytes(4) + b"WAVEfmt " + bytes(30)):
        path.write_bytes(data)
        assert read_avi_header(path) is None
    with pytest.raises(FileError, match="No such file"):
        read_avi_header(tmp_path / "none.avi")


def test_damaged_headers(video, tmp_path):
    path = tmp_path / "damaged.avi"
    data = video.read_bytes()
    found = 0
    for damaged in mutations(data[:300], 200):
        path.write_bytes(damaged + data[300:])
        with bounded():
            header = read_avi_header(path)
        assert header is None or isinstance(header, VideoHeader)
        found += header is not None
    assert 0 < found < 200
