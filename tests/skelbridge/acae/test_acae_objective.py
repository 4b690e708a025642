"""The objective by hand, and its gradient against finite differences."""

import numpy as np
import pytest

from skelbridge.acae.batches import prepare
from skelbridge.acae.chirality import ChiralLayout
from skelbridge.acae.descent import errors_per_pose
from skelbridge.acae.gradient import Gradient, with_sign_of
from skelbridge.acae.objective import Objective, check_depth
from skelbridge.acae.parameters import Parameters
from skelbridge.acae.report import summary_lines
from skeleton_defs import UserError

#: Two joints, one latent halfway: both are rebuilt in the middle.
HALF1, HALF2 = np.array([[0.5], [0.5]]), np.array([[1.0, 1.0]])


def test_plain_loss_by_hand():
    pose = np.array([[[0.0, 0, 2000], [400, 200, 2600]]])
    # Both joints are off by half of (400, 200, 600) mm.
    assert Objective("plain").main(HALF1, HALF2, pose) == pytest.approx((0.2 + 0.1 + 0.3) / 3)


def test_projected_loss_by_hand():
    pose = np.array([[[0.0, 0, 2000], [400, 200, 2600]]])
    # The middle is (200, 100, 2300), the mean depth 2.3 m.
    middle = np.array([200, 100]) / 2300
    expected = 2.3 * np.mean(np.abs([middle, middle - np.array([400, 200]) / 2600]))
    assert Objective().main(HALF1, HALF2, pose) == pytest.approx(expected)


def test_l1_term_by_hand_and_its_identity():
    w1 = np.array([[1.5, 0.2], [-0.5, 0.3], [0.0, 0.5]])
    w2 = np.array([[1.0, 0.4, 1.25], [0.0, 0.6, -0.25]])
    # mean|w1| = (2 + 1) / 6, mean|w2| = (1 + 1 + 1.5) / 6.
    assert Objective(lam=0.6).regularization(w1, w2) == pytest.approx(0.6 * (3 / 6 + 3.5 / 6))
    for matrix in (w1, w2):
        l1 = np.abs(matrix).sum(axis=0)
        negative = -np.minimum(matrix, 0).sum(axis=0)
        np.testing.assert_allclose(l1, 1 + 2 * negative)


def test_l1_of_a_fit_is_one_plus_twice_the_negative_mass(fitted):
    joints, latents = fitted.joints, fitted.latents
    negative = [-np.minimum(m, 0).sum() for m in (fitted.w1, fitted.w2)]
    assert negative[0] > 0.1
    above_floor = 2 * 0.6 * (negative[0] + negative[1]) / (joints * latents)
    objective = Objective()
    found = objective.regularization(fitted.w1, fitted.w2) - objective.floor(joints, latents)
    assert found == pytest.approx(above_floor, rel=1e-9)
    told = [fitted.facts[f"negative_mass_{name}"] for name in ("encoder", "decoder")]
    assert told == pytest.approx([negative[0] / latents, negative[1] / joints], rel=1e-6)
    assert f"encoder {told[0]:.3f}, decoder {told[1]:.4f}" in " ".join(summary_lines(fitted))


@pytest.mark.parametrize(("joints", "latents"), [(555, 48), (42, 20)])
def test_floor_is_what_convex_weights_cost(joints, latents):
    rng = np.random.default_rng(0)
    w1, w2 = rng.random((joints, latents)), rng.random((latents, joints))
    w1, w2 = w1 / w1.sum(axis=0), w2 / w2.sum(axis=0)
    assert Objective().floor(joints, latents) == pytest.approx(0.6 * (1 / joints + 1 / latents))
    assert Objective().regularization(w1, w2) == pytest.approx(0.6 * (1 / joints + 1 / latents))


def test_scale_free_lambda_means_the_same_at_every_size():
    free, mean = Objective(reg_scale="reference"), Objective()
    for joints, latents in ((555, 48), (42, 20)):
        w1, w2 = np.zeros((joints, latents)), np.zeros((latents, joints))
        w1[0], w1[1] = 1.25, -0.25
        w2[0], w2[1] = 1.1, -0.1
        above = free.regularization(w1, w2) - free.floor(joints, latents)
        assert above == pytest.approx(0.6 * (2 * 0.25 / 555 + 2 * 0.1 / 48))
        if joints == 555:
            assert free.regularization(w1, w2) == pytest.approx(mean.regularization(w1, w2))


def random_problem(loss, *, masked=False, weighted=False):
    rng = np.random.default_rng(5)
    poses = rng.normal(0, 300, (6, 7, 3)) + np.array([0, 0, 3500])
    weights = rng.uniform(0.5, 2, 7) if weighted else None
    mask = rng.random((6, 7)) < 0.7 if masked else None
    w1, w2 = rng.uniform(-0.1, 1, (7, 3)), rng.uniform(-0.1, 1, (3, 7))
    return Objective(loss, 0.6, joint_weights=weights), poses, mask, w1, w2


