"""Fine-tuning a run of separate heads with an autoencoder that was fitted to its predictions."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skeleton_defs import UserError

from ..acae import FitOptions, fit_acae
from ..acae.objective import REFERENCE_JOINTS, REFERENCE_LATENTS
from ..data import evaluation_batches
from ..store import open_store
from .checkpoints import checkpoint_steps
from .config import VARIANTS, FineTuningConfig, TrainConfig
from .config_file import as_mapping, config_of, merged
from .run_folder import (
    ACAE,
    ACAE_OF_2D,
    CHECKPOINTS,
    TrainedRun,
    find_checkpoint,
    load_run,
    read_run,
)
from .schedules import Phases, weight_decay

#: Share of the steps of the separate heads: 40,000 of 400,000.
STEPS_SHARE = 0.1
#: Most training images whose poses an autoencoder is fitted to: more do not change it.
MOST_IMAGES = 20_000
#: Whose poses an autoencoder can be fitted to.
IMAGES = ("3d", "2d")
#: So many latents always.
LEAST_LATENTS = 10


def fine_tuning_config(
    run: str | os.PathLike,
    variant: str,
    *,
    acae: str | os.PathLike | None = None,
    steps: int | None = None,
    changes: tuple[str, ...] = (),
) -> TrainConfig:
    """Returns the configuration that fine-tunes a run.

    Schedules and phases, but for the last one, are in proportion to the number of steps. It begins
    before the last steps with stored batch norm statistics, if the run has that checkpoint.

    Args:
      run: folder of the separate heads' run.
      variant: `control` (labels only), `output`, `latent` or `hybrid`.
      acae: file of the autoencoder, for all but the control.
      steps: of the fine-tuning; None: a tenth of the run's.
      changes: texts `key=value`, see `config_file`.

    Raises:
      UserError: no finished run, or an unknown variant or change.
    """
    if variant not in VARIANTS:
        raise UserError(f"variant must be one of {', '.join(VARIANTS)}. Received {variant!r}")
    config, _ = read_run(run)
    if config.fine_tuning is not None:
        raise UserError(f"{run}: is a fine-tuned run; fine-tune the run that it began with")
    last = find_checkpoint(Path(run))
    if last < config.steps:
        raise UserError(
            f"{run}: has {last} of its {config.steps} steps; finish it with --resume first"
        )
    switch = config.steps - config.phases.stored_statistics_last
    has_switch = switch in checkpoint_steps(Path(run) / CHECKPOINTS)
    if steps is None:
        steps = max(1, round(config.steps * STEPS_SHARE))
    phases, rates = config.phases, config.rates
    if rates.weight_decay is None:  # As published: that of the first training's number of steps.
        decay = weight_decay(config.steps, base=rates.base)
        rates = dataclasses.replace(rates, weight_decay=decay)
    is_new_head = variant in ("latent", "hybrid")
    tuned = config.replaced(
        steps=steps,
        rates=rates,
        fine_tuning=FineTuningConfig(
            variant=variant,
            run=os.path.abspath(run),
            checkpoint=switch if has_switch else last,
            acae=None if variant == "control" or acae is None else os.path.abspath(acae),
        ),
        phases=Phases(
            full_perspective_from=steps // 50 if is_new_head else 0,
            absolute_after=steps // 8 if is_new_head else 0,
            teacher_after=steps // 8,
            # As published: as many as before, of a tenth of the steps.
            stored_statistics_last=min(phases.stored_statistics_last, steps // 2),
        ),
    )
    return config_of(merged(as_mapping(tuned), {}), changes=changes)


def fit_to_predictions(
    run: str | os.PathLike,
    *,
    images: str = "3d",
    workers: int = 1,
    options: FitOptions | None = None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Fits an autoencoder to what a run predicts on its training images; writes `acae_path`.

    Source: arXiv 2212.14474, section 3.3: pseudo ground truth, averaged over mirrored images.

    Args:
      run: folder of a run of separate heads.
      images: whose poses: see `pseudo_ground_truth`.
      workers: threads that load images.
      options: of the fit; None: as published, with fewer latents for few joints.
      progress: called with the share of the work done.

    Returns:
      The path of the file.
    """
    trained = load_run(run)
    poses = pseudo_ground_truth(trained, images=images, workers=workers, progress=progress)
    registry = trained.registry
    fit = fit_acae(
        poses,
        flip=registry.flip,
        sides=registry.sides,
        joint_names=registry.names,
        options=options or default_fit(len(registry)),
    )
    path = acae_path(run, images)
    fit.acae.save(path)
    return path


