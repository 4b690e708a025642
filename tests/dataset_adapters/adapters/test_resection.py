import cv2
import numpy as np
import pytest

import skeleton_defs
from dataset_adapters.adapters._resection import find_cameras
from dataset_adapters.body_models.rotations import matrix_from_axis_angle

#: Thirteen joints of a body in its rest pose: nearly a plane.
FLAT = 1000 * skeleton_defs.get("smpl_24").rest_pose[[12, 16, 17, 18, 19, 20, 21, 1, 2, 4, 5, 7, 8]]


def scene(n, shape, *, seed=0, noise=0.0):
    """Points (n, P, 3) mm far from the origin, the same in camera coordinates, and their images."""
    rng = np.random.default_rng(seed)
    points = shape + rng.normal(0, 3000, (n, 1, 3))
    R = matrix_from_axis_angle(2 * rng.normal(size=(n, 3)))
    depth = rng.uniform(2500, 15_000, n)
    place = np.stack([rng.uniform(-0.4, 0.4, n), rng.uniform(-0.3, 0.3, n), np.ones(n)], 1)
    t = depth[:, None] * place - np.einsum("nij,nj->ni", R, points.mean(1))
    in_camera = np.einsum("nij,npj->npi", R, points) + t[:, None]
    ideal = in_camera[..., :2] / in_camera[..., 2:]
    return points, in_camera, ideal + rng.normal(0, 1, ideal.shape) * noise


def moved(found, points):
    return np.einsum("nij,npj->npi", found.R, points) + found.t[:, None]


def cloud(n, count, seed=1):
    return np.random.default_rng(seed).normal(size=(n, count, 3)) * [250, 450, 150]


@pytest.mark.parametrize("shape", [FLAT, cloud(200, 30)], ids=["flat", "solid"])
def test_exact_points_give_the_camera(shape):
    points, in_camera, ideal = scene(200, shape)
    found = find_cameras(points, ideal)
    np.testing.assert_allclose(moved(found, points), in_camera, rtol=0, atol=1e-3)
    assert (found.rms < 1e-9).all() and (found.focal_factor == 1).all()


def test_points_in_a_plane():
    points, in_camera, ideal = scene(200, cloud(200, 20) * [1, 1, 0])
    found = find_cameras(points, ideal)
    np.testing.assert_allclose(moved(found, points), in_camera, rtol=0, atol=1e-3)


def test_focal_length_is_found_within_its_bounds():
    points, in_camera, ideal = scene(100, cloud(100, 40))
    factor = np.random.default_rng(2).uniform(0.6, 1.8, 100)
    found = find_cameras(points, ideal * factor[:, None, None], focal_bounds=(0.4, 2.5))
    np.testing.assert_allclose(found.focal_factor, factor, rtol=1e-6)
    np.testing.assert_allclose(moved(found, points), in_camera, rtol=0, atol=0.05)
    found = find_cameras(points, ideal * 2, focal_bounds=(0.4, 1.5))
    np.testing.assert_allclose(found.focal_factor, 1.5)


def test_missing_points_do_not_matter_and_too_few_give_nothing():
    points, in_camera, ideal = scene(3, cloud(3, 20))
    points[0, ::2] = np.nan
    ideal[1, 3:9] = np.nan
    points[2, 5:] = np.nan
    found = find_cameras(points, ideal)
    for row in (0, 1):
        np.testing.assert_allclose(
            moved(found, np.nan_to_num(points))[row][~np.isnan(points[row, :, 0])],
            in_camera[row][~np.isnan(points[row, :, 0])], rtol=0, atol=1e-3,
        )  # fmt: skip
    assert np.isnan(found.R[2]).all() and np.isnan(found.rms[2])


def test_noisy_points_are_fitted_as_well_as_opencv_fits_them():
    points, _, ideal = scene(20, cloud(20, 40), noise=1e-3)
    found = find_cameras(points, ideal)
    for row in range(20):
        start = found.R[row], found.t[row]
        _, turn, t = cv2.solvePnP(
            points[row] - points[row].mean(0), ideal[row], np.eye(3), None,
            flags=cv2.SOLVEPNP_EPNP,
        )  # fmt: skip
        turn, t = cv2.solvePnPRefineLM(
            points[row] - points[row].mean(0), ideal[row], np.eye(3), None, turn, t,
            criteria=(cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 200, 1e-12),
        )  # fmt: skip
        in_theirs = (points[row] - points[row].mean(0)) @ cv2.Rodrigues(turn)[0].T + t[:, 0]
        theirs = in_theirs[:, :2] / in_theirs[:, 2:] - ideal[row]
        in_ours = points[row] @ start[0].T + start[1]
        ours = in_ours[:, :2] / in_ours[:, 2:] - ideal[row]
        assert np.sum(ours**2) <= np.sum(theirs**2) * (1 + 1e-6)
        np.testing.assert_allclose(found.rms[row], np.sqrt(np.mean((ours**2).sum(1))), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1e7])
def test_points_that_make_no_sense_still_end(value):
    ideal = np.random.default_rng(0).normal(size=(2, 10, 2)) * 1e4
    found = find_cameras(np.full((2, 10, 3), value), ideal, focal_bounds=(0.5, 2))
    assert found.R.shape == (2, 3, 3)
