"""`skelbridge store`: what is in an example store, and stores joined."""

from __future__ import annotations

import json

import click


@click.group()
def store():
    """Look into, check and merge example stores (made by `skelbridge prepare`)."""


@store.command()
@click.argument("path", metavar="STORE")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest without its file lists.")
@click.option("--verify", is_flag=True, help="Read all files and compare their checksums.")
def info(path, as_json, verify):
    """Show the datasets of a store: counts, what was left out and why."""
    from ..store import check_checksums, open_store
    from ..store.summary import drop_lines, readable_bytes, store_facts, summary_rows, summary_table

    opened = open_store(path)
    n_verified = check_checksums(path) if verify else None
    if as_json:
        click.echo(json.dumps(store_facts(opened.manifest), indent=1, ensure_ascii=False))
        return
    datasets = opened.manifest["datasets"]
    rows = [row for name, facts in datasets.items() for row in summary_rows(name, facts["splits"])]
    click.echo(summary_table(rows))
    for name, facts in datasets.items():
        for line in drop_lines(facts["splits"]):
            click.echo(f"{name} {line}")
    n_bytes = sum(size for _, size, _ in opened.files())
    click.echo(f"{len(opened)} examples, {readable_bytes(n_bytes)}")
    if n_verified is not None:
        click.echo(f"{n_verified} files have the checksums of the manifest")


@store.command()
@click.argument("sources", nargs=-1, required=True, metavar="STORE...")
@click.option("-o", "--output", required=True, metavar="STORE", help="The merged store; new.")
@click.option("--verify", is_flag=True, help="Compare all checksums first.")
def merge(sources, output, verify):
    """Join stores of different datasets (or splits) into one, by hard links where possible."""
    from ..store import merge_stores
    from ..store.summary import summary_rows, summary_table

    merged = merge_stores(sources, output, verify=verify)
    datasets = merged.manifest["datasets"]
    rows = [row for name, facts in datasets.items() for row in summary_rows(name, facts["splits"])]
    click.echo(summary_table(rows))
