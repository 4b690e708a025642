"""`skelbridge prepare`."""

from __future__ import annotations

import click


def _complete_dataset(_context, _parameter, incomplete):
    from dataset_adapters import list_adapters

    return [name for name in list_adapters() if name.startswith(incomplete)]


@click.command()
@click.argument("name", metavar="DATASET", shell_complete=_complete_dataset)
@click.option("--root", required=True, metavar="DIR", help="The dataset's folder.")
@click.option("--store", required=True, metavar="STORE", help="Folder of the store; made if new.")
@click.option("--split", metavar="SPLIT", help="Only train, valid or test. Default: all.")
@click.option("--workers", default=1, show_default=True, help="Local processes.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler to use instead (tcp://...).")
@click.option(
    "--images",
    type=click.Choice(["crop", "reference"]),
    default="crop",
    show_default=True,
    help="Store person-centred crops, or leave images where they are.",
)
@click.option(
    "--max-box-px", default=384, show_default=True, help="Larger side of the person in a crop."
)
@click.option("--jpeg-quality", default=95, show_default=True, help="Of the crops.")
@click.option("--margin", type=float, help="Factor on the usual margin around people.")
@click.option("--no-thinning", is_flag=True, help="Keep frames without motion too.")
@click.option(
    "--no-plausibility",
    is_flag=True,
    help="Keep training examples with impossible bones, or with joints out of their boxes.",
)
@click.option("--boxes", metavar="JSON", help="Your detector's boxes: {image: [[l, t, w, h]]}.")
@click.option("--masks", metavar="JSON", help="Your segmenter's masks: {image: [COCO RLE]}.")
@click.option("--min-overlap", type=float, help="IoU from which a detection fits a person.")
@click.option(
    "--unmatched",
    type=click.Choice(["drop", "keep"]),
    default="drop",
    show_default=True,
    help="People whom no detection fits.",
)
@click.option("--limit", type=int, metavar="N", help="At most N examples of each split.")
@click.option("--sources-per-shard", type=int, metavar="N", help="Sources that share a file.")
@click.option(
    "--max-bad-files", default=0, show_default=True, help="Skip up to so many unreadable files."
)
@click.option(
    "--option",
    "adapter_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the adapter (skelbridge datasets show DATASET); may be repeated.",
)
def prepare(name, root, store, adapter_options, no_thinning, no_plausibility, **options):
    """Bring a dataset into an example store.

    An interrupted run goes on where it was when the same command is given again. The result does
    not depend on the number of workers. Several datasets may share a store.

    In the files of --boxes and --masks, images are named as below --root, with forward slashes;
    frames of a video as path#index, from 0.
    """
    from ..store import prepare as run
    from ..store.adapter_options import adapter_from_texts
    from ..store.summary import drop_lines, summary_rows, summary_table

    adapter = adapter_from_texts(name, adapter_options)
    report = run(
        adapter,
        root,
        store,
        thinning=not no_thinning,
        plausibility=not no_plausibility,
        progress=True,
        warn=lambda line: click.echo(line, err=True),
        **options,
    )
    click.echo(summary_table(summary_rows(report.dataset, report.splits)))
    for line in drop_lines(report.splits):
        click.echo(line)
    if report.was_finished:
        click.echo(f"{store}: {name} was finished before; nothing to do")
    else:
        click.echo(f"{report.new_shards} files written in {report.seconds:.1f} s")
