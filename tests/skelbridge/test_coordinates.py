import numpy as np
import pytest

from skelbridge.coordinates import coordinate_change
from skelbridge.posefiles import PoseData
from skeleton_defs import UserError


def body(height, **fields):
    """A stick of ten joints, as tall as stated, standing along y."""
    positions = np.zeros((4, 10, 3))
    positions[..., 1] = np.linspace(0, height, 10)
    return PoseData(positions, **fields)


@pytest.mark.parametrize(
    ("declared", "units", "factor", "result"),
    [
        ("m", "mm", 1000, "mm"),
        ("mm", "m", 0.001, "m"),
        (None, "mm", 1, "mm"),
        (None, "cm:m", 0.01, "m"),
        ("mm", "cm:m", 0.01, "m"),
        ("cm", None, 1, "cm"),
    ],
)
def test_units(declared, units, factor, result):
    poses = body(170.0, units=declared)
    change = coordinate_change(poses, units=units)
    np.testing.assert_allclose(change.apply(poses.positions), factor * poses.positions)
    assert change.units == result


def test_the_option_overrules_the_header_and_says_so():
    change = coordinate_change(body(170, units="mm"), units="cm:mm")
    assert any("declares mm" in note for note in change.notes)


@pytest.mark.parametrize(("up", "declared"), [("y:z", None), ("z", "y")])
def test_up_axis_is_a_rotation(up, declared):
    poses = body(1.7, up=declared)
    change = coordinate_change(poses, up=up)
    assert np.linalg.det(change.matrix) == pytest.approx(1)
    turned = change.apply(poses.positions)
    np.testing.assert_allclose(turned[..., 2], poses.positions[..., 1])
    np.testing.assert_allclose(change.apply(np.array([[1.0, 2, 3]])), [[1, -3, 2]])
    back = coordinate_change(body(1.7, up="z"), up="y")
    np.testing.assert_allclose(back.apply(turned), poses.positions)
    assert (change.up, back.up) == ("z", "y")


def test_scale_comes_first_and_makes_units_unknown_unless_stated():
    change = coordinate_change(body(30), scale=56.444, units="mm:m")
    np.testing.assert_allclose(change.matrix, np.eye(3) * 0.056444)
    assert coordinate_change(body(30), scale=2.0).units is None
    assert not change.notes  # 30 x 56.444 mm = 1.69 m


def test_nan_stays_where_it_is_and_the_dtype_too():
    positions = np.ones((1, 10, 3), np.float32)
    positions[0, 0, 1] = np.nan
    change = coordinate_change(PoseData(positions, units="m", up="y"), units="mm", up="z")
    result = change.apply(positions)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(result[0, 0]), [False, False, True])
    assert not np.isnan(result[0, 1:]).any()


@pytest.mark.parametrize(
    ("height", "units", "hint"),
    [
        (1.7, "mm", "1.7 mm: are these m[?]"),
        (1700, "m", "are these mm"),
        (170, "m", "are these cm"),
        (1.7, "m", None),
        (1700, "mm", None),
    ],
)
def test_implausible_sizes_are_noticed(height, units, hint):
    notes = coordinate_change(body(height, units=units)).notes
    if hint is None:
        assert notes == ()
    else:
        import re

        assert re.search(hint, notes[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": "inch"}, "--units must be one of mm, cm, m"),
        ({"units": "m:"}, "--units"),
        ({"up": "x"}, "--up must be one of y, z"),
        ({"scale": 0.0}, "--scale"),
        ({"scale": float("nan")}, "--scale"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(UserError, match=message):
        coordinate_change(body(1.7), **options)


def test_2d_poses_have_no_units_to_change():
    flat = PoseData(np.zeros((1, 10, 2)))
    with pytest.raises(UserError, match="need 3D poses"):
        coordinate_change(flat, units="m:mm")
    assert coordinate_change(flat).matrix is None
