import numpy as np
import pytest

import skeleton_defs
from skelbridge.evaluation import (
    auc_3dpw_posepile,
    h36m_protocol1,
    h36m_protocol2,
    mpi_inf_3dhp_scores,
    mpjpe,
    multi_format_scores,
    pck_curve,
    pmpjpe,
    root_of,
    threedpw_challenge_scores,
)
from skelbridge.evaluation.protocols import TDHP_PCK_JOINTS, TDHP_ROOT, THREEDPW_PCK_JOINTS
from skeleton_defs import Skeleton, UserError

#: VideoPose3D, CPN, 243 frames: reference/videopose3d.md, section 11.
P1_PER_ACTION = {
    "Direct": 45.2, "Discuss": 46.7, "Eat": 43.3, "Greet": 45.6, "Phone": 48.1, "Photo": 55.1,
    "Pose": 44.6, "Purch": 44.3, "Sit": 57.3, "SitD": 65.8, "Smoke": 47.1, "Wait": 44.0,
    "WalkD": 49.0, "Walk": 32.8, "WalkT": 33.9,
}  # fmt: skip


def random_poses(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape) * 300


def test_roots_of_formats():
    assert root_of(skeleton_defs.get("h36m_17")) == (0,)
    assert root_of(skeleton_defs.get("coco_17")) == (11, 12)
    assert root_of(skeleton_defs.get("mpi_inf_3dhp_17")) == (TDHP_ROOT,)
    assert root_of(skeleton_defs.get("mupots_17")) == (TDHP_ROOT,)
    assert root_of(skeleton_defs.get("smpl_24")) == (0,)
    with pytest.raises(UserError, match="skeleton 'bare' has no root"):
        root_of(Skeleton("bare", ("a", "b")))


def test_joint_numbers_are_those_of_the_registry():
    tdhp = skeleton_defs.get("mpi_inf_3dhp_17").joints
    assert tdhp == skeleton_defs.get("mupots_17").joints
    assert {"pelvis", "spine", "head"} == set(tdhp) - set(tdhp[TDHP_PCK_JOINTS])
    smpl = skeleton_defs.get("smpl_24").joints
    parts = {smpl[joint].split("_")[1] for joint in THREEDPW_PCK_JOINTS}
    assert parts == {"hip", "knee", "ankle", "shoulder", "elbow", "wrist"}


def test_h36m_protocol_1_is_the_mean_over_actions():
    """As many poses as letters of the action: every action weighs the same all the same."""
    actions = [action for action in P1_PER_ACTION for _ in action]
    true = random_poses(0, len(actions), 17, 3)
    predicted = true.copy()
    for i, action in enumerate(actions):
        # The root is right: the other 16 joints carry the error of all 17.
        predicted[i, 1:, 2] += P1_PER_ACTION[action] * 17 / 16
    scores = h36m_protocol1(np.add(predicted, [0, 0, 4000]), true, actions)
    assert scores.per_action == pytest.approx(P1_PER_ACTION)
    assert list(scores.per_action) == list(P1_PER_ACTION)
    assert scores.mean == pytest.approx(46.8, abs=0.06)
    assert scores.mean != pytest.approx(mpjpe(predicted, true, root=0))


def test_h36m_poses_that_are_relative_already():
    true = random_poses(1, 4, 17, 3)
    true -= true[:, :1]
    predicted = np.add(true, [30, 0, 0])
    actions = ["Eat", "Eat", "Sit", "Eat"]
    assert h36m_protocol1(predicted, true, actions).mean == pytest.approx(0)
    assert h36m_protocol1(predicted, true, actions, root=None).mean == pytest.approx(30)


def test_h36m_protocol_2_is_pmpjpe_per_action():
    predicted, true = random_poses(2, 5, 17, 3), random_poses(3, 5, 17, 3)
    scores = h36m_protocol2(predicted, true, np.array(["a", "b", "a", "a", "b"]))
    by_hand = [pmpjpe(predicted[i], true[i]) for i in range(5)]
    assert scores.per_action == pytest.approx({
        "a": np.mean([by_hand[i] for i in (0, 2, 3)]), "b": np.mean([by_hand[i] for i in (1, 4)]),
    })  # fmt: skip
    assert scores.mean == pytest.approx(np.mean(list(scores.per_action.values())))


def test_h36m_actions_without_a_label_are_left_out():
    predicted, true = random_poses(4, 3, 17, 3), random_poses(5, 3, 17, 3)
    true[1] = np.nan
    scores = h36m_protocol1(predicted, true, ["a", "b", "c"])
    assert np.isnan(scores.per_action["b"])
    assert scores.mean == pytest.approx(np.mean([scores.per_action["a"], scores.per_action["c"]]))
    with pytest.raises(UserError, match="3 poses and 2 actions|3,. poses and 2 actions"):
        h36m_protocol1(predicted, true, ["a", "b"])
    with pytest.raises(UserError, match=r"\(N, J, 3\)"):
        h36m_protocol2(predicted[0], true[0], ["a"] * 17)


