"""Weights with few source joints each: an l1 penalty chooses them, a ridge solution weighs them.

    minimise  1/2 (E (x_t - w'x_s)^2 + noise^2 |w|_2^2) + penalty |w|_1    with    sum w = 1

by the alternating direction method of multipliers (Boyd et al. 2011, section 6.4): a quadratic step
on the plane of sum one, a soft threshold, and a running sum of their disagreement.
"""

from __future__ import annotations

import numpy as np

from .solver import Problem, Solution, mirrored_mean, noise_variance, solve, variances_of

#: The penalty on the absolute weights (atlas.md section 6: 7-9 source joints per target joint).
PENALTY_MM2 = 60.0
#: The ridge while choosing: a larger one would spread weights over neighbours that share a motion.
_CHOOSING_NOISE_MM = 3.0
_MAX_STEPS = 4000
#: Stop where both iterates agree to this in every weight, and stand still.
_TOLERANCE = 1e-6
#: Over-relaxation, which halves the number of steps.
_RELAXATION = 1.7


def solve_sparse(
    problem: Problem, *, noise_mm: float | np.ndarray, penalty_mm2: float = PENALTY_MM2
) -> Solution:
    """Solves like `solve`, with few nonzero weights per target.

    Args:
      problem, noise_mm: see `solve`.
      penalty_mm2: what one unit of absolute weight costs.
    """
    noise = noise_variance(noise_mm, len(problem.among_sources))
    choosing = np.minimum(noise, (_CHOOSING_NOISE_MM / 1000) ** 2)
    chosen = l1_weights(problem, choosing, penalty_mm2 / 1e6) != 0
    if problem.source_flip is not None and (noise[problem.source_flip] == noise).all():
        chosen |= mirrored_mean(chosen, problem) > 0
    weights = np.zeros(chosen.shape)
    noise_mm = np.broadcast_to(noise_mm, noise.shape)
    for row, used in enumerate(chosen):
        alone = Problem(
            problem.among_sources, problem.to_targets[:, [row]], problem.of_targets[[row]]
        ).observed(used)
        weights[row, used] = solve(alone, noise_mm=noise_mm[used]).weights[0]
    if problem.source_flip is not None and (noise[problem.source_flip] == noise).all():
        weights = mirrored_mean(weights, problem)
    variance = variances_of(problem, weights)
    return Solution(weights, variance, variance + weights**2 @ noise)


def l1_weights(problem: Problem, noise: np.ndarray, penalty: float) -> np.ndarray:
    """Returns the (T, S) minimisers, exactly zero where the penalty makes them so.

    Args:
      problem: the moments.
      noise: (S,) m^2.
      penalty: m^2.
    """
    count = len(noise)
    # Within the plane of sum one: its middle plus a combination of directions of sum zero.
    plane = np.linalg.qr(np.c_[np.ones(count), np.eye(count)[:, 1:]])[0][:, 1:]
    system = problem.among_sources + np.diag(noise)
    values, turn = np.linalg.eigh(plane.T @ system @ plane)
    directions = plane @ turn
    middle = 1 / count
    pull = directions.T @ (problem.to_targets - system.sum(axis=1, keepdims=True) * middle)
    # The step size between the stiffest and the softest direction.
    step = np.sqrt(max(values[-1], 1e-12) * max(values[0], 1e-12)) if count > 1 else 1.0
    threshold = penalty / step
    kept = np.zeros(problem.to_targets.shape)
    disagreement = np.zeros_like(kept)
    for _ in range(_MAX_STEPS):
        aim = directions.T @ (kept - disagreement)
        smooth = middle + directions @ ((pull + step * aim) / (values + step)[:, None])
        relaxed = _RELAXATION * smooth + (1 - _RELAXATION) * kept
        before, moved = kept, relaxed + disagreement
        kept = np.sign(moved) * np.maximum(np.abs(moved) - threshold, 0)
        disagreement = moved - kept
        if max(np.abs(kept - smooth).max(), np.abs(kept - before).max()) < _TOLERANCE:
            break
    # A target's weights are never all zero: their sum is one within the tolerance.
    return kept.T
