"""Images and videos: pixels in RGB, exact frames, and one line for whatever is damaged."""

import ast
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters import images
from dataset_adapters.containers.errors import FileError
from dataset_adapters.images import (
    BAYER_PATTERNS,
    ImageRef,
    image_size,
    load,
    load_each,
    read_image,
    read_silhouette,
    read_video,
    video_header,
    video_size,
)


def orange(height=20, width=30):
    return np.full((height, width, 3), (250, 120, 10), np.uint8)


def encoded(picture, suffix=".png"):
    return cv2.imencode(suffix, picture[..., ::-1])[1].tobytes()


@pytest.fixture
def video(tmp_path):
    """Frames of brightness 10, 30, 50, ..."""
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for i in range(10):
        writer.write(np.full((48, 64, 3), 10 + 20 * i, np.uint8))
    writer.release()
    return path


def test_pixels_are_rgb_as_stored(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(orange()))
    np.testing.assert_array_equal(read_image(path), orange())
    assert image_size(path) == (30, 20)


def test_grey_and_transparent_images_become_rgb(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((4, 5), 77, np.uint8))
    assert (read_image(path) == 77).all() and read_image(path).shape == (4, 5, 3)
    cv2.imwrite(str(path), np.full((4, 5, 4), 77, np.uint8))
    assert read_image(path).shape == (4, 5, 3)


def test_orientation_tags_are_ignored(tmp_path):
    from PIL import Image

    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # Turn by 90 degrees for viewing.
    Image.fromarray(orange()).save(path, exif=exif)
    assert read_image(path).shape == (20, 30, 3) and image_size(path) == (30, 20)


def test_a_truncated_jpeg_is_not_filled_with_grey(tmp_path):
    data = encoded(np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8), ".jpg")
    path = tmp_path / "a.jpg"
    path.write_bytes(data + b"some program's trailer")
    assert read_image(path).shape == (60, 60, 3)
    path.write_bytes(data[:-200])
    with pytest.raises(FileError, match="is truncated"):
        read_image(path)


