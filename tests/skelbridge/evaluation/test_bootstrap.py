import itertools

import numpy as np
import pytest
import scipy.stats

from skelbridge.evaluation import (
    bootstrap,
    bootstrap_interval,
    bootstrap_means,
    percentile_interval,
)
from skeleton_defs import UserError

VALUES = np.random.default_rng(0).gamma(2, 60, size=400)


def test_it_is_the_normal_interval_for_many_values():
    mean, low, high = bootstrap_interval(VALUES, resamples=20000)
    half = 1.959964 * VALUES.std() / np.sqrt(len(VALUES))
    assert mean == pytest.approx(VALUES.mean())
    assert low == pytest.approx(mean - half, abs=0.05 * half)
    assert high == pytest.approx(mean + half, abs=0.05 * half)
    narrow = bootstrap_interval(VALUES, resamples=20000, confidence=0.6827)
    assert narrow.high - narrow.low == pytest.approx((high - low) / 1.959964, rel=0.05)


def test_it_is_the_percentile_interval_of_scipy():
    small = VALUES[:12]
    ours = bootstrap_interval(small, resamples=40000, confidence=0.9)
    theirs = scipy.stats.bootstrap(
        (small,), np.mean, n_resamples=40000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


def test_all_resamples_of_three_values_are_equally_likely():
    means = bootstrap_means([0.0, 1.0, 10.0], resamples=27000)
    exact = [np.mean(draw) for draw in itertools.product([0.0, 1.0, 10.0], repeat=3)]
    found, counts = np.unique(means.round(9), return_counts=True)
    expected, shares = np.unique(np.round(exact, 9), return_counts=True)
    np.testing.assert_array_equal(found, expected)
    # Each count is binomial: five standard deviations.
    spread = 5 * np.sqrt(27000 * shares / 27 * (1 - shares / 27))
    assert (np.abs(counts - 1000 * shares) < spread).all()


def test_a_seed_decides():
    assert bootstrap_interval(VALUES, seed=3) == bootstrap_interval(VALUES, seed=3)
    assert bootstrap_interval(VALUES, seed=3) != bootstrap_interval(VALUES, seed=4)


def test_pieces_do_not_show(monkeypatch):
    whole = bootstrap_means(VALUES[:50], resamples=101)
    monkeypatch.setattr(bootstrap, "_PIECE", 50 * 7)
    np.testing.assert_allclose(bootstrap_means(VALUES[:50], resamples=101), whole, rtol=1e-12)


def test_columns_are_drawn_together():
    """A constant difference has no spread, however much the two vary."""
    means = bootstrap_means(np.stack([VALUES, VALUES - 30, 2 * VALUES], axis=-1))
    assert means.shape == (2000, 3)
    np.testing.assert_allclose(means[:, 0] - means[:, 1], 30)
    np.testing.assert_allclose(means[:, 2] / means[:, 0], 2)
    np.testing.assert_allclose(means[:, 0], bootstrap_means(VALUES), rtol=1e-12)
    low, high = percentile_interval(1 - means[:, 1] / means[:, 0])
    assert low < 30 / VALUES.mean() < high
    paired = bootstrap_interval(VALUES - (VALUES - 30))
    assert paired == pytest.approx((30, 30, 30))


def test_groups_are_drawn_together():
    """Every pose four times: as if there were no copies, and far wider than 1600 poses."""
    copies = np.repeat(VALUES, 4)
    labels = np.repeat([f"video {i:03}" for i in range(len(VALUES))], 4)
    grouped = bootstrap_interval(copies, groups=labels)
    assert grouped == pytest.approx(bootstrap_interval(VALUES))
    apart = bootstrap_interval(copies)
    assert apart.high - apart.low == pytest.approx((grouped.high - grouped.low) / 2, rel=0.1)


def test_weights_pool():
    """A pose of three joints weighs as three values of one group."""
    values, weights = np.array([5.0, 8, 20]), np.array([3, 1, 2])
    pooled = bootstrap_interval(values, weights=weights)
    repeated = bootstrap_interval(np.repeat(values, weights), groups=np.repeat([0, 1, 2], weights))
    assert pooled == pytest.approx(repeated)
    assert pooled.mean == pytest.approx((15 + 8 + 40) / 6)
    columns = np.stack([values, values], -1), np.stack([weights, 0 * weights], -1)
    per_column = bootstrap_means(columns[0], weights=columns[1])
    np.testing.assert_allclose(per_column[:, 0], bootstrap_means(values, weights=weights))
    assert np.isnan(per_column[:, 1]).all()


def test_nan_does_not_count():
    gappy = np.insert(VALUES[:40], [0, 10, 10, 40], np.nan)
    interval = bootstrap_interval(gappy)
    assert interval.mean == pytest.approx(VALUES[:40].mean())
    assert interval.low < interval.mean < interval.high
    for nothing in ([np.nan, np.nan], []):
        assert np.isnan(bootstrap_interval(nothing)).all()
    assert bootstrap_means(np.zeros((0, 3)), resamples=5).shape == (5, 3)
    # Of two values one is missing: a quarter of the draws holds none, and is left out.
    means = bootstrap_means([7.0, np.nan], resamples=4000)
    assert 800 < np.isnan(means).sum() < 1200
    assert bootstrap_interval([7.0, np.nan]) == (7, 7, 7)


def test_means_are_of_vectors_or_columns():
    for values in (1.0, np.ones((2, 2, 2))):
        with pytest.raises(UserError, match=r"shape \(N,\) or \(N, K\)"):
            bootstrap_means(values)


@pytest.mark.parametrize(
    "values, options, fragment",
    [
        (1.0, {}, r"values must have shape \(N,\)"),
        (np.ones((2, 2)), {}, r"values must have shape \(N,\)"),
        ([1.0], {"resamples": 0}, "0 resamples"),
        ([1.0], {"confidence": 1.0}, "confidence must be between"),
        ([1.0], {"confidence": 95}, "confidence must be between"),
        ([1.0, 2], {"groups": ["a"]}, "groups must be 2 labels"),
        ([1.0, 2], {"weights": [1.0]}, "weights must be"),
        ([1.0, 2], {"weights": [1.0, -1]}, "weights must be at least 0"),
        ([1.0, 2], {"weights": [1.0, np.nan]}, "weights must be at least 0"),
    ],
)
def test_wrong_input_is_told(values, options, fragment):
    with pytest.raises(UserError, match=fragment):
        bootstrap_interval(values, **options)
