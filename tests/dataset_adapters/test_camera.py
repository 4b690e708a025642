"""The camera against OpenCV's projection and undistortion, and against itself."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_adapters.camera import Camera, intrinsics, moved

SEEDS = st.integers(0, 2**32 - 1)


def random_camera(rng, n_coefficients=12, strength=1.0):
    """A camera with a lens as strong as real ones are; the first 8 keep OpenCV's rational model."""
    rotation, _ = cv2.Rodrigues(rng.uniform(-np.pi, np.pi, 3))
    sizes = np.array([0.25, 0.1, 0.003, 0.003, 0.05, 0.05, 0.02, 0.01, 2e-3, 2e-3, 2e-3, 2e-3])
    coefficients = strength * rng.uniform(-1, 1, 12) * sizes
    coefficients[n_coefficients:] = 0
    return Camera(
        R=rotation,
        t=rng.uniform(-3000, 3000, 3),
        K=intrinsics(*rng.uniform(500, 2500, 2), *rng.uniform(300, 1000, 2)),
        distortion=coefficients if n_coefficients else None,
        world_up=rng.normal(size=3),
        image_size=(1920, 1080),
    )


def points_in_view(rng, camera, n=40, widest=0.45):
    """World points up to `widest` (tangent of the angle) off the axis."""
    depth = rng.uniform(500, 20000, n)
    ideal = rng.uniform(-widest, widest, (n, 2))
    return camera.to_world(np.column_stack([ideal * depth[:, None], depth]))


@pytest.mark.parametrize("n_coefficients", [0, 4, 5, 8, 12])
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_projects_like_opencv(n_coefficients, seed):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng, n_coefficients)
    points = points_in_view(rng, camera)
    given_coefficients = None if camera.distortion is None else camera.distortion[:n_coefficients]
    expected, _ = cv2.projectPoints(
        points, cv2.Rodrigues(camera.R)[0], camera.t, camera.K, given_coefficients
    )
    np.testing.assert_allclose(camera.project(points), expected[:, 0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_coefficients", [4, 5, 8, 12])
@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_undistorts_like_opencv(n_coefficients, seed):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng, n_coefficients)
    pixels = camera.project(points_in_view(rng, camera))
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-12)
    expected = cv2.undistortPoints(
        pixels[:, None], camera.K, camera.distortion, P=camera.K, criteria=criteria
    )
    np.testing.assert_allclose(camera.undistort(pixels), expected[:, 0], rtol=0, atol=1e-4)


@given(seed=SEEDS, n_coefficients=st.sampled_from([0, 5, 12]))
@settings(max_examples=50, deadline=None)
def test_unproject_inverts_project(seed, n_coefficients):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng, n_coefficients)
    points = points_in_view(rng, camera)
    depth = camera.to_camera(points)[:, 2]
    found = camera.unproject(camera.project(points), depth)
    np.testing.assert_allclose(found, points, rtol=0, atol=1e-3)


@given(seed=SEEDS)
@settings(max_examples=50, deadline=None)
def test_camera_coordinates_and_back(seed):
    rng = np.random.default_rng(seed)
    camera = random_camera(rng)
    points = rng.uniform(-1e4, 1e4, (2, 3, 3))
    np.testing.assert_allclose(camera.to_world(camera.to_camera(points)), points, atol=1e-8)
    np.testing.assert_allclose(camera.to_camera(camera.center), 0, atol=1e-8)
    again = Camera.at(camera.center, camera.R, camera.K)
    np.testing.assert_allclose(again.t, camera.t, atol=1e-8)


