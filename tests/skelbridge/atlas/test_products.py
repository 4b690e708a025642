import numpy as np
import pytest

from skelbridge.atlas.products import positive_inverse, product


@pytest.mark.parametrize("shape", [(0, 3, 4), (1, 1, 1), (700, 24, 24), (2000, 133, 150)])
def test_products_in_blocks_are_products(shape):
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=shape[:2]), rng.normal(size=shape[1:])
    np.testing.assert_allclose(product(left, right), left @ right, atol=1e-11)
    np.testing.assert_allclose(product(left.T.copy().T, right), left @ right, atol=1e-11)


# 64 rows are inverted at once; more by blocks, whose halves are of unequal size.
@pytest.mark.parametrize("count", [1, 2, 64, 65, 131, 300])
@pytest.mark.parametrize("floor", [1.0, 1e-8])
def test_inverse_of_positive_matrices(count, floor):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(count, count // 2 + 1))
    matrix = root @ root.T / count + floor * np.eye(count)
    inverse = positive_inverse(matrix)
    np.testing.assert_array_equal(inverse, inverse.T)
    np.testing.assert_allclose(inverse @ matrix, np.eye(count), atol=1e-14 / floor + 1e-12)
