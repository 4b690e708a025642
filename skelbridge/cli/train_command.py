"""`skelbridge train` and `skelbridge finetune`."""

from __future__ import annotations

import os
import warnings

import click

from skeleton_defs import UserError

_SET = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a value of the configuration, e.g. data.crop=128; several, or repeated.",
)


@click.command()
@click.option("--config", metavar="FILE", help="Configuration (YAML).")
@click.option(
    "--preset", metavar="NAME", help="A complete configuration: mini, small, medium or full."
)
@click.option(
    "--store",
    metavar="STORE",
    help="Example store to train on; several are joined before, see `skelbridge store merge`.",
)
@click.option("--out", "run", metavar="RUN", help="Folder of the run.")
@click.option(
    "--steps", type=click.IntRange(min=1), metavar="N", help="Another length; phases too."
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted run (or begin).")
@click.option("--allow-missing", is_flag=True, help="Share places of datasets that are not there.")
@click.option("--plan", is_flag=True, help="Print data, memory and time of the training, and end.")
@click.option("--gpu", metavar="NAME", help="With --plan: estimate the time on it, e.g. A100.")
@click.option("--show-batches", is_flag=True, help="Print the batches' composition and end.")
@click.option("--show-config", is_flag=True, help="Print the resolved configuration and end.")
@_SET
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
def train(
    config, preset, store, run, steps, resume, allow_missing, plan, gpu, show_batches, show_config,
    changes, more,
):  # fmt: skip
    """Train a network that predicts the joints of several skeleton formats from a picture.

    The configuration is that of --config, on top of --preset; of a run that is resumed, its own.
    Same configuration, same weights, also if the run is killed and resumed in between.

    \b
      skelbridge synth STORE
      skelbridge train --preset mini --store STORE --out RUN

    The presets small, medium and full are the published training on 7, 18 and 32 datasets:

    \b
      skelbridge prepare DATASET --root DIR --store STORE       # of each dataset
      skelbridge train --preset full --store STORE --plan --gpu A100
      skelbridge train --preset full --store STORE --out RUN
      skelbridge finetune RUN
    """
    if gpu is not None and not plan:
        raise click.UsageError("--gpu is for --plan")
    if run is None and not (plan or show_batches or show_config):
        context = click.get_current_context()
        raise click.MissingParameter(ctx=context, param_type="option", param_hint="'--out'")
    changes = _all_changes(changes, more)
    resolved = _configuration(config, preset, store, run, resume, allow_missing, changes)
    if steps is not None:
        resolved = resolved.of_length(steps)
    if show_config:
        from ..training.config_file import config_text

        click.echo(config_text(resolved), nl=False)
    elif show_batches:
        from ..store import open_store
        from ..training.trainer import feed_of

        opened = open_store(resolved.store)
        click.echo(feed_of(resolved, opened, resolved.data.registry()).plan.describe())
    elif plan:
        from ..training.planning import print_plan

        print_plan(resolved, gpu=gpu, echo=click.echo)
    else:
        _run(resolved, run, resume=resume)


@click.command()
@click.argument("run", metavar="RUN", type=click.Path())
@click.option(
    "--acae",
    default="auto",
    show_default=True,
    metavar="auto|FILE",
    help="Autoencoder; auto: fit one to the run's predictions on its training images.",
)
@click.option(
    "--acae-images",
    type=click.Choice(["3d", "2d"]),
    default="3d",
    show_default=True,
    help="For --acae auto: training images with 3D labels, or with 2D labels only.",
)
@click.option(
    "--variant",
    type=click.Choice(["output", "latent", "hybrid", "control"]),
    default="output",
    show_default=True,
    help="Consistent outputs, latents predicted directly, both, or labels only.",
)
@click.option("--out", metavar="DIR", help="Folder of the new run [default: RUN_VARIANT].")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run (or begin).")
@_SET
@click.argument("more", nargs=-1, metavar="[KEY=VALUE]...")
def finetune(run, acae, acae_images, variant, out, resume, changes, more):
    """Fine-tune a run of separate heads so that its formats agree with each other.

    The autoencoder that `auto` fits is kept as RUN/acae.npz (acae_2d.npz) and used again.
    """
    from ..training.fine_tuning import acae_path, fine_tuning_config
    from ..training.resuming import check_folder
    from ..training.run_folder import CONFIG

    changes = _all_changes(changes, more)
    out = out or f"{os.path.normpath(run)}_{variant}"
    # Mistakes show before the work.
    check_folder(out, resume=resume)
    if resume and not changes and os.path.exists(os.path.join(out, CONFIG)):
        _run(_begun(out, variant), out, resume=True)
        return
    fine_tuning_config(run, "control", changes=changes)
    path = None
    if variant != "control":
        path = acae_path(run, acae_images) if acae == "auto" else acae
        if not os.path.isfile(path):
            if acae != "auto":
                raise UserError(f"{acae}: no such file; give an ACAE file, or --acae auto")
            if "TF_CONFIG" in os.environ:
                raise UserError(
                    f"{path} is not there yet, and several workers (TF_CONFIG) cannot fit it "
                    "together; fit it on one machine first, see tools/cluster/README.md"
                )
            _fit(run, acae_images)
    _run(fine_tuning_config(run, variant, acae=path, changes=changes), out, resume=resume)


def _begun(out, variant):
    from ..training.run_folder import read_run

    config, _ = read_run(out)
    begun = None if config.fine_tuning is None else config.fine_tuning.variant
    if begun != variant:
        what = "separate heads" if begun is None else f"the variant '{begun}'"
        raise UserError(f"{out}: holds a run of {what}; give another --out")
    return config


def _fit(run, images):
    from ..training.fine_tuning import fit_to_predictions
    from ..training.run_folder import read_run
    from ..training.trainer import use_threads

    config, _ = read_run(run)
    use_threads(config.threads)
    click.echo(f"predicting the training images of {run} ...", err=True)
    path = fit_to_predictions(run, images=images, workers=config.workers)
    click.echo(f"fitted {path}", err=True)


def _configuration(config, preset, store, run, resume, allow_missing, changes):
    from ..training.config_file import as_mapping, config_of, read_config
    from ..training.presets import preset as preset_of
    from ..training.run_folder import CONFIG

    changes = list(changes)
    if store is not None:
        changes.append(f"store={_quoted(store)}")
    if allow_missing:
        changes.append("data.allow_missing=true")
    base = None if preset is None else as_mapping(preset_of(preset))
    if config is not None:
        return read_config(config, changes=changes, defaults=base)
    if base is not None:
        return config_of(base, changes=changes)
    if resume and run is not None and os.path.exists(own := os.path.join(run, CONFIG)):
        return read_config(own, changes=changes)
    raise UserError("give --config FILE or --preset NAME (or --resume a run)")


def _all_changes(changes, more):
    """Returns what was given after --set, where several may stand: `--set a=1 b=2`."""
    if more and not changes:
        raise click.UsageError(f"Got unexpected extra argument ({more[0]})")
    return (*changes, *more)


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)


def _run(config, run, *, resume):
    from ..training.trainer import train as run_training

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_more: click.echo(
            f"Warning: {message}", err=True
        )
        path = run_training(config, run, resume=resume, progress=True)
    click.echo(f"{path}")
