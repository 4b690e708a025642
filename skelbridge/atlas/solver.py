"""The best affine predictors of some points from others, from second moments alone.

For source points s and a target point t, the weights w minimise

    E (x_t - sum_s w_s x_s)^2 + sum_s noise_s^2 w_s^2    with    sum_s w_s = 1,

per coordinate. All targets share one linear system: with A = E x_s x_s' + diag(noise^2) and
c = E x_s x_t, the solution is w = A^-1 (c - lambda 1), where lambda makes the sum one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .moments import Moments
from .products import positive_inverse, product

# A floor under the ridge: some points are exact midpoints of others, which leaves their weights
# undetermined without any noise. The rank that the file keeps is not more exact than this either.
_FLOOR_MM = 0.1
# Mirrored moments that differ by more than this (in m^2) belong to points that are not each
# other's mirror images, or to moments that were never mirrored.
_MIRROR_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Problem:
    """The moments that a solution needs, in m^2.

    Attributes:
      among_sources: (S, S).
      to_targets: (S, T) moments of sources with targets.
      of_targets: (T,) of each target with itself.
      source_flip, target_flip: the permutations that swap left and right, where the moments are
        mirror images of themselves under them; else None.
    """

    among_sources: np.ndarray
    to_targets: np.ndarray
    of_targets: np.ndarray
    source_flip: np.ndarray | None = None
    target_flip: np.ndarray | None = None

    def observed(self, seen: np.ndarray) -> Problem:
        """Returns the problem with the source points (S,) bool only."""
        if seen.all():
            return self
        kept = np.flatnonzero(seen)
        flips = (None, None)
        if self.source_flip is not None and (seen[self.source_flip] == seen).all():
            place = np.cumsum(seen) - 1
            flips = (place[self.source_flip[kept]], self.target_flip)
        return Problem(
            self.among_sources[np.ix_(kept, kept)], self.to_targets[kept], self.of_targets, *flips
        )


@dataclass(frozen=True)
class Solution:
    """Weights, and how well they predict exact source points.

    Attributes:
      weights: (T, S), rows sum to one.
      variance: (T,) expected squared error in m^2 per coordinate, without noise.
      noisy_variance: (T,) the same for sources with the assumed noise: what was minimised, so a
        further source point never makes it larger.
    """

    weights: np.ndarray
    variance: np.ndarray
    noisy_variance: np.ndarray


def gather(
    moments: Moments,
    sources: np.ndarray,
    targets: np.ndarray,
    *,
    source_flip: np.ndarray | None = None,
    target_flip: np.ndarray | None = None,
) -> Problem:
    """Collects the moments of some points.

    Args:
      moments: the atlas.
      sources, targets: (S,) and (T,) point numbers.
      source_flip, target_flip: permutations of 0..S-1 and 0..T-1 that swap left and right. Rounding
        in the file is then made symmetric, so that weights are.
    """
    first = moments.covariance(sources, np.concatenate([sources, targets]))
    among, to_targets = first[:, : len(sources)], first[:, len(sources) :]
    of_targets = moments.variances(targets)
    if source_flip is None or target_flip is None:
        return Problem(among, to_targets, of_targets)
    mirrored = (
        among[np.ix_(source_flip, source_flip)],
        to_targets[np.ix_(source_flip, target_flip)],
        of_targets[target_flip],
    )
    pairs = list(zip((among, to_targets, of_targets), mirrored, strict=True))
    if any(np.abs(a - b).max(initial=0) > _MIRROR_TOLERANCE for a, b in pairs):
        return Problem(among, to_targets, of_targets)
    return Problem(*((a + b) / 2 for a, b in pairs), source_flip, target_flip)


def noise_variance(noise_mm: float | np.ndarray, count: int) -> np.ndarray:
    """Returns (S,) noise variances in m^2 for a noise in mm, one for all or one each."""
    return np.broadcast_to((np.asarray(noise_mm) / 1000) ** 2 + (_FLOOR_MM / 1000) ** 2, (count,))


def solve(problem: Problem, *, noise_mm: float | np.ndarray) -> Solution:
    """Solves for all targets at once.

    Args:
      problem: see `gather`; at least one source point.
      noise_mm: expected noise per coordinate of the source points, one number or (S,).
    """
    count = len(problem.among_sources)
    noise = noise_variance(noise_mm, count)
    # The ridge bounds the condition number (10^4 or so), so the inverse loses nothing that counts,
    # and one product with it is several times as fast as solving for a thousand targets.
    inverse = positive_inverse(problem.among_sources + np.diag(noise))
    ones = inverse.sum(axis=1)
    # einsum, like `product`, wakes no threads.
    multiplier = (np.einsum("s,st->t", ones, problem.to_targets) - 1) / ones.sum()
    weights = product((problem.to_targets - multiplier).T, inverse)
    if problem.source_flip is not None and _symmetric(noise, problem.source_flip):
        weights = mirrored_mean(weights, problem)
    # At the minimum A w = c - lambda 1, so that w'Aw = w'c - lambda: exact to the square of some
    # micrometres, and a product less.
    explained = np.einsum("ts,st->t", weights, problem.to_targets)
    noisy = problem.of_targets - explained - multiplier
    passed_on = np.einsum("ts,ts,s->t", weights, weights, noise)
    return Solution(weights, np.maximum(noisy - passed_on, 0), np.maximum(noisy, 0))


def mirrored_mean(weights: np.ndarray, problem: Problem) -> np.ndarray:
    """Returns weights made symmetric exactly: the mean with their own mirror image."""
    flipped = weights[np.ix_(problem.target_flip, problem.source_flip)]
    return (weights + flipped) / 2


def _symmetric(noise: np.ndarray, flip: np.ndarray) -> bool:
    return bool((noise[flip] == noise).all())


def variances_of(problem: Problem, weights: np.ndarray) -> np.ndarray:
    """Returns the (T,) expected squared errors in m^2 per coordinate of any weights."""
    towards = weights @ problem.among_sources - 2 * problem.to_targets.T
    return np.maximum(problem.of_targets + np.einsum("ts,ts->t", weights, towards), 0)
