import numpy as np
import pytest
from atlas_build.perspective import project


def test_a_point_at_the_body_depth_keeps_its_place_and_others_scale_by_depth():
    poses = np.array([[[0.0, 100, 0], [0, 100, 500], [0, 100, -500]]])
    flat = project(poses, 3000.0)
    heights = flat[0, :, 1]
    # Turning about the vertical axis leaves x = 0 points at x = z sin(yaw) and some depth.
    assert heights[0] == pytest.approx(100)
    assert 100 * 3000 / 3500 <= min(heights[1:]) <= max(heights[1:]) <= 100 * 3000 / 2500
    product = 1 / heights[1] + 1 / heights[2]
    assert product == pytest.approx(2 / 100)  # depths +d and -d


def test_infinitely_far_is_orthographic():
    poses = np.random.default_rng(0).normal(size=(5, 7, 3))
    far, orthographic = project(poses, 1e9), project(poses, None)
    np.testing.assert_allclose(far, orthographic, atol=1e-6)
    assert orthographic.shape == (5, 7, 2)
