"""`skelbridge synth`."""

from __future__ import annotations

import click


@click.command()
@click.argument("store", metavar="STORE", type=click.Path())
@click.option(
    "--domains", default=4, show_default=True, help="Looks to train on, one format each; 1 to 4."
)
@click.option(
    "--examples", default=20000, show_default=True, help="Training pictures of all looks together."
)
@click.option("--seed", default=0, show_default=True, help="Other seed, other people.")
@click.option("--size", default=160, show_default=True, metavar="PX", help="Side of a picture.")
@click.option("--two-d", type=int, metavar="N", help="Pictures with 2D labels only (examples / 8).")
@click.option(
    "--test",
    default=200,
    show_default=True,
    metavar="N",
    help="Test pictures of each look and of an unseen one, with true joints in all formats.",
)
@click.option(
    "--facing",
    default=75.0,
    show_default=True,
    metavar="DEGREES",
    help="People face the camera within this angle; 180: any way.",
)
@click.option("--backgrounds", metavar="DIR", help="Your images as backgrounds.")
@click.option("--formats", metavar="A,B,...", help="Other formats of the looks, one each.")
@click.option("--workers", default=1, show_default=True, help="Processes.")
def synth(store, workers, formats, **options):
    """Render synthetic people into an example store: pseudo-datasets to train and test on.

    Each look has its own people, poses, cameras and backgrounds, and labels in one skeleton format.
    synth_2d has 2D labels only; synth_unseen is for testing only. An interrupted run goes on where
    it was. The result depends on the seed, not on the number of workers.
    """
    from ..store.summary import summary_rows, summary_table
    from ..synth import SynthOptions, synthesize

    if formats is not None:
        options["formats"] = [name.strip() for name in formats.split(",")]
    reports = synthesize(store, SynthOptions(**options), workers=workers, progress=True)
    rows = [row for report in reports for row in summary_rows(report.dataset, report.splits)]
    click.echo(summary_table(rows))
    n = sum(report.n_examples for report in reports)
    if all(report.was_finished for report in reports):
        click.echo(f"{store}: all {n} pictures were there; nothing to do")
    else:
        seconds = sum(report.seconds for report in reports)
        click.echo(f"{n} pictures in {store}, {seconds:.1f} s")
