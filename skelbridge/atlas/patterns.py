"""Poses whose joints are missing here and there: one map per pattern of missing joints.

Frames are taken in pieces that stay in the processor's cache. Within a piece they are sorted by the
joints that they have, so that each pattern is one run of matrix products, and the results go back
to their places. A pattern's map is built when it first occurs, and kept.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from skeleton_defs import UserError

from ..conversion.apply import apply_to_confidence
from .pattern_keys import (
    LARGEST_NUMBER,
    TRUST_LEVELS,
    exact_levels,
    first_coordinate_levels,
    hide_missing,
    pattern_keys,
    sorted_by_key,
)
from .pattern_product import MAX_TOGETHER, SPARE_ROWS, PatternProduct

#: Builds (J_target, J_source) weights, rows of NaN for unavailable joints, from the (J_source,)
#: trust in each source joint: 0 missing, 1 full, between: its noise is divided by this.
Build = Callable[[np.ndarray], np.ndarray]

# Larger than the pieces of apply_weights: a piece is divided among the patterns.
_PIECE_BYTES = 4 << 20
_MIN_PIECES_FOR_THREADS = 4
_CACHE_BYTES = 64 << 20
#: A source joint with less than this share of a row's largest weight hardly decides the joint.
_DECIDING_SHARE = 0.1


class PatternMaps:
    """Converts poses with a map of its own for every pattern of missing joints.

    Args:
      build: gives the weights for a pattern, see `Build`.
      n_source: J_source.
      usual: (J_source,) bool, the joints that the data has at all; all by default.

    Attributes:
      frames: how many poses were converted.
      incomplete_frames: how many of them lacked joints that the data has.
    """

    def __init__(self, build: Build, n_source: int, *, usual: np.ndarray | None = None):
        self._build = build
        self._usual = np.ones(n_source, bool) if usual is None else usual
        self._cache: OrderedDict[tuple[bool, bytes], PatternProduct] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        self._incomplete: set[bytes] = set()
        self._expect_gaps = False
        self.frames = self.incomplete_frames = 0

    @property
    def patterns(self) -> int:
        """How many different sets of joints the incomplete frames had."""
        return len(self._incomplete)

    def apply(self, poses: np.ndarray, *, confidence: np.ndarray | None = None) -> np.ndarray:
        """Converts poses; a joint with a coordinate that is not finite is missing.

        Args:
          poses: (..., J_source, D) of any floating dtype.
          confidence: (..., J_source) in 0..1: a less sure joint counts as a noisier one, 0 as
            missing.

        Returns:
          (..., J_target, D) of the dtype of `poses`, NaN where a joint is unavailable.
        """
        count = len(self._usual)
        if poses.ndim < 2 or poses.shape[-2] != count:
            raise UserError(f"poses must have shape (..., {count}, D). Received {poses.shape}")
        flat = poses.reshape(-1, *poses.shape[-2:])
        sure = None if confidence is None else _checked(confidence, poses).reshape(-1, count)
        result = np.empty((len(flat), self._n_target, poses.shape[-1]), poses.dtype)
        work = np.dtype(np.float32) if poses.dtype == np.float16 else poses.dtype
        step = max(1, _PIECE_BYTES // max(1, count * poses.shape[-1] * work.itemsize))

        def convert_piece(start: int) -> None:
            block = np.ascontiguousarray(flat[start : start + step], dtype=work)
            trust = None if sure is None else sure[start : start + step]
            self._convert(block, trust, result[start : start + step])

        starts = range(0, len(flat), step)
        if len(starts) < _MIN_PIECES_FOR_THREADS:
            for start in starts:
                convert_piece(start)
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(os.cpu_count()) as threads:
                for _ in threads.map(convert_piece, starts):
                    pass
        self.frames += len(flat)
        return result.reshape(*poses.shape[:-2], *result.shape[1:])

    def apply_confidence(self, confidence: np.ndarray) -> np.ndarray:
        """Carries (..., J_source) confidences over; joints of confidence 0 count as missing.

        A joint is as sure as the least sure source joint among those that decide it.
        """
        flat = confidence.reshape(-1, confidence.shape[-1])
        levels = ((flat > 0) & self._usual).astype(np.uint8)
        result = np.zeros((len(flat), self._n_target), confidence.dtype)
        keys = pattern_keys(levels, graded=False)
        order, runs = self._runs(levels, keys, np.arange(len(flat)))
        for start, end, pattern in runs:
            rows, size = order[start:end], np.abs(pattern.weights)
            weak = size < _DECIDING_SHARE * size.max(axis=1, keepdims=True)
            result[rows] = apply_to_confidence(np.where(weak, 0, pattern.weights), flat[rows])
        return result.reshape(*confidence.shape[:-1], self._n_target)

    @property
    def _n_target(self) -> int:
        return len(self._product(self._usual.view(np.uint8)).weights)

    def _convert(self, block: np.ndarray, sure: np.ndarray | None, result: np.ndarray) -> None:
        """Converts one piece of (N, J_source, D) poses into (N, J_target, D)."""
        with np.errstate(over="ignore", invalid="ignore"):
            # Where the last piece had gaps, asking whether this one has any does not pay.
            whole = sure is None and self._usual.all() and not self._expect_gaps
            if whole and _all_finite(block):
                pattern = self._product(self._usual.view(np.uint8))
                pattern.multiply(block, result)
                result[:, pattern.unavailable] = np.nan
            elif sure is not None or not self._convert_quickly(block, result):
                self._convert_exactly(block, sure, result)

    def _convert_quickly(self, block: np.ndarray, result: np.ndarray) -> bool:
        """Converts a piece in which joints lack all coordinates or none, or returns False."""
        together = block.shape[1] * block.shape[2] <= MAX_TOGETHER
        if not together or block.dtype != result.dtype or block.dtype not in LARGEST_NUMBER:
            return False
        levels = first_coordinate_levels(block, self._usual)
        keys = pattern_keys(levels, graded=False)
        lacking = np.flatnonzero(keys[:-1] != keys[-1])
        self._expect_gaps = len(lacking) > 0
        mostly_complete = 2 * len(lacking) < len(block)
        sorted_poses = lacking if mostly_complete else np.arange(len(block))
        order, runs = self._runs(levels, keys, sorted_poses)
        product = _multiply_sorted(block, order, runs, result.shape[1])
        if mostly_complete:
            # All are multiplied where they are, which only helps those that are complete.
            usual = self._product(levels[-1])
            usual.multiply(block, result)
            result[order] = product
        # Where a joint lacks another coordinate alone, the result is NaN, or the number that stands
        # for it is so large that its square is infinite with whatever weight.
        if not _all_finite(result if mostly_complete else product):
            return False
        for start, end, pattern in runs:
            for joint in pattern.unavailable:
                product[start:end, joint] = np.nan
        if mostly_complete:
            result[:, usual.unavailable] = np.nan
            result[order] = product
        else:
            # take() by the inverse order: half the time of writing to places.
            place = np.empty_like(order)
            place[order] = np.arange(len(order))
            np.take(product, place, axis=0, out=result, mode="clip")
        self._count(runs)
        return True

    def _convert_exactly(
        self, block: np.ndarray, sure: np.ndarray | None, result: np.ndarray
    ) -> None:
        levels, graded = exact_levels(block, sure), sure is not None
        keys = pattern_keys(levels, graded=graded)
        order, runs = self._runs(levels, keys, np.arange(len(block)), graded=graded)
        for start, end, pattern in runs:
            frames = order[start:end]
            part = block[frames]
            part[:, levels[frames[0]] == 0] = 0
            converted = np.empty((len(part), *result.shape[1:]), part.dtype)
            pattern.multiply(part, converted)
            converted[:, pattern.unavailable] = np.nan
            result[frames] = converted
        self._count(runs)

    def _runs(
        self, levels: np.ndarray, keys: np.ndarray, poses: np.ndarray, *, graded: bool = False
    ) -> tuple[np.ndarray, list]:
        """Sorts some poses by pattern.

        Args:
          levels, keys: (N, J) and (N,) of all poses.
          poses: numbers of those to sort.
          graded: see `pattern_keys`.

        Returns:
          the numbers, sorted, and (start, end, product) of each run in them.
        """
        order, starts = sorted_by_key(keys[poses])
        order = poses[order]
        products = [self._product(level, graded=graded) for level in levels[order[starts]]]
        ends = [*starts[1:].tolist(), len(order)][: len(products)]
        return order, list(zip(starts.tolist(), ends, products, strict=True))

    def _count(self, runs: list) -> None:
        """Counts the frames of a piece that lack joints."""
        lacking = [(end - start, p.lacking) for start, end, p in runs if p.lacking is not None]
        with self._lock:
            self.incomplete_frames += sum(frames for frames, _ in lacking)
            self._incomplete.update(name for _, name in lacking)

    def _product(self, level: np.ndarray, *, graded: bool = False) -> PatternProduct:
        """The map of a pattern, from the cache where it is there."""
        key = (graded, level.tobytes())
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
                return found
            trust = TRUST_LEVELS[level] if graded else level.astype(np.float64)
            seen = trust > 0
            lacking = seen.tobytes() if (seen != self._usual).any() else None
            found = self._cache[key] = PatternProduct(self._build(trust), lacking=lacking)
            self._cached_bytes += found.n_bytes
            while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.popitem(last=False)[1].n_bytes
            return found


def convert_with_patterns(
    poses: np.ndarray, build: Build, *, confidence: np.ndarray | None = None
) -> np.ndarray:
    """Converts poses with a map per pattern of missing joints; see `PatternMaps.apply`."""
    return PatternMaps(build, poses.shape[-2]).apply(poses, confidence=confidence)


def _multiply_sorted(block: np.ndarray, order: np.ndarray, runs: list, n_target: int) -> np.ndarray:
    """Returns the products (M, J_target, D) of the poses in this order, 0 where unavailable."""
    count, dims = block.shape[1:]
    room = len(order) + SPARE_ROWS + (-len(order) % 64)
    rows = np.empty((room, count * dims), block.dtype)
    np.take(block.reshape(len(block), -1), order, axis=0, mode="clip", out=rows[: len(order)])
    rows[len(order) :] = 0
    hide_missing(rows)
    product = np.empty((room, n_target * dims), block.dtype)
    for start, end, pattern in runs:
        pattern.multiply_run(rows, product, start=start, end=end, dims=dims)
    return product[: len(order)].reshape(len(order), n_target, dims)


def _all_finite(block: np.ndarray) -> bool:
    # A sum of squares is finite only if every number is: one pass and no temporary array.
    return bool(np.isfinite(np.vdot(block, block)))


def _checked(confidence: np.ndarray, poses: np.ndarray) -> np.ndarray:
    confidence = np.nan_to_num(np.asarray(confidence, dtype=np.float64))
    if confidence.shape != poses.shape[:-1]:
        raise UserError(
            f"confidence must have shape {poses.shape[:-1]}. Received {confidence.shape}"
        )
    if confidence.size and not (confidence.min() >= 0 and confidence.max() <= 1):
        raise UserError(
            "confidences must lie in 0..1 to weigh joints by them. Received "
            f"{confidence.min():g} to {confidence.max():g}"
        )
    return confidence