def acae_path(run: str | os.PathLike, images: str = "3d") -> Path:
    """Returns where the autoencoder is that was fitted to a run's predictions on such images."""
    return Path(run) / (ACAE if images == "3d" else ACAE_OF_2D)


def default_fit(joints: int) -> FitOptions:
    """Returns how an autoencoder is fitted to a network's predictions of so many joints.

    Latents in proportion to the published 48 for 555 joints, but at least 10. With more, the
    autoencoder reproduces what is wrong in the predictions (each format at its own depth) and
    hardly couples the formats. The weight of the l1 term, a mean over the matrices' entries, is the
    published one in proportion to their number, so that an entry of a small model costs no more
    (`reg_scale="reference"` keeps the cost of a column: five to seven times as much at 75 joints).
    """
    latents = max(LEAST_LATENTS, round(REFERENCE_LATENTS * joints / REFERENCE_JOINTS))
    latents = min(latents, REFERENCE_LATENTS, joints)
    share = latents * joints / (REFERENCE_LATENTS * REFERENCE_JOINTS)
    return FitOptions(latents=latents, lam=FitOptions.lam * min(share, 1.0))


def pseudo_ground_truth(
    trained: TrainedRun,
    *,
    images: str = "3d",
    workers: int = 1,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Returns the poses (N, J, 3) that a run predicts on its training images.

    Poses with a joint behind the camera are left out: no loss on projections can use them.

    Args:
      trained: the run.
      images: those with `3d` labels, as published, or those with `2d` labels only. On the former
        one head is at home and the others are not, so that they err by different amounts, which
        the autoencoder takes for a difference between formats; on the latter all heads err alike.
      workers: threads that load images.
      progress: called with the share of the work done.

    Raises:
      UserError: there are no such images, or no such poses.
    """
    if images not in IMAGES:
        raise UserError(f"images must be one of {', '.join(IMAGES)}. Received {images!r}")
    config = trained.config
    store = open_store(config.store)
    composition = config.data.composition()
    datasets = dict(composition.three_d if images == "3d" else composition.two_d)
    chosen = [
        np.arange(places.start, places.stop)
        for group, places in store.groups.items()
        if group.dataset in datasets and group.split == config.data.split
    ]
    if not chosen:
        raise UserError(
            f"{config.store}: holds no training images with {images} labels of {trained.path}"
        )
    indices = np.concatenate(chosen)
    indices = indices[:: -(-len(indices) // MOST_IMAGES)]
    poses = predicted_poses(trained, store, indices, workers=workers, progress=progress)
    poses = poses[(poses[..., 2] > 0).all(axis=1)]
    if not len(poses):
        raise UserError(
            f"{trained.path}: predicts no pose in front of the camera, so that no autoencoder can "
            "be fitted to its predictions; train it longer"
        )
    return poses


def predicted_poses(
    trained: TrainedRun,
    store,
    indices: np.ndarray,
    *,
    workers: int = 1,
    flip: bool = True,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Returns what a run predicts for examples of a store, `(N, J, 3)` mm, camera of the crops.

    Args:
      indices: (N,) in the store.
      workers: threads that load images.
      flip: average over images and mirrored images.
      progress: called with the share of the work done.
    """
    options = {
        "crop": trained.config.data.crop_options(image_dtype="uint8"),
        "workers": workers,
        "batch_size": 64,
    }
    streams = [evaluation_batches(store, trained.registry, indices, **options)]
    if flip:
        streams.append(evaluation_batches(store, trained.registry, indices, flip=True, **options))
    found, done = [], 0
    for batches in zip(*streams, strict=True):
        poses = trained.poses(batches[0])
        if flip:
            # The mirrored crop's camera looks from the same place, with x to the left.
            mirrored = trained.poses(batches[1])[:, trained.registry.flip]
            poses = (poses + mirrored * np.float32([-1, 1, 1])) / 2
        found.append(poses)
        done += len(poses)
        if progress is not None:
            progress(done / len(indices))
    return np.concatenate(found)
