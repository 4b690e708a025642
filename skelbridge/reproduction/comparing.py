"""Two models on the same test pictures: differences, and how sure they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skeleton_defs import UserError

from ..evaluation import bootstrap_means, gap_closed, mean_over, percentile_interval
from .scores import CELL_MEASURES, SCORES
from .test_set import TestSet

#: Scores of which it is said by which factor they fell.
_FACTORS = ("inconsistency", "inconsistency_unseen", "offset_error", "offset_error_unseen")
#: Scores of which it is said which share of the gap to the bound was closed.
_GAPS = ("mpjpe_unlabelled", "mpjpe_unseen", "pmpjpe_unlabelled", "pmpjpe_unseen")


def compare(
    control: Mapping,
    treated: Mapping,
    bound: Mapping | None,
    test: TestSet,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> dict:
    """Compares two models by paired bootstrap over test pictures.

    Each picture is a group of its own: they were drawn independently. Both models (and the bound)
    are measured on the same drawn pictures; the interval holds the middle 95 % of the draws. It
    says how much depends on the choice of test pictures, not on the training seed.

    Args:
      control, treated: what `score` returns for each.
      bound: of the model that all formats were labelled for; None: there is none.
      seed: of the draws.

    Returns:
      `measures`: name of `SCORES` -> `control`, `treated`, and as [value, low, high]
      `difference` (treated - control), `percent` (of the control), `factor` (control / treated;
      agreement of formats only) and `gap_closed` (share of the gap to the bound; some only, NaN
      where there is no bound or no gap); `cells`: domain -> format -> `CELL_MEASURES` -> the same,
      without the last two; `images`: domain -> number; `improved`: share of pictures with a lower
      unlabelled MPJPE.

    Raises:
      UserError: the scores are not of this test set.
    """
    models = [control, treated] if bound is None else [control, treated, bound]
    tables = [model["per_image"] for model in models]
    if any(table[name].shape[0] != len(test) for table in tables for name in table):
        raise UserError(f"scores to compare must be of the {len(test)} pictures of the test set")
    draw = {"seed": seed, "resamples": resamples}
    values = np.stack([[table[name] for name in SCORES] for table in tables], axis=-1)
    compared = _compared(values.transpose(1, 0, 2), draw)
    measures = dict(zip(SCORES, compared, strict=True))
    for name, entry in measures.items():
        for key, names in (("factor", _FACTORS), ("gap_closed", _GAPS)):
            if name not in names:
                del entry[key]
    gains = tables[0]["mpjpe_unlabelled"] - tables[1]["mpjpe_unlabelled"]
    return {
        "measures": measures,
        "cells": _compared_cells(tables[:2], test, draw),
        "images": test.images_per_domain(),
        "improved": float(mean_over(np.where(np.isnan(gains), np.nan, gains > 0))),
    }


def _compared(values: np.ndarray, draw: dict) -> list[dict]:
    """Compares K measures of pictures, (N, K, 2 or 3 models)."""
    count, measures, models = values.shape
    drawn = bootstrap_means(values.reshape(count, -1), **draw).reshape(-1, measures, models)
    means = mean_over(values, axis=0)
    return [_entry(means[k], drawn[:, k]) for k in range(measures)]


def _entry(means: np.ndarray, drawn: np.ndarray) -> dict:
    """The comparison of one measure: means (models,) and drawn means (R, models)."""

    def interval(of) -> list[float]:
        with np.errstate(divide="ignore", invalid="ignore"):
            value, samples = of(*means), of(*drawn.T)
        # A control of nothing (CPS of 0) has no percentage.
        value = float(value) if np.isfinite(value) else np.nan
        samples = samples[np.isfinite(samples)]
        return [value, *percentile_interval(samples)]

    entry = {"control": float(means[0]), "treated": float(means[1])}
    entry["difference"] = interval(lambda control, treated, *_: treated - control)
    entry["percent"] = interval(lambda control, treated, *_: 100 * (treated / control - 1))
    entry["factor"] = interval(lambda control, treated, *_: control / treated)
    entry["gap_closed"] = interval(gap_closed) if len(means) == 3 else [np.nan] * 3
    return entry


def _compared_cells(tables: list[Mapping], test: TestSet, draw: dict) -> dict:
    cells = {}
    for domain in test.domain_names:
        rows = test.domains == domain
        values = [[table[f"cell_{measure}"][rows] for measure in CELL_MEASURES] for table in tables]
        values = np.moveaxis(np.array(values), 0, -1)  # (measures, n, F, models)
        n_formats = len(test.formats)
        values = values.transpose(1, 2, 0, 3).reshape(int(rows.sum()), -1, 2)
        entries = _compared(values, draw)
        for entry in entries:
            del entry["factor"], entry["gap_closed"]
        cells[domain] = {
            test.formats[f]: dict(
                zip(CELL_MEASURES, entries[f * len(CELL_MEASURES) :], strict=False)
            )
            for f in range(n_formats)
        }
    return cells
