import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skelbridge.data.shuffling import permuted


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 31, 64, 100, 255, 256, 257, 1000, 65537])
def test_it_is_a_permutation(n):
    assert np.array_equal(np.sort(permuted(np.arange(n), n, 9)), np.arange(n))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 500), st.integers(0, 2**64 - 1))
def test_it_is_a_permutation_for_every_key(n, key):
    keys = np.array([key], np.uint64)
    assert np.array_equal(np.sort(permuted(np.arange(n), n, keys)), np.arange(n))


def test_orders_of_few_items_are_equally_likely():
    keys = np.arange(12_000, dtype=np.uint64)
    rows = np.stack([permuted(np.full(len(keys), i), 4, keys) for i in range(4)], axis=1)
    counts = Counter(map(tuple, rows.tolist()))
    assert set(counts) == set(itertools.permutations(range(4)))
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


@pytest.mark.parametrize("place", [0, 1, 499, 999])
def test_every_item_is_as_likely_at_a_place(place):
    keys = np.arange(50_000, dtype=np.uint64)
    items = permuted(np.full(len(keys), place), 1000, keys)
    counts = np.bincount(items, minlength=1000)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_neighbours_are_independent():
    items = permuted(np.arange(20_000), 20_000, 3)
    assert abs(np.corrcoef(items[:-1], items[1:])[0, 1]) < 0.03
    assert abs(np.corrcoef(items, np.arange(20_000))[0, 1]) < 0.03
    # As many items stay where they are, on average, as in a random order: one.
    fixed = [np.sum(permuted(np.arange(50), 50, key) == np.arange(50)) for key in range(400)]
    assert 0.8 < np.mean(fixed) < 1.2
    # Half of the pairs of neighbours ascend.
    assert abs(np.mean(np.diff(items) > 0) - 0.5) < 0.02


def test_millions_of_items_need_no_memory():
    n = 14_000_000
    items = permuted(np.arange(0, n, 1000), n, 1)
    assert len(np.unique(items)) == len(items)
    assert stats.kstest(items / n, "uniform").pvalue > 1e-4


def test_sizes_and_keys_may_differ_per_place():
    sizes, keys = np.array([5, 50, 500]), np.array([1, 2, 3], np.uint64)
    together = permuted(np.array([4, 40, 400]), sizes, keys)
    alone = [permuted([p], n, np.array([k], np.uint64))[0] for p, n, k in
             zip((4, 40, 400), sizes, keys, strict=True)]  # fmt: skip
    assert together.tolist() == alone
