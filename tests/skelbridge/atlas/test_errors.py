import numpy as np
import pytest

from skelbridge.atlas.errors import (
    AtlasOptions,
    placement_error_mm,
    statistical_error_mm,
)
from skeleton_defs import UserError


def test_statistical_error_of_a_known_variance():
    # 10 mm per coordinate are 17.32 mm root mean square, and 0.9 of that on average.
    np.testing.assert_allclose(
        statistical_error_mm(np.array([1e-4, -1e-20]), calibration=1.0), [15.588457, 0]
    )
    assert statistical_error_mm(np.array([1e-4]), calibration=2.0) == pytest.approx(31.176915)


def placement(weights, target_sigma, source_sigma, targets, sources, anchor_of=None):
    return placement_error_mm(
        np.array(weights, float), np.array(target_sigma, float), np.array(source_sigma, float),
        targets=np.array(targets), sources=np.array(sources),
        anchor_of=None if anchor_of is None else np.array(anchor_of),
    )  # fmt: skip


def test_placement_errors_of_different_points_add_in_quadrature():
    # sqrt(12^2 + 0.5^2 10^2 + 0.5^2 20^2) = sqrt(144 + 25 + 100)
    result = placement([[0.5, 0.5]], [12], [10, 20], [7], [1, 2])
    np.testing.assert_allclose(result, np.sqrt(269))


def test_the_own_point_cancels():
    result = placement([[1, 0], [0.5, 0.5]], [10, 10], [10, 20], [1, 1], [1, 2])
    # In the second row half of the own point is left over: sqrt(5^2 + 10^2).
    np.testing.assert_allclose(result, [0, np.sqrt(125)])


def test_points_of_one_anchor_share_half_of_their_variance():
    # Target and first source hang on anchor 4. Half of the variance: 10^2 + 6^2 + 2^2 = 140 apart,
    # (10 - 6)^2 + 2^2 = 20 together.
    result = placement([[0.6, 0.4]], [10], [10, 5], [7], [1, 2], [4, 4, -1])
    np.testing.assert_allclose(result, np.sqrt(0.5 * 140 + 0.5 * 20))
    apart = placement([[0.6, 0.4]], [10], [10, 5], [7], [1, 2], [-1, -1, -1])
    np.testing.assert_allclose(apart, np.sqrt(140))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_mm": -1}, "0 to 1000 mm"),
        ({"noise_mm": float("nan")}, "0 to 1000 mm"),
        ({"noise_mm": float("inf")}, "0 to 1000 mm"),
        ({"max_error_mm": 0}, "above 0 mm"),
        ({"max_error_mm": float("nan")}, "above 0 mm"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UserError, match=message):
        AtlasOptions(**options)
