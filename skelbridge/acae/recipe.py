"""The published recipe: random start, Adam, batches of 32, rates in three steps.

Kept as the yardstick. Sources: the published training code's hyper-parameters (start, optimiser,
rates and their boundaries); the schedule scales with the number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .batches import Batches
from .descent import descend
from .objective import Objective
from .parameters import Parameters

BATCH_SIZE = 32
EPOCHS = 30
#: Steps of the published run, of which the rates' boundaries are fractions.
FULL_STEPS = 375_000
#: (until which share of the steps, rate).
RATES = ((0.4, 3e-2), (0.8, 3e-3), (1.0, 3e-4))
#: Raw weights start uniform in this range: sums are then far from zero.
START = (-0.1, 1.0)


def default_steps(poses: int) -> int:
    """Returns the steps of 30 epochs, as published."""
    return max(EPOCHS * (poses // BATCH_SIZE), 1)


def recipe_rate(step: int, steps: int) -> float:
    """Returns the learning rate of a step."""
    for share, rate in RATES:
        if step < share * steps:
            return rate
    return RATES[-1][1]


def run_recipe(
    parameters: Parameters,
    objective: Objective,
    batches: Batches,
    *,
    steps: int,
    rng: np.random.Generator,
) -> Iterator[int]:
    """Sets a random start and makes the steps; yields the number of steps made after each."""
    parameters.vector[:] = rng.uniform(*START, parameters.vector.size)
    rates = (recipe_rate(step, steps) for step in range(steps))
    yield from descend(parameters, objective, batches.shuffled(rng), rates, beta2=0.999)
