"""Colours, backgrounds, things in front, parts of boxes."""

import itertools

import cv2
import numpy as np
import pytest

from dataset_adapters.containers.errors import FileError
from skelbridge.data import (
    PUBLISHED_CORRECTIONS,
    Augmentation,
    Backgrounds,
    ColourCorrection,
    CropOptions,
    Occluders,
)
from skelbridge.data.colour import colour_maps, recoloured
from skelbridge.data.occluders import erase
from skelbridge.data.partial_boxes import partly_visible
from skeleton_defs import UserError


def draws(**numbers):
    """Returns draws of brightness, contrast, hue, saturation (0.5: unchanged) and their order."""
    order = numbers.pop("order", (0, 1, 2, 3))
    values = [numbers.get(n, 0.5) for n in ("brightness", "contrast", "hue", "saturation")]
    return np.array([[*values, *(0.1 + 0.2 * np.argsort(order))]])


def mapped(colour, **numbers):
    (whole,) = colour_maps(draws(**numbers), Augmentation())
    return whole @ [*colour, 1]


def test_the_middle_of_all_spans_changes_nothing():
    assert np.allclose(mapped((10, 200, 90)), (10, 200, 90))


def test_each_change_is_what_it_says():
    colour = np.array([10.0, 200, 90])
    assert np.allclose(mapped(colour, brightness=1), colour + 0.125 * 255)
    assert np.allclose(mapped(colour, contrast=0), 127.5 + 0.5 * (colour - 127.5))
    grey = colour @ (0.299, 0.587, 0.114)
    assert np.allclose(mapped(colour, saturation=1), grey + 1.5 * (colour - grey))
    turned = mapped(colour, hue=1)
    assert turned.sum() == pytest.approx(colour.sum())
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(colour))
    off, was = turned - colour.mean(), colour - colour.mean()
    cosine = off @ was / np.linalg.norm(off) / np.linalg.norm(was)
    assert cosine == pytest.approx(np.cos(np.deg2rad(72)))
    assert np.allclose(mapped((77, 77, 77), hue=1), 77)
    assert np.allclose(mapped((77, 77, 77), saturation=0), 77)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_the_order_is_kept(order):
    single = {"brightness": 0.9, "contrast": 0.1, "hue": 0.8, "saturation": 0.2}
    names = list(single)
    expected = np.array([10.0, 200, 90])
    for i in order:
        expected = mapped(expected, **{names[i]: single[names[i]]})
    assert np.allclose(mapped((10, 200, 90), order=order, **single), expected)


def test_all_orders_occur():
    random = np.random.default_rng(0).random((500, 8))
    random[:, :4] = 0.9, 0.1, 0.8, 0.2
    maps = colour_maps(random, Augmentation())
    # All commute but hue with saturation, and brightness with contrast.
    assert len({m.round(9).tobytes() for m in maps}) == 4


def test_pixels_are_cut_at_the_ends_only():
    rgba = np.random.default_rng(0).integers(0, 256, (40, 30, 4), np.uint8)
    (whole,) = colour_maps(draws(brightness=0.9, contrast=1, hue=0.1), Augmentation())
    exact = rgba[..., :3].astype(float) @ whole[:, :3].T + whole[:, 3]
    assert exact.min() < 0
    assert exact.max() > 255
    found = recoloured(rgba, whole)
    assert np.abs(found - np.clip(exact, 0, 255)).max() <= 1
    assert np.array_equal(recoloured(rgba, None), rgba[..., :3])


def test_a_tint_is_taken_out():
    """A grey picture seen through the tint becomes about grey again."""
    correction = ColourCorrection(tint=(120, 138))
    grey = np.full((8, 8, 3), 200, np.uint8)
    lab = cv2.cvtColor(grey, cv2.COLOR_RGB2Lab).astype(int)
    lab[..., 1:] += (-8, 10)
    tinted = cv2.cvtColor(lab.astype(np.uint8), cv2.COLOR_Lab2RGB)
    assert np.ptp(tinted[0, 0].astype(int)) > 20
    assert np.ptp(correction.apply(tinted)[0, 0].astype(int)) < 8
    black = np.zeros((8, 8, 3), np.uint8)
    assert correction.apply(black).max() <= 1


