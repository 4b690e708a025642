import itertools

import numpy as np
import pytest

from skelbridge.conversion.fit_solving import RidgeProblem, sparse_weights
from skelbridge.conversion.fit_validation import most_cautious

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(40, 5)) * 100
MIXING = RNG.normal(size=(3, 5))  # with negative weights: to others of sum 1, l1 is a constant
TARGETS = POINTS @ (MIXING / MIXING.sum(axis=1, keepdims=True)).T + RNG.normal(size=(40, 3)) * 5
MOMENT, CROSS = POINTS.T @ POINTS / 40, TARGETS.T @ POINTS / 40
PRIOR = RNG.dirichlet(np.ones(5), size=3)


def by_lagrange(charge, linear, joints):
    """Minimises w A w + charge |w|^2 - 2 linear w with sum 1 on some joints."""
    joints = list(joints)
    count = len(joints)
    system = np.zeros((count + 1, count + 1))
    system[:-1, :-1] = MOMENT[np.ix_(joints, joints)] + charge * np.eye(count)
    system[-1, :-1] = system[:-1, -1] = 1
    return np.linalg.solve(system, [*linear[joints], 1])[:-1]


@pytest.mark.parametrize("noise, ridge", [(0.0, 0.0), (8.0, 0.0), (0.0, 20.0), (8.0, 64.0)])
def test_ridge_solves_the_stated_problem(noise, ridge):
    weights = RidgeProblem(MOMENT, CROSS, PRIOR, noise_mm=noise).weights(ridge)
    for row, cross, prior in zip(weights, CROSS, PRIOR, strict=True):
        expected = by_lagrange(noise**2 + ridge**2, cross + ridge**2 * prior, range(5))
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_one_ridge_per_row_and_the_prior_at_infinity():
    problem = RidgeProblem(MOMENT, CROSS, PRIOR, noise_mm=3.0)
    mixed = problem.weights(np.array([0.0, 5.0, np.inf]))
    np.testing.assert_array_equal(mixed[0], problem.weights(0.0)[0])
    np.testing.assert_array_equal(mixed[1], problem.weights(5.0)[1])
    np.testing.assert_allclose(mixed[2], PRIOR[2], atol=1e-12)


def test_stacks_of_problems_are_solved_alike():
    stacked = RidgeProblem(
        np.stack([MOMENT, 2 * MOMENT]), np.stack([CROSS, 3 * CROSS]), PRIOR, noise_mm=3.0
    ).weights(np.array([[0.0], [7.0]]))
    single = RidgeProblem(2 * MOMENT, 3 * CROSS, PRIOR, noise_mm=3.0).weights(7.0)
    np.testing.assert_allclose(stacked[1], single, atol=1e-12)


def test_what_the_data_do_not_tell_stays_the_priors():
    # The points never leave the plane of the first three joints' barycentric coordinates.
    flat = POINTS.copy()
    flat[:, 3] = flat[:, :2].mean(axis=1)
    flat[:, 4] = flat[:, 0]
    moment, cross = flat.T @ flat / 40, (flat @ PRIOR.T).T @ flat / 40
    weights = RidgeProblem(moment, cross, PRIOR, noise_mm=0).weights(0.0)
    np.testing.assert_allclose(weights, PRIOR, atol=1e-8)


def test_one_source_joint():
    weights = RidgeProblem(np.ones((1, 1)), np.ones((2, 1)), np.ones((2, 1)), noise_mm=8).weights(0)
    np.testing.assert_array_equal(weights, [[1], [1]])


@pytest.mark.parametrize("l1", [10.0, 100.0, 2000.0])
def test_sparse_weights_are_those_of_the_best_signs(l1):
    charge = 4.0**2 + 6.0**2
    found = sparse_weights(MOMENT, CROSS, PRIOR, noise_mm=4.0, ridge_mm=np.full(3, 6.0), l1=l1)
    for row, cross, prior in zip(found, CROSS, PRIOR, strict=True):
        linear = cross + 36 * prior
        best, best_cost = None, np.inf
        for signs in itertools.product((-1, 0, 1), repeat=5):
            joints = np.flatnonzero(signs)
            if not len(joints):
                continue
            weights = np.zeros(5)
            weights[joints] = by_lagrange(charge, linear - l1 / 2 * np.array(signs), joints)
            cost = (
                weights @ MOMENT @ weights + charge * weights @ weights - 2 * linear @ weights
                + l1 * np.abs(weights).sum()
            )  # fmt: skip
            if cost < best_cost:
                best, best_cost = weights, cost
        joints = np.flatnonzero(best)
        np.testing.assert_array_equal(np.flatnonzero(row), joints)
        np.testing.assert_allclose(row[joints], by_lagrange(charge, linear, joints), atol=1e-8)
    if l1 == 2000:
        assert (found != 0).sum() < 15


def test_sparse_weights_of_data_without_variance():
    found = sparse_weights(
        np.zeros((4, 4)), np.zeros((1, 4)), np.full((1, 4), 0.25), noise_mm=0.0,
        ridge_mm=np.zeros(1), l1=60.0,
    )  # fmt: skip
    np.testing.assert_allclose(found.sum(), 1)


@pytest.mark.parametrize(
    "scores, expected",
    [
        # The last one is worse by 1 on each fold: surely.
        ([[4, 5, 6, 5], [5, 6, 7, 6]], 0),
        # Worse by 1 in the mean, but by -8 to 10: perhaps not.
        ([[4, 5, 6, 5], [14, 3, 0, 7]], 1),
        # Differences 3, 1, -1, 1: mean 1 is more than its standard error sqrt(8/3) / 2 = 0.816.
        ([[4, 5, 6, 5], [7, 6, 5, 6]], 0),
        # Differences 4, 1, -2, 1: mean 1 is less than sqrt(18/3) / 2 = 1.22.
        ([[4, 5, 6, 5], [8, 6, 4, 6]], 1),
        # Of options beyond the best, the last that is fine, also where one between is not.
        ([[9, 9, 9, 9], [4, 5, 6, 5], [5, 6, 7, 6], [8, 6, 4, 6]], 3),
        # Equal ones.
        ([[1, 1, 1, 1], [1, 1, 1, 1]], 1),
        # A fold that does not count: of 4, 1, -2 the mean 1 is less than sqrt(18/2) / sqrt(3).
        ([[4, 5, 6, np.nan], [8, 6, 4, np.nan]], 1),
        ([[4, 5, 6, np.nan], [5, 6, 7, np.nan]], 0),
    ],
)
def test_the_most_cautious_option_that_is_not_clearly_worse(scores, expected):
    scores = np.array(scores, dtype=float)
    assert most_cautious(scores[:, :, None]) == [expected]
    several = np.stack([scores, scores[:1] + 0 * scores])[..., None].swapaxes(0, 1)
    assert most_cautious(several).tolist() == [[expected], [len(scores) - 1]]
