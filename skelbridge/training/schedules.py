"""Learning rates and phases of training, as pure functions of the step.

Steps are counted from 0: step s of T runs with the rate at s / T. Published: 400,000 steps for the
separate heads, 40,000 for fine-tuning.

Source: Sarandi et al., WACV 2023, supplement, and its code (MIT), which decays by 0.3 (3.33) where
the supplement says 3; the supplement's factor is the default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from skeleton_defs import UserError

#: Learning rate of step 0.
BASE_RATE = 2.121e-4
#: Factor by which the rate decays before the drop, and again after it.
DECAY = 3.0
#: The rate right after the drop is the base rate divided by this.
DROP = 30.0
#: Shares of the steps before the drop: separate heads, and the head in fine-tuning.
INITIAL_DROP_AT, FINE_TUNING_DROP_AT = 0.92, 0.5
#: Steps of the published training.
PUBLISHED_STEPS = 400_000


def rate_with_drop(
    step: int,
    total: int,
    *,
    base: float = BASE_RATE,
    drop_at: float = INITIAL_DROP_AT,
    drop: float = DROP,
    decay: float = DECAY,
    last_decay: float | None = None,
) -> float:
    """Returns the learning rate of training separate heads.

    base decays by `decay` until step `drop_at * total`, then continues at base / drop and decays by
    `last_decay` (None: the same) until the end.

    >>> [f"{rate_with_drop(s, 400_000):.3e}" for s in (0, 184_000, 367_999, 368_000, 400_000)]
    ['2.121e-04', '1.225e-04', '7.070e-05', '7.070e-06', '2.357e-06']
    """
    _check(step, total)
    if not 0 < drop_at < 1:
        raise UserError(f"drop_at must lie between 0 and 1. Received {drop_at}")
    before = drop_at * total
    if step < before:
        return base * decay ** (-step / before)
    last = decay if last_decay is None else last_decay
    return base / drop * last ** (-(step - before) / (total - before))


def head_rate(step: int, total: int, **options) -> float:
    """Returns the head's learning rate in fine-tuning: a restart with the drop at half way.

    Args:
      step, total: of the fine-tuning.
      **options: as for `rate_with_drop`.
    """
    return rate_with_drop(step, total, **{"drop_at": FINE_TUNING_DROP_AT, **options})


def backbone_rate(
    step: int, total: int, *, base: float = BASE_RATE, drop: float = DROP, decay: float = DECAY
) -> float:
    """Returns the backbone's learning rate in fine-tuning: the last segment once more.

    Args:
      step, total: of the fine-tuning.
      base, decay: as for `rate_with_drop`.
      drop: 30 as published; about 4 for the miniature, whose backbone has not converged before.
    """
    _check(step, total)
    return base / drop * decay ** (-step / total)


def weight_decay(total: int = PUBLISHED_STEPS, *, base: float = BASE_RATE) -> float:
    """Returns the decoupled weight decay for Adam, which Keras multiplies by the learning rate.

    >>> round(weight_decay(), 5)
    0.02236
    """
    return 3e-3 / math.sqrt(total) / base


@dataclass(frozen=True)
class Phases:
    """When parts of the training begin. Defaults are the published steps, of 400,000 and 40,000.

    Attributes:
      full_perspective_from: steps before reconstruct with weak perspective.
      absolute_after: the absolute loss counts in steps after this one.
      teacher_after: the teacher term of the hybrid variant counts in steps after this one.
      stored_statistics_last: this many steps at the end run with stored batch norm statistics.
    """

    full_perspective_from: int = 500
    absolute_after: int = 5000
    teacher_after: int = 5000
    stored_statistics_last: int = 1000

    def is_full_perspective(self, step: int) -> bool:
        """Tells whether a step reconstructs with full perspective."""
        return step >= self.full_perspective_from

    def uses_stored_statistics(self, step: int, total: int) -> bool:
        """Tells whether a step is one of the last, with `training=False`."""
        return step >= total - self.stored_statistics_last

    def scaled(self, total: int, of: int = PUBLISHED_STEPS) -> Phases:
        """Returns the phases of a training of another length, in proportion."""
        names = vars(self)
        return replace(self, **{name: round(names[name] * total / of) for name in names})


def _check(step: int, total: int) -> None:
    if not 0 <= step <= total or total < 1:
        raise UserError(f"step must lie between 0 and the number of steps {total}. Received {step}")
