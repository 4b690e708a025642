"""Where the parts of batch normalisation lie on replicas."""

import numpy as np
from keras_numbers import raises

from skelbridge.nn.replicas import ReplicaParts

whole = ReplicaParts.whole


def check_ghost_parts_of_replicas():
    parts = whole([16] * 8, 96, 2)
    assert parts.sizes == (16, 16, 16, 16) and parts.total == 8
    assert parts.numbers.tolist() == [[0, 1, 2, 6], [3, 4, 5, 7]]
    # Parts of different sizes, the same on both.
    parts = whole([4, 2, 4, 2, 3, 3], 12, 2)
    assert parts.sizes == (4, 2, 3) and parts.numbers.tolist() == [[0, 1, 4], [2, 3, 5]]
    # Without 2D, without 3D.
    assert whole([4, 4], 8, 2).numbers.tolist() == [[0], [1]]
    assert whole([4, 4], 0, 2).numbers.tolist() == [[0], [1]]


def check_ghost_parts_that_would_lie_on_two_replicas():
    for sizes, n_3d, replicas, fitting in (
        ([16] * 8, 96, 4, "1 or 2"),
        ([16] * 8, 96, 3, "1 or 2"),
        ([16] * 6 + [8] * 4, 96, 4, "1 or 2"),
        ([8] * 16, 96, 8, "1 or 2 or 4"),
        ([16, 8, 8], 32, 2, "1"),
    ):
        raises(f": {fitting} replicas fit, not {replicas};", whole, sizes, n_3d, replicas)


def check_parts_that_are_spread():
    parts = ReplicaParts.spread([96, 32], 4)
    assert (parts.sizes, parts.numbers, parts.total) == ((24, 8), None, 2)
    raises("32 examples of a batch cannot be shared equally", ReplicaParts.spread, [32], 5)


def check_statistics_in_the_order_of_the_batch():
    """The sum over replicas against updates one after the other."""
    rng, momentum = np.random.default_rng(0), 0.9
    start, of_parts = rng.normal(), rng.normal(size=9)
    expected = start
    for value in of_parts:
        expected = momentum * expected + (1 - momentum) * value
    numbers = whole([2] * 9, 12, 3).numbers
    assert sorted(numbers.ravel()) == list(range(9))
    found = momentum**9 * start
    for own in numbers:
        found += (1 - momentum) * (momentum ** (8 - own) * of_parts[own]).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-12)
