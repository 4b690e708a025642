"""Which joints each pose has, and poses sorted by that."""

from __future__ import annotations

import numpy as np

#: The trust that confidences are rounded down to (up only to the lowest); few levels keep the
#: patterns few.
TRUST_LEVELS = np.array([0.0, 0.25, 0.5, 1.0])
# Spreads keys evenly over their highest bits (Knuth's multiplicative hashing by the golden ratio).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_KEY_BYTES = 8


def joint_levels(block: np.ndarray, sure: np.ndarray | None = None) -> np.ndarray:
    """Returns (N, J) uint8 for (N, J, D) poses: 0 where a coordinate is not finite, else 1.

    With confidences (N, J) in 0..1 instead of 1 the number in `TRUST_LEVELS`, 0 for confidence 0.
    """
    # One coordinate after the other: an eighth of the time of all(axis=2).
    finite = np.isfinite(block[..., 0])
    for axis in range(1, block.shape[2]):
        finite &= np.isfinite(block[..., axis])
    levels = finite.view(np.uint8)
    if sure is None:
        return levels
    level = np.searchsorted(TRUST_LEVELS, sure, side="right").astype(np.uint8) - np.uint8(1)
    return levels * np.maximum(level, (sure > 0).view(np.uint8))


def pattern_keys(levels: np.ndarray, *, graded: bool) -> np.ndarray:
    """Returns (N,) keys, equal exactly where poses have equal levels; see `levels_of_key`.

    Args:
      levels: (N, J) uint8, 0 or 1; numbers in `TRUST_LEVELS` if graded.
    """
    bits = np.concatenate([levels & 1, levels >> 1], axis=1) if graded else levels
    if spare := -bits.shape[1] % 8:
        bits = np.concatenate([bits, np.zeros((len(bits), spare), np.uint8)], axis=1)
    size = bits.shape[1] // 8
    packed = np.packbits(bits.reshape(-1), bitorder="little")
    if size > _KEY_BYTES:
        return packed.view(f"V{size}")
    # Eight bytes from the start of each pose's, of which those of the next poses are masked.
    behind = np.zeros(_KEY_BYTES, np.uint8)
    keys = np.ndarray((len(bits),), "<u8", np.concatenate([packed, behind]), 0, (size,))
    return keys & np.uint64((1 << 8 * size) - 1)


def levels_of_key(key: int | bytes, count: int, *, graded: bool) -> np.ndarray:
    """Returns the (J,) levels that a key, as a Python value, stands for."""
    packed = key if isinstance(key, bytes) else key.to_bytes(_KEY_BYTES, "little")
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    return bits[:count] + 2 * bits[count : 2 * count] if graded else bits[:count]


def sorted_by_key(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorts poses so that those of equal keys follow each other, in their order.

    Returns:
      order (N,), and where in it a run of equal keys starts. Rarely, a key has two runs.
    """
    if keys.dtype == np.uint64:
        # Sixteen bits are sorted by counting; keys that fall together are told apart below.
        order = np.argsort(((keys * _GOLDEN) >> np.uint64(48)).astype(np.uint16), kind="stable")
    else:
        order = np.argsort(keys, kind="stable")
    in_order = keys.take(order)
    changes = np.flatnonzero(in_order[1:] != in_order[:-1]) + 1
    return order, np.concatenate([np.zeros(min(len(order), 1), np.intp), changes])
