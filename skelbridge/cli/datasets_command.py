"""`skelbridge datasets`."""

from __future__ import annotations

import json
import sys

import click

from dataset_adapters import adapter_class, get_adapter, list_adapters


@click.group()
def datasets():
    """Know the datasets: what to download, how to arrange it, what is there."""


@datasets.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a list of objects.")
def list_command(as_json: bool):
    """List the datasets that can be read."""
    infos = [adapter_class(name).info for name in list_adapters()]
    rows = [
        {
            "name": info.name,
            "kind": info.kind,
            "skeletons": list(info.skeletons),
            "splits": list(info.splits),
            "title": info.title,
        }
        for info in infos
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(
            f"{row['name']:<14} {row['kind']:<18} {row['skeletons'][0]:<20} "
            f"{'/'.join(row['splits']):<17} {row['title']}"
        )


@datasets.command()
@click.argument("name")
def show(name: str):
    """Show the page of one dataset: downloads, folders, licence, skeleton, defects, options."""
    from dataset_adapters.pages import page

    click.echo(page(adapter_class(name)))


@datasets.command()
@click.argument("name")
@click.option("--root", required=True, type=click.Path(), help="The dataset's folder.")
def check(name: str, root: str):
    """Say what of a dataset is there and what is missing; reads no file's content."""
    from dataset_adapters.pages import findings_table

    findings = get_adapter(name).check(root)
    click.echo(findings_table(findings))
    missing = [finding for finding in findings if finding.is_missing]
    if missing:
        info = adapter_class(name).info
        click.echo(
            f"\n{len(missing)} required item(s) missing. Get them at {info.homepage} "
            f"({info.access}); the folders they belong in: skelbridge datasets show {name}"
        )
        sys.exit(2)
    click.echo("\neverything that is required is there")


@datasets.command()
@click.argument("name", type=click.Choice(["custom"]))
@click.argument("out", type=click.Path())
def template(name: str, out: str):
    """Write a small dataset of your own layout to start from, filled in, into a new folder."""
    from dataset_adapters.adapters.custom_template import write_template

    write_template(out)
    click.echo(f"wrote {out}: replace its images and annotations; then skelbridge prepare custom")
