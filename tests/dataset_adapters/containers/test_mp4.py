"""Headers of MP4 videos against what a decoder says."""

import cv2
import numpy as np
import pytest
from fuzzing import bounded, mutations
from miniatures.scene import write_video

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.mp4 import read_mp4_header
from dataset_adapters.containers.video_header import VideoHeader


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("mp4") / "v.mp4"
    frames = [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(7)]
    write_video(path, frames, fps=60000 / 1001)
    return path


def test_header_is_that_of_the_decoder(video):
    header = read_mp4_header(video)
    assert header == VideoHeader(64, 48, 7, header.rate)
    capture = cv2.VideoCapture(str(video))
    assert [capture.get(key) for key in (3, 4, 7)] == [64, 48, 7]
    assert header.rate == pytest.approx(capture.get(cv2.CAP_PROP_FPS), rel=1e-6)
    assert header.rate == pytest.approx(59.94, rel=1e-4)
    capture.release()


def test_header_behind_large_boxes(video, tmp_path):
    data = video.read_bytes()
    path = tmp_path / "long.mp4"
    # A 64-bit size, as mdat has in files above 4 GB.
    path.write_bytes(
        (1).to_bytes(4, "big") + b"free" + (16 + 100).to_bytes(8, "big") + bytes(100) + data
    )
    assert read_mp4_header(path) == read_mp4_header(video)


def test_turned_and_fragmented_videos_are_left_to_the_decoder(video, tmp_path):
    data = bytearray(video.read_bytes())
    track = data.index(b"tkhd")
    size = int.from_bytes(data[track - 4 : track], "big")
    matrix = track - 4 + size - 44
    data[matrix : matrix + 20] = bytes(4) + (1 << 16).to_bytes(4, "big") + bytes(12)
    path = tmp_path / "turned.mp4"
    path.write_bytes(data)
    assert read_mp4_header(path) is None
    path.write_bytes(video.read_bytes().replace(b"udta", b"mvex"))
    assert b"udta" in video.read_bytes() and read_mp4_header(path) is None


def test_other_files(tmp_path):
    path = tmp_path / "x.mp4"
    for data in (b"", b"RIFF" + bytes(60), bytes(200), b"hello world, this is text"):
        path.write_bytes(data)
        assert read_mp4_header(path) is None
    with pytest.raises(FileError, match="No such file"):
        read_mp4_header(tmp_path / "none.mp4")


def test_damaged_headers(video, tmp_path):
    path = tmp_path / "damaged.mp4"
    data = video.read_bytes()
    start = data.index(b"moov") - 4
    found = 0
    for damaged in mutations(data[start:], 200):
        path.write_bytes(data[:start] + damaged)
        with bounded():
            header = read_mp4_header(path)
        assert header is None or isinstance(header, VideoHeader)
        found += header is not None
    assert 0 < found < 200
