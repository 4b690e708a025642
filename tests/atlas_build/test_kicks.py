"""Made-up kicks: who kicks, how high, and that nothing else moves."""

import numpy as np
import pytest
from atlas_build.body import PARTS
from atlas_build.coverage import shares_of_kinds, stick_figures
from atlas_build.kicks import FLEXION, KNEE, with_kicks
from atlas_build.transfer import PART_INDEX
from atlas_build.turning import about, angle_of

LEGS = ("thigh", "shank", "foot")


def standing(count):
    return np.broadcast_to(np.eye(3), (count, len(PARTS), 3, 3)).copy()


def raised(parts, side):
    """Thighs that are no longer where the reference T-pose has them."""
    return angle_of(parts[:, PART_INDEX[f"{side}_thigh"]]) > 0.1


def test_a_share_of_the_samples_raises_one_leg():
    parts = with_kicks(standing(4000), np.random.default_rng(0), 0.25)
    left, right = raised(parts, "left"), raised(parts, "right")
    assert not (left & right).any()
    assert left.mean() == pytest.approx(0.125, abs=0.02)
    assert right.mean() == pytest.approx(0.125, abs=0.02)
    assert (with_kicks(standing(9), np.random.default_rng(0), 0.0) == standing(9)).all()


def test_legs_go_up_to_the_front_or_the_side_and_knees_bend_backwards():
    parts = with_kicks(standing(2000), np.random.default_rng(1), 1.0)
    points = stick_figures(parts)
    for side, sign in (("left", 1), ("right", -1)):
        rows = np.flatnonzero(raised(parts, side))
        at = {name: points[f"{side}_{name}"][rows] for name in ("hip", "knee", "ankle")}
        thigh = at["knee"] - at["hip"]
        assert (thigh[:, 2] > -1e-9).all()  # never backwards
        assert (sign * thigh[:, 0] > -0.2).all()
        turn = np.swapaxes(parts[rows, PART_INDEX[f"{side}_thigh"]], -1, -2)
        knee = turn @ parts[rows, PART_INDEX[f"{side}_shank"]]
        bend = np.degrees(angle_of(knee))
        assert bend.min() >= KNEE[0] and bend.max() <= KNEE[1] + 1e-6
        assert (np.einsum("nij,j->ni", knee, [0.0, -1.0, 0.0])[:, 2] <= 1e-9).all()
    assert shares_of_kinds(parts)["high kick"] > 0.1
    straight_up = np.degrees(np.arcsin(-parts[:, PART_INDEX["left_thigh"], 1, 1].clip(-1, 1)))
    assert straight_up.max() == pytest.approx(FLEXION[1] - 90, abs=3)


def test_everything_else_stays_and_who_lies_does_not_kick():
    before = standing(50)
    lying = about(np.array([1.0, 0, 0]), np.array(np.pi / 2))
    before[:25] = lying @ before[:25]
    kept = before.copy()
    after = with_kicks(before, np.random.default_rng(2), 1.0)
    assert (before == kept).all()
    assert (after[:25] == before[:25]).all()
    others = [k for k, part in enumerate(PARTS) if part.split("_", 1)[-1] not in LEGS]
    assert (after[:, others] == before[:, others]).all()
    assert (after[25:] != before[25:]).any(axis=(1, 2, 3)).all()


def test_they_turn_with_the_pelvis():
    turn = about(np.array([0.0, 1.0, 0.0]), np.array(0.7))
    plain = with_kicks(standing(20), np.random.default_rng(3), 1.0)
    turned = with_kicks(turn @ standing(20), np.random.default_rng(3), 1.0)
    assert turned == pytest.approx(turn @ plain)
