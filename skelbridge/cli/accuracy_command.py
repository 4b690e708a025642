"""`skelbridge accuracy`."""

from __future__ import annotations

import json

import click

import skeleton_defs

from .options import atlas_solving_options
from .shell import FormatName

_HEADS = (
    "joint",
    "status",
    "by name",
    "expected",
    "statistics",
    "placement",
    "95 %",
    "limited by",
)


@click.command()
@click.option("--from", "source", required=True, type=FormatName(), metavar="FORMAT")
@click.option("--to", "target", required=True, type=FormatName(), metavar="FORMAT")
@atlas_solving_options
@click.option("--json", "as_json", is_flag=True, help="Print an object with a list of joints.")
def accuracy(source, target, atlas_options, as_json):
    """Show how far off each joint of a conversion is expected to be, in mm.

    \b
    by name     distance to the source joint of the same name, where measured
    expected    mean error of the conversion; statistics and placement in quadrature
    statistics  how well the source joints tell where the joint is (unseen poses)
    placement   how well it is known where the formats put their joints
    95 %        distance that 95 of 100 poses stay below (1.9 x expected)

    Noise of the input comes on top. In brackets: what a joint that is unavailable would have.
    """
    from ..atlas.accuracy import accuracy_by_name, accuracy_of
    from ..conversion.methods import atlas_pair

    formats = skeleton_defs.get(source), skeleton_defs.get(target)
    pair = atlas_pair(*formats, atlas_options=atlas_options)
    rows = accuracy_by_name(*formats) if pair is None else accuracy_of(pair)
    if as_json:
        shown = {
            "from": formats[0].name,
            "to": formats[1].name,
            "method": "names" if pair is None else "atlas",
            "joints": [row.to_dict() for row in rows],
        }
        click.echo(json.dumps(shown, indent=1))
        return
    click.echo(_table(rows))
    click.echo(_summary(formats, rows, with_atlas=pair is not None))


def _table(rows) -> str:
    cells = [_HEADS, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADS) - 1)]
    lines = []
    for line in cells:
        names = [cell.ljust(width) for cell, width in zip(line[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(line[2:-1], widths[2:], strict=True)]
        lines.append("  ".join([*names, *numbers, line[-1]]).rstrip())
    return "\n".join(lines)


def _cells(row) -> tuple[str, ...]:
    numbers = (row.expected_mm, row.statistical_mm, row.placement_mm, row.p95_mm)
    texts = ["-" if number is None else f"{number:.0f}" for number in numbers]
    if row.status == "unavailable":
        texts = [text if text == "-" else f"({text})" for text in texts]
    by_name = "-" if row.names_joint is None else "?"
    if row.names_mm is not None:
        by_name = f"{row.names_mm:.0f}"
    return (row.joint, row.status, by_name, *texts, row.limit or "")


def _summary(formats, rows, *, with_atlas: bool) -> str:
    available = [row for row in rows if row.status != "unavailable"]
    known = [row.expected_mm for row in available if row.expected_mm is not None]
    mean = f"expected error {sum(known) / len(known):.0f} mm on average" if known else ""
    unknown = len(available) - len(known)
    parts = [
        f"{formats[0].name} -> {formats[1].name}: {len(available)} of {len(rows)} joints",
        mean,
        f"{unknown} of unknown error" if unknown else "",
        "" if with_atlas else "by name only: no atlas is installed",
    ]
    return ", ".join(part for part in parts if part)
