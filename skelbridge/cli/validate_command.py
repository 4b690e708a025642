"""`skelbridge store validate`."""

from __future__ import annotations

import json
import sys

import click

#: The data is readable and does not look right: neither success nor a user's mistake.
_NOT_CLEAN = 1


@click.command()
@click.argument("path", metavar="STORE", type=click.Path())
@click.option(
    "--samples",
    type=int,
    default=5000,
    show_default=True,
    help="Examples to look at per dataset, split and skeleton; 0: all.",
)
@click.option(
    "--sheet", type=click.Path(), metavar="OUT.html|OUT.png", help="Draw examples with skeletons."
)
@click.option("--json", "as_json", is_flag=True, help="Print one object.")
def validate(path, samples, sheet, as_json):
    """Check that a store's examples look like people seen by their cameras.

    Ends with status 1 where a check is beyond its limit.
    """
    from ..store.validation import validate_store

    report = validate_store(path, samples=samples)
    if sheet:
        from ..store.validation_sheet import write_sheet

        write_sheet(path, sheet, report)
    click.echo(json.dumps(report.to_dict(), indent=1) if as_json else "\n".join(report.lines()))
    if sheet and not as_json:
        click.echo(f"wrote {sheet}")
    if not report.is_clean:
        sys.exit(_NOT_CLEAN)
