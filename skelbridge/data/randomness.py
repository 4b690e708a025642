"""Random numbers without state: a function of (seed, step, slot, purpose), nothing else.

So that any example of any step can be made at once, by any worker, and is bitwise the same.
The numbers are those of the splitmix64 generator in counter mode (Steele, Lea, Flood 2014).
"""

from __future__ import annotations

import enum
import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BITS = 0xFFFFFFFFFFFFFFFF


class Purpose(enum.IntEnum):
    """What random numbers are for; a new purpose gets a new number, so that no other changes."""

    ORDER = 1
    PARTIAL_VISIBILITY = 2
    GEOMETRY = 3
    BACKGROUND = 4
    OCCLUSION = 5
    COLOUR = 6


def hashed(*parts: int | np.ndarray) -> np.ndarray:
    """Returns 64-bit hashes (uint64, at least one axis) of whole numbers, broadcast."""
    state = np.zeros(1, np.uint64)
    for part in parts:
        if isinstance(part, int):
            part = np.uint64(part & _BITS)
        state = mixed((state + _GOLDEN) ^ np.asarray(part).astype(np.uint64, copy=False))
    return state


def number_of_text(text: str) -> int:
    """Returns 64 bits of a text's digest."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def uniforms(
    seed: int, step: int | np.ndarray, slots: np.ndarray, purpose: int, count: int
) -> np.ndarray:
    """Returns numbers (N, count), uniform in [0, 1), for N slots.

    Args:
      seed: of the run.
      step: one for all, or (N,).
      slots: (N,) places in the batch.
      purpose: see `Purpose`; others may use numbers from 1000 on.
      count: how many; the first ones do not depend on it.
    """
    keys = hashed(seed, step, np.atleast_1d(slots), int(purpose))[:, None]
    bits = mixed(keys + _GOLDEN * np.arange(1, count + 1, dtype=np.uint64))
    return (bits >> np.uint64(11)) * 2.0**-53


def generator(seed: int, step: int, slot: int, purpose: int) -> np.random.Generator:
    """Returns a generator for what needs many numbers (textures, noise)."""
    key = int(hashed(seed, step, slot, int(purpose), 1)[0])
    return np.random.Generator(np.random.SFC64(key))


def mixed(state: np.ndarray) -> np.ndarray:
    """Returns what splitmix64 makes of its states (uint64 arrays): a bijection of 64 bits."""
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
