"""The seed paper's claim in miniature: what is computed from predictions, and its report.

Separate heads for separate skeleton formats drift apart; an autoencoder's consistency term makes
them one body and improves what was never labelled. Numpy in, `results.json` and one HTML page out;
matplotlib is imported where pictures are drawn.

* `TestSet`: test pictures with true joints in all formats
* `score` one model, `compare` two of them, `verdict` on the bars
* `Outcome`: what a run fills; `evaluate`, `write_results`, `write_report`
"""

from .comparing import compare
from .outcome import ACAE_VARIANTS, BATCH_NORMS, PHASES, VARIANTS, Evaluation, Outcome, evaluate
from .report import write_report
from .report_words import summary_lines
from .results import write_results
from .scores import CELL_MEASURES, SCORES, score
from .test_set import TestSet
from .verdict import Bar, Check, verdict, verdict_lines

__all__ = [
    "ACAE_VARIANTS",
    "BATCH_NORMS",
    "CELL_MEASURES",
    "PHASES",
    "SCORES",
    "VARIANTS",
    "Bar",
    "Check",
    "Evaluation",
    "Outcome",
    "TestSet",
    "compare",
    "evaluate",
    "score",
    "summary_lines",
    "verdict",
    "verdict_lines",
    "write_report",
    "write_results",
]
