"""The bars that the miniature has to clear for the claim to count as reproduced."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_OPPOSITE = {"lower": "higher", "higher": "lower"}


@dataclass(frozen=True)
class Bar:
    """What has to be reached; `str` gives it in words.

    Attributes:
      limit: the number.
      is_ceiling: whether at most that much is allowed; else at least that much is asked for.
      shown: a number's format, e.g. `{:.1f} %`.
      words: what follows the number, e.g. `lower`.
    """

    limit: float
    is_ceiling: bool
    shown: str
    words: str = ""

    def __str__(self) -> str:
        limit = re.sub(r"\.0(?!\d)", "", self.shown.format(self.limit))
        return f"{'at most' if self.is_ceiling else 'at least'} {limit} {self.words}".rstrip()

    def is_met(self, found: float | None) -> bool:
        """Returns whether a number reaches the bar; none does not."""
        if found is None or math.isnan(found):
            return False
        return found <= self.limit if self.is_ceiling else found >= self.limit

    def found_text(self, found: float | None) -> str:
        """Returns a number as people read it."""
        if found is None or math.isnan(found):
            return "not measured"
        words = self.words
        if found < 0 and words in _OPPOSITE:
            found, words = -found, _OPPOSITE[words]
        return f"{self.shown.format(found)} {words}".rstrip().replace("-", "−")


class Check(NamedTuple):
    """One bar, and what was found.

    Attributes:
      text: what is measured.
      bar: what has to be reached, in every seed.
      found: seed -> number, None where it could not be measured.
      met: whether every seed reaches the bar, and there is one.
    """

    text: str
    bar: Bar
    found: dict[int, float | None]
    met: bool


def _lower(measure: str) -> Callable[[Mapping], float]:
    return lambda comparison: -comparison["measures"][measure]["percent"][0]


def _higher(measure: str) -> Callable[[Mapping], float]:
    return lambda comparison: comparison["measures"][measure]["percent"][0]


#: What the comparison of the output variant with its control, with the upper bound, is asked.
_OF_COMPARISON: tuple[tuple[str, Bar, Callable[[Mapping], float]], ...] = (
    ("Unlabelled MPJPE", Bar(12, False, "{:.1f} %", "lower"), _lower("mpjpe_unlabelled")),
    ("Unlabelled PMPJPE", Bar(8, False, "{:.1f} %", "lower"), _lower("pmpjpe_unlabelled")),
    ("Labelled MPJPE", Bar(3, True, "{:.1f} %", "higher"), _higher("mpjpe_labelled")),
    (
        "MPJPE of the look never trained on",
        Bar(4, False, "{:.1f} %", "lower"),
        _lower("mpjpe_unseen"),
    ),
    (
        "Inconsistency of the formats",
        Bar(3, False, "{:.1f}", "times lower"),
        lambda comparison: comparison["measures"]["inconsistency"]["factor"][0],
    ),
    (
        "Gap to the upper bound closed (unlabelled MPJPE)",
        Bar(65, False, "{:.1f} %"),
        lambda comparison: 100 * comparison["measures"]["mpjpe_unlabelled"]["gap_closed"][0],
    ),
    (
        "Test pictures in the smallest domain",
        Bar(160, False, "{:.0f}"),
        lambda comparison: min(comparison["images"].values()),
    ),
)
#: What the separate-heads model's scores are asked.
_OF_SEPARATE: tuple[tuple[str, Bar, Callable[[Mapping], float]], ...] = (
    (
        "Labelled MPJPE of the separate-heads model",
        Bar(155, True, "{:.1f} mm"),
        lambda scores: scores["summary"]["mpjpe_labelled"],
    ),
)


def verdict(
    comparisons: Mapping[int, Mapping | None],
    separate: Mapping[int, Mapping | None] | None = None,
) -> list[Check]:
    """Returns all bars and what was found; a bar is met where it is in EVERY seed.

    Args:
      comparisons: seed -> `compare` of the output variant with its control, with the upper bound;
        None where one of the two is missing.
      separate: seed -> `score` of the separate-heads model.
    """
    separate = separate or {}
    seeds = sorted({*comparisons, *separate})
    checks = []
    for sources, bars in ((comparisons, _OF_COMPARISON), (separate, _OF_SEPARATE)):
        for text, bar, measure in bars:
            found = {seed: _found(measure, sources.get(seed)) for seed in seeds}
            met = bool(found) and all(bar.is_met(value) for value in found.values())
            checks.append(Check(text, bar, found, met))
    return checks


def verdict_lines(checks: list[Check]) -> list[str]:
    """Returns the verdict for the terminal, a line per bar."""
    return [
        f"{'met    ' if check.met else 'NOT MET'}  {check.text}: {check.bar}; found "
        + ", ".join(f"{check.bar.found_text(v)} (seed {s})" for s, v in check.found.items())
        for check in checks
    ]


def _found(measure: Callable[[Mapping], float], source: Mapping | None) -> float | None:
    value = math.nan if source is None else float(measure(source))
    return None if math.isnan(value) else value
