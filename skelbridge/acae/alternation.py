"""Descent on second moments alone: encoder and decoder in turn, each to its convex optimum.

An error of mean square q has a mean absolute value near 0.8 sqrt(q), so

    0.8 * mean_j sqrt(e_j' G e_j) + l1 term,    e_j = column j of I - W1 W2

follows the true objective closely and needs no pose. Square roots are bounded from above by
parabolas that touch them (iterative re-weighting); with either matrix fixed, a lasso in the other
is left, which alternating directions (ADMM) solve: a ridge problem in closed form, thanks to the
eigenvectors of G, and a soft threshold, in turn. Unlike the true objective's gradient, this is not
slowed down by joints that move nearly as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .chirality import ChiralLayout
from .moments import Moments
from .objective import Objective

#: Mean absolute value over root mean square: 0.798 for normal errors.
_MEAN_TO_RMS = 0.8
_ENCODER_STIFFNESS = 5e-3
_DECODER_STEP = 2e-3
#: Weight of the constraint that errors sum to zero.
_SUM_WEIGHT = 0.05
_ENCODER_TURNS, _DECODER_TURNS = 10, 30
_DIVERGED = 1.2
_LARGEST_THRESHOLD = 0.03
_LEAST_SUM = 0.1
#: Directions in which poses vary so little, against the stiffness, are left as they are.
_WEAKEST = 1e-3
_SQRT2 = np.float32(np.sqrt(2))


class Alternation:
    """Improves an encoder and a decoder on the moment matrix, keeping mirror symmetry.

    Args:
      moments: with a ridge that makes them positive definite.
    """

    def __init__(self, moments: Moments, layout: ChiralLayout, objective: Objective):
        self._layout = layout
        h, c = layout.pairs, layout.centre
        self._costs = objective.entry_costs(layout.joints, layout.latents)
        weights = np.ones(layout.joints)
        if objective.joint_weights is not None:
            weights = objective.joint_weights[layout.order]
        # Of pairs, then of centre joints; they sum to 1 over all joints.
        weights = np.r_[(weights[:h] + weights[h : 2 * h]) / 2, weights[2 * h :]]
        self._joint_weights = weights / (2 * weights[:h].sum() + weights[h:].sum())
        self._moments = moments.full()
        ones = np.r_[np.full(h, np.sqrt(2)), np.ones(c)]
        even = moments.even + _SUM_WEIGHT * np.outer(ones, ones)
        self._spectra = (_spectrum(even), _spectrum(moments.odd))

    def rounds(
        self, w1: np.ndarray, w2: np.ndarray, *, count: int
    ) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        """Yields (objective on moments, w1, w2), in the layout's order, after every round."""
        duals = np.zeros(w1.shape, np.float32), np.zeros(w2.shape, np.float32)
        best, rms = self.value(w1, w2)
        stiffness = max(_ENCODER_STIFFNESS, self._costs[0] / _LARGEST_THRESHOLD)
        kept = w1, w2, rms
        for _ in range(count):
            # The parabolas' curvatures; a joint without any error needs no infinite one.
            weights = _MEAN_TO_RMS * self._joint_weights / np.maximum(rms, 0.01 * rms.mean())
            w2 = self._decoder(w1, w2, weights, duals[1])
            w1 = self._encoder(w1, w2, weights, duals[0], stiffness)
            value, rms = self.value(w1, w2)
            if not value < _DIVERGED * best:
                # Turns in both that do not meet: go back, and take smaller steps.
                stiffness *= 4
                w1, w2, rms = kept
                for dual in duals:
                    dual[:] = 0
                continue
            if value < best:
                best, kept = value, (w1, w2, rms)
            yield value, w1, w2

    def value(self, w1: np.ndarray, w2: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the objective, and the rms errors of pairs and of centre joints in metres."""
        h = self._layout.pairs
        squares = [
            np.einsum("ij,ij->j", error, error)
            for error in (
                np.sqrt(spectrum.values)[:, None]
                * (spectrum.vectors.T - (spectrum.vectors.T @ encoder) @ decoder)
                for spectrum, encoder, decoder in zip(
                    self._spectra, _split(w1, self._layout), _split_decoder(w2, self._layout),
                    strict=True,
                )
            )
        ]  # fmt: skip
        squares = np.r_[(squares[0][:h] + squares[1]) / 2, squares[0][h:]]
        rms = np.sqrt(squares.astype(np.float64) + 1e-12)
        main = (self._joint_weights * rms * np.r_[np.full(h, 2), np.ones(len(rms) - h)]).sum()
        l1 = self._costs[0] * np.abs(w1).sum(dtype=np.float64)
        l1 += self._costs[1] * np.abs(w2).sum(dtype=np.float64)
        return float(_MEAN_TO_RMS * main + l1), rms

    def _decoder(
        self, w1: np.ndarray, w2: np.ndarray, weights: np.ndarray, dual: np.ndarray
    ) -> np.ndarray:
        """The lasso of every joint over the latents; right joints mirror left ones."""
        h = self._layout.pairs
        solved = np.r_[np.arange(h), np.arange(2 * h, self._layout.joints)]
        products = self._moments @ w1
        gram = w1.T @ products
        stiffness = self._costs[1] / (weights.mean() * _DECODER_STEP)
        stiffness += 1e-3 * np.trace(gram) / len(gram) ** 2
        inverse = np.linalg.inv(gram + stiffness * np.eye(len(gram)))
        ones = inverse.sum(axis=1, keepdims=True)
        plane = inverse - ones @ ones.T / ones.sum()
        fixed = (plane @ products[solved].T + ones / ones.sum()).astype(np.float32)
        plane = (plane * stiffness).astype(np.float32)
        threshold = (self._costs[1] / (stiffness * weights)).astype(np.float32)
        part, excess = w2[:, solved].astype(np.float32), dual[:, solved]
        for _ in range(_DECODER_TURNS):
            excess += fixed + plane @ (part - excess)
            part = _shrunk(excess, threshold)
            excess -= part
        dual[:, solved] = excess
        flip = self._layout.latent_flip
        result = np.empty(w2.shape)
        result[:, solved] = part
        result[:, h : 2 * h] = result[flip, :h]
        result[:, 2 * h :] = (result[:, 2 * h :] + result[flip, 2 * h :]) / 2
        return _scaled_to_one(result, w2, dual)

    def _encoder(
        self,
        w1: np.ndarray,
        w2: np.ndarray,
        weights: np.ndarray,
        dual: np.ndarray,
        stiffness: float,
    ) -> np.ndarray:
        """The lasso of all latents together, by the eigenvectors of both sides."""
        layout = self._layout
        threshold = np.float32(self._costs[0] / stiffness)
        ridges = []
        halves = _split_decoder(w2, layout)
        for spectrum, decoder, own in zip(
            self._spectra, halves, (weights, weights[: layout.pairs]), strict=True
        ):
            values, vectors = np.linalg.eigh((decoder * own) @ decoder.T)
            values = np.maximum(values, 0)
            strong = spectrum.values * values.max(initial=0) > _WEAKEST * stiffness
            left, variance = spectrum.vectors[:, strong], spectrum.values[strong, None]
            target = variance * (left.T @ (own[:, None] * decoder.T) @ vectors)
            scale = 1 / (variance * values + stiffness)
            ridges.append(
                (left, vectors.astype(np.float32), (target * scale).astype(np.float32),
                 (stiffness * scale - 1).astype(np.float32))
            )  # fmt: skip
        part, excess = w1.astype(np.float32), dual
        for _ in range(_ENCODER_TURNS):
            solved = [
                half + left @ (fixed + change * (left.T @ half @ right)) @ right.T
                for half, (left, right, fixed, change) in zip(
                    _split(part - excess, layout), ridges, strict=True
                )
            ]
            excess += _joined(*solved, layout)
            part = _shrunk(excess, threshold)
            excess -= part
        return _scaled_to_one(part.astype(np.float64), w1, dual)


@dataclass(frozen=True, eq=False)
class _Spectrum:
    values: np.ndarray
    vectors: np.ndarray


def _spectrum(matrix: np.ndarray) -> _Spectrum:
    values, vectors = np.linalg.eigh(matrix)
    return _Spectrum(np.maximum(values, 0).astype(np.float32), vectors.astype(np.float32))


def _split(w1: np.ndarray, layout: ChiralLayout) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a (J, L) matrix does to even and to odd parts, in orthonormal coordinates."""
    h, hl = layout.pairs, layout.latent_pairs
    same, crossed = w1[:h, :hl], w1[:h, hl : 2 * hl]
    even = np.empty((h + layout.centre, hl + layout.latent_centre), np.float32)
    even[:h, :hl] = same + crossed
    even[:h, hl:] = w1[:h, 2 * hl :] * _SQRT2
    even[h:, :hl] = w1[2 * h :, :hl] * _SQRT2
    even[h:, hl:] = w1[2 * h :, 2 * hl :]
    return even, (same - crossed).astype(np.float32)


def _split_decoder(w2: np.ndarray, layout: ChiralLayout) -> tuple[np.ndarray, np.ndarray]:
    even, odd = _split(w2.T, layout)
    return even.T, odd.T


def _joined(even: np.ndarray, odd: np.ndarray, layout: ChiralLayout) -> np.ndarray:
    """The inverse of `_split`."""
    h, hl = layout.pairs, layout.latent_pairs
    result = np.empty((layout.joints, layout.latents), np.float32)
    same = (even[:h, :hl] + odd) / 2
    crossed = (even[:h, :hl] - odd) / 2
    result[:h, :hl] = result[h : 2 * h, hl : 2 * hl] = same
    result[:h, hl : 2 * hl] = result[h : 2 * h, :hl] = crossed
    result[:h, 2 * hl :] = result[h : 2 * h, 2 * hl :] = even[:h, hl:] / _SQRT2
    result[2 * h :, :hl] = result[2 * h :, hl : 2 * hl] = even[h:, :hl] / _SQRT2
    result[2 * h :, 2 * hl :] = even[h:, hl:]
    return result


def _shrunk(values: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """The soft threshold: what is left of values moved towards zero."""
    return values - np.minimum(np.maximum(values, -threshold), threshold)


def _scaled_to_one(matrix: np.ndarray, before: np.ndarray, dual: np.ndarray) -> np.ndarray:
    """Columns scaled to sum 1; those that the threshold took away are as they were before."""
    sums = matrix.sum(axis=0)
    lost = np.abs(sums) < _LEAST_SUM
    scaled = matrix / np.where(lost, 1.0, sums)
    scaled[:, lost] = before[:, lost]
    dual[:, lost] = 0
    return scaled