def test_3dhp_by_hand():
    true = random_poses(6, 2, 17, 3).round()
    predicted = np.add(true, [0, 0, 500])
    predicted[0, 2] += [150, 0, 0]  # not below 150
    predicted[1, 3] += [0, 149, 0]
    predicted[0, 15] += [0, 0, 340]  # the spine counts for the error only
    scores = mpi_inf_3dhp_scores(predicted, true)
    assert scores.pck150 == pytest.approx(27 / 28)
    assert scores.auc == pytest.approx((26 * 30 + 0 + 1) / (28 * 31))
    assert scores.mpjpe == pytest.approx((150 + 149 + 340) / 34)
    predicted[0, 5] = np.nan
    scores = mpi_inf_3dhp_scores(predicted, true)
    assert scores.pck150 == pytest.approx(26 / 28)
    assert scores.mpjpe == pytest.approx((150 + 149 + 340) / 33)
    scores = mpi_inf_3dhp_scores(predicted, true, mask=np.arange(17) != 5)
    assert scores.pck150 == pytest.approx(25 / 26)
    with pytest.raises(UserError, match=r"MPI-INF-3DHP poses must have shape \(..., 17, 3\)"):
        mpi_inf_3dhp_scores(predicted[:, :14], true[:, :14])


def test_3dhp_scenes_are_weighted_by_frames():
    predicted, true = random_poses(7, 30, 17, 3), random_poses(8, 30, 17, 3)
    predicted = true + 0.3 * (predicted - true)
    parts = [mpi_inf_3dhp_scores(predicted[s], true[s]) for s in (slice(12), slice(12, 30))]
    pooled = mpi_inf_3dhp_scores(predicted, true)
    weighted = [(12 * a + 18 * b) / 30 for a, b in zip(*parts, strict=True)]
    assert pooled == pytest.approx(weighted)


def test_3dpw_by_hand():
    true = random_poses(9, 1, 24, 3).round()
    predicted = np.add(true, [100, 0, 0])
    predicted[0, 1] += [0, 30, 40]  # exactly 50: right
    predicted[0, 21] += [0, 0, 51]
    predicted[0, 3] += [0, 0, 500]  # the spine counts for the errors only
    scores = threedpw_challenge_scores(predicted, true)
    assert scores.pck50 == pytest.approx(11 / 12)
    assert scores.mpjpe == pytest.approx((50 + 51 + 500) / 24)
    assert scores.pmpjpe == pytest.approx(pmpjpe(predicted, true))
    predicted[0, 20] = np.nan
    assert threedpw_challenge_scores(predicted, true).pck50 == pytest.approx(10 / 12)
    with pytest.raises(UserError, match="3DPW poses"):
        threedpw_challenge_scores(predicted[..., :2], true[..., :2])


def test_the_3dpw_auc_is_a_trapezoidal_integral():
    errors = np.random.default_rng(10).uniform(0, 260, size=(40, 24))
    grid = np.linspace(0, 199, 51)
    integral = np.trapezoid(pck_curve(errors, grid), grid) / 199
    assert auc_3dpw_posepile(errors) == pytest.approx(integral)
    assert auc_3dpw_posepile([0.0]) == pytest.approx(0.99)
    assert auc_3dpw_posepile([199.0, np.nan, np.inf]) == 0
    assert np.isnan(auc_3dpw_posepile([np.nan]))


def test_the_columns_of_the_multi_format_paper():
    true = random_poses(11, 4, 17, 3)
    predicted = np.add(true, [0, 0, 900])
    predicted[0, 5] += [99.9, 0, 0]
    predicted[1, 6] += [0, 100.1, 0]
    predicted[2, 7] += [0, 0, 200.1]
    true[3] = np.nan
    scores = multi_format_scores(predicted, true, root=0)
    assert scores.mpjpe == pytest.approx(400.1 / 51)
    assert scores.pmpjpe == pytest.approx(pmpjpe(predicted[:3], true[:3]))
    assert scores.pck100 == pytest.approx(49 / 51)
    assert scores.cps200 == pytest.approx(2 / 3)
    masked = multi_format_scores(predicted, true, root=0, mask=np.arange(17) != 7)
    assert masked.cps200 == 1 and masked.pck100 == pytest.approx(47 / 48)
    assert np.isnan(multi_format_scores(true[3:], true[3:], root=0)).all()
