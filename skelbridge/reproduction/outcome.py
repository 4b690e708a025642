"""What a run of the miniature leaves to be told, and the numbers that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from skeleton_defs import UserError

from ..evaluation import inconsistency
from .comparing import compare
from .scores import score
from .test_set import TestSet
from .verdict import Check, verdict

#: Variant -> what it is called in tables, in their order.
VARIANTS = {
    "separate": "Separate heads",
    "control": "Control",
    "output": "Output regularisation",
    "latent": "Direct latent prediction",
    "hybrid": "Hybrid student-teacher",
    "upper_bound": "Upper bound",
}
#: The variants that share the formats through the autoencoder; the first is the one of the bars.
ACAE_VARIANTS = ("output", "latent", "hybrid")
#: Kinds of batch norm -> name in tables, and phases of the last steps.
BATCH_NORMS = {"normal": "Normal", "ghost": "Ghost", "3d2d": "3D / 2D apart"}
PHASES = ("without", "with")
PLAIN_BATCH_NORM = ("normal", "without")


@dataclass(eq=False)
class Outcome:
    """Everything that `write_results` and `write_report` tell; the orchestrator fills it.

    Attributes:
      preset: `quick` or `full`.
      seeds: all training seeds, in order.
      test: the test pictures, the same for all models.
      predictions: (seed, variant) -> (N, J, 3) mm in the crop camera's frame, raw as the model
        gives them; variants are the keys of `VARIANTS`, and any may be missing.
      relation: (J, J) rows that sum to 1, fitted on TRUE poses (`w2.T @ w1.T`); None: not fitted.
      configs: name of a run (`seed 0, output`) -> its resolved configuration as text.
      machine: anything about time and machine, fact -> number or text (`cores`, `seconds, all`,
        `library versions`). Shown, written, and left out of the hash of the numbers.
      commands: to run it again, a line each.
      learning_curves: (seed, variant) -> records of that run's log.jsonl, oldest first. The
        separate model is the first stage, all other variants are fine-tuning.
      batch_norm: (kind, phase) -> predictions (N, J, 3) of separate-heads models that differ in
        batch norm only; kinds are keys of `BATCH_NORMS`, phases `with` or `without` inference-mode
        phase.
      notes: further sentences for the report's limits, e.g. what was left out.
    """

    preset: str
    seeds: Sequence[int]
    test: TestSet
    predictions: Mapping[tuple[int, str], np.ndarray]
    relation: np.ndarray | None = None
    configs: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    learning_curves: Mapping[tuple[int, str], Sequence[Mapping]] = field(default_factory=dict)
    batch_norm: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __post_init__(self):
        _check_keys("predictions", self.predictions, self.seeds, VARIANTS)
        _check_keys("learning curves", self.learning_curves, self.seeds, VARIANTS)
        _check_keys("batch norm", self.batch_norm, BATCH_NORMS, PHASES)


class Evaluation(NamedTuple):
    """All numbers of an outcome.

    Attributes:
      scores: (seed, variant) -> `score`.
      comparisons: (seed, variant) -> `compare` with the control of that seed; of the ACAE variants
        with the upper bound, and of the upper bound itself.
      checks: the verdict on the output variant.
      batch_norm: (kind, phase) -> `score`; batch_norm_comparisons: of these with normal batch norm
        without the phase, as the control.
      true_inconsistency: that of the true poses, mm: the level of a perfect model.
    """

    scores: dict[tuple[int, str], dict]
    comparisons: dict[tuple[int, str], dict]
    checks: list[Check]
    batch_norm: dict[tuple[str, str], dict]
    batch_norm_comparisons: dict[tuple[str, str], dict]
    true_inconsistency: float


def evaluate(outcome: Outcome) -> Evaluation:
    """Scores all predictions, and compares them with their controls.

    Raises:
      UserError: predictions do not fit the test set.
    """
    test, relation = outcome.test, outcome.relation
    wanted = [(seed, variant) for seed in outcome.seeds for variant in VARIANTS]
    scores = {
        key: score(outcome.predictions[key], test, relation)
        for key in wanted
        if key in outcome.predictions
    }
    comparisons = {}
    for seed, variant in scores:
        control, bound = scores.get((seed, "control")), scores.get((seed, "upper_bound"))
        if control is None or variant in ("separate", "control"):
            continue
        bound = bound if variant in ACAE_VARIANTS else None
        comparisons[seed, variant] = compare(control, scores[seed, variant], bound, test)
    batch_norm = {
        (kind, phase): score(outcome.batch_norm[kind, phase], test, relation)
        for kind in BATCH_NORMS
        for phase in PHASES
        if (kind, phase) in outcome.batch_norm
    }
    plain = batch_norm.get(PLAIN_BATCH_NORM)
    batch_norm_comparisons = {
        key: compare(plain, scored, None, test)
        for key, scored in batch_norm.items()
        if plain is not None and key != PLAIN_BATCH_NORM
    }
    checks = verdict(
        {seed: comparisons.get((seed, ACAE_VARIANTS[0])) for seed in outcome.seeds},
        {seed: scores.get((seed, "separate")) for seed in outcome.seeds},
    )
    floor = np.nan if relation is None else float(inconsistency(test.true, relation))
    return Evaluation(scores, comparisons, checks, batch_norm, batch_norm_comparisons, floor)


def _check_keys(what: str, given: Mapping, first: object, second: object) -> None:
    for key in given:
        if len(key) != 2 or key[0] not in first or key[1] not in second:
            raise UserError(
                f"{what} must be of ({', '.join(map(str, first))}) and ({', '.join(second)}). "
                f"Received {key!r}"
            )
