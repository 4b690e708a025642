"""The training loop: batches in, checkpoints and log out; goes on bitwise where it was killed.

With several workers (`distribution`) all run it, and the chief alone writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skeleton_defs import JointRegistry, UserError

from ..acae.matrices import Acae
from ..data import Backgrounds, BatchFeed, Occluders, training_feed
from ..data.labels import JointVector
from ..store import Store, open_store
from ..store.manifest import locked, written_to
from ..synth import true_joints
from .checkpoints import (
    checkpoint_path,
    checkpoint_steps,
    load_checkpoint,
    remove_old,
    save_checkpoint,
)
from .cluster import cluster_of
from .config import TrainConfig
from .config_file import config_text, write_config
from .distribution import OneReplica, replicas_here
from .non_finite import check_loss, check_weights
from .resuming import check_folder, check_is_the_same, facts_of_run, remove_leftovers
from .run_folder import (
    ACAE,
    CHECKPOINTS,
    CONFIG,
    acae_of,
    load_run,
    write_facts,
)


def train(
    config: TrainConfig,
    run: str | os.PathLike,
    *,
    resume: bool = False,
    progress: bool = False,
    stop: int | None = None,
) -> Path:
    """Trains, or goes on where an interrupted run has its last checkpoint.

    The same configuration gives bitwise the same weights on one machine, however often the run was
    killed in between. Where TF_CONFIG names several workers, each one calls this with the same
    arguments; all GPUs of a machine share the batches.

    Args:
      config: of the run.
      run: its folder; made if new.
      resume: go on in a folder that holds this run (or begin, where it is empty).
      progress: show progress on standard error.
      stop: end after so many steps of `config.steps`, with a checkpoint.

    Returns:
      The path of the last checkpoint.

    Raises:
      UserError: the folder holds another run, the store lacks datasets, a file is damaged.
      NonFiniteLossError: the loss is not finite; the examples are named.
    """
    run = Path(run)
    config = _resolved(config)
    if not checkpoint_steps(run / CHECKPOINTS):  # Later, the weights are the checkpoint's.
        _check_weights_file(config)
    store = open_store(config.store)
    feed = feed_of(config, store, config.data.registry())
    cluster = cluster_of(os.environ)
    is_chief = cluster is None or cluster.index == 0
    with _own_folder(run) if is_chief else contextlib.nullcontext():
        if is_chief:
            check_folder(run, resume=resume)
            check_is_the_same(run, config)
        use_threads(config.threads)
        replicas = replicas_here(cluster)
        with replicas.messages():
            replicas.check(config)
            last = config.steps if stop is None else min(stop, config.steps)
            replicas.agree("the configuration", _common(config, last))
            replicas.agree("the store's examples", feed.plan.fingerprint())
            facts = {}
            if is_chief:
                facts = facts_of_run(run, config, store, feed.plan, replicas=replicas.count)
            done = replicas.of_chief(max(checkpoint_steps(run / CHECKPOINTS), default=0))
            if done < last:
                feed = replicas.share(feed, config)
                _go_on(config, run, store, feed, facts, (done, last), replicas, shown=progress)
                replicas.agree("the last step", str(last))  # The chief has written it.
        return checkpoint_path(run / CHECKPOINTS, max(done, last))


def _common(config: TrainConfig, last: int) -> str:
    """What workers must have in common; a store may lie elsewhere on each machine."""
    return f"{config_text(config.replaced(store='', workers=1))} {last}"


def _go_on(
    config: TrainConfig, run: Path, store: Store, feed: BatchFeed, facts: Mapping,
    span: tuple[int, int], replicas: OneReplica, *, shown: bool,
) -> None:  # fmt: skip
    """Trains from one step to another; nothing is written before all is ready to begin."""
    from .run_log import RunLog

    (done, last), checkpoints = span, run / CHECKPOINTS
    acae = acae_of(config, run if done else None)
    registry = feed.loader.registry
    step = prepared_step(config, registry, acae, start_weights=done == 0, replicas=replicas)
    before = load_checkpoint(checkpoint_path(checkpoints, done), step.variables) if done else {}
    log = None
    if replicas.is_chief:
        write_config(run / CONFIG, config)
        write_facts(run, facts)
        if acae is not None:
            acae.save(run / ACAE)
        checkpoints.mkdir(exist_ok=True)
        remove_leftovers(run)
        log = RunLog(
            run, feed.plan.datasets, first=done, total=config.steps, every=config.log_every,
            shown=shown, unwritten=before.get("log"),
        )  # fmt: skip
    switch = config.steps - config.phases.stored_statistics_last
    always = () if switch in (0, config.steps) else (switch,)
    with contextlib.ExitStack() as stack:
        if log is not None:
            stack.enter_context(contextlib.closing(log))
        batches = stack.enter_context(contextlib.closing(feed.batches(done, last)))
        for number, batch in enumerate(batches, start=done):
            found = step(batch, number)
            batch = replicas.whole(batch, found, feed.plan, number)
            check_loss(found, batch, store, number, run)
            if log is not None:
                log.add(number + 1, batch, found, config.rates_at(number))
            if (number + 1) % config.checkpoint_every == 0 or number + 1 in (*always, last):
                check_weights(step, number, run)
                if log is None:
                    continue
                stated = {"step": number + 1, "seed": config.seed, "log": log.unwritten}
                save_checkpoint(checkpoint_path(checkpoints, number + 1), step.variables, stated)
                remove_old(checkpoints, keep=config.keep, always=always)


@contextlib.contextmanager
def _own_folder(run: Path) -> Iterator[None]:
    """Makes a run's folder, and keeps other processes out of it; an empty one is removed."""
    with written_to(run):
        is_new = not run.exists()
        run.mkdir(parents=True, exist_ok=True)
        try:
            with locked(run, "is being trained"):
                yield
        finally:
            if is_new:
                with contextlib.suppress(OSError):
                    run.rmdir()


