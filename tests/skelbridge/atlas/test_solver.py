import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skeleton_defs
from skelbridge.atlas.solver import gather, noise_variance, solve, variances_of
from skelbridge.atlas.sparse import l1_weights, solve_sparse

PAIRS = [("smpl", "h36m"), ("coco", "smpl"), ("h36m", "coco"), ("openpose", "mpii")]


def numbers(moments, skeleton):
    return moments.indices(skeleton.point_of(j) for j in skeleton.joints)


def problem_of(moments, source, target):
    source, target = skeleton_defs.get(source), skeleton_defs.get(target)
    return gather(
        moments,
        numbers(moments, source),
        numbers(moments, target),
        source_flip=np.array(source.flip),
        target_flip=np.array(target.flip),
    )


def least_squares(sources, targets, noise_mm):
    """An independent path: differences to the last source joint, ridge as further equations.

    Args: (N, S, 3) and (N, T, 3) in mm. Returns (T, S).
    """
    count = sources.shape[1]
    # w_last = 1 - sum of the others, which leaves an ordinary least squares problem.
    columns = np.moveaxis(sources[:, :-1] - sources[:, -1:], 1, -1).reshape(-1, count - 1)
    aims = np.moveaxis(targets - sources[:, -1:], 1, -1).reshape(-1, targets.shape[1])
    noise = np.broadcast_to(noise_mm, count) * np.sqrt(len(columns))
    ridge = np.diag(noise)[:, :-1].copy()
    ridge[-1] = -noise[-1]
    ridge_aims = np.zeros((count, aims.shape[1]))
    ridge_aims[-1] = -noise[-1]
    free = np.linalg.lstsq(
        np.concatenate([columns, ridge]), np.concatenate([aims, ridge_aims]), rcond=None
    )[0]
    return np.concatenate([free, 1 - free.sum(axis=0, keepdims=True)]).T


# Midpoints leave weights undetermined without noise, so 1 mm is the least here.
@pytest.mark.parametrize("noise_mm", [1.0, 8.0, 30.0])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_equals_least_squares_on_the_sampled_poses(body, source, target, noise_mm):
    solution = solve(problem_of(body.moments, source, target), noise_mm=noise_mm)
    # The floor under the ridge, 0.1 mm, belongs to the problem.
    expected = least_squares(body.of(source), body.of(target), np.hypot(noise_mm, 0.1))
    np.testing.assert_allclose(solution.weights, expected, atol=1e-7)


def test_any_subset_and_any_noise_per_joint_equals_least_squares(body):
    rng = np.random.default_rng(5)
    problem = problem_of(body.moments, "smpl", "coco")
    for _ in range(10):
        seen = rng.random(24) < 0.6
        noise_mm = rng.uniform(2, 30, seen.sum())
        solution = solve(problem.observed(seen), noise_mm=noise_mm)
        expected = least_squares(body.of("smpl")[:, seen], body.of("coco"), np.hypot(noise_mm, 0.1))
        np.testing.assert_allclose(solution.weights, expected, atol=1e-7)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_variance_is_the_mean_squared_error_of_the_samples(body, source, target):
    problem = problem_of(body.moments, source, target)
    for solution in (solve(problem, noise_mm=8), solve_sparse(problem, noise_mm=8)):
        error = solution.weights @ body.of(source) - body.of(target)
        measured = (error**2).mean(axis=(0, 2))
        np.testing.assert_allclose(solution.variance * 1e6, measured, rtol=1e-6, atol=1e-6)
        noise = noise_variance(8, solution.weights.shape[1])
        np.testing.assert_allclose(
            solution.noisy_variance, solution.variance + solution.weights**2 @ noise, atol=1e-12
        )


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_rows_sum_to_one_and_mirror_exactly(shipped, source, target, sparse):
    solution = (solve_sparse if sparse else solve)(
        problem_of(shipped, source, target), noise_mm=8
    )  # fmt: skip
    np.testing.assert_allclose(solution.weights.sum(axis=1), 1, atol=1e-9)
    flips = [list(skeleton_defs.get(name).flip) for name in (target, source)]
    np.testing.assert_array_equal(solution.weights[np.ix_(*flips)], solution.weights)


def test_a_mirrored_subset_has_the_mirrored_weights(shipped):
    problem = problem_of(shipped, "smpl", "coco")
    flip = np.array(skeleton_defs.get("smpl").flip)
    target_flip = np.array(skeleton_defs.get("coco").flip)
    rng = np.random.default_rng(0)
    for _ in range(20):
        seen = rng.random(24) < 0.5
        seen[0] = True
        full = [np.zeros((17, 24)), np.zeros((17, 24))]
        for weights, mask in zip(full, (seen, seen[flip]), strict=True):
            weights[:, mask] = solve(problem.observed(mask), noise_mm=8).weights
        mirrored = full[0][np.ix_(target_flip, flip)]
        np.testing.assert_allclose(full[1], mirrored, atol=1e-9)


