"""Where latents start: at the joints that stick out most, as the optimum has them.

The l1 term makes the optimum nearly convex, so latents must sit at the extremes of the joints.
They are found as in pivoted Cholesky: pick the joint farthest from what is picked, eliminate it.
"""

from __future__ import annotations

import numpy as np

from .chirality import ChiralLayout


def pivot_start(
    moments: np.ndarray, layout: ChiralLayout, rng: np.random.Generator, *, jitter: float = 0.0
) -> np.ndarray:
    """Picks joints for latents.

    Args:
      moments: (J, J), see `second_moments`, in the layout's order, positive definite.
      layout: sided latents get pairs of joints; centre latents get centre joints, or the middles of
        pairs where there are too few of those.
      jitter: standard deviation of the logarithm of a factor on what is picked by.

    Returns:
      (J, L) encoder of weights 1 (1/2 and 1/2 for middles), mirror symmetric.
    """
    h, joints = layout.pairs, layout.joints
    middles = h if layout.latent_centre > layout.centre else 0
    # Candidates lie halfway between two joints: left joints (standing for the pair) and centre
    # joints are twice the same, then come middles of pairs.
    single = np.r_[:h, 2 * h : joints]
    ends = np.stack([np.r_[single, :middles], np.r_[single, h : h + middles]])
    factor = np.exp(jitter * rng.standard_normal(ends.shape[1]))
    sided, centre = _pick(moments, ends, layout, factor)
    left = _points(ends[:, sided], joints)
    return np.concatenate([left, left[layout.joint_flip], _points(ends[:, centre], joints)], axis=1)


def nearest_decoder(moments: np.ndarray, w1: np.ndarray, layout: ChiralLayout) -> np.ndarray:
    """Returns the (L, J) decoder that puts every joint where its nearest latent is.

    Mirror symmetric: right joints mirror left ones, and a centre joint nearest to a sided latent is
    halfway between the two.
    """
    h, flip = layout.pairs, layout.latent_flip
    products = moments @ w1
    distances = np.einsum("jl,jl->l", w1, products) - 2 * products
    nearest = np.zeros((layout.latents, layout.joints))
    nearest[np.argmin(distances, axis=1), np.arange(layout.joints)] = 1
    nearest[:, h : 2 * h] = nearest[flip, :h]
    nearest[:, 2 * h :] = (nearest[:, 2 * h :] + nearest[flip, 2 * h :]) / 2
    return nearest


def _points(ends: np.ndarray, joints: int) -> np.ndarray:
    """(J, K) weights of the middles between two joints each, (2, K)."""
    weights = np.zeros((joints, ends.shape[1]))
    for end in ends:
        weights[end, np.arange(len(end))] += 0.5
    return weights


def _pick(moments, ends, layout, factor) -> tuple[list[int], list[int]]:
    """Returns the candidates for left and for centre latents."""
    h, flip = layout.pairs, layout.joint_flip
    candidates = _points(ends, layout.joints)
    projected = (moments[:, ends[0]] + moments[:, ends[1]]) / 2
    spread = np.einsum("jk,jk->k", candidates, projected)
    middle = np.arange(h, len(spread)) if len(spread) > h else np.arange(h)
    origin = candidates[:, middle[np.argmin(spread[middle])]]
    origin = (origin + origin[flip]) / 2
    eliminated = _Elimination(moments, candidates, projected, origin)
    free = np.ones(len(spread), bool)
    sided, centre = [], []
    while len(sided) < layout.latent_pairs or len(centre) < layout.latent_centre:
        gain = np.where(free, eliminated.remaining * factor, -np.inf)
        if len(sided) == layout.latent_pairs:
            gain[:h] = -np.inf
        if len(centre) == layout.latent_centre:
            gain[h:] = -np.inf
        best = int(np.argmax(gain))
        free[best] = False
        (sided if best < h else centre).append(best)
        eliminated.add(candidates[:, best])
        if best < h:
            eliminated.add(candidates[flip, best])
    return sided, centre


class _Elimination:
    """How far candidates are from the flat through an origin and the points added so far."""

    def __init__(self, moments, candidates, projected, origin):
        self._moments, self._origin = moments, origin
        self._products = projected - (moments @ origin)[:, None]
        self.remaining = np.einsum("jk,jk->k", candidates - origin[:, None], self._products)
        self._floor = 1e-9 * max(float(self.remaining.max(initial=0)), 1e-300)
        self._rows: list[np.ndarray] = []
        self._duals: list[np.ndarray] = []

    def add(self, point: np.ndarray) -> None:
        point = point - self._origin
        row, product = point @ self._products, self._moments @ point
        own = float(point @ product)
        for known, dual in zip(self._rows, self._duals, strict=True):
            part = float(dual @ point)
            row = row - part * known
            product = product - part * dual
            own -= part * part
        if own <= self._floor:
            return
        self._rows.append(row / np.sqrt(own))
        self._duals.append(product / np.sqrt(own))
        self.remaining = np.maximum(self.remaining - np.square(self._rows[-1]), 0)
