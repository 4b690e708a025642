"""Losses and weights that are infinite or not a number: whose fault, and an end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from ..store import Store

_MOST_NAMED = 5


class NonFiniteLossError(UserError):
    """The loss became infinite or not a number."""


def check_loss(found: Mapping, batch: Mapping, store: Store, step: int, run: Path) -> None:
    """Checks what a step found.

    Raises:
      NonFiniteLossError: the loss is not finite; the examples are named.
    """
    if np.isfinite(found["total"]):
        return
    per_example = found["per_example"]
    bad = np.flatnonzero(~np.isfinite(per_example))
    terms = [name for name, value in found.items() if not np.isfinite(value).all()]
    examples = [store[int(index)] for index in batch["example"][bad[:_MOST_NAMED]]]
    named = "; ".join(
        f"{index}: {example.dataset} {example.sequence or example.subject} frame {example.frame}"
        for index, example in zip(batch["example"][bad].tolist(), examples, strict=False)
    )
    whom = f"{len(bad)} of {len(per_example)} examples ({named})" if len(bad) else "the whole batch"
    raise NonFiniteLossError(
        f"{run}: the loss of step {step} is not finite: {', '.join(terms[:3])} of {whom}; look at "
        "them (skelbridge store validate), or lower rates.base; the last checkpoint is good"
    )


def check_weights(step, number: int, run: Path) -> None:
    """Checks weights before they are saved: a finite loss may have had a gradient that is not.

    Raises:
      NonFiniteLossError: a variable of the `TrainingStep` is not finite.
    """
    for variable in step.variables:
        if not np.isfinite(variable.numpy()).all():
            raise NonFiniteLossError(
                f"{run}: {variable.path} is not finite after step {number}, though the loss was; "
                "lower rates.base; the last checkpoint is good"
            )