@pytest.mark.parametrize("reader", [read_image, image_size])
def test_bad_images(reader, tmp_path):
    path = tmp_path / "a.jpg"
    with pytest.raises(FileError, match="No such file"):
        reader(path)
    for data in (b"", b"\xff\xd8\xff", b"no picture at all" * 50):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"a\.jpg: .*(expected an image|truncated)"):
            reader(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_damaged_images_end_in_one_line(suffix, tmp_path):
    good = encoded(np.random.default_rng(1).integers(0, 255, (12, 12, 3), np.uint8), suffix)
    for data in mutations(good, 60, seed=3):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(data)
        assert_result_or_user_error(read_image, path)
        assert_result_or_user_error(image_size, path)


def test_video_frames_are_exact(video):
    assert video_size(video) == (64, 48, 10)
    found = list(read_video(video, [7, 2, 2]))
    assert [index for index, _ in found] == [2, 7]
    assert [round(float(frame.mean())) for _, frame in found] == pytest.approx([50, 150], abs=2)


def test_a_video_that_ends_early(video):
    with pytest.raises(FileError, match="expected frame 12, found only 10 frames"):
        list(read_video(video, [3, 12]))


def test_no_video(tmp_path):
    with pytest.raises(FileError, match="found none"):
        list(read_video(tmp_path / "a.mp4", [0]))
    (tmp_path / "a.mp4").write_bytes(b"nothing" * 100)
    with pytest.raises(FileError, match="expected a video"):
        video_size(tmp_path / "a.mp4")


def mosaic_of(picture, pattern):
    """Returns what a sensor with this pattern stores of an RGB picture."""
    mosaic = np.empty(picture.shape[:2], np.uint8)
    for i, color in enumerate(pattern):
        place = np.s_[i // 2 :: 2, i % 2 :: 2]
        mosaic[place] = picture[(*place, "RGB".index(color))]
    return mosaic


@pytest.mark.parametrize("pattern", BAYER_PATTERNS)
def test_colours_are_made_of_a_mosaic(pattern, tmp_path):
    cv2.imwrite(str(tmp_path / "raw.pgm"), mosaic_of(orange(), pattern))
    np.testing.assert_array_equal(read_image(tmp_path / "raw.pgm", bayer=pattern), orange())
    np.testing.assert_array_equal(load(tmp_path, ImageRef("raw.pgm", bayer=pattern)), orange())


def test_a_picture_with_colours_is_no_mosaic(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(orange()))
    with pytest.raises(FileError, match="expected a raw mosaic of colours .GRBG., found"):
        read_image(path, bayer="GRBG")


def test_mirrored_files_and_frames_are_turned_back(tmp_path, video):
    ramp = np.repeat(np.arange(30, dtype=np.uint8)[None, :, None], 20, axis=0).repeat(3, axis=2)
    (tmp_path / "a.png").write_bytes(encoded(ramp))
    np.testing.assert_array_equal(load(tmp_path, ImageRef("a.png")), ramp)
    turned = load(tmp_path, ImageRef("a.png", mirrored=True))
    np.testing.assert_array_equal(turned, ramp[:, ::-1])
    assert turned.flags.c_contiguous
    frame = load(tmp_path, ImageRef(video.name, 4))
    assert abs(int(frame[5, 5, 0]) - 90) < 4
    mirrored = load(tmp_path, ImageRef(video.name, 4, mirrored=True))
    np.testing.assert_array_equal(mirrored, frame[:, ::-1])


def test_each_picture_is_loaded_once(tmp_path, video, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded(orange()))
    still, turned = ImageRef("a.png"), ImageRef("a.png", mirrored=True)
    wanted = [ImageRef(video.name, 7), still, ImageRef(video.name, 2), turned, still]
    opened = []
    decode, capture = cv2.imdecode, cv2.VideoCapture
    monkeypatch.setattr(cv2, "imdecode", lambda *a: opened.append("image") or decode(*a))
    monkeypatch.setattr(cv2, "VideoCapture", lambda *a: opened.append("video") or capture(*a))
    found = list(load_each(tmp_path, wanted))
    assert [image for image, _ in found] == [wanted[2], wanted[0], still, turned]
    brightness = [int(picture[5, 5, 0]) for _, picture in found]
    np.testing.assert_allclose(brightness, [50, 150, 250, 250], atol=3)
    assert sorted(opened) == ["image", "video"]


def test_files_of_a_dataset_s_own_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_FRAME_READERS", {})
    (tmp_path / "a.frames").write_text("any")

    def read(path, indices):
        assert path == tmp_path / "a.frames"
        yield from ((index, np.full((2, 3, 3), index, np.uint8)) for index in sorted(indices))

    with pytest.raises(FileError, match="expected a video"):
        load(tmp_path, ImageRef("a.frames", 7))
    images.register_frame_reader(".frames", read)
    assert (load(tmp_path, ImageRef("a.frames", 7)) == 7).all()
    wanted = [ImageRef("a.frames", i) for i in (4, 2)]
    assert [(ref.video_frame, p[0, 0, 0]) for ref, p in load_each(tmp_path, wanted)] == [
        (2, 2), (4, 4),
    ]  # fmt: skip


def test_images_know_no_dataset():
    tree = ast.parse(Path(images.__file__).read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules and not any("adapter" in module for module in modules)


def test_a_missing_frame_or_file_is_told(tmp_path, video):
    with pytest.raises(FileError, match="expected frame 30"):
        load(tmp_path, ImageRef(video.name, 30))
    with pytest.raises(FileError, match="none.png"):
        load(tmp_path, ImageRef("none.png"))


def test_a_silhouette_is_what_is_bright(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[0, 127, 128, 255]], np.uint8))
    assert read_silhouette(tmp_path / "a.png").tolist() == [[False, False, True, True]]
    assert read_silhouette(tmp_path / "a.png", above=126).sum() == 3


@pytest.mark.parametrize("name, codec", [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "MJPG")])
def test_headers_are_read_without_a_decoder_where_they_are_understood(
    tmp_path, monkeypatch, name, codec
):
    path = tmp_path / name
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 25, (64, 48))
    for _ in range(5):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    monkeypatch.setattr("dataset_adapters.videos._HEADER_READERS", {})
    by_decoder = video_header(path)
    monkeypatch.undo()
    monkeypatch.setattr(cv2, "VideoCapture", None)
    assert video_header(path) == by_decoder and by_decoder.n_frames == 5
    assert video_size(path) == (64, 48, 5) and by_decoder.rate == 25


def test_names_that_do_not_tell_are_left_to_the_decoder(tmp_path, video):
    path = video.rename(tmp_path / "a.mp4")
    assert video_header(path).n_frames == 10
    assert video_header(path.rename(tmp_path / "video")).n_frames == 10
    (tmp_path / "text.mkv").write_text("no video")
    for name in ("text.mkv", "none.mkv"):
        with pytest.raises(FileError, match="expected a video"):
            video_header(tmp_path / name)