@pytest.mark.parametrize("n", [1, 150, 3000, 20_000])
def test_points_are_moved_alike_however_many(n):
    rng = np.random.default_rng(n)
    points, matrix, shift = rng.normal(0, 1000, (n, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    points[0] = np.nan
    expected = points @ matrix + shift
    np.testing.assert_allclose(moved(points, matrix, shift), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        moved(points[:, None][:, [0, 0]], matrix, shift)[:, 1], expected, rtol=0, atol=1e-9
    )
    in_columns = moved(np.asfortranarray(points), matrix, shift)
    np.testing.assert_allclose(in_columns, expected, rtol=0, atol=1e-9)
    single = moved(points.astype(np.float32), matrix.astype(np.float32), shift.astype(np.float32))
    assert single.dtype == np.float32
    assert moved(points[:0], matrix, shift).shape == (0, 3)
    with pytest.raises(ValueError, match="must have 3 coordinates"):
        moved(np.zeros((n, 3, 4)), matrix, shift)


def test_projection_by_hand():
    # 2 m to the right and 1 m down at 4 m: 0.5 and 0.25 times the focal length from the centre.
    camera = Camera(np.eye(3), np.zeros(3), intrinsics(1000, 2000, 320, 240, skew=10))
    np.testing.assert_allclose(camera.project([2000, 1000, 4000]), [320 + 500 + 2.5, 240 + 500])


def test_points_behind_the_camera_are_not_seen():
    camera = Camera(np.eye(3), np.zeros(3), intrinsics(1000, 1000, 0, 0), distortion=(0.1,))
    points = np.array([[0, 0, -1.0], [0, 0, 0], [np.nan, np.nan, np.nan], [0, 0, 1]])
    assert np.isnan(camera.project(points)).all(1).tolist() == [True, True, True, False]


def test_points_next_to_the_centre_do_not_warn():
    camera = Camera(np.eye(3), np.zeros(3), intrinsics(500, 500, 100, 80), distortion=(0.1, 0.2))
    assert not np.isfinite(camera.project([1e7, 0, 5e-324])).all()


def test_pixels_that_no_point_is_imaged_at_have_no_ray():
    # r (1 - 0.5 r^2) has its largest value 0.5443 at r = 0.8165: farther out nothing is imaged.
    lens = Camera(np.eye(3), np.zeros(3), intrinsics(1, 1, 0, 0), distortion=(-0.5,))
    rays = lens.camera_from_image(np.array([[0.54, 0], [0.56, 0]]))
    assert np.isfinite(rays[0]).all() and np.isnan(rays[1, :2]).all()
    assert rays[0, 0] == pytest.approx(0.7533, abs=0.01)


def test_a_resized_image_keeps_its_points():
    rng = np.random.default_rng(0)
    camera = random_camera(rng)
    points = points_in_view(rng, camera)
    half = camera.resized(0.5)
    # The middle of the first 2 x 2 pixels becomes the middle of the first pixel.
    np.testing.assert_allclose(half.project(points), camera.project(points) / 2 - 0.25, atol=1e-9)
    assert half.image_size == (960, 540)


def test_up_is_turned_to_the_camera():
    R = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])
    camera = Camera(R, np.zeros(3), np.eye(3), world_up=(0, 0, 2))
    np.testing.assert_allclose(camera.up, [0, -1, 0])
    assert Camera(R, np.zeros(3), np.eye(3)).up is None


@pytest.mark.parametrize(
    "change, fragment",
    [
        ({"R": np.eye(2)}, r"R must have shape \(3, 3\)"),
        ({"R": np.diag([1, 1, -1.0])}, "R must be a rotation"),
        ({"R": 1.01 * np.eye(3)}, "R must be a rotation"),
        ({"R": 1e200 * np.ones((3, 3))}, "R must be a rotation"),
        ({"t": [0, 0]}, "t must have shape"),
        ({"t": [0, 0, np.inf]}, "t must be finite"),
        ({"K": np.diag([-1, 1, 1.0])}, "positive focal lengths"),
        ({"K": np.ones((3, 3))}, "last row 0 0 1"),
        ({"distortion": np.zeros(13)}, "at most 12 coefficients"),
        ({"distortion": [np.nan]}, "distortion must be finite"),
        ({"world_up": (0, 0, 0)}, "world_up must have a length"),
        ({"image_size": (0, 5)}, "image_size must be positive"),
    ],
)
def test_nonsense_is_refused(change, fragment):
    values = {"R": np.eye(3), "t": np.zeros(3), "K": np.eye(3), **change}
    with pytest.raises(ValueError, match=fragment):
        Camera(**values)


def test_the_arrays_of_a_camera_cannot_be_changed():
    camera = Camera(np.eye(3), np.zeros(3), np.eye(3), distortion=(0.1,))
    for name in ("R", "t", "K", "distortion"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(camera, name)[0] = 5
