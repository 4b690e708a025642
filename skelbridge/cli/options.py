"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable

import click

from ..posefiles import Input, ReadOptions
from .shell import FormatName

_INPUT_OPTIONS = [
    click.option("--key", metavar="K", help="Which array of an .npz, .h5, .pkl or COCO file."),
    click.option("--person", type=int, metavar="N", help="Only the N-th person (from 0)."),
    click.option("--xyc", is_flag=True, help="The third number of a joint is a confidence."),
    click.option(
        "--rotations",
        is_flag=True,
        help="An .npy file holds SMPL-family axis-angle vectors, not positions.",
    ),
    click.option(
        "--body-model",
        type=click.Path(),
        metavar="FILE",
        help="Your SMPL-family model file: exact joints from parameters.",
    ),
    click.option("--asf", type=click.Path(), metavar="FILE", help="Skeleton of an .amc file."),
    click.option("--units", metavar="[IN:]OUT", help="m, cm or mm; for example m:mm."),
    click.option("--up", metavar="[IN:]OUT", help="Upward axis, y or z; for example y:z."),
    click.option(
        "--scale",
        type=float,
        default=1.0,
        metavar="S",
        help="Factor on the input's coordinates, before --units.",
    ),
]


_ATLAS_OPTIONS = [
    click.option(
        "--noise-mm",
        type=float,
        metavar="MM",
        help="Noise per axis to expect on the input's joints (default: 8). More noise spreads "
        "weights over more joints.",
    ),
    click.option(
        "--sparse", is_flag=True, default=None, help="Few source joints per joint, instead of all."
    ),
    click.option(
        "--max-error",
        "max_error_mm",
        type=float,
        metavar="MM",
        help="Joints with a larger expected error are unavailable (default: 60).",
    ),
]


def atlas_solving_options(command: Callable) -> Callable:
    """Adds how the atlas is solved; what is not given is not passed on."""

    @functools.wraps(command)
    def collect(*args, noise_mm, sparse, max_error_mm, **others):
        stated = {"noise_mm": noise_mm, "sparse": sparse, "max_error_mm": max_error_mm}
        given = {name: value for name, value in stated.items() if value is not None}
        return command(*args, atlas_options=given, **others)

    for option in reversed(_ATLAS_OPTIONS):
        collect = option(collect)
    return collect


def from_option(command: Callable) -> Callable:
    """Adds `--from` (and `--format`, its name where nothing is converted)."""
    return click.option(
        "--from",
        "--format",
        "source",
        type=FormatName(),
        metavar="FORMAT",
        help="Format of the input; may be left out where the file says it.",
    )(command)


def input_options(command: Callable) -> Callable:
    """Adds what a user may have to say about an input."""
    for option in reversed(_INPUT_OPTIONS):
        command = option(command)
    return command


def stated_input(
    source: str | None,
    key: str | None,
    person: int | None,
    xyc: bool,
    rotations: bool,
    body_model: str | None,
    asf: str | None,
) -> Input:
    """Collects what the user said about an input."""
    read = ReadOptions(key=key, rotations=rotations, body_model=body_model, asf=asf)
    return Input(source, person=person, xyc=xyc, read=read)


def warn(notes: tuple[str, ...]) -> None:
    """Prints remarks on standard error."""
    for note in notes:
        click.echo(f"Note: {note}", err=True)
