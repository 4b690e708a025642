"""`data.randomness.uniforms` inside of a compiled JAX function, for a step that is not known yet.

JAX has no 64-bit integers unless told so: a number is a pair (high, low) of uint32.
"""

from __future__ import annotations

import jax
from jax import numpy as jnp

#: Of splitmix64, as in `data.randomness`.
GOLDEN = 0x9E3779B97F4A7C15
FIRST_FACTOR, SECOND_FACTOR = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_Pair = tuple[jax.Array, jax.Array]


def traced_uniforms(seed: int, step, slots: int, purpose: int) -> jax.Array:
    """Returns numbers `(slots,)` in [0, 1], float32: the first of each slot, to the last bit.

    Args:
      seed: of the run.
      step: whole number from 0, may be traced.
      slots: how many places the batch has.
      purpose: see `skelbridge.data.randomness`.
    """
    none = jnp.zeros((), jnp.uint32)
    state = none, none
    for part in (
        _pair(seed),
        (none, jnp.asarray(step).astype(jnp.uint32)),
        (none, jnp.arange(slots, dtype=jnp.uint32)),
        _pair(purpose),
    ):
        high, low = _added(state, _pair(GOLDEN))
        state = _mixed((high ^ part[0], low ^ part[1]))
    high, low = _mixed(_added(state, _pair(GOLDEN)))
    return high.astype(jnp.float32) * 2.0**-32 + low.astype(jnp.float32) * 2.0**-64


def _pair(number: int) -> _Pair:
    number = int(number)
    return jnp.uint32(number >> 32 & 0xFFFFFFFF), jnp.uint32(number & 0xFFFFFFFF)


def _mixed(state: _Pair) -> _Pair:
    for shift, factor in ((30, FIRST_FACTOR), (27, SECOND_FACTOR)):
        state = _multiplied(_shifted(state, shift), _pair(factor))
    return _shifted(state, 31)


def _shifted(state: _Pair, bits: int) -> _Pair:
    """x ^ (x >> bits), for fewer than 32 bits."""
    high, low = state
    return high ^ (high >> bits), low ^ (low >> bits | high << (32 - bits))


def _added(a: _Pair, b: _Pair) -> _Pair:
    low = a[1] + b[1]
    return a[0] + b[0] + (low < b[1]).astype(jnp.uint32), low


def _multiplied(a: _Pair, b: _Pair) -> _Pair:
    """The lower 64 bits of the product."""
    (a1, a0), (b1, b0) = (_halves(x[1]) for x in (a, b))
    first, second = a0 * b1, a1 * b0
    middle = (a0 * b0 >> 16) + (first & 0xFFFF) + (second & 0xFFFF)
    carried = a1 * b1 + (first >> 16) + (second >> 16) + (middle >> 16)
    return carried + a[0] * b[1] + a[1] * b[0], a[1] * b[1]


def _halves(number: jax.Array) -> _Pair:
    """Upper and lower half of 32 bits."""
    return number >> 16, number & 0xFFFF
