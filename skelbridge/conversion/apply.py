"""Applying a weight matrix to many poses at the speed of memory."""

from __future__ import annotations

import os

import numpy as np

from skeleton_defs import UserError

# Poses are multiplied in pieces of about this size, so that input, product and output of a piece
# stay in the processor's cache between the passes over them.
_PIECE_BYTES = 1 << 20
# Below this many pieces starting threads costs more than it gains.
_MIN_PIECES_FOR_THREADS = 8
# OpenBLAS computes products of up to 2^18 multiplications in the calling thread.
_MAX_SMALL_PRODUCT = 1 << 18
# Up to this many input numbers per pose, x, y and z go through one product with kron(W, I_D):
# D times the multiplications, but no transposed copy. Measured break-even, tools/bench_convert.py.
_MAX_KRONECKER_COLUMNS = 256


def apply_weights(weights: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Computes `weights @ poses` over the joint axis; missing joints spoil only what needs them.

    Args:
      weights: (J_target, J_source); a row of NaN gives NaN joints.
      poses: (..., J_source, D) of any floating dtype, NaN for missing joints.

    Returns:
      (..., J_target, D) of the dtype of `poses`. A target joint is NaN exactly where one of the
      source joints with a nonzero weight in its row is not finite in that coordinate.
    """
    target_count, source_count = weights.shape
    if poses.ndim < 2 or poses.shape[-2] != source_count:
        raise UserError(
            f"poses must have shape (..., {source_count}, D). Received shape {poses.shape}"
        )
    result = np.empty((*poses.shape[:-2], target_count, poses.shape[-1]), poses.dtype)
    if result.size == 0 or source_count == 0:
        result[...] = np.nan
        return result
    copied_from = _pure_copies(weights)
    if copied_from is not None:
        np.take(poses, np.maximum(copied_from, 0), axis=-2, out=result, mode="clip")
        result[..., copied_from < 0, :] = np.nan
        return result
    _multiply(weights, poses.reshape(-1, *poses.shape[-2:]), result.reshape(-1, *result.shape[-2:]))
    return result


def apply_to_confidence(weights: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Carries (..., J_source) confidences or visibilities over to the target joints.

    A joint is as sure as the least sure source joint that it uses; unavailable joints get 0
    (False for booleans).
    """
    if confidence.shape[-1:] != weights.shape[1:]:
        raise UserError(
            f"confidence must have shape (..., {weights.shape[1]}). "
            f"Received shape {confidence.shape}"
        )
    result = np.zeros((*confidence.shape[:-1], len(weights)), confidence.dtype)
    for target, row in enumerate(weights):
        used = np.flatnonzero(row)
        if len(used) and not np.isnan(row).any():
            result[..., target] = confidence[..., used].min(axis=-1)
    return result


def _pure_copies(weights: np.ndarray) -> np.ndarray | None:
    """The source joint per row (-1 for NaN rows) where every row only copies a joint, else None."""
    missing = np.isnan(weights).any(axis=1)
    copies = (weights == 1).sum(axis=1) == 1
    copies &= (weights != 0).sum(axis=1) == 1
    if not (missing | copies).all():
        return None
    return np.where(missing, -1, weights.argmax(axis=1))


def _multiply(weights: np.ndarray, poses: np.ndarray, result: np.ndarray) -> None:
    """Writes the product for (N, J_source, D) poses into (N, J_target, D)."""
    count, dims = poses.shape[1:]
    # Half precision has no matrix product of its own and would round every addition.
    work = np.dtype(np.float32) if poses.dtype == np.float16 else poses.dtype
    missing_rows = np.isnan(weights).any(axis=1)
    factor = np.where(missing_rows[:, None], 0, weights).astype(work).T
    together = count * dims <= _MAX_KRONECKER_COLUMNS
    if together:
        factor = np.kron(factor, np.eye(dims, dtype=work))
    needs = (factor != 0).astype(np.float32)
    piece = max(1, _PIECE_BYTES // (count * dims * work.itemsize))

    def multiply_piece(start: int) -> None:
        block = np.ascontiguousarray(poses[start : start + piece], dtype=work)
        out = result[start : start + piece]
        if together and out.dtype == work:
            _product(block.reshape(len(block), -1), factor, needs, out.reshape(len(block), -1))
        elif together:
            product = _product(block.reshape(len(block), -1), factor, needs)
            out[...] = product.reshape(out.shape)
        else:
            by_joint = block.swapaxes(1, 2).reshape(-1, count)
            product = _product(by_joint, factor, needs)
            out[...] = product.reshape(len(block), dims, -1).swapaxes(1, 2)
        out[:, missing_rows] = np.nan

    starts = range(0, len(poses), piece)
    if len(starts) < _MIN_PIECES_FOR_THREADS:
        for start in starts:
            multiply_piece(start)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(multiply_piece, starts):
            pass


def _product(
    rows: np.ndarray, factor: np.ndarray, needs: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """`rows @ factor`, where a number that is not finite spoils only what needs it."""
    if out is None:
        out = np.empty((len(rows), factor.shape[1]), rows.dtype)
    # A sum of squares is finite only if every number is: one pass and no temporary array.
    with np.errstate(over="ignore", invalid="ignore"):
        all_finite = np.isfinite(np.vdot(rows, rows))
    if all_finite:
        return _matmul(rows, factor, out)
    finite = np.isfinite(rows)
    _matmul(np.where(finite, rows, 0), factor, out)
    missing = np.subtract(1, finite, dtype=np.float32)
    out[_matmul(missing, needs, np.empty(out.shape, np.float32)) > 0] = np.nan
    return out


def _matmul(rows: np.ndarray, factor: np.ndarray, out: np.ndarray) -> np.ndarray:
    """`rows @ factor` as many small products in one call.

    BLAS spreads a large product over threads of its own, which wait for each other: on a busy
    machine that costs tens of times the work. Small ones stay in this thread, and pieces run side
    by side instead.
    """
    block = min(128, _MAX_SMALL_PRODUCT // factor.size)
    whole = len(rows) // block * block if block else 0
    if whole:
        blocks = rows[:whole].reshape(-1, block, rows.shape[1])
        np.matmul(blocks, factor, out=out[:whole].reshape(-1, block, factor.shape[1]))
    np.matmul(rows[whole:], factor, out=out[whole:])
    return out
