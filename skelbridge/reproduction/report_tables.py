"""The tables of the report."""

from __future__ import annotations

from .outcome import BATCH_NORMS, PLAIN_BATCH_NORM, VARIANTS, Evaluation, Outcome
from .report_page import MISSING, cell, escape, group_row, interval, number, row, signed, table
from .scores import CELL_MEASURES, SCORES

#: Scores that no first glance needs.
_FURTHER = (
    "inconsistency_unseen", "offset_error_unseen", "absolute_labelled", "absolute_unlabelled",
    "absolute_unseen",
)  # fmt: skip
_GROUPS = {
    "Mean joint error, mm": ("mpjpe_labelled", "mpjpe_unlabelled", "mpjpe_unseen"),
    "The same after Procrustes, mm": ("pmpjpe_labelled", "pmpjpe_unlabelled", "pmpjpe_unseen"),
    "Poses with every joint within 200 mm": ("cps_labelled", "cps_unlabelled", "cps_unseen"),
    "Do the formats agree? mm": ("inconsistency", "offset_error"),
    "In the frame of the labelled format, mm": ("aligned", "aligned_depth", "aligned_image_plane"),
}
_MEASURE_TITLES = {"mpjpe": "MPJPE, mm", "pmpjpe": "PMPJPE, mm", "cps": "CPS at 200 mm, %"}


def verdict_table(evaluation: Evaluation, seeds) -> str:
    """Every bar, what was found in each seed, and whether it is met."""
    rows = []
    for check in evaluation.checks:
        found = [cell(escape(check.bar.found_text(check.found.get(seed)))) for seed in seeds]
        css, word = ("met", "✓ met") if check.met else ("missed", "✗ not met")
        bar = f'<td class="text">{escape(check.bar)}</td>'
        met = f'<td class="text {css}">{word}</td>'
        rows.append(row(escape(check.text), [met, bar, *found]))
    heads = ["Measure", "Verdict", "Bar", *(f"Seed {seed}" for seed in seeds)]
    return table("Output regularisation against the control, in every seed", heads, rows)


def seed_table(evaluation: Evaluation, seed: int) -> str:
    """All scores of one seed: a column per variant, changes against the control below."""
    # What was compared comes first: a narrow screen shows two columns.
    order = sorted(VARIANTS, key=lambda variant: variant == "separate")
    variants = [variant for variant in order if (seed, variant) in evaluation.scores]
    rows = []
    for title, names in _GROUPS.items():
        rows.append(group_row(title, len(variants)))
        rows += [_score_row(evaluation, seed, name, variants) for name in names]
    rows.append(group_row("Share of the gap to the upper bound closed", len(variants)))
    for name in ("mpjpe_unlabelled", "mpjpe_unseen"):
        rows.append(row(SCORES[name], [_gap_cell(evaluation, seed, v, name) for v in variants]))
    rows.append(group_row("Further", len(variants)))
    rows += [_score_row(evaluation, seed, name, variants) for name in _FURTHER]
    improved = [evaluation.comparisons.get((seed, v), {}).get("improved") for v in variants]
    shares = [cell(MISSING if i is None else f"{number(100 * i, 0)} %") for i in improved]
    rows.append(row("Pictures whose unlabelled MPJPE is lower than the control's", shares))
    heads = ["", *(VARIANTS[variant] for variant in variants)]
    caption = (
        f"Seed {seed}. Below each number: change against the control (÷: the factor by which it "
        "fell) and its 95 % bootstrap interval"
    )
    return table(caption, heads, rows)


def cell_tables(outcome: Outcome, evaluation: Evaluation, seed: int, variant: str) -> list[str]:
    """Control -> variant per (domain, format) cell, one table per measure."""
    test, tables = outcome.test, []
    comparison = evaluation.comparisons[seed, variant]["cells"]
    for measure in CELL_MEASURES:
        rows = []
        for domain in test.domain_names:
            cells = [
                _change_cell(
                    comparison[domain][name][measure],
                    is_share=measure == "cps",
                    css="labelled" if test.labelled.get(domain) == name else "",
                )
                for name in test.formats
            ]
            rows.append(row(_domain_title(outcome, domain), cells))
        caption = (
            f"{_MEASURE_TITLES[measure]}, seed {seed}: control → {VARIANTS[variant].lower()}; "
            "difference with its 95 % interval. Marked: the format that the domain is labelled in"
        )
        tables.append(table(caption, ["", *map(escape, test.formats)], rows))
    return tables


def batch_norm_table(evaluation: Evaluation) -> str:
    """Scores of separate-heads models with different batch norm."""
    columns = ("mpjpe_labelled", "mpjpe_unlabelled", "mpjpe_unseen", "pmpjpe_labelled",
               "cps_labelled", "inconsistency")  # fmt: skip
    rows = []
    for (kind, phase), scores in evaluation.batch_norm.items():
        compared = evaluation.batch_norm_comparisons.get((kind, phase))
        cells = [
            _score_cell(scores["summary"][name], compared and compared["measures"][name], name)
            for name in columns
        ]
        rows.append(row(f"{BATCH_NORMS[kind]}, {phase} inference-mode phase", cells))
    caption = "Separate heads, one model each; changes are against the first kind"
    if PLAIN_BATCH_NORM not in evaluation.batch_norm:
        caption = "Separate heads, one model each"
    return table(caption, ["", *(SCORES[name] for name in columns)], rows)


def _score_row(evaluation: Evaluation, seed: int, name: str, variants) -> str:
    cells = []
    for variant in variants:
        compared = evaluation.comparisons.get((seed, variant))
        value = evaluation.scores[seed, variant]["summary"][name]
        cells.append(_score_cell(value, compared and compared["measures"][name], name))
    return row(SCORES[name], cells)


def _score_cell(value: float, entry: dict | None, name: str) -> str:
    """One score, with its change in percent, in points (shares) or as a factor (agreement)."""
    is_share = name.startswith("cps")
    text = number(100 * value) + " %" if is_share else number(value)
    if entry is None:
        return cell(text)
    if is_share:
        change = entry["difference"]
        return cell(text, f"{signed(100 * change[0])} points", interval(change, scale=100))
    if "factor" in entry:
        return cell(text, f"÷ {number(entry['factor'][0])}", interval(entry["factor"]))
    return cell(text, f"{signed(entry['percent'][0])} %", interval(entry["percent"]))


def _gap_cell(evaluation: Evaluation, seed: int, variant: str, name: str) -> str:
    compared = evaluation.comparisons.get((seed, variant))
    entry = compared["measures"][name]["gap_closed"] if compared else [float("nan")] * 3
    value = number(100 * entry[0], 0)
    if value == MISSING:
        return cell(value)
    return cell(f"{value} %", interval(entry, 0, scale=100))


def _change_cell(entry: dict, *, is_share: bool, css: str) -> str:
    scale = 100 if is_share else 1
    before, after = (number(scale * entry[key]) for key in ("control", "treated"))
    change = entry["difference"]
    below = f"{signed(scale * change[0])} {interval(change, scale=scale)}"
    return cell(f"{before} → {after}", below, css=css)


def _domain_title(outcome: Outcome, domain: str) -> str:
    test = outcome.test
    count = test.images_per_domain()[domain]
    kind = "" if domain in test.labelled else ", never trained on"
    return f"{escape(domain)}<br><small>{count} pictures{kind}</small>"
