"""Geometry of crops, without pixels."""

from dataclasses import replace

import numpy as np
import pytest

from dataset_adapters.camera import Camera, intrinsics
from skelbridge.data import Augmentation, CropOptions
from skelbridge.data.views import N_DRAWS, crop_views
from skelbridge.store import Batch, Group
from skeleton_defs import UserError

SIDE = 200
CROP = CropOptions(side=SIDE)
PLAIN = Augmentation.none()
CENTER = np.full(2, (SIDE - 1) / 2)
CAMERA = Camera(
    R=np.array([[0.96, 0, -0.28], [0, 1, 0], [0.28, 0, 0.96]]),
    t=(100, -50, 20),
    K=intrinsics(900, 910, 330, 250),
    world_up=(0.1, -1, 0.2),
    image_size=(640, 480),
)


def batch_of(camera=CAMERA, *, box=(300, 100, 90, 210), image_size=(640, 480)):
    """Returns the batch of one example."""
    known = camera or Camera(np.eye(3), np.zeros(3), np.eye(3))
    up = known.world_up
    return Batch(
        indices=np.array([7]), groups=[Group("some", "train", "h36m_17")], group=np.zeros(1, int),
        frame=np.zeros(1, int), joints3d=np.full((1, 17, 3), np.nan),
        joints2d=np.full((1, 17, 2), np.nan), validity=np.zeros((1, 17), bool),
        box=np.array([box], float), image_size=np.array([image_size]),
        has_camera=np.array([camera is not None]), R=known.R[None], t=known.t[None],
        K=known.K[None],
        distortion=np.zeros((1, 12)) if known.distortion is None else known.distortion[None],
        world_up=np.full((1, 3), np.nan) if up is None else up[None],
        sequence=[""], subject=[""], camera_name=[""], person=[""],
    )  # fmt: skip


def views_of(batch, *, augmentation=PLAIN, draws=None):
    draws = np.full((1, N_DRAWS), 0.5) if draws is None else draws
    return crop_views(batch, batch.box, draws, crop=CROP, augmentation=augmentation)


def in_crop(views, world):
    """Projects world points (P, 3) by the crop's camera alone."""
    points = (world - views.center[0]) @ views.R[0].T @ views.K[0].T
    return points[:, :2] / points[:, 2:]


def test_the_centre_of_the_box_is_the_centre_of_the_crop():
    views = views_of(batch_of())
    assert np.allclose(views.from_image(np.array([[[345.0, 205]]])), CENTER)
    world = CAMERA.unproject(np.array([[345.0, 205]]), 3000)
    assert np.allclose(in_crop(views, world), CENTER)


def test_the_ends_of_the_longer_axis_are_a_side_apart():
    for box, ends in (
        ((300, 100, 90, 210), [(345.0, 100), (345, 310)]),
        ((200, 100, 210, 90), [(200.0, 145), (410, 145)]),
    ):
        views = views_of(batch_of(box=box))
        first, last = views.from_image(np.array([ends]))[0]
        assert np.linalg.norm(last - first) == pytest.approx(SIDE)


def test_the_view_is_upright_in_the_world():
    views = views_of(batch_of())
    world = CAMERA.unproject(np.array([[345.0, 205]]), 3000)
    above = world + 300 * CAMERA.world_up
    up = in_crop(views, above)[0] - CENTER
    assert abs(up[0]) < 1e-9
    assert up[1] < 0


def test_without_a_known_up_the_images_is_taken():
    views = views_of(batch_of(replace(CAMERA, world_up=None)))
    by_image = views_of(batch_of(replace(CAMERA, world_up=CAMERA.R.T @ (0, -1, 0))))
    assert np.allclose(views.R, by_image.R)


def test_pixels_are_square_and_the_lens_is_perfect():
    lens = (-0.2, 0.24, -0.001, -0.002, -0.02)
    views = views_of(batch_of(replace(CAMERA, distortion=lens)))
    K = views.K[0]
    assert K[0, 0] == K[1, 1]
    assert K[:2, 2].tolist() == CENTER.tolist()
    assert K[0, 1] == 0
    # Points on a line in space are on a line in the crop.
    line = CAMERA.to_world(np.linspace((-400, -300, 3000), (500, 400, 3300), 9))
    points = in_crop(views, line)
    along = points - points[0]
    across = np.array([-along[-1, 1], along[-1, 0]]) / np.linalg.norm(along[-1])
    assert np.abs(along @ across).max() < 1e-9


@pytest.mark.parametrize("lens", [None, (-0.2, 0.24, -0.001, -0.002, -0.02)])
def test_both_ways_between_image_and_crop_agree_with_the_cameras(lens):
    camera = replace(CAMERA, distortion=lens)
    rng = np.random.default_rng(1)
    for flip in (0.0, 1.0):
        augmentation = Augmentation(flip=flip)
        views = views_of(batch_of(camera), augmentation=augmentation, draws=rng.random((1, 8)))
        world = camera.unproject(rng.uniform((250, 80), (450, 330), (20, 2)), 4000)
        expected = in_crop(views, world)
        pixels = camera.project(world)
        assert np.allclose(views.from_image(pixels[None])[0], expected, atol=1e-6)
        assert np.allclose(views.to_image(0, expected), pixels, atol=1e-6)


