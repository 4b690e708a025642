"""`skelbridge view`."""

from __future__ import annotations

import click

from .options import from_option, input_options, stated_input, warn


@click.command()
@click.argument("path", metavar="FILE")
@from_option
@click.option(
    "-o",
    "--out",
    "output",
    required=True,
    metavar="OUT.html|OUT.png",
    help="A page to turn and play, or a sheet of frames.",
)
@input_options
def view(path, source, output, key, person, xyc, rotations, body_model, asf, units, up, scale):
    """Draw a pose file as an offline HTML page or a PNG sheet."""
    from ..view_files import view_file

    stated = stated_input(source, key, person, xyc, rotations, body_model, asf)
    warn(view_file(path, output, stated, units=units, up=up, scale=scale))
    click.echo(f"wrote {output}")
