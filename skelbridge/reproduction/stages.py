"""The stages of the miniature, each a process: `python -m skelbridge.reproduction.stages`.

A stage that is killed goes on where it was; a finished one leaves its result and is not run again.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import numpy as np

from dataset_adapters.containers.npz import open_npz, write_npz_archive
from skeleton_defs import UserError

from ..acae import FitOptions, fit_acae
from ..atomic import atomic_path
from ..data import evaluation_batches
from ..store import Store, open_store
from ..training.checkpoints import checkpoint_path
from ..training.config import TrainConfig
from ..training.config_file import write_config
from ..training.fine_tuning import (
    acae_path,
    fine_tuning_config,
    fit_to_predictions,
    predicted_poses,
)
from ..training.run_folder import CHECKPOINTS, CONFIG, load_run
from ..training.trainer import train
from .plan import BATCH_NORM, MiniPlan, Stage, read_plan
from .test_set import TestSet

STORE = "store"
RELATION = "relation.npz"
#: The relation that measures consistency; no network is trained against it. On true poses there is
#: no reason for few latents.
_RELATION_FIT = FitOptions(sided=20, centre=4, lam=0.15, seed=1000)
_RELATION_POSES = 4000
#: On images of the four looks the formats' errors differ too much, see `pseudo_ground_truth`.
_ACAE_IMAGES = "2d"
#: Test pictures of each domain that the report shows.
_SHOWN = 2


def run_stage(out: Path, stage: Stage) -> None:
    """Does a stage's work, unless its result is there."""
    if stage.result(out).exists():
        return
    plan = read_plan(out)
    if stage.name == "truth":
        _truth(out, plan)
    elif stage.name == "separate":
        config = plan.config(str(out / STORE), stage.seed)
        _trained(config, stage.folder(out))
        if not acae_path(stage.folder(out), _ACAE_IMAGES).exists():
            fit_to_predictions(stage.folder(out), images=_ACAE_IMAGES)
        _predict(stage.folder(out), out, stage.result(out))
    elif stage.name.startswith(BATCH_NORM):
        _batch_norm(out, plan, stage)
    else:
        base = Stage("separate", stage.seed).folder(out)
        is_bound = stage.name == "upper_bound"
        config = fine_tuning_config(
            base,
            "control" if is_bound else stage.name,
            acae=acae_path(base, _ACAE_IMAGES),
            steps=plan.fine_tuning_steps,
            changes=("threads=1", *(["data.labels=all"] if is_bound else [])),
        )
        _trained(config, stage.folder(out))
        _predict(stage.folder(out), out, stage.result(out))


def read_predictions(path: Path) -> np.ndarray:
    """Returns the poses (N, J, 3) that a stage left."""
    with open_npz(path) as arrays:
        return arrays["joints3d"]


def _trained(config: TrainConfig, folder: Path) -> None:
    train(config, folder, resume=True, progress=True)


def _predict(run: Path, out: Path, result: Path) -> None:
    trained = load_run(run)
    store = open_store(out / STORE)
    _save(result, joints3d=predicted_poses(trained, store, _test_examples(store)))


def _batch_norm(out: Path, plan: MiniPlan, stage: Stage) -> None:
    """Separate heads with one kind of batch norm, with and without the last phase."""
    kind, folder = stage.name.removeprefix(BATCH_NORM), stage.folder(out)
    config = plan.config(str(out / STORE), stage.seed, batch_norm=kind)
    run = folder / "with"
    if kind == plan.batch_norm:
        run = Stage("separate", stage.seed).folder(out)  # It is this very training.
    _trained(config, run)
    without = config.replaced(phases=dataclasses.replace(config.phases, stored_statistics_last=0))
    if not (folder / "without" / CONFIG).exists():
        _branch(run, folder / "without", config, without)
    _trained(without, folder / "without")
    _predict(folder / "without", out, folder / "predictions_without.npz")
    _predict(run, out, stage.result(out))


def _branch(run: Path, other: Path, config: TrainConfig, changed: TrainConfig) -> None:
    """Begins a run with another's checkpoint from before the last phase: till then they agree."""
    switch = config.steps - config.phases.stored_statistics_last
    (other / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(
        checkpoint_path(run / CHECKPOINTS, switch), checkpoint_path(other / CHECKPOINTS, switch)
    )
    write_config(other / CONFIG, changed)


def _truth(out: Path, plan: MiniPlan) -> None:
    """The test pictures' true joints, and a relation between formats, fitted to true poses."""
    config = plan.config(str(out / STORE), plan.seeds[0])
    registry, store = config.data.registry(), open_store(out / STORE)
    options = {"crop": config.data.crop_options(image_dtype="uint8"), "labels": "all"}
    stage = Stage("truth", 0)
    stage.folder(out).mkdir(parents=True, exist_ok=True)

    train_examples = _examples(store, "train", [name for name in config.data.three_d])
    every = -(-len(train_examples) // _RELATION_POSES)
    batches = evaluation_batches(store, registry, train_examples[::every], **options)
    poses = np.concatenate([batch["joints3d"] for batch in batches])
    fit = fit_acae(
        poses, flip=registry.flip, sides=registry.sides, joint_names=registry.names,
        options=_RELATION_FIT,
    )  # fmt: skip
    _save(stage.folder(out) / RELATION, relation=fit.acae.w2.T @ fit.acae.w1.T)

    examples = _test_examples(store)
    batches = list(evaluation_batches(store, registry, examples, **options))
    columns = {
        name: np.concatenate([batch[name] for batch in batches])
        for name in ("joints3d", "mask3d", "K", "image")
    }
    domains = _domains(store, examples)
    shown = np.concatenate([np.flatnonzero(domains == d)[:_SHOWN] for d in np.unique(domains)])
    formats = {g.dataset: g.skeleton for g in store.groups if g.split == "train"}
    test = TestSet(
        registry=registry, domains=domains,
        labelled={d: formats[d] for d in np.unique(domains).tolist() if d in formats},
        joints3d=columns["joints3d"], mask=columns["mask3d"], images=columns["image"][shown],
        intrinsics=columns["K"][shown], shown=shown,
    )  # fmt: skip
    test.save(stage.result(out))


def _test_examples(store: Store) -> np.ndarray:
    return _examples(store, "test", None)


def _examples(store: Store, split: str, datasets: list[str] | None) -> np.ndarray:
    chosen = [
        np.arange(places.start, places.stop)
        for group, places in store.groups.items()
        if group.split == split and (datasets is None or group.dataset in datasets)
    ]
    if not chosen:
        raise UserError(f"{store.path}: holds no {split} pictures")
    return np.sort(np.concatenate(chosen))


def _domains(store: Store, examples: np.ndarray) -> np.ndarray:
    batch = store.batch(examples)
    return np.array([batch.groups[number].dataset for number in batch.group])


def _save(path: Path, **arrays: np.ndarray) -> None:
    with atomic_path(path) as temporary:
        write_npz_archive(temporary, arrays)


def main(arguments: list[str] | None = None) -> None:
    """Runs one stage: OUT NAME SEED."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    out, name, seed = sys.argv[1:] if arguments is None else arguments
    try:
        run_stage(Path(out), Stage(name, int(seed)))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
