import numpy as np
import pytest

from skelbridge.evaluation import mpjpe, per_group_table, per_joint_table, root_aligned_errors
from skeleton_defs import UserError

ERRORS = np.array(
    [[[10.0, 200, np.nan], [30, 160, np.nan]], [[50, np.nan, np.nan], [110, 90, np.nan]]]
)
NAMES = ("head", "left_hip", "right_hip")


def test_one_row_per_joint():
    rows = per_joint_table(ERRORS, NAMES)
    assert rows[0] == ("head", 4, 50, 40, 1)
    assert rows[1] == ("left_hip", 3, 150, 160, pytest.approx(1 / 3))
    assert rows[2][:2] == ("right_hip", 0)
    assert np.isnan(rows[2][2:]).all()
    assert per_joint_table(ERRORS, NAMES, pck_threshold=50)[0].pck == 0.5


def test_one_row_per_group_pools_its_joints():
    rows = per_group_table(ERRORS, NAMES, {"hips": ("left_hip", "right_hip"), "all": NAMES})
    assert [row.name for row in rows] == ["hips", "all"]
    assert rows[0][1:] == per_joint_table(ERRORS, NAMES)[1][1:]
    assert rows[1] == ("all", 7, pytest.approx(650 / 7), 90, pytest.approx(5 / 7))


def test_the_mean_of_the_table_is_mpjpe():
    rng = np.random.default_rng(0)
    predicted, true = rng.normal(size=(2, 30, 3, 3))
    rows = per_joint_table(root_aligned_errors(predicted, true, root=0), NAMES)
    assert np.mean([row.mean for row in rows]) == pytest.approx(mpjpe(predicted, true, root=0))
    assert rows[0].mean == pytest.approx(0)


def test_wrong_names_are_told():
    with pytest.raises(UserError, match=r"shape \(..., 2\) for 2 joint names"):
        per_joint_table(ERRORS, NAMES[:2])
    with pytest.raises(UserError, match="errors must have shape"):
        per_joint_table(np.float64(3), NAMES)
    with pytest.raises(UserError, match="group 'feet' names a joint that is not there: 'left_toe'"):
        per_group_table(ERRORS, NAMES, {"feet": ("left_toe",)})
