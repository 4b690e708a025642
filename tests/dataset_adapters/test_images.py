"""Images and videos: pixels in RGB, exact frames, and one line for whatever is damaged."""

import cv2
import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations

from dataset_adapters.containers.errors import FileError
from dataset_adapters.images import image_size, read_image, read_video, video_size


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