def test_gamma_and_sequences():
    correction = PUBLISHED_CORRECTIONS["mupots"]
    grey = np.full((2, 2, 3), 64, np.uint8)
    assert (correction.apply(grey) == round(255 * (64 / 255) ** 0.67)).all()
    assert correction.applies_to("TS5")
    assert not correction.applies_to("TS6")
    assert PUBLISHED_CORRECTIONS["panoptic"].applies_to("anything")


def test_erased_rectangles_lie_inside_and_are_not_too_large():
    shares = []
    for i in range(200):
        crop = np.zeros((64, 64, 3), np.uint8)
        erase(crop, np.random.default_rng(i))
        rows, columns = np.nonzero(crop.any(-1))
        if len(rows):
            shares.append(np.ptp(rows) * np.ptp(columns) / 64**2)
    assert max(shares) < 0.36
    assert 0.12 < np.mean(shares) < 0.2  # A uniform share up to a third.


def test_pasted_things_are_opaque_and_partly_out_of_the_crop():
    occluders, touched = Occluders(), np.zeros((64, 64))
    for i in range(100):
        crop = np.full((64, 64, 4), 7, np.uint8)
        occluders.paste(crop, np.random.default_rng(i))
        touched += (crop[..., :3] != 7).any(-1)
    assert touched.min() > 0
    assert touched.mean() > 10


def test_objects_of_ones_own(tmp_path):
    thing = np.zeros((80, 60, 4), np.uint8)
    thing[20:60, 15:45] = (255, 0, 0, 255)  # Blue, in OpenCV's order.
    cv2.imwrite(str(tmp_path / "thing.png"), thing)
    occluders = Occluders(tmp_path)
    crop = np.zeros((256, 256, 4), np.uint8)
    occluders.paste(crop, np.random.default_rng(5))
    assert crop[..., 2].max() == 255
    assert crop[..., 0].max() == 0


def test_objects_need_alpha(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.jpg"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="photo.jpg: a cut-out object must be .* alpha"):
        Occluders(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"no image")
    with pytest.raises(FileError, match="photo.jpg: expected an image"):
        Occluders(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(FileError, match="photo.jpg: expected an image"):
        Occluders(tmp_path)


def test_folders_are_checked(tmp_path):
    with pytest.raises(UserError, match="expected a folder of background images"):
        Backgrounds(tmp_path / "none")
    with pytest.raises(UserError, match="there are none"):
        Backgrounds(tmp_path)


def test_backgrounds_fill_the_crop(tmp_path):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 90, 3), (10, 20, 200), np.uint8))
    random = np.random.default_rng(0)
    drawn = Backgrounds(tmp_path).draw(128, random)
    assert (drawn == (200, 20, 10, 255)).all()
    drawn = Backgrounds().draw(128, random)
    assert drawn.shape == (128, 128, 4)
    assert drawn[..., :3].std() > 5


def test_the_silhouette_stays(tmp_path):
    crop = np.full((32, 32, 4), 50, np.uint8)
    silhouette = np.zeros((32, 32), np.uint8)
    silhouette[8:24, 8:24] = 255
    mixed = Backgrounds().behind(crop, silhouette, np.random.default_rng(1))
    assert (mixed[8:24, 8:24, :3] == 50).all()
    assert (mixed[:8, :, :3] != 50).any()


def test_parts_of_boxes_are_within():
    random = np.random.default_rng(0).random((1000, 5))
    boxes = np.tile([10.0, 20, 100, 200], (1000, 1))
    parts = partly_visible(boxes, random, 0.5)
    changed = (parts != boxes).any(1)
    assert 0.42 < changed.mean() < 0.58
    assert (parts[:, :2] >= (10, 20)).all()
    assert (parts[:, :2] + parts[:, 2:] <= (110, 220 + 1e-9)).all()
    assert parts[:, 2].min() >= 30
    assert np.array_equal(partly_visible(boxes, random, 0), boxes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip": 1.5}, "flip must be from 0 to 1. Received 1.5"),
        ({"zoom": (1.2, 0.8)}, "zoom must be from 1.2 to 10. Received 0.8"),
        ({"background_of": {"agora": 2}}, "background_of.'agora'. must be"),
        ({"rotation_degrees": float("nan")}, "rotation_degrees must be"),
    ],
)
def test_bad_augmentation_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Augmentation(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 4}, "side must be from 8 to 4096. Received 4"),
        ({"image_dtype": "float16"}, "image_dtype must be float32 or uint8. Received 'float16'"),
    ],
)
def test_bad_crop_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        CropOptions(**options)
