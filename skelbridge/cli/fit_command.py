"""`skelbridge fit`."""

from __future__ import annotations

import json

import click

from ..fit_files import ALIGNMENTS, DEFAULT_NOISE_MM, FitOptions, fit_files
from .options import from_option, warn
from .shell import FormatName


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PAIRS.npz | SOURCE TARGET")
@from_option
@click.option("--to", "target", type=FormatName(), metavar="FORMAT", help="Format to convert to.")
@click.option(
    "-o", "--out", "output", required=True, metavar="MAP.npz", help="Where to save the map."
)
@click.option(
    "--prior",
    default="auto",
    show_default=True,
    metavar="auto|names|none|FILE",
    help="What the map starts from; the more pairs there are, the less it counts.",
)
@click.option(
    "--groups",
    metavar="KEY",
    help="Array with a take or person per frame: errors are then measured on held-out ones.",
)
@click.option(
    "--noise-mm",
    type=float,
    default=DEFAULT_NOISE_MM,
    show_default=True,
    metavar="MM",
    help="Noise per axis to expect on source joints, beyond that in the pairs (motion capture: 1 "
    "to 3, detectors: 15).",
)
@click.option(
    "--l1",
    type=float,
    default=0.0,
    metavar="MM2",
    help="Few nonzero weights: penalty on their sizes in mm^2, for example 60.",
)
@click.option(
    "--align",
    type=click.Choice(ALIGNMENTS),
    default="none",
    show_default=True,
    help="mean: source and target are relative to different points; the target's place as a whole "
    "is then taken from the prior.",
)
@click.option("--units", metavar="[SOURCE:]TARGET", help="m, cm or mm; for example m or m:mm.")
@click.option("--source-key", metavar="K", help="Which array holds the source poses.")
@click.option("--target-key", metavar="K", help="Which array holds the target poses.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def fit(
    paths,
    source,
    target,
    output,
    prior,
    groups,
    noise_mm,
    l1,
    align,
    units,
    source_key,
    target_key,
    as_json,
):
    """Learn a map between two formats from your own paired poses.

    \b
    skelbridge fit pairs.npz --from smpl --to h36m -o smpl_h36m.npz
    skelbridge fit walk_smpl.npz walk_h36m.npz --from smpl --to h36m -o smpl_h36m.npz
    skelbridge convert --from smpl --to h36m --method smpl_h36m.npz poses.npz

    PAIRS.npz holds the same people and frames twice, as arrays `source` and `target` (or named by
    their formats); two files are matched frame by frame.
    """
    options = FitOptions(
        source=source,
        target=target,
        prior=prior,
        groups=groups,
        noise_mm=noise_mm,
        l1=l1,
        align=align,
        units=units,
        source_key=source_key,
        target_key=target_key,
    )
    report = fit_files(paths, output, options)
    warn(report.notes)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=1))
        return
    click.echo(report.table())
    click.echo(report.summary())
