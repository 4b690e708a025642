"""Crops: the pixels move where the crop's camera says, in linear light, without aliasing."""

import cv2
import numpy as np
import pytest

from dataset_adapters.camera import Camera, intrinsics
from skelbridge.store.crops import (
    CropRule,
    coarse_map,
    flat_crop,
    lens_limit,
    refined_map,
    turned_crop,
)
from skelbridge.store.resampling import from_jpeg, resampler_of, to_jpeg

SIZE = (800, 600)
RULE = CropRule()


def camera(*, lens=None, roll=0.0, up=(0, 0, 1)):
    """A camera 4 m in front of the world's origin, rolled by `roll` degrees."""
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])
    turn, _ = cv2.Rodrigues(np.array([0, 0, np.deg2rad(roll)]))
    return Camera.at(
        (0, -4000, 0),
        turn @ upright,
        intrinsics(900, 930, 390, 310),
        distortion=lens,
        world_up=up,
        image_size=SIZE,
    )


def dots(seed=0, n=6, spread=(500, 300, 800), center=(600, 0, -300)):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n, 3)) * spread + center


def picture_of(points):
    """White blobs on black, drawn with sub-pixel centres."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    image = np.zeros(y.shape)
    for u, v in points:
        image += np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 2.5**2))
    return np.repeat((255 * np.clip(image, 0, 1) ** (1 / 2.2)).astype(np.uint8)[..., None], 3, 2)


def found_near(image, guess, radius=9):
    """The centre of light around a pixel."""
    light = (image[..., 0] / 255.0) ** 2.2
    x0, y0 = np.round(guess).astype(int)
    y, x = np.mgrid[y0 - radius : y0 + radius + 1, x0 - radius : x0 + radius + 1]
    part = light[y0 - radius : y0 + radius + 1, x0 - radius : x0 + radius + 1]
    return np.array([(part * x).sum(), (part * y).sum()]) / part.sum()


LENSES = {
    "ideal": None,
    "barrel": (-0.3, 0.1, 0.002, -0.001, 0.0),
    "rational": (0.1, -0.05, 0.001, 0.002, 0.01, 0.2, 0.02, 0.01, 1e-3, 0, -1e-3, 0),
}


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("roll", [0, 20, -90])
@pytest.mark.parametrize("max_box", [384, 120])
def test_pixels_move_where_the_new_camera_projects(lens, roll, max_box):
    source = camera(lens=LENSES[lens], roll=roll)
    points = dots(seed=roll + 91)
    seen = source.project(points)
    box = np.concatenate([seen.min(0), np.ptp(seen, axis=0)])
    crop = turned_crop(source, box, SIZE, CropRule(max_box_px=max_box))
    image = resampler_of(crop, SIZE).image(picture_of(seen))
    assert image.shape[1::-1] == crop.size == crop.camera.image_size
    expected = crop.camera.project(points)
    np.testing.assert_allclose(crop.points(seen), expected, atol=1e-6)
    apart = np.linalg.norm(expected[:, None] - expected[None], axis=-1) + 99 * np.eye(len(points))
    checked = 0
    for place in expected[apart.min(1) > 20]:
        if (place > 10).all() and (place < np.array(crop.size) - 11).all():
            assert found_near(image, place) == pytest.approx(place, abs=0.12)
            checked += 1
    assert checked >= 3


def test_the_crop_is_centred_upright_and_without_distortion():
    source = camera(lens=LENSES["barrel"], roll=35)
    box = np.array([500.0, 300, 60, 120])
    crop = turned_crop(source, box, SIZE, RULE)
    own = crop.camera
    center = crop.points(box[:2] + box[2:] / 2)
    np.testing.assert_allclose(own.K[:2, 2], center, atol=1e-6)
    assert not own.is_distorted and own.K[0, 0] == own.K[1, 1] and own.K[0, 1] == 0
    np.testing.assert_allclose(own.center, source.center, atol=1e-6)
    # The world's up has no sideways part.
    assert own.up[0] == pytest.approx(0, abs=1e-9) and own.up[1] < 0


def test_without_known_up_the_roll_stays():
    source = camera(roll=35, up=None)
    crop = turned_crop(source, np.array([370.0, 280, 40, 60]), SIZE, RULE)
    turn = crop.camera.R @ source.R.T
    np.testing.assert_allclose(turn, np.eye(3), atol=0.02)


def test_looking_straight_down_is_no_problem():
    down = Camera.at(
        (0, 0, 5000), np.diag([1, -1, -1.0]), intrinsics(900, 900, 399.5, 299.5), world_up=(0, 0, 1)
    )
    crop = turned_crop(down, np.array([359.5, 239.5, 80, 120]), SIZE, RULE)
    np.testing.assert_allclose(crop.camera.R, down.R, atol=1e-9)


@pytest.mark.parametrize(
    "box, larger",
    [((350, 200, 100, 200), 240), ((100, 50, 300, 500), 384), ((0, 0, 800, 600), 384)],
)
def test_size_of_the_person(box, larger):
    # Enlarged by at most 1.2, and at most 384 px.
    for crop in (
        turned_crop(camera(), np.array(box, float), SIZE, RULE),
        flat_crop(np.array(box, float), SIZE, RULE),
    ):
        assert max(crop.box[2:]) == pytest.approx(larger, rel=0.01)


def test_side_of_the_square():
    # 100 x 200 turned by 30 degrees: 0.5 * 100 + 0.866 * 200 = 223.2; by 1.1 / 0.85^2: 339.8.
    assert RULE.side(100, 200) == pytest.approx(339.8, abs=0.1)
    crop = turned_crop(camera(), np.array([350.0, 200, 50, 100]), SIZE, RULE)
    assert crop.size == pytest.approx((1.2 * 339.8 / 2, 1.2 * 339.8 / 2), abs=3)


def test_the_crop_ends_with_the_image():
    box = np.array([740.0, 200, 60, 200])
    for crop in (turned_crop(camera(), box, SIZE, RULE), flat_crop(box, SIZE, RULE)):
        width, height = crop.size
        assert width < 0.65 * height
        right_edge = crop.points(np.array([799.5, 300.0]))
        assert right_edge[0] == pytest.approx(width - 0.5, abs=3)


@pytest.mark.parametrize("box", [(900, 100, 50, 50), (-200, 10, 100, 50), (100, -300, 50, 100)])
def test_boxes_out_of_the_image_have_no_crop(box):
    assert flat_crop(np.array(box, float), SIZE, CropRule(margin=0.5)) is None
    assert turned_crop(camera(), np.array(box, float), SIZE, CropRule(margin=0.5)) is None


def test_a_box_of_no_size_has_no_crop():
    assert flat_crop(np.array([10.0, 10, 0, 0]), SIZE, RULE) is None
    assert turned_crop(camera(), np.array([10.0, 10, 0, 0]), SIZE, RULE) is None


def source_map(crop):
    return np.stack([refined_map(plane, crop.size) for plane in coarse_map(crop)], axis=-1)


def test_the_interpolated_map_is_exact_enough():
    for lens in LENSES.values():
        crop = turned_crop(camera(lens=lens), np.array([600.0, 60, 150, 300]), SIZE, RULE)
        x, y = np.meshgrid(np.arange(crop.size[0]), np.arange(crop.size[1]))
        rays = crop.camera.camera_from_image(np.stack([x, y], -1).astype(float))
        exact = crop.source.image_from_camera(rays @ (crop.camera.R @ crop.source.R.T))
        assert np.isfinite(exact).all()
        assert np.abs(source_map(crop) - exact).max() < 0.02


def test_a_lens_beyond_its_range_shows_nothing_twice():
    # r - 0.5 r^3 grows up to r = sqrt(2/3) and would show the same pixels again beyond.
    lens = np.zeros(12)
    lens[0] = -0.5
    assert lens_limit(lens.tobytes()) == pytest.approx(np.sqrt(2 / 3), abs=2e-3)
    wide = Camera(np.eye(3), np.zeros(3), intrinsics(600, 600, 399.5, 299.5), distortion=lens)
    crop = turned_crop(wide, np.array([620.0, 250, 60, 100]), SIZE, CropRule(margin=6))
    seen = source_map(crop)
    inside = ((seen > 0) & (seen < 800)).all(-1)
    rays = crop.camera.camera_from_image(np.argwhere(inside)[:, ::-1].astype(float))
    rays = rays @ (crop.camera.R @ wide.R.T)
    assert (np.hypot(rays[:, 0], rays[:, 1]) / rays[:, 2]).max() < 0.83


def test_flat_crops_scale_the_pixels_they_show():
    rng = np.random.default_rng(5)
    seen = rng.uniform([260, 180], [420, 420], (5, 2))
    box = np.array([250.0, 170, 180, 260])
    crop = flat_crop(box, SIZE, RULE)
    image = resampler_of(crop, SIZE).image(picture_of(seen))
    expected = crop.points(seen)
    apart = np.linalg.norm(expected[:, None] - expected[None], axis=-1) + 99 * np.eye(5)
    for place in expected[apart.min(1) > 20]:
        assert found_near(image, place) == pytest.approx(place, abs=0.1)
    np.testing.assert_allclose(crop.points(box[:2]), crop.box[:2])
    np.testing.assert_allclose(crop.points(box[:2] + box[2:]), crop.box[:2] + crop.box[2:])


@pytest.mark.parametrize("factor", [1.3, 1.6, 1.9, 2.0, 3.4, 7.7])
def test_fine_patterns_become_their_mean_light(factor):
    # Black and white columns of one pixel.
    image = np.zeros((600, 800, 3), np.uint8)
    image[:, ::2] = 255
    box = np.array([250.0, 150, 250, 300])
    crop = flat_crop(box, SIZE, CropRule(max_box_px=300 / factor))
    light = (resampler_of(crop, SIZE).image(image)[12:-12, 12:-12] / 255.0) ** 2.2
    assert light.mean() == pytest.approx(0.5, abs=0.03)
    # What is left of the stripes (0.5 without any filter), against an exact mean over areas.
    size = round(800 / factor), round(600 / factor)
    exact = cv2.resize(image / np.float32(255), size, interpolation=cv2.INTER_AREA)
    assert light.std() < 1.5 * exact[12:-12, 12:-12].std() + 0.03


def cubic(light, x, y):
    """Light (height, width, 3) at any places by cubic convolution (a = -0.75), black outside."""
    first_x, first_y = np.floor(x).astype(int), np.floor(y).astype(int)
    padded = np.pad(light, ((3, 3), (3, 3), (0, 0)))
    total = 0.0
    for j in range(-1, 3):
        for i in range(-1, 3):
            near = abs(np.stack([x - first_x - i, y - first_y - j]))
            inner = 1.25 * near**3 - 2.25 * near**2 + 1
            outer = -0.75 * (near**3 - 5 * near**2 + 8 * near - 4)
            weight = np.where(near < 1, inner, outer).prod(0)
            rows = np.clip(first_y + j + 3, 0, padded.shape[0] - 1)
            columns = np.clip(first_x + i + 3, 0, padded.shape[1] - 1)
            total = total + weight[..., None] * padded[rows, columns]
    return total


def supersampled(picture, crop, n):
    """The crop in float64: cubic at n x n exact places per pixel, averaged in linear light."""
    light = (picture / 255.0) ** 2.2
    v, u = np.mgrid[: crop.size[1], : crop.size[0]].astype(float)
    total = 0.0
    for dv in (np.arange(n) + 0.5) / n - 0.5:
        for du in (np.arange(n) + 0.5) / n - 0.5:
            places = np.stack([u + du, v + dv], axis=-1)
            if crop.camera is None:
                x, y = np.moveaxis((places + 0.5) / crop.zoom + crop.origin, -1, 0)
            else:
                rays = crop.camera.camera_from_image(places) @ crop.camera.R @ crop.source.R.T
                x, y = np.moveaxis(crop.source.image_from_camera(rays), -1, 0)
            total = total + cubic(light, x, y)
    return 255 * np.clip(total / n**2, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize(
    "max_box, turned_error, flat_error",
    # Enlarged 1.2 times, as large, filtered (0.8), halved, a third; in levels of 255, of detail
    # of 5 px: what was measured, so that nothing that makes it faster makes it worse.
    [(108, 1.46, 1.53), (90, 1.29, 1.28), (72, 3.95, 3.05), (45, 7.9, 2.55), (27, 13.8, 2.45)],
)
def test_the_error_against_supersampling_in_double_precision(max_box, turned_error, flat_error):
    rng = np.random.default_rng(2)
    rough = rng.integers(0, 255, (600 // 5, 800 // 5, 3), np.uint8)
    smooth = cv2.resize(rough, SIZE, interpolation=cv2.INTER_CUBIC)
    picture = np.clip(smooth + rng.integers(-6, 7, smooth.shape), 0, 255).astype(np.uint8)
    box = np.array([300.0, 200, 50, 90])
    rule = CropRule(max_box_px=max_box)
    for crop, largest in (
        (turned_crop(camera(lens=LENSES["barrel"], roll=5), box, SIZE, rule), turned_error),
        (flat_crop(box, SIZE, rule), flat_error),
    ):
        found = resampler_of(crop, SIZE).image(picture)
        exact = supersampled(picture, crop, 2 if max_box > 60 else 4)
        error = (found - exact)[3:-3, 3:-3]
        assert np.sqrt((error**2).mean()) < largest


@pytest.mark.parametrize("zoom", [384, 150, 40])
def test_plain_areas_keep_their_colour(zoom):
    image = np.full((600, 800, 3), (40, 128, 220), np.uint8)
    crop = turned_crop(camera(), np.array([300.0, 150, 120, 300]), SIZE, CropRule(max_box_px=zoom))
    inner = resampler_of(crop, SIZE).image(image)[8:-8, 8:-8]
    assert np.abs(inner.astype(int) - (40, 128, 220)).max() <= 1


def test_silhouettes_move_with_the_pixels():
    mask = np.zeros((600, 800), bool)
    mask[200:400, 300:420] = True
    source = camera(lens=LENSES["barrel"])
    box = np.array([299.5, 199.5, 120, 200])
    crop = turned_crop(source, box, SIZE, RULE)
    moved = resampler_of(crop, SIZE).silhouette(mask)
    rows, columns = np.nonzero(moved)
    np.testing.assert_allclose(
        [columns.min(), rows.min(), np.ptp(columns), np.ptp(rows)], crop.box, atol=4
    )


def test_jpeg_there_and_back():
    image = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), (80, 60))
    again = from_jpeg(to_jpeg(image, 95))
    assert np.abs(image.astype(int) - again).mean() < 4
    assert from_jpeg(b"no picture") is None
