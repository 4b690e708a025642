"""`skelbridge reproduce`."""

from __future__ import annotations

import dataclasses
import time

import click

from skeleton_defs import UserError


@click.group()
def reproduce():
    """Repeat an experiment of the literature, with a report."""


@reproduce.command()
@click.option("--quick", "preset", flag_value="quick", default="quick", help="One seed (default).")
@click.option("--full", "preset", flag_value="full", help="Two seeds, longer training.")
@click.option("--out", metavar="DIR", help="Folder [default: mini_quick or mini_full].")
@click.option(
    "--bn",
    "batch_norm",
    type=click.Choice(["normal", "ghost", "3d2d"]),
    default="normal",
    show_default=True,
    help="Batch norm of all networks.",
)
@click.option("--bn-table", is_flag=True, help="Compare all three, with and without last phase.")
@click.option(
    "--variants",
    metavar="A,B,...",
    help="Fine-tuning variants: output, latent, hybrid [default: all if quick, output if full].",
)
@click.option("--seeds", metavar="A,B,...", help="Seeds of training [default: 1, or 1,2].")
@click.option("--jobs", default=2, show_default=True, help="Processes at a time.")
def mini(preset, out, batch_norm, bn_table, variants, seeds, jobs):
    """Separate heads drift apart, an autoencoder makes them agree: shown on synthetic people.

    Renders people, trains separate heads for four skeleton formats, then fine-tunes with and
    without the consistency term, and with labels in all formats (the upper bound). Writes
    report.html and results.json. Interrupted? The same command goes on.
    """
    from ..reproduction import summary_lines
    from ..reproduction.mini import reproduce_mini
    from ..reproduction.plan import PRESETS

    if jobs < 1:
        raise UserError(f"jobs must be 1 or more. Received {jobs}")
    plan = dataclasses.replace(PRESETS[preset], batch_norm=batch_norm, batch_norm_table=bn_table)
    if variants is not None:
        names = tuple(name.strip() for name in variants.split(","))
        for name in names:
            if name not in ("output", "latent", "hybrid"):
                raise UserError(f"variants must be of output, latent, hybrid. Received '{name}'")
        plan = dataclasses.replace(plan, variants=("control", "upper_bound", *names))
    if seeds is not None:
        try:
            numbers = tuple(int(seed) for seed in seeds.split(","))
        except ValueError:
            raise UserError(f"seeds must be whole numbers, e.g. 1,2. Received '{seeds}'") from None
        plan = dataclasses.replace(plan, seeds=numbers)
    out = out or f"mini_{preset}"
    context = click.get_current_context()
    given = context.obj or f"skelbridge reproduce mini --{preset}"
    start = time.monotonic()
    outcome, evaluation = reproduce_mini(
        out, plan, jobs=jobs, command=given, say=lambda line: click.echo(line, err=True)
    )
    for line in summary_lines(outcome, evaluation):
        click.echo(line)
    click.echo(f"{out}/report.html, {out}/results.json; {(time.monotonic() - start) / 60:.1f} min")