def test_a_flip_that_is_none_of_the_bodys_is_not_enforced(body):
    # One hand as its own mirror image, as the MANO formats have it.
    smpl = skeleton_defs.get("smpl")
    wrist = body.moments.indices([("smpl", "left_wrist")])
    problem = gather(
        body.moments,
        numbers(body.moments, smpl),
        wrist,
        source_flip=np.array(smpl.flip),
        target_flip=np.array([0]),
    )
    assert problem.source_flip is None
    weights = solve(problem, noise_mm=1).weights[0]
    assert weights.argmax() == smpl.index("left_wrist")


@settings(max_examples=60, deadline=None)
@given(
    pair=st.sampled_from(PAIRS), seed=st.integers(0, 10_000), noise_mm=st.sampled_from([1, 8, 25])
)
def test_fewer_joints_never_lower_the_expected_error(body, pair, seed, noise_mm):
    problem = problem_of(body.moments, *pair)
    rng = np.random.default_rng(seed)
    seen = rng.random(len(problem.among_sources)) < rng.uniform(0.2, 1)
    seen[rng.integers(len(seen))] = True
    before = solve(problem.observed(seen), noise_mm=noise_mm).noisy_variance
    if seen.sum() > 1:
        seen[rng.choice(np.flatnonzero(seen))] = False
        after = solve(problem.observed(seen), noise_mm=noise_mm).noisy_variance
        # Rounding with 1 mm of noise: some 10^-12 m^2, the square of a few micrometres.
        assert (after >= before - 2e-11).all()


def test_no_weights_are_better_than_the_solution(body):
    problem = problem_of(body.moments, "coco", "smpl")
    solution = solve(problem, noise_mm=8)
    rng = np.random.default_rng(1)
    noise = noise_variance(8, 17)
    for _ in range(50):
        step = rng.normal(scale=10.0 ** rng.uniform(-4, 0), size=(24, 17))
        other = solution.weights + step - step.mean(axis=1, keepdims=True)
        cost = variances_of(problem, other) + other**2 @ noise
        assert (cost >= solution.noisy_variance - 1e-12).all()


def test_undetermined_weights_are_no_problem(body):
    # The pelvis of Human3.6M is the midpoint of its hips: without noise any share of it would do.
    solution = solve(problem_of(body.moments, "h36m", "coco"), noise_mm=0)
    assert np.isfinite(solution.weights).all()
    np.testing.assert_allclose(solution.weights.sum(axis=1), 1, atol=1e-7)


@pytest.mark.parametrize("penalty_mm2", [10, 60, 500])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_l1_weights_fulfil_the_conditions_of_the_minimum(body, source, target, penalty_mm2):
    problem = problem_of(body.moments, source, target)
    noise, penalty = noise_variance(3, len(problem.among_sources)), penalty_mm2 / 1e6
    weights = l1_weights(problem, noise, penalty)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-3)
    gradient = weights @ (problem.among_sources + np.diag(noise)) - problem.to_targets.T
    for row, slope in zip(weights, gradient, strict=True):
        used = row != 0
        # slope + penalty * sign(w) is the same for all used joints; others lie within +-penalty.
        level = (slope + penalty * np.sign(row))[used]
        assert np.ptp(level) < 0.03 * penalty
        assert (np.abs(slope - level.mean())[~used] <= 1.03 * penalty).all()


def test_sparse_weights_are_few_and_nearly_as_good(body):
    problem = problem_of(body.moments, "smpl", "h36m")
    dense, sparse = solve(problem, noise_mm=8), solve_sparse(problem, noise_mm=8)
    assert (sparse.weights != 0).sum(axis=1).mean() < 14 < 24
    assert np.sqrt(sparse.variance).mean() < 1.05 * np.sqrt(dense.variance).mean()
    hardly = solve_sparse(problem, noise_mm=8, penalty_mm2=1e-3)
    np.testing.assert_allclose(hardly.weights, dense.weights, atol=5e-3)


def test_a_single_source_joint_has_weight_one(body):
    problem = problem_of(body.moments, "smpl", "h36m")
    only = np.arange(24) == 3
    for solver in (solve, solve_sparse):
        np.testing.assert_allclose(solver(problem.observed(only), noise_mm=8).weights, 1)