@pytest.mark.parametrize("loss", ["projected", "plain"])
@pytest.mark.parametrize(("masked", "weighted"), [(False, False), (True, False), (True, True)])
def test_gradient_against_finite_differences(loss, masked, weighted):
    objective, poses, mask, w1, w2 = random_problem(loss, masked=masked, weighted=weighted)
    value, *gradients = objective.value_and_gradient(w1, w2, poses, mask=mask)
    assert value == pytest.approx(
        objective.value(w1 / w1.sum(axis=0), w2 / w2.sum(axis=0), poses, mask=mask), rel=1e-12
    )
    step = 1e-6
    for matrix, gradient in zip((w1, w2), gradients, strict=True):
        numeric = np.zeros_like(matrix)
        for place in np.ndindex(matrix.shape):
            kept = matrix[place]
            ends = []
            for side in (step, -step):
                matrix[place] = kept + side
                ends.append(objective.value_and_gradient(w1, w2, poses, mask=mask)[0])
            matrix[place] = kept
            numeric[place] = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(gradient, numeric, atol=1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize("loss", ["projected", "plain"])
@pytest.mark.parametrize("chiral", [True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_fast_gradient_is_that_of_the_full_matrices(few_joints, loss, chiral, masked):
    """The free blocks' gradient is the full matrices', summed over the places of each block."""
    formats, poses = few_joints.formats, few_joints.poses[:8].astype(np.float64)
    weights = np.random.default_rng(1).uniform(0.5, 2, 42)
    weights = (weights + weights[formats.flip]) / 2
    objective = Objective(loss, 0.6, joint_weights=weights if masked else None)
    mask = np.random.default_rng(2).random((8, 42)) < 0.8 if masked else None
    layout = ChiralLayout.of(
        formats.flip if chiral else None, None, joints=42, latent_pairs=3, latent_centre=2
    )
    parameters = Parameters(layout, dtype=np.float64)
    parameters.vector[:] = np.random.default_rng(0).uniform(-0.1, 1, len(parameters.vector))
    batches = prepare(poses, layout, objective, mask=mask)
    fast = Gradient(parameters, objective)
    fast.compute(*(a[0].astype(np.float64) for a in (batches.inputs, batches.targets,
                                                     batches.weights)))  # fmt: skip

    def value():
        w1, w2 = parameters.matrices()
        return objective.value(
            layout.to_given_order(w1), layout.to_given_order(w2.T).T, poses, mask=mask
        )

    rng = np.random.default_rng(3)
    places = rng.choice(len(parameters.vector), 25, replace=False)
    numeric = []
    for place in places:
        kept = parameters.vector[place]
        ends = []
        for side in (1e-6, -1e-6):
            parameters.vector[place] = kept + side
            ends.append(value())
        parameters.vector[place] = kept
        numeric.append((ends[0] - ends[1]) / 2e-6)
    found = fast.vector[places]
    # Inputs are float32.
    np.testing.assert_allclose(found, numeric, atol=2e-5 * np.abs(numeric).max())


@pytest.mark.parametrize("loss", ["projected", "plain"])
def test_errors_per_pose_agree_with_the_objective(few_joints, loss):
    formats, poses = few_joints.formats, few_joints.poses[:64]
    objective = Objective(loss)
    layout = ChiralLayout.of(formats.flip, None, joints=42, latent_pairs=3, latent_centre=2)
    parameters = Parameters(layout)
    parameters.vector[:] = np.random.default_rng(0).uniform(0, 1, len(parameters.vector))
    w1, w2 = parameters.matrices()
    fast = errors_per_pose(parameters, objective, prepare(poses, layout, objective))
    slow = objective.errors(layout.to_given_order(w1), layout.to_given_order(w2.T).T, poses)
    np.testing.assert_allclose(fast, slow, rtol=1e-4)
    assert slow.mean() == pytest.approx(
        objective.main(layout.to_given_order(w1), layout.to_given_order(w2.T).T, poses)
    )


def test_close_cameras_do_not_explode():
    """A reconstruction behind the camera costs much, but no infinity, and has a gradient."""
    pose = np.array([[[0.0, 0, 100], [400, 200, 2600]]])
    w1, w2 = np.array([[2.0], [-1.0]]), np.array([[1.0, 1.0]])
    value, *gradients = Objective().value_and_gradient(w1, w2, pose)
    assert value < 100
    assert all(np.isfinite(g).all() for g in gradients)


def test_signs_by_bits():
    values = np.array([1.5, -2, 0.0, -0.0, 3], np.float32)
    sizes = np.array([1, 2, 3, 4, 5], np.float32)
    out = np.empty(5, np.float32)
    with_sign_of(values, sizes, out=out)
    np.testing.assert_array_equal(out, np.copysign(sizes, values))


def test_poses_behind_the_camera_are_refused_with_a_way_out():
    poses = np.full((4, 3, 3), 1000.0)
    poses[2, 1, 2] = -5
    with pytest.raises(UserError, match="joint 1 of pose 2 .*--loss plain"):
        check_depth(poses)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "l2"}, "projected or plain"),
        ({"lam": -1}, "lambda"),
        ({"lam": float("nan")}, "lambda"),
        ({"reg_scale": "sum"}, "reg_scale"),
        ({"joint_weights": np.array([1.0, -1])}, "joint weights"),
        ({"joint_weights": np.zeros(3)}, "zero altogether"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        Objective(**settings)
