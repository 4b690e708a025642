"""A shuffled order that is never stored: where the i-th of n items stands is computed.

Swap-or-not shuffle (Hoang, Morris, Rogaway: "An Enciphering Scheme Based on a Card Shuffle", CRYPTO
2012): every round pairs each place x with k - x (mod n), and a keyed coin per pair says whether
the two change places. A round is its own inverse, whatever the coins: the whole is a permutation of
0 ... n - 1 for every n.
"""

from __future__ import annotations

import numpy as np

from .randomness import hashed, mixed

#: The authors' bounds ask for about 6 log2(n): 96 reaches that at n = 65 thousand. Far longer rows
#: differ from a random order in ways that no example would notice.
ROUNDS = 96


def permuted(places: np.ndarray, sizes: np.ndarray | int, keys: np.ndarray | int) -> np.ndarray:
    """Returns which item stands at each place of a shuffled row of items.

    Args:
      places: (N,) from 0 to sizes - 1.
      sizes: number of items, one for all or (N,).
      keys: tells different orders apart, one for all or (N,); uint64 or int.

    Returns:
      (N,) int64.
    """
    n = np.asarray(sizes).astype(np.uint64)
    items, n = np.broadcast_arrays(np.atleast_1d(places).astype(np.uint64), n)
    rounds = np.arange(ROUNDS, dtype=np.uint64)[:, None]
    shifts = hashed(keys, 0, rounds) % n
    coins = hashed(keys, 1, rounds)
    for shift, coin in zip(shifts, np.broadcast_to(coins, shifts.shape), strict=True):
        partners = shift + n - items
        partners = np.where(partners >= n, partners - n, partners)
        toss = mixed(coin ^ np.maximum(items, partners))
        items = np.where(toss & np.uint64(1), partners, items)
    return items.astype(np.int64)
