"""`skelbridge formats` and `skelbridge show`."""

from __future__ import annotations

import json
import shutil

import click

import skeleton_defs
from skeleton_defs import Skeleton, UserError

from .shell import FormatName


@click.command()
@click.argument("pattern", default="*")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def formats(pattern: str, as_json: bool):
    """List skeleton formats, all or those that fit PATTERN (smpl, h36m*, ...)."""
    names = skeleton_defs.list_formats(pattern)
    if not names:
        raise UserError(
            f"no skeleton format fits '{pattern}'."
            f"{skeleton_defs.suggestions(pattern, skeleton_defs.list_formats())}"
        )
    short = _short_names()
    rows = [_row(skeleton_defs.get(name), short.get(name, [])) for name in names]
    click.echo(json.dumps(rows, indent=1) if as_json else _table(rows))


@click.command()
@click.argument("name", type=FormatName())
@click.option("--json", "as_json", is_flag=True, help="Print the definition as JSON.")
def show(name: str, as_json: bool):
    """Show one format: joints in order, what each means, parents, mirror pairs, sources."""
    skeleton = skeleton_defs.get(name)
    click.echo(json.dumps(skeleton.to_dict(), indent=1) if as_json else _sheet(skeleton))


def _short_names() -> dict[str, list[str]]:
    short: dict[str, list[str]] = {}
    for word, target in skeleton_defs.format_aliases().items():
        short.setdefault(target, []).append(word)
    return short


def _row(skeleton: Skeleton, short: list[str]) -> dict:
    return {
        "name": skeleton.name,
        "aliases": short,
        "joints": len(skeleton),
        "dims": skeleton.dims,
        "family": skeleton.family,
        "datasets": list(skeleton.datasets),
        "certainty": skeleton.certainty,
    }


def _table(rows: list[dict]) -> str:
    heads = ("name", "joints", "dims", "family", "certainty", "short names; datasets")
    cells = [
        (
            r["name"],
            str(r["joints"]),
            f"{r['dims']}D",
            r["family"],
            r["certainty"],
            ", ".join(r["aliases"]) + "; " + ", ".join(r["datasets"]),
        )
        for r in rows
    ]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]
    room = shutil.get_terminal_size((120, 24)).columns - sum(widths[:-1]) - 2 * (len(heads) - 1)
    lines = []
    for row in [heads, *cells]:
        text = row[-1] if len(row[-1]) <= max(room, 20) else row[-1][: max(room, 20) - 1] + "…"
        lines.append(
            "  ".join([*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=False)), text])
        )
    return "\n".join(lines)


def _sheet(skeleton: Skeleton) -> str:
    meanings = skeleton_defs.vocabulary()
    short = _short_names().get(skeleton.name, [])
    lines = [
        f"{skeleton.name}: {len(skeleton)} joints, {skeleton.dims}D, family {skeleton.family}, "
        f"{skeleton.certainty}" + (f" (short: {', '.join(short)})" if short else ""),
        f"units: {skeleton.units or 'not stated'}; root: {', '.join(skeleton.root) or 'none'}; "
        f"datasets: {', '.join(skeleton.datasets) or 'none'}",
    ]
    lines += [
        f"{head}: {text}"
        for head, text in (("note", skeleton.note), ("certainty", skeleton.certainty_note))
        if text
    ]
    lines += [f"source: {source}" for source in skeleton.source]
    rows = [("#", "joint", "parent", "mirror", "meaning", "also called")]
    for i, joint in enumerate(skeleton.joints):
        parent = (
            ""
            if skeleton.parents is None or skeleton.parents[i] < 0
            else (skeleton.joints[skeleton.parents[i]])
        )
        mirror = (
            ""
            if skeleton.flip is None or skeleton.flip[i] == i
            else (skeleton.joints[skeleton.flip[i]])
        )
        canonical = skeleton.canonical.get(joint)
        meaning = f"{canonical}: {meanings.get(canonical, '')}" if canonical else "-"
        if joint in skeleton.near:
            near = skeleton.near[joint]
            meaning += f" [near {near['canonical']}: {near.get('note', '')}]"
        rows.append(
            (str(i), joint, parent, mirror, meaning, ", ".join(skeleton.aliases.get(joint, ())))
        )
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        fixed = "  ".join(c.ljust(w) for c, w in zip(row[:4], widths, strict=False))
        also = f" (also {row[5]})" if row[5] and row[0] != "#" else ""
        lines.append(f"{fixed}  {row[4]}{also}")
    return "\n".join(lines)
