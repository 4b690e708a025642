"""Poses whose joints are missing here and there: one map per pattern of missing joints.

Poses are taken in pieces that stay in the processor's cache. Where most poses of a piece are
complete, all are multiplied where they are. The others wait until there are enough of them; then
they are sorted by the joints that they have, multiplied pattern by pattern, and the results go to
their places. A pattern's map is built when it first occurs, and kept.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np

from skeleton_defs import UserError

from ..conversion.apply import apply_to_confidence
from .pattern_blocks import finite_rows, multiply_sorted
from .pattern_keys import TRUST_LEVELS, joint_levels, levels_of_key, pattern_keys, sorted_by_key
from .pattern_product import PatternProduct

#: Builds (P, J_target, J_source) weights, rows of NaN for unavailable joints, for P patterns from
#: their (P, J_source) trusts in each source joint: 0 missing, 1 full, between: its noise is divided
#: by this.
Build = Callable[[np.ndarray], np.ndarray]

# Three times as large as in apply_weights: a piece is divided among the patterns.
_PIECE_BYTES = 3 << 20
# What one thread takes at a time: poses with gaps are few in most pieces, and wait for each other.
_PIECES_PER_STRETCH = 5
# The weights of so many patterns fit in the cache, too.
_PATTERNS_TOGETHER = 256
# Complete poses are converted where they are unless one in so many is not complete.
_COMPLETE_PER_GAP = 3
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
        self._usual_key = pattern_keys(self._usual.view(np.uint8)[None], graded=False)[0]
        self._cache: dict[tuple[bool, int | bytes], PatternProduct] = {}
        self._cached_bytes = 0
        self._lock = threading.Lock()
        self._incomplete: set[bytes] = set()
        self.frames = self.incomplete_frames = 0

    @property
    def patterns(self) -> int:
        """How many different sets of joints the incomplete frames had."""
        return len(self._incomplete)

    @property
    def incomplete_patterns(self) -> np.ndarray:
        """(P, J_source) bool, which joints the incomplete frames had, each set once."""
        sets = b"".join(sorted(self._incomplete))
        return np.frombuffer(sets, bool).reshape(-1, len(self._usual))

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
        result = np.empty(
            (len(flat), len(self._usual_product().weights), flat.shape[2]), flat.dtype
        )
        work = np.dtype(np.float32) if poses.dtype == np.float16 else poses.dtype
        piece = max(1, _PIECE_BYTES // max(1, count * poses.shape[-1] * work.itemsize))
        stretch = piece * _PIECES_PER_STRETCH

        def convert_stretch(start: int) -> None:
            part = slice(start, start + stretch)
            contiguous = np.ascontiguousarray(flat[part], dtype=work)
            trust = None if sure is None else sure[part]
            self._convert(contiguous, trust, result[part], piece)

        starts = range(0, len(flat) if result.size else 0, stretch)
        if len(starts) < 2:
            for start in starts:
                convert_stretch(start)
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(os.cpu_count()) as threads:
                for _ in threads.map(convert_stretch, starts):
                    pass
        self.frames += len(flat)
        return result.reshape(*poses.shape[:-2], *result.shape[1:])

    def apply_confidence(self, confidence: np.ndarray) -> np.ndarray:
        """Carries (..., J_source) confidences over; joints of confidence 0 count as missing.

        A joint is as sure as the least sure source joint among those that decide it.
        """
        flat = confidence.reshape(-1, confidence.shape[-1])
        levels = ((flat > 0) & self._usual).view(np.uint8)
        result = np.zeros((len(flat), len(self._usual_product().weights)), confidence.dtype)
        keys = pattern_keys(levels, graded=False)
        for numbers, starts, products in self._runs(np.arange(len(flat)), keys, graded=False):
            for rows, product in zip(np.split(numbers, starts[1:]), products, strict=True):
                size = np.abs(product.weights)
                weak = size < _DECIDING_SHARE * size.max(axis=1, keepdims=True)
                result[rows] = apply_to_confidence(np.where(weak, 0, product.weights), flat[rows])
        return result.reshape(*confidence.shape[:-1], result.shape[1])

    def _usual_product(self) -> PatternProduct:
        return self._products([self._usual_key.tolist()], graded=False)[0]

    def _convert(
        self, poses: np.ndarray, sure: np.ndarray | None, result: np.ndarray, piece: int
    ) -> None:
        """Converts contiguous (N, J_source, D) poses into (N, J_target, D)."""
        usual, graded = self._usual_product(), sure is not None
        may_be_clean = all_usual = bool(self._usual.all()) and not graded
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(poses), piece):
                part = slice(start, start + piece)
                block = poses[part]
                # Where the last piece had gaps, asking whether this one has any does not pay.
                if may_be_clean and _all_finite(block):
                    usual.multiply(block, result[part])
                    continue
                trust = None if sure is None else sure[part]
                keys = pattern_keys(joint_levels(block, trust), graded=graded)
                lacking = keys != self._usual_key
                count = np.count_nonzero(lacking)
                may_be_clean = all_usual and count == 0
                if not graded and _COMPLETE_PER_GAP * count < len(block):
                    usual.multiply(block if all_usual else _all_numbers(block), result[part])
                    numbers = np.flatnonzero(lacking)
                    waiting.append((numbers + start, keys[numbers]))
                else:
                    waiting.append((np.arange(start, start + len(block)), keys))
                if sum(len(keys) for _, keys in waiting) >= piece:
                    self._convert_sorted(poses, waiting, result, graded=graded)
                    waiting = []
            if waiting:
                self._convert_sorted(poses, waiting, result, graded=graded)

    def _convert_sorted(
        self,
        poses: np.ndarray,
        waiting: list[tuple[np.ndarray, np.ndarray]],
        result: np.ndarray,
        *,
        graded: bool,
    ) -> None:
        """Converts the poses of some numbers and keys, pattern by pattern."""
        numbers, keys = (np.concatenate(both) for both in zip(*waiting, strict=True))
        for part, starts, products in self._runs(numbers, keys, graded=graded):
            multiply_sorted(poses, part, starts, products, result)
            ends = [*starts[1:], len(part)]
            with self._lock:
                for start, end, product in zip(starts, ends, products, strict=True):
                    if product.lacking is not None:
                        self.incomplete_frames += end - start
                        self._incomplete.add(product.lacking)

    def _runs(self, numbers: np.ndarray, keys: np.ndarray, *, graded: bool):
        """Sorts poses of these numbers by pattern, and yields some patterns at a time.

        Yields:
          the numbers of their poses, where those of each pattern start, and the products.
        """
        order, starts = sorted_by_key(keys)
        names = keys[order[starts]].tolist()
        numbers = numbers[order]
        bounds = [*starts.tolist(), len(numbers)]
        for first in range(0, len(names), _PATTERNS_TOGETHER):
            last = min(first + _PATTERNS_TOGETHER, len(names))
            begin = bounds[first]
            yield (
                numbers[begin : bounds[last]],
                [start - begin for start in bounds[first:last]],
                self._products(names[first:last], graded=graded),
            )

    def _products(self, keys: list[int | bytes], *, graded: bool) -> list[PatternProduct]:
        """The maps of patterns, from the cache where they are there."""
        with self._lock:
            found = {key: self._cache.get((graded, key)) for key in keys}
            missing = [key for key, product in found.items() if product is None]
            if missing:
                found.update(zip(missing, self._built(missing, graded=graded), strict=True))
            for key in missing:
                self._cache[graded, key] = found[key]
                self._cached_bytes += found[key].n_bytes
            while self._cached_bytes > _CACHE_BYTES and len(self._cache) > 1:
                self._cached_bytes -= self._cache.pop(next(iter(self._cache))).n_bytes
        return [found[key] for key in keys]

    def _built(self, keys: list[int | bytes], *, graded: bool) -> list[PatternProduct]:
        levels = [levels_of_key(key, len(self._usual), graded=graded) for key in keys]
        trusts = TRUST_LEVELS[np.stack(levels)] if graded else np.stack(levels).astype(np.float64)
        return [
            PatternProduct(weights, lacking=seen.tobytes() if (seen != self._usual).any() else None)
            for weights, seen in zip(self._build(trusts), trusts > 0, strict=True)
        ]


def convert_with_patterns(
    poses: np.ndarray, build: Build, *, confidence: np.ndarray | None = None
) -> np.ndarray:
    """Converts poses with a map per pattern of missing joints; see `PatternMaps.apply`."""
    return PatternMaps(build, poses.shape[-2]).apply(poses, confidence=confidence)


def _all_finite(block: np.ndarray) -> bool:
    # A sum of squares is finite only if every number is: one pass and no temporary array.
    return bool(np.isfinite(np.vdot(block, block)))


def _all_numbers(block: np.ndarray) -> np.ndarray:
    """(N, J, D) poses in which any number stands for one that is not finite."""
    rows = block.reshape(len(block), -1)
    return finite_rows(rows, np.arange(len(rows))).reshape(block.shape)


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
