"""Multiplying poses of many patterns in few calls.

Every call of numpy costs microseconds, above all where threads wait for each other's interpreter
lock. So each pattern's poses are divided into blocks of equally many, the last one filled up by
repeating a pose, and the patterns that have equally many blocks are multiplied in one call.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from ..conversion.apply import apply_weights
from .pattern_product import PatternProduct

# Larger blocks are hardly faster to multiply, and need more filling up.
_MAX_BLOCK = 32
# So many poses are still in the cache when what was gathered is made finite.
_ROWS_AT_ONCE = 1024


def multiply_sorted(
    poses: np.ndarray,
    numbers: np.ndarray,
    starts: Sequence[int],
    products: Sequence[PatternProduct],
    result: np.ndarray,
) -> None:
    """Converts some poses, each pattern's by its own weights.

    Args:
      poses: (N, J_source, D), contiguous; what is not finite has no weight.
      numbers: (M,) which poses, each once, those of a pattern behind each other.
      starts: where in `numbers` the poses of each pattern start.
      products: the weights of each pattern.
      result: (N, J_target, D), contiguous, in which these poses are written.
    """
    dims = poses.shape[2]
    ends = [*starts[1:], len(numbers)]
    if products[0].is_wide(dims):
        for start, end, product in zip(starts, ends, products, strict=True):
            part = poses[numbers[start:end]]
            part[~np.isfinite(part)] = 0
            result[numbers[start:end]] = apply_weights(product.weights, part)
        return
    size = min(products[0].rows_at_once(dims), len(numbers) // len(starts), _MAX_BLOCK)
    blocks = [-(-(end - start) // size) for start, end in zip(starts, ends, strict=True)]
    # Patterns of equally many blocks next to each other.
    ranking = sorted(range(len(starts)), key=blocks.__getitem__)
    filled = np.empty(sum(blocks) * size, np.intp)
    at = 0
    for pattern in ranking:
        some = numbers[starts[pattern] : ends[pattern]]
        stop = at + blocks[pattern] * size
        filled[at : at + len(some)] = some
        filled[at + len(some) : stop] = some[-1]
        at = stop
    factors = np.concatenate([products[pattern].factor(dims, poses.dtype) for pattern in ranking])
    factors = factors.reshape(len(ranking), 1, -1, result[0].size)
    rows = poses.reshape(len(poses), -1)
    product = _products(rows, filled, factors, [blocks[pattern] for pattern in ranking], size)
    _put(product.reshape(-1, *result.shape[1:]), filled, result, count=len(numbers))


def finite_rows(rows: np.ndarray, numbers: np.ndarray, *, both: bool = True) -> np.ndarray:
    """Returns `rows[numbers]` with the largest number for NaN and inf, and the least for -inf.

    Times a weight of zero these are zero, as NaN is not.

    Args:
      rows: (N, K).
      numbers: (M,).
      both: whether to look for -inf at all.
    """
    finite = np.empty((len(numbers), rows.shape[1]), rows.dtype)
    # Against an array numpy uses wide instructions, against a number it does not.
    largest = _largest_numbers(_ROWS_AT_ONCE * rows.shape[1], rows.dtype)
    for start in range(0, len(numbers), _ROWS_AT_ONCE):
        part = finite[start : start + _ROWS_AT_ONCE]
        np.take(rows, numbers[start : start + _ROWS_AT_ONCE], axis=0, mode="clip", out=part)
        part = part.reshape(-1)
        np.fmin(part, largest[: len(part)], out=part)
        if both:
            np.fmax(part, -largest[: len(part)], out=part)
    return finite


@functools.lru_cache(maxsize=4)
def _largest_numbers(count: int, dtype: np.dtype) -> np.ndarray:
    return np.full(count, np.finfo(dtype).max, dtype)


def _products(
    rows: np.ndarray, numbers: np.ndarray, factors: np.ndarray, blocks: list[int], size: int
) -> np.ndarray:
    """Returns the products of `rows[numbers]`, block by block.

    Args:
      rows: (N, K).
      numbers: all blocks of `size` poses, one after the other.
      factors: (P, 1, K, L), all NaN in columns of joints that are unavailable.
      blocks: how many blocks each factor has, ascending.
      size: poses per block.
    """
    # A number left that is not finite makes the whole row NaN; -inf is hardly ever among poses.
    told_by = np.flatnonzero(~np.isnan(factors[:, 0, 0]).any(axis=0))
    finite = finite_rows(rows, numbers, both=not len(told_by))
    product = np.empty((len(finite), factors.shape[3]), rows.dtype)
    first = start = 0
    for count, alike in groupby(blocks):
        last = first + len(list(alike))
        stop = start + (last - first) * count * size
        shape = (last - first, count, size, -1)
        out = product[start:stop].reshape(shape)
        np.matmul(finite[start:stop].reshape(shape), factors[first:last], out=out)
        first, start = last, stop
    if len(told_by) and np.isnan(product[:, told_by[0]]).any() and np.isneginf(rows).any():
        return _products(np.where(np.isneginf(rows), np.nan, rows), numbers, factors, blocks, size)
    return product


def _put(rows: np.ndarray, numbers: np.ndarray, result: np.ndarray, *, count: int) -> None:
    """Does `result[numbers] = rows`, where `count` of the numbers are different ones."""
    first = int(numbers.min())
    if rows.dtype == result.dtype and numbers.max() - first + 1 == count:
        # No pose between them is left out: written one after the other, in half the time.
        place = np.empty(count, np.intp)
        place[numbers - first] = np.arange(len(numbers))
        np.take(rows, place, axis=0, mode="clip", out=result[first : first + count])
    else:
        result[numbers] = rows
