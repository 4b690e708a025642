"""Which joints each pose has, and poses sorted by that."""

from __future__ import annotations

import numpy as np

#: The trust that confidences are rounded down to (up only to the lowest); few levels keep the
#: patterns few.
TRUST_LEVELS = np.array([0.0, 0.25, 0.5, 1.0])
# Spreads keys evenly over their highest bits (Knuth's multiplicative hashing by the golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: The bits of the largest finite number. As integers, the bits of infinity and NaN are larger.
LARGEST_NUMBER = {
    np.dtype(np.float32): np.int32(0x7F7FFFFF),
    np.dtype(np.float64): np.int64(0x7FEFFFFFFFFFFFFF),
}


def first_coordinate_levels(block: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Returns (N + 1, J) uint8, 1 where the first coordinate of (N, J, D) poses is finite.

    Joints are nearly always missing altogether, and one coordinate takes a tenth of the time of
    all. Whoever uses this checks that no other coordinate is missing. The last row is `usual`, so
    that the key of complete poses is known.
    """
    levels = np.empty((len(block) + 1, block.shape[1]), bool)
    np.isfinite(block[..., 0], out=levels[:-1])
    levels[-1] = usual
    return levels.view(np.uint8)


def hide_missing(rows: np.ndarray) -> None:
    """Replaces NaN and infinity in (N, K) rows of a dtype in `LARGEST_NUMBER` by that number.

    Times a weight of zero it is zero, as NaN is not. Minus infinity and NaN with its sign bit set
    stay as they are.
    """
    bits = rows.view(f"i{rows.itemsize}")
    largest = LARGEST_NUMBER[rows.dtype]
    # Against an array numpy uses wide instructions, against a number it does not.
    length = 64 if len(rows) % 64 == 0 else 1
    lines = bits.reshape(-1, length * rows.shape[1])
    np.minimum(lines, np.full(lines.shape[1], largest), out=lines)


def exact_levels(block: np.ndarray, sure: np.ndarray | None) -> np.ndarray:
    """Returns (N, J) uint8: 0 where a coordinate is not finite, else 1.

    With confidences (N, J) in 0..1 instead of 1 the number in `TRUST_LEVELS`, 0 for confidence 0.
    """
    finite = np.isfinite(block).all(axis=2).view(np.uint8)
    if sure is None:
        return finite
    level = np.searchsorted(TRUST_LEVELS, sure, side="right").astype(np.uint8) - np.uint8(1)
    return finite * np.maximum(level, (sure > 0).view(np.uint8))


def pattern_keys(levels: np.ndarray, *, graded: bool) -> np.ndarray:
    """Returns (N,) uint64, equal exactly where poses have equal levels.

    Args:
      levels: (N, J) uint8, 0 or 1; numbers in `TRUST_LEVELS` if graded.
    """
    if graded:
        packed = np.concatenate([_packed(levels & 1), _packed(levels >> 1)], axis=1)
    else:
        packed = _packed(levels)
    if packed.shape[1] > 8:
        _, inverse = np.unique(packed.astype(np.uint8), axis=0, return_inverse=True)
        return inverse.reshape(-1).astype(np.uint64)
    keys = packed[:, 0].copy()
    for number in range(1, packed.shape[1]):
        keys |= packed[:, number] << np.uint64(8 * number)
    return keys


def sorted_by_key(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorts poses so that those of equal keys follow each other.

    Returns:
      order (N,), and where in it a run of equal keys starts. Rarely, a key has two runs.
    """
    # Sixteen bits are sorted by counting; keys that fall together are told apart below.
    order = np.argsort(((keys * _GOLDEN) >> np.uint64(48)).astype(np.uint16), kind="stable")
    in_order = keys[order]
    changes = np.flatnonzero(in_order[1:] != in_order[:-1]) + 1
    return order, np.concatenate([np.zeros(min(len(order), 1), np.intp), changes])


def _packed(bits: np.ndarray) -> np.ndarray:
    """Returns (N, ceil(J / 8)) uint64, each holding eight of (N, J) bits in its lowest byte."""
    spare = -bits.shape[1] % 8
    if spare:
        bits = np.concatenate([bits, np.zeros((len(bits), spare), np.uint8)], axis=1)
    # The product moves the lowest bit of byte i to bit 56 + i; nothing else gets there.
    eights = np.ascontiguousarray(bits).view(np.uint64)
    return (eights * np.uint64(0x0102040810204080)) >> np.uint64(56)
