"""One worker of a run of the miniature's network.

`python worker_runs.py STORE RUN SECONDS PRESET KEY=VALUE ...` trains with so many seconds per batch
(`tiny` only), and writes the losses of all steps into RUN.losses.N.json; PRESET: `mini` or `tiny`.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from skelbridge.synth import SynthOptions, synthesize
from skelbridge.training import distribution, trainer
from skelbridge.training.cluster import cluster_of
from skelbridge.training.config_file import as_mapping, config_of
from skelbridge.training.presets import MINI_FORMATS, mini
from skeleton_defs import UserError

#: 36 examples; parts of 6: 4 with 3D and 2 with 2D labels. Adam's epsilon and weak perspective keep
#: rounding from growing: with 1e-8 every weight moves by the rate though its gradient is rounding
#: only, and full perspective divides by the spread of an untrained network's joints. In two runs of
#: one process that begin one ulp apart losses differ by 1e-2 without both, 1.2e-6 with them (and by
#: as much between one process and two workers).
MINI = [
    'data.three_d={"synth_a": 6, "synth_b": 6, "synth_c": 6, "synth_d": 6}',
    'data.two_d={"synth_2d": 12}',
    "model.batch_norm=ghost",
    "model.ghost_part=6",
    "optimizer.epsilon=0.01",
    "phases.full_perspective_from=500",
    "phases.absolute_after=5",
    "phases.stored_statistics_last=5",
    "checkpoint_every=20",
    "log_every=10",
]
TINY = [
    'data.three_d={"synth_a": 4, "synth_b": 4}',
    'data.two_d={"synth_2d": 4}',
    "model.batch_norm=ghost",
    "model.ghost_part=2",
]


def store_of(preset, path):
    if preset == "tiny":
        import small_runs  # Importing it makes the network tiny.

        return small_runs.made(path)
    options = SynthOptions(formats=MINI_FORMATS, domains=4, examples=60, two_d=12, test=4, size=96)
    synthesize(path, options)
    return path


def config(preset, store, changes):
    if preset == "tiny":
        import small_runs

        return config_of(small_runs.BASE | {"store": str(store)}, changes=[*TINY, *changes])
    base = as_mapping(mini().of_length(1000))
    return config_of(base, changes=[f"store={json.dumps(str(store))}", *MINI, *changes])


def noting(losses):
    """Keeps the losses of all steps."""
    check = trainer.check_loss

    def check_loss(found, *rest):
        losses.append({k: float(v) for k, v in found.items() if np.ndim(v) == 0})
        check(found, *rest)

    trainer.check_loss = check_loss


def main(store, run, seconds, preset, *changes):
    cluster, losses = cluster_of(os.environ), []
    noting(losses)
    if "COMING_SECONDS" in os.environ:
        distribution.COMING_SECONDS = int(os.environ["COMING_SECONDS"])
    settings = config(preset, store, changes)
    if float(seconds):
        import small_runs

        small_runs.slowly(float(seconds))
    try:
        trainer.train(settings, run, resume=True)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
    number = 0 if cluster is None else cluster.index
    Path(f"{run}.losses.{number}.json").write_text(json.dumps(losses))


if __name__ == "__main__":
    main(*sys.argv[1:])