def feed_of(config: TrainConfig, store: Store, registry: JointRegistry) -> BatchFeed:
    """Returns the batches of a configuration."""
    data = config.data
    feed = training_feed(
        store, registry, data.composition(), seed=config.seed, split=data.split,
        allow_missing=data.allow_missing, workers=config.workers, labels=data.labels,
        crop=data.crop_options(image_dtype="uint8"), augmentation=data.augmentation,
        backgrounds=Backgrounds(data.backgrounds),
        occluders=Occluders(data.occluders) if data.augmentation.occlusion else None,
    )  # fmt: skip
    # Before anything is written, not in the middle of the first epoch.
    vector, three_d = JointVector(registry), dict(feed.plan.composition.three_d)
    for group, places in store.groups.items():
        if group.split == data.split and group.dataset in feed.plan.datasets:
            vector.places(group.skeleton, is_3d=group.dataset in three_d)
            if data.labels == "all" and group.dataset in three_d:
                true_joints(store[places.start], group.skeleton, store=store)
    return feed


def prepared_step(
    config: TrainConfig, registry: JointRegistry, acae: Acae | None = None, *, start_weights: bool,
    replicas: OneReplica | None = None,
):  # fmt: skip
    """Returns the `TrainingStep` of a configuration.

    Args:
      config, registry: of the run.
      acae: the fitted autoencoder, where the variant needs one.
      start_weights: begin with published weights, in fine-tuning with those of the run that it
        begins with; False where a checkpoint follows.
      replicas: that train; None: this process alone.
    """
    from ..nn.recomputation import keep_recomputation
    from .network import build_model
    from .step import TrainingStep

    if config.model.recompute:
        keep_recomputation()
    replicas = replicas or OneReplica()
    with replicas.scope():
        model = build_model(config, registry, acae, replicas=replicas, start_weights=start_weights)
    replicas.prepare(model, config)
    if config.fine_tuning is not None and start_weights:
        _take_over(model, config, registry)
    with replicas.scope():
        return TrainingStep(config, registry, model, acae, replicas=replicas)


def use_threads(threads: int) -> None:
    """Makes TensorFlow use so many threads for an operation, and the same order of sums always.

    Once TensorFlow has begun to compute, its threads cannot be changed; then a warning tells.
    """
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        found = tf.config.threading.get_intra_op_parallelism_threads()
        if found != threads:
            warnings.warn(
                f"TensorFlow runs with {found or 'all'} threads already, not with {threads}: the "
                "last bits of the weights depend on it",
                stacklevel=2,
            )


def _resolved(config: TrainConfig) -> TrainConfig:
    """Returns the configuration with absolute paths."""
    if not config.store:
        raise UserError("store must be the folder of an example store (--store)")
    changes: dict[str, Any] = {"store": os.path.abspath(config.store)}
    if (tuning := config.fine_tuning) is not None:
        acae = None if tuning.acae is None else os.path.abspath(tuning.acae)
        changes["fine_tuning"] = dataclasses.replace(
            tuning, run=os.path.abspath(tuning.run), acae=acae
        )
    folders = {
        name: os.path.abspath(folder)
        for name in ("backgrounds", "occluders")
        if (folder := getattr(config.data, name)) is not None
    }
    changes["data"] = dataclasses.replace(config.data, **folders)
    if config.model.weights not in (None, "imagenet"):
        weights = os.path.abspath(config.model.weights)
        changes["model"] = dataclasses.replace(config.model, weights=weights)
    return config.replaced(**changes)


def _check_weights_file(config: TrainConfig) -> None:
    weights = config.model.weights
    if weights not in (None, "imagenet") and not os.path.isfile(weights):
        raise UserError(f"{weights}: no such file (model.weights)")


def _take_over(model, config: TrainConfig, registry: JointRegistry) -> None:
    """Sets a model's weights to those that fine-tuning begins with."""
    fine_tuning = config.fine_tuning
    base = load_run(fine_tuning.run, checkpoint=fine_tuning.checkpoint)
    if base.registry.names != registry.names or base.acae is not None:
        raise UserError(
            f"{fine_tuning.run}: fine-tuning must begin with a run that predicts the same formats "
            "in separate heads"
        )
    model.copy_backbone(base.model)
    if fine_tuning.variant != "latent":
        # In a hybrid head the joints come after the latents, which begin at random.
        model.head.copy_points(base.model.head, at=sum(model.groups) - len(registry))
