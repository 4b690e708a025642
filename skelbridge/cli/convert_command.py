"""`skelbridge convert`."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import click

from skeleton_defs import UserError

from ..convert_files import ConvertOptions, ConvertReport, convert_file, default_output, find_inputs
from ..posefiles import DIALECTS, pose_suffix
from .options import atlas_solving_options, from_option, input_options, stated_input, warn
from .shell import FormatName


@click.command()
@click.argument("inputs", nargs=-1, metavar="IN...")
@from_option
@click.option(
    "--to",
    "target",
    required=True,
    type=FormatName(),
    metavar="FORMAT",
    help="Format to convert to.",
)
@click.option(
    "-o",
    "--out",
    "output",
    metavar="OUT",
    help="Output file (its suffix says how), a folder for several inputs, - for standard "
    "output. Default: IN_FORMAT.* in the current folder.",
)
@click.option(
    "--method",
    default="auto",
    show_default=True,
    metavar="auto|names|FILE",
    help="auto: the same point where there is one, else the atlas; names: the same or nearest "
    "name; FILE: a saved map or ACAE.",
)
@atlas_solving_options
@click.option(
    "--weigh-confidence",
    is_flag=True,
    help="Let joints of low confidence (0 to 1) count less; with --method auto.",
)
@click.option(
    "--as",
    "dialect",
    type=click.Choice(sorted(DIALECTS)),
    help="Dialect of the output, where the suffix is not enough.",
)
@click.option("--explain", is_flag=True, help="Print where each target joint comes from.")
@click.option(
    "--view",
    type=click.Path(),
    metavar="FILE",
    help="Also draw source and result into this .html or .png.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@input_options
def convert(
    inputs,
    source,
    target,
    output,
    method,
    atlas_options,
    weigh_confidence,
    dialect,
    explain,
    view,
    as_json,
    key,
    person,
    xyc,
    rotations,
    body_model,
    asf,
    units,
    up,
    scale,
):
    """Convert pose files to another skeleton format.

    \b
    skelbridge convert --from smpl --to h36m poses.npz -o out.npz
    skelbridge convert --to coco clip.bvh --units cm:mm --view clip.html
    skelbridge convert --from smpl --to h36m --explain

    IN is a file, a folder of files, or - for standard input (npy or JSON).
    """
    if not inputs:
        if not explain:
            raise click.UsageError("give a file to convert, or --explain to see the map alone")
        _explain_formats(source, target, method, atlas_options, as_json)
        return
    options = ConvertOptions(
        target=target,
        stated=stated_input(source, key, person, xyc, rotations, body_model, asf),
        method=method,
        atlas_options=atlas_options,
        weigh_confidence=weigh_confidence,
        units=units,
        up=up,
        scale=scale,
        dialect=_dialect(dialect, inputs, output),
        view=view,
    )
    jobs = _jobs(find_inputs(inputs), inputs, output, target, view)
    reports, failures = _run(jobs, options)
    to_stdout = any(out == "-" for _, out in jobs)
    _print(reports, explain=explain, as_json=as_json, err=to_stdout)
    if failures:
        raise UserError(
            failures[0]
            if len(jobs) == 1
            else f"{len(failures)} of {len(jobs)} inputs were not converted (see above)"
        )


def _dialect(dialect: str | None, inputs: tuple[str, ...], output: str | None) -> str | None:
    """Standard output repeats the input's kind: JSON for JSON, else npy."""
    to_stdout = output == "-" or (output is None and inputs == ("-",))
    if dialect is not None or not to_stdout:
        return dialect
    if inputs[0] == "-":
        is_json = not sys.stdin.buffer.peek(6).startswith(b"\x93NUMPY")
    else:
        is_json = pose_suffix(inputs[0]) == ".json"
    return "json" if is_json else None