def test_the_homography_is_the_way_to_an_undistorted_image():
    views = views_of(batch_of(), augmentation=Augmentation(), draws=np.full((1, 8), 0.2))
    points = np.array([(3.0, 4), (120, 20), (50, 180)])
    through = np.concatenate([points, np.ones((3, 1))], axis=1) @ views.homography[0].T
    assert np.allclose(through[:, :2] / through[:, 2:], views.to_image(0, points))


def test_zoom_roll_and_shift_are_what_was_drawn():
    draws = np.full((1, N_DRAWS), 0.5)
    plain = views_of(batch_of())
    draws[0, 2] = 0.75  # 0.75 + 0.75 * 0.5
    zoomed = views_of(batch_of(), augmentation=Augmentation(shift=0, flip=0), draws=draws)
    assert zoomed.K[0, 0, 0] / plain.K[0, 0, 0] == pytest.approx(1.125)
    draws[0, 2:4] = 0.5, 0.75  # Half of 20 degrees.
    rolled = views_of(batch_of(), augmentation=Augmentation(shift=0, flip=0), draws=draws)
    turn = rolled.R[0] @ plain.R[0].T
    c, s = np.cos(np.pi / 18), np.sin(np.pi / 18)
    assert np.allclose(turn, [[c, -s, 0], [s, c, 0], [0, 0, 1]])
    draws = np.full((1, N_DRAWS), 0.5)
    draws[0, :2] = 0.25, 0.25  # Half the radius, downward.
    shifted = views_of(batch_of(), augmentation=Augmentation(flip=0), draws=draws)
    center = np.array([[[345, 205 + 0.1 * 210 * 0.5]]])
    assert np.allclose(shifted.from_image(center), CENTER)


def test_a_flipped_view_is_the_mirror_image():
    plain = views_of(batch_of())
    flipped = views_of(batch_of(), augmentation=Augmentation.none(flip=True))
    assert np.linalg.det(plain.R[0]) == pytest.approx(1)
    assert np.linalg.det(flipped.R[0]) == pytest.approx(-1)
    pixels = np.array([[(310.0, 120), (380, 300)]])
    before, after = plain.from_image(pixels), flipped.from_image(pixels)
    assert np.allclose(after[..., 0], SIDE - 1 - before[..., 0])
    assert np.allclose(after[..., 1], before[..., 1])
    # Twice mirrored is not mirrored.
    mirror = flipped.R[0] @ plain.R[0].T
    assert np.allclose(mirror @ mirror, np.eye(3))


def test_without_a_camera_the_crop_is_a_shifted_piece():
    draws = np.random.default_rng(3).random((1, N_DRAWS))
    batch = batch_of(None)
    views = views_of(batch, augmentation=Augmentation(flip=1), draws=draws)
    focal = 640 / (2 * np.tan(np.deg2rad(4)))
    assert views.intrinsics[0, 0, 0] == pytest.approx(focal)
    assert views.intrinsics[0, :2, 2].tolist() == [319.5, 239.5]
    # A similarity: the homography is affine, its linear part a scaled (mirrored) rotation.
    homography = views.homography[0] / views.homography[0, 2, 2]
    assert np.allclose(homography[2], (0, 0, 1))
    linear = homography[:2, :2] * views.zoom[0]
    assert np.allclose(linear @ linear.T, np.eye(2))
    assert np.linalg.det(linear) == pytest.approx(-1)
    # The view is not turned: the camera's axis is still perpendicular to the image.
    assert np.allclose(views.R[0, 2], (0, 0, 1))
    assert views.K[0, 0, 0] == pytest.approx(focal * views.zoom[0])


def test_without_a_camera_and_augmentation_the_box_fills_the_crop():
    views = views_of(batch_of(None))
    found = views.from_image(np.array([[(345.0, 205), (345, 100), (345, 310)]]))[0]
    assert np.allclose(found - CENTER, [(0, 0), (0, -100), (0, 100)])


def test_a_view_straight_down_does_not_fail():
    camera = Camera(np.eye(3), np.zeros(3), intrinsics(900, 900, 320, 240), world_up=(0, 0, -1))
    views = views_of(batch_of(camera, box=(270, 190, 100, 100)))
    assert np.isfinite(views.R).all()
    assert np.allclose(views.R[0] @ views.R[0].T, np.eye(3))


@pytest.mark.parametrize("box", [(1, 2, np.nan, 3), (1, 2, 0, 3), (1, 2, 3, -1)])
def test_a_bad_box_is_told(box):
    with pytest.raises(UserError, match="example 7 .some. must have a box of more than 0 px"):
        views_of(batch_of(box=box))


def test_an_unknown_size_is_told_where_it_is_needed():
    assert views_of(batch_of(image_size=(0, 0))).zoom.shape == (1,)
    with pytest.raises(UserError, match="example 7 .some. has neither a camera nor an image size"):
        views_of(batch_of(None, image_size=(0, 0)))
