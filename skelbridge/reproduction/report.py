"""`report.html`: one page that holds everything, and loads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dataset_adapters.containers.errors import FileError

from ..atomic import atomic_path
from .outcome import ACAE_VARIANTS, VARIANTS, Evaluation, Outcome, evaluate
from .report_charts import learning_charts, scores_png
from .report_page import PAGE, STYLE, escape, folded, number, picture
from .report_pictures import example_png, format_colors
from .report_tables import batch_norm_table, cell_tables, seed_table, verdict_table
from .report_words import (
    DEFINITIONS,
    LIMITS,
    domain_facts,
    finding,
    headline,
    missing_remark,
    preset_remark,
)

REPORT_NAME = "report.html"
_TITLE = "Do skeleton formats come to agree? The claim in miniature"


def write_report(
    folder: str | os.PathLike, outcome: Outcome, evaluation: Evaluation | None = None
) -> Path:
    """Writes `report.html` into a folder that exists, and returns its path.

    Args:
      evaluation: of this outcome, where it was made already.

    Raises:
      FileError: the file cannot be written.
    """
    path = Path(folder) / REPORT_NAME
    body = "\n".join(_sections(outcome, evaluation or evaluate(outcome)))
    page = PAGE.format(title=escape(_TITLE), style=STYLE, body=body)
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror or error}") from None
    return path


def _sections(outcome: Outcome, evaluation: Evaluation) -> Iterator[str]:
    yield _opening(outcome, evaluation)
    if evaluation.scores:
        yield _scores(outcome, evaluation)
    if len(outcome.test.shown) and evaluation.scores:
        yield _pictures(outcome, evaluation)
    yield _cells(outcome, evaluation)
    if evaluation.batch_norm:
        note = "One training each: small differences may be chance."
        yield _section("batch-norm", "Batch norm", f'<p class="note">{note}</p>'
                       + batch_norm_table(evaluation))  # fmt: skip
    if charts := learning_charts(outcome):
        figures = [picture(png, f"Line chart. {name}, over image views.", escape(name))
                   for name, png in charts.items()]  # fmt: skip
        body = f'<div class="pictures">{"".join(figures)}</div>'
        yield _section("learning", "Learning curves", body)
    yield _section("measures", "How it is measured", _definitions(DEFINITIONS))
    limits = "".join(f"<li>{escape(text)}</li>" for text in (*LIMITS, *outcome.notes))
    yield _section("limits", "What this does not show", f"<ul>{limits}</ul>")
    yield _section("again", "Configuration, machine, and how to run it again", _facts(outcome))


def _section(anchor: str, title: str, body: str) -> str:
    return f'<section id="{anchor}"><h2>{title}</h2>{body}</section>'


def _opening(outcome: Outcome, evaluation: Evaluation) -> str:
    test = outcome.test
    seeds = ", ".join(str(seed) for seed in outcome.seeds)
    kicker = (
        f"skelbridge reproduce mini · preset {escape(outcome.preset)} · seeds {seeds} · "
        f"{len(test)} test pictures, {len(test.formats)} formats, {len(test.registry)} joints"
    )
    found = "".join(f"<li>{text}</li>" for text in finding(outcome, evaluation))
    remarks = [text for text in (preset_remark(outcome), missing_remark(outcome)) if text]
    return (
        f"<header><h1>{_TITLE}</h1><p class='kicker'>{kicker}</p></header>"
        "<p>Networks that learn several skeleton formats from differently labelled data predict "
        "skeletons that drift apart. An affine-combining autoencoder asks them to be one body. "
        "Here, rendered people of several looks, each labelled in one format only, show whether "
        "that helps in the formats that were not labelled. The autoencoder is fitted to what the "
        "separate heads predict on training pictures that are labelled in 2D only.</p>"
        f'<p class="lead"><strong>{escape(headline(outcome, evaluation))}</strong></p>'
        f"<ul>{found}</ul>"
        + "".join(f'<p class="note">{escape(text)}</p>' for text in remarks)
        + f'<div id="verdict">{verdict_table(evaluation, outcome.seeds)}</div>'
    )


def _scores(outcome: Outcome, evaluation: Evaluation) -> str:
    chart = picture(
        scores_png(outcome, evaluation),
        "Dot chart of the MPJPE of all variants on labelled, unlabelled and unseen formats, a line "
        "per seed; the same numbers are in the tables below.",
        css="single",
    )
    tables = [
        seed_table(evaluation, seed)
        for seed in outcome.seeds
        if any(s == seed for s, _ in evaluation.scores)
    ]
    floor = number(evaluation.true_inconsistency)
    note = f'<p class="note">Inconsistency of the true poses themselves: {floor} mm.</p>'
    return _section("scores", "All variants", chart + "".join(tables) + note)


def _pictures(outcome: Outcome, evaluation: Evaluation) -> str:
    test = outcome.test
    seed, before, after = _shown_models(evaluation)
    colors = format_colors(test)
    legend = "".join(
        f'<li><i style="background:{color}"></i>{escape(name)}</li>'
        for name, color in colors.items()
    )
    figures = []
    for which, image in enumerate(test.shown.tolist()):
        poses = {VARIANTS[v]: np.asarray(outcome.predictions[seed, v])[image]
                 for v in (before, after) if v}  # fmt: skip
        poses["Truth"] = test.true[image]
        caption, alt = _picture_words(outcome, evaluation, image, seed, (before, after))
        figures.append(picture(example_png(test, which, poses), alt, caption))
    return _section(
        "pictures",
        "Test pictures, every format overlaid",
        f"<p>Seed {seed}. Above: predictions projected onto the picture. Below: the same from the "
        "side, depth to the right, away from the camera. Seen from the front, formats nearly "
        "agree even where they are far apart in depth; only the side view tells.</p>"
        f'<ul class="legend">{legend}</ul><div class="pictures">{"".join(figures)}</div>',
    )


def _shown_models(evaluation: Evaluation) -> tuple[int, str | None, str | None]:
    """The first seed that has two models to show, which ones, or just one."""
    best: tuple[int, str | None, str | None] | None = None
    for seed in dict.fromkeys(seed for seed, _ in evaluation.scores):
        has = [variant for s, variant in evaluation.scores if s == seed]
        before = next((v for v in ("control", "separate") if v in has), None)
        after = next((v for v in (*ACAE_VARIANTS, "upper_bound") if v in has), None)
        if before and after:
            return seed, before, after
        best = best or (seed, before, after)
    return best


def _picture_words(outcome, evaluation, image: int, seed: int, shown) -> tuple[str, str]:
    """Caption and alt text of one picture."""
    test = outcome.test
    domain = str(test.domains[image])
    is_unseen = bool(test.is_unseen[image])
    measure = "mpjpe_unseen" if is_unseen else "mpjpe_unlabelled"
    offset = "offset_error_unseen" if is_unseen else "offset_error"
    values = [evaluation.scores[seed, v]["per_image"] for v in shown if v]
    errors, offsets = (" → ".join(number(v[name][image], 0) for v in values)
                       for name in (measure, offset))  # fmt: skip
    which = "all formats" if is_unseen else "unlabelled formats"
    labelled = "never trained on" if is_unseen else f"labelled in {test.labelled[domain]}"
    words = f"{which} {errors} mm off, offset error {offsets} mm"
    caption = f"<b>{escape(domain)}</b>, {escape(labelled)}: {words}"
    alt = (
        f"Test picture {image} of {domain} ({labelled}) with the skeletons of all formats, from "
        f"the front and from the side; {words.replace('→', 'to')}."
    )
    return caption, alt


def _cells(outcome: Outcome, evaluation: Evaluation) -> str:
    parts = [_definitions(domain_facts(outcome))]
    for seed, variant in evaluation.comparisons:
        tables = cell_tables(outcome, evaluation, seed, variant)
        if variant == ACAE_VARIANTS[0]:
            parts.append(f"<h3>Seed {seed}, {VARIANTS[variant].lower()}</h3>{tables[0]}")
            parts.append(folded("PMPJPE and CPS", "".join(tables[1:])))
        else:
            parts.append(folded(f"Seed {seed}, {VARIANTS[variant].lower()}", "".join(tables)))
    return _section("cells", "Every domain in every format", "".join(parts))


def _facts(outcome: Outcome) -> str:
    parts = []
    if outcome.commands:
        commands = escape("\n".join(outcome.commands))
        parts.append(f"<h3>Run it again</h3><pre>{commands}</pre>")
    if outcome.machine:
        parts.append("<h3>Machine</h3>" + _definitions(outcome.machine))
    if outcome.configs:
        parts.append("<h3>Configuration of every run</h3>")
        parts += [folded(name, f"<pre>{escape(text)}</pre>")
                  for name, text in outcome.configs.items()]  # fmt: skip
    return "".join(parts) or "<p>Not recorded.</p>"


def _definitions(facts) -> str:
    items = (f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<dl>{''.join(items)}</dl>"