def _jobs(found, inputs, output, target, view) -> list[tuple[str, str]]:
    """Pairs of input and output paths."""
    single = len(found) == 1 and not (
        len(inputs) == 1 and Path(inputs[0]).is_dir() and found[0][0] != inputs[0]
    )
    if single:
        path, name = found[0]
        if path == "-" and output is None:
            output = "-"
        if output is None or (output != "-" and Path(output).is_dir()):
            return [(path, str(Path(output or ".") / default_output(Path(name).name, target)))]
        return [(path, output)]
    if output == "-" or view:
        raise UserError("several inputs need a folder as -o, and cannot be drawn with --view")
    folder = Path(output or ".")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: several inputs need a folder as -o. Found a file")
    jobs = [(path, str(folder / default_output(name, target))) for path, name in found]
    outputs = [out for _, out in jobs]
    repeated = sorted({out for out in outputs if outputs.count(out) > 1})
    if repeated:
        raise UserError(
            f"several inputs would be written to {repeated[0]}: convert them one by "
            "one, or from their common folder"
        )
    return jobs


def _run(jobs, options) -> tuple[list[ConvertReport], list[str]]:
    """Converts all; several inputs do not stop at the first that fails."""
    reports, failures = [], []
    with _progress(len(jobs)) as advance:
        for path, output in jobs:
            try:
                if len(jobs) > 1:
                    Path(output).parent.mkdir(parents=True, exist_ok=True)
                report = convert_file(path, output, options)
                reports.append(report)
                warn(tuple(n if len(jobs) == 1 else f"{path}: {n}" for n in report.notes))
            except UserError as error:
                failures.append(str(error))
                if len(jobs) > 1:
                    click.echo(f"Error: {error}", err=True)
            except OSError as error:
                raise UserError(f"{output}: cannot be written ({error.strerror})") from None
            advance()
    return reports, failures


@contextlib.contextmanager
def _progress(count: int):
    """A progress bar on a terminal, for several inputs."""
    if count == 1 or not sys.stderr.isatty():
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=count, unit="file") as bar:
        yield bar.update


def _print(reports, *, explain: bool, as_json: bool, err: bool) -> None:
    if as_json:
        shown = [report.to_dict() for report in reports]
        click.echo(json.dumps(shown[0] if len(shown) == 1 else shown, indent=1), err=err)
        return
    for report in reports:
        if explain:
            click.echo(explanation(report.affine_map.to_dict()), err=err)
        click.echo(report.summary(), err=err)


def _explain_formats(source, target, method, atlas_options, as_json) -> None:
    from ..conversion import AffineMap

    if source is None:
        raise click.UsageError("--explain without a file needs --from")
    shown = AffineMap.between(source, target, method=method, **atlas_options).to_dict()
    click.echo(json.dumps(shown, indent=1) if as_json else explanation(shown))


#: How many source joints `--explain` names per joint; the others have smaller weights.
_NAMED_WEIGHTS = 5


def explanation(shown: dict) -> str:
    """Returns the table of `--explain` for `AffineMap.to_dict()`."""
    lines = [f"{shown['from']} -> {shown['to']} by {shown['method']}"]
    width = max(len(j["joint"]) for j in shown["joints"])
    for joint in shown["joints"]:
        weights = _largest_weights(joint["weights"])
        error = joint["expected_error_mm"]
        error = (
            ""
            if joint["status"] == "unavailable"
            else ("error unknown" if error is None else f"~{error:.0f} mm")
        )
        lines.append(
            f"{joint['joint']:<{width}}  {joint['status']:<11}  {error:<13}  "
            f"{weights or '-'}   [{joint['note']}]".rstrip()
        )
    return "\n".join(lines)


def _largest_weights(weights: dict[str, float]) -> str:
    ordered = sorted(weights.items(), key=lambda item: -abs(item[1]))[:_NAMED_WEIGHTS]
    # In the format's order, so that equal weights (of left and right) do not change places.
    named = {name for name, _ in ordered}
    text = " + ".join(
        name if weight == 1 else f"{weight:.3g} {name}"
        for name, weight in weights.items()
        if name in named
    ).replace("+ -", "- ")
    more = len(weights) - len(named)
    return f"{text} + {more} smaller" if more else text
