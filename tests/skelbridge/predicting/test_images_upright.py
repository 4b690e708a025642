"""Pictures as their owners see them."""

import io

import numpy as np
import pytest
from fuzzing import assert_result_or_user_error, mutations
from PIL import Image, ImageOps

from skelbridge.predicting import read_upright
from skeleton_defs import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def saved(path, **options):
    Image.fromarray(PIXELS).save(path, **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_exif_orientation(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a{suffix}", exif=exif)
    with Image.open(path) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    # Decoders of JPEG round in different ways.
    np.testing.assert_allclose(read_upright(path).astype(int), expected.astype(int), atol=3)


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".webp", ".gif", ".ppm", ".tga", ".pcx"])
def test_formats(tmp_path, suffix):
    picture = read_upright(
        saved(tmp_path / f"a{suffix}", **({"lossless": True} if suffix == ".webp" else {}))
    )
    assert picture.shape == (5, 7, 3) and picture.dtype == np.uint8
    # A GIF's 256 colours are enough for 35 pixels.
    np.testing.assert_array_equal(picture, PIXELS)


@pytest.mark.parametrize("mode", ["L", "RGBA", "1", "P", "I;16", "CMYK", "LA"])
def test_other_colours_become_rgb(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((5, 7), 65535, np.uint16))
    else:
        image = Image.new(mode, (7, 5), 0 if mode == "CMYK" else "white")
    image.save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    picture = read_upright(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    assert picture.shape == (5, 7, 3)
    assert picture.min() == 255


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found an empty file"),
        (b"nonsense" * 9, "expected an image"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "truncated"),
        (b"GIF89a\x07\x00", "expected an image"),
    ],
)
def test_what_is_no_picture(tmp_path, data, message):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_upright(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp", ".tif"])
def test_cut_off(tmp_path, suffix):
    path = saved(tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    with pytest.raises(UserError):
        read_upright(path)


def test_missing_and_folder(tmp_path):
    with pytest.raises(UserError, match="no such image"):
        read_upright(tmp_path / "none.png")
    with pytest.raises(UserError, match="found a folder"):
        read_upright(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_damage(tmp_path, kind):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(buffer, kind, **({} if kind == "GIF" else {"exif": exif}))
    path = tmp_path / "a"
    for data in mutations(buffer.getvalue(), 50):
        path.write_bytes(data)
        assert_result_or_user_error(lambda: read_upright(path))
