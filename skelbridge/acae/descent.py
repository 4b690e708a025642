"""Adam on the true objective."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .batches import Batches
from .gradient import Gradient
from .objective import Objective
from .parameters import Parameters

_BETA1 = np.float32(0.9)
_EPSILON = np.float32(1e-7)


class Adam:
    """Adam as Keras has it, on the parameters' vector."""

    def __init__(self, parameters: Parameters, *, beta2: float = 0.999):
        self.vector = parameters.vector
        self.mean = np.zeros_like(self.vector)
        self.square = np.zeros_like(self.vector)
        self._scratch = np.empty_like(self.vector)
        self._beta2 = beta2
        self.steps = 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        """Moves the parameters; the gradient is used up."""
        self.steps += 1
        beta2 = self.vector.dtype.type(self._beta2)
        correction = np.sqrt(1 - self._beta2**self.steps) / (1 - float(_BETA1) ** self.steps)
        scratch = self._scratch
        np.multiply(gradient, gradient, out=scratch)
        scratch *= 1 - beta2
        self.square *= beta2
        self.square += scratch
        self.mean *= _BETA1
        gradient *= 1 - _BETA1
        self.mean += gradient
        np.sqrt(self.square, out=scratch)
        scratch += _EPSILON
        np.divide(self.mean, scratch, out=scratch)
        scratch *= self.vector.dtype.type(rate * correction)
        self.vector -= scratch


def cosine_rate(step: int, steps: int, peak: float, *, warm_up: float = 0.05) -> float:
    """Returns the rate of a step: a linear rise, then a cosine to zero."""
    rise = max(int(warm_up * steps), 1)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + np.cos(np.pi * (step - rise) / max(steps - rise, 1)))


def errors_per_pose(parameters: Parameters, objective: Objective, batches: Batches) -> np.ndarray:
    """Returns the (N,) main term of each pose."""
    gradient = Gradient(parameters, objective)
    gradient.normalize()
    pieces = zip(batches.inputs, batches.targets, batches.weights, strict=True)
    return np.concatenate([gradient.errors(*piece) for piece in pieces])


def descend(
    parameters: Parameters,
    objective: Objective,
    batches: Iterator[tuple[np.ndarray, ...]],
    rates: Iterator[float],
    *,
    beta2: float,
) -> Iterator[int]:
    """Makes one Adam step per rate; yields the number of steps made after each."""
    gradient, adam = Gradient(parameters, objective), Adam(parameters, beta2=beta2)
    for step, (rate, batch) in enumerate(zip(rates, batches, strict=False), 1):
        gradient.compute(*batch)
        adam.step(gradient.vector, rate)
        yield step
