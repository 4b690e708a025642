"""`skelbridge acae`."""

from __future__ import annotations

import json
import sys

import click

from .interrupt import end_interrupted
from .options import warn


@click.group()
def acae():
    """Fit and inspect affine-combining autoencoders."""


@acae.command()
@click.argument("path", metavar="POSES.npz")
@click.option(
    "--registry",
    metavar="FORMATS|FILE",
    help="What the joints are: formats with commas between, in a JointRegistry's order, or a text "
    "file with a joint name per line. Default: the file's joint_names.",
)
@click.option("--key", metavar="K", help="Which array holds the poses (N, J, 3) in mm.")
@click.option(
    "--latents",
    type=int,
    metavar="L",
    help="Number of latent points.  [default: 48, at most half the joints]",
)
@click.option("--sided", type=int, metavar="N", help="Left and right latents together.")
@click.option("--center", "--centre", "centre", type=int, metavar="N", help="Centre latents.")
@click.option("--lambda", "lam", type=float, default=0.6, show_default=True, help="l1 strength.")
@click.option(
    "--loss",
    type=click.Choice(["projected", "plain"]),
    default="projected",
    show_default=True,
    help="projected: in the image plane, of poses in camera frame; plain: in 3D, any frame.",
)
@click.option(
    "--scale-free",
    is_flag=True,
    help="lambda as strong at any size as at 555 joints and 48 latents.",
)
@click.option(
    "--solver",
    type=click.Choice(["fast", "recipe"]),
    default="fast",
    show_default=True,
    help="recipe: the published training, as a yardstick.",
)
@click.option("--seeds", type=int, default=3, show_default=True, help="Fits to keep the best of.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first of the seeds.")
@click.option("--steps", type=int, metavar="N", help="Gradient steps.")
@click.option("--keep-all", is_flag=True, help="Keep poses with left and right exchanged.")
@click.option(
    "-o", "--out", "output", default="acae.npz", show_default=True, metavar="ACAE.npz",
    help="Where to save it.",
)  # fmt: skip
@click.option("--report", metavar="OUT.html|OUT.png", help="Draw errors, weights and latents.")
def fit(
    path, registry, key, latents, sided, centre, lam, loss, scale_free, solver, seeds, seed, steps,
    keep_all, output, report,
):  # fmt: skip
    """Fit latent points to poses that hold many formats at once.

    \b
    skelbridge acae fit poses.npz --registry smpl,h36m,coco -o acae.npz --report acae.html
    skelbridge convert --from smpl --to h36m --method acae.npz walk.npz

    Ctrl-C saves the best so far.
    """
    from ..acae.files import fit_file
    from ..acae.options import FitOptions
    from ..acae.report import format_table, summary_lines

    options = FitOptions(
        sided=sided,
        centre=centre,
        latents=latents,
        lam=lam,
        loss=loss,
        reg_scale="reference" if scale_free else "mean",
        solver=solver,
        steps=steps,
        seeds=seeds,
        seed=seed,
        trim=not keep_all,
    )
    with _Bar() as bar:
        fitted = fit_file(
            path,
            output,
            registry=registry,
            key=key,
            report=report,
            options=options,
            progress=bar.show,
        )
    warn(fitted.notes)
    for line in summary_lines(fitted.acae):
        click.echo(line)
    if table := format_table(fitted.acae):
        click.echo(table)
    written = output if report is None else f"{output} and {report}"
    click.echo(f"wrote {written} in {fitted.seconds:.1f} s")
    if fitted.interrupted:
        end_interrupted()


@acae.command()
@click.argument("path", metavar="ACAE.npz")
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def info(path, as_json):
    """Say what an ACAE file is, and how well it does per format."""
    from ..acae.matrices import Acae
    from ..acae.report import format_errors, format_table, summary_lines

    model = Acae.load(path)
    if as_json:
        formats = {
            name: {"joints": count, "error_mm": mean, "worst_joint": joint, "worst_mm": worst}
            for name, (count, mean, joint, worst) in format_errors(model).items()
        }
        content = {
            "joints": model.joints,
            "latents": model.latents,
            "latent_sides": model.latent_sides,
            "joint_names": model.joint_names,
            "facts": dict(model.facts),
            "formats": formats,
        }
        click.echo(json.dumps(content, indent=1))
        return
    for line in summary_lines(model):
        click.echo(line)
    if table := format_table(model):
        click.echo(table)


@acae.command()
@click.argument("path", metavar="ACAE.npz")
@click.option("-o", "--out", "output", metavar="OUT.html|OUT.png", help="Draw it instead.")
def show(path, output):
    """List the latent points of an ACAE and what they are made of, or draw them."""
    from pathlib import Path

    from ..acae.matrices import Acae
    from ..acae.report import latent_table

    model = Acae.load(path)
    if output is None:
        click.echo(latent_table(model))
        return
    from ..acae.report_page import write_report

    write_report(output, model, title=f"Affine-combining autoencoder {Path(path).name}")
    click.echo(f"wrote {output}")


class _Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    def __enter__(self) -> _Bar:
        self._shown = sys.stderr.isatty()
        self._last = -1
        return self

    def show(self, done: float) -> None:
        """Draws the bar where it changed."""
        filled = int(40 * min(done, 1.0))
        if self._shown and filled != self._last:
            self._last = filled
            click.echo(f"\rfitting [{'#' * filled}{'.' * (40 - filled)}]", nl=False, err=True)

    def __exit__(self, *_) -> None:
        if self._shown and self._last >= 0:
            click.echo("\r" + " " * 52 + "\r", nl=False, err=True)
