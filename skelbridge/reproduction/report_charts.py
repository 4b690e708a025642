"""The charts of the report: scores of the variants, and learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..viz.scene import PALETTE
from .outcome import VARIANTS, Evaluation, Outcome
from .report_pictures import new_figure, png_of

_SIZE = (5.2, 3.6)
_LINE_STYLES = ("-", "--", ":", "-.")
_MARKERS = "osD^vP"
_ROWS = {"mpjpe_labelled": "labelled", "mpjpe_unlabelled": "unlabelled",
         "mpjpe_unseen": "unseen look"}  # fmt: skip
_INK, _SOFT, _GRID = "#1b2430", "#5b6675", "#dfe3e8"


def variant_color(variant: str) -> str:
    """Returns the colour of a variant in charts."""
    order = ("control", "output", "latent", "hybrid", "upper_bound", "separate")
    return ("#5b6675", *PALETTE[:3], "#e69f00", "#b9c0c9")[order.index(variant)]


def scores_png(outcome: Outcome, evaluation: Evaluation) -> bytes:
    """Draws the MPJPE of all variants: labelled, unlabelled, unseen; a line per seed."""
    seeds = [s for s in outcome.seeds if any(seed == s for seed, _ in evaluation.scores)]
    lines = [(name, seed) for name in _ROWS for seed in seeds]
    figure = new_figure(_SIZE[0], 1.5 + 0.38 * len(lines) + 0.2 * len(_ROWS))
    axes = figure.add_subplot()
    heights = [-(i + 0.6 * list(_ROWS).index(name)) for i, (name, _) in enumerate(lines)]
    variants = [v for v in VARIANTS if any(variant == v for _, variant in evaluation.scores)]
    for rank, variant in enumerate(variants):
        found = [
            (evaluation.scores[seed, variant]["summary"][name], height)
            for (name, seed), height in zip(lines, heights, strict=True)
            if (seed, variant) in evaluation.scores
        ]
        x, y = np.array(found).T
        axes.scatter(
            x, y, s=62, color=variant_color(variant), marker=_MARKERS[rank % len(_MARKERS)],
            label=VARIANTS[variant], zorder=3, edgecolors="white", linewidths=0.8,
        )  # fmt: skip
    axes.set_yticks(heights, [f"{_ROWS[name]}, seed {seed}" for name, seed in lines])
    axes.set_ylim(min(heights) - 0.7, 0.7)
    _finish(axes, "MPJPE, mm (lower is better)", axis="both")
    figure.legend(loc="upper center", ncols=2, frameon=False, fontsize=10)
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.3, right=0.96, bottom=0.6 / height, top=1 - 0.85 / height)
    return png_of(figure)


def learning_charts(outcome: Outcome) -> dict[str, bytes]:
    """Draws loss over image views, by title: the first stage, its domains, and fine-tuning."""
    curves = {key: records for key, records in outcome.learning_curves.items() if records}
    first = {key: records for key, records in curves.items() if key[1] == "separate"}
    tuning = {key: records for key, records in curves.items() if key[1] != "separate"}
    loss = "3d/supervised"
    charts = {
        "Separate heads: supervised 3D loss": _by_run(outcome, first, loss),
        "Separate heads: loss per domain": _by_domain(first),
        "Fine-tuning: supervised 3D loss": _by_run(outcome, tuning, loss),
        "Fine-tuning: consistency term": _by_run(outcome, tuning, "3d/consistency"),
        "Fine-tuning: total loss": _by_run(outcome, tuning, "total"),
    }
    return {
        title: _chart(lines, "mean-relative loss, m" if "domain" in title else "loss")
        for title, lines in charts.items()
        if lines
    }


def _by_run(outcome: Outcome, curves: Mapping, term: str) -> list[tuple]:
    """(label, x, y, colour, line style) of a term in all runs that log it."""
    lines = []
    for (seed, variant), records in sorted(
        curves.items(), key=lambda item: (list(VARIANTS).index(item[0][1]), item[0][0])
    ):
        x, y = _points(records, term)
        rank = list(outcome.seeds).index(seed)
        color = PALETTE[rank % len(PALETTE)] if variant == "separate" else variant_color(variant)
        style = "-" if variant == "separate" else _LINE_STYLES[rank % len(_LINE_STYLES)]
        if len(x):
            label = (
                f"seed {seed}"
                if variant == "separate"
                else f"{variant.replace('_', ' ')}, seed {seed}"
            )
            lines.append((label, x, y, color, style))
    return lines


def _by_domain(curves: Mapping) -> list[tuple]:
    for (seed, _), records in sorted(curves.items()):
        names = sorted({key for record in records for key in record if key.startswith("dataset/")})
        lines = []
        for rank, name in enumerate(names):
            x, y = _points(records, name)
            if len(x):
                label = f"{name.removeprefix('dataset/')}, seed {seed}"
                lines.append((label, x, y, PALETTE[rank % len(PALETTE)], "-"))
        return lines
    return []


def _points(records: Iterable[Mapping], term: str) -> tuple[np.ndarray, np.ndarray]:
    """Image views in thousands and a term, where it is a number above 0."""
    found = [(record.get("images"), record.get(term)) for record in records]
    points = np.array([p for p in found if None not in p], dtype=np.float64).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1) & (points[:, 1] > 0)]
    return points[:, 0] / 1000, points[:, 1]


def _chart(lines: Sequence[tuple], y_title: str) -> bytes:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    rows = -(-len(lines) // 2)
    legend = 0.12 + 0.22 * rows
    height = _SIZE[1] + legend
    figure = new_figure(_SIZE[0], height)
    axes = figure.add_axes((0.16, 0.55 / height, 0.81, (_SIZE[1] - 0.7) / height))
    for label, x, y, color, style in lines:
        marker = "o" if len(x) == 1 else ""
        axes.plot(x, y, label=label, color=color, linestyle=style, linewidth=1.6, marker=marker)
    every = np.concatenate([y for _, _, y, _, _ in lines])
    if every.max() > 4 * every.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(y_title, color=_SOFT, fontsize=11)
    _finish(axes, "image views, thousands", axis="both")
    figure.legend(loc="upper center", ncols=2, frameon=False, fontsize=10)
    return png_of(figure)


def _finish(axes, x_title: str, *, axis: str) -> None:
    axes.set_xlabel(x_title, color=_SOFT, fontsize=11)
    axes.grid(axis=axis, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=_INK, labelsize=10, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
