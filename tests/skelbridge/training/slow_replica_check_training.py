"""Whole runs on two devices of one process against runs on one."""

import numpy as np
from small_runs import config, folder, made
from two_devices import STRATEGY

from skelbridge.training import optimizing, trainer
from skelbridge.training.checkpoints import checkpoint_path
from skelbridge.training.distribution import OneReplica, Replicas
from skelbridge.training.run_folder import load_run
from skelbridge.training.run_log import read_log

#: Ghost parts of 2 examples: 4 with 3D and 2 with 2D labels, half of them on each device. The last
#: two: for what keeps rounding as small as it begins, see `worker_runs`.
CHANGES = {
    "data__three_d": {"synth_a": 4, "synth_b": 4},
    "data__two_d": {"synth_2d": 4},
    "model__batch_norm": "ghost",
    "model__ghost_part": 2,
    "steps": 4,
    "phases__stored_statistics_last": 1,
    "log_every": 1,
    "optimizer__epsilon": 0.01,
    "phases__full_perspective_from": 500,
}


def trained(name, replicas, **changes):
    """Losses of every step, and the run's folder."""
    run, found = folder() / name, []
    before = trainer.replicas_here, trainer.check_loss, trainer.use_threads

    def check_loss(losses, batch, *rest):
        found.append({k: np.array(v, float) for k, v in losses.items()})
        before[1](losses, batch, *rest)

    trainer.replicas_here, trainer.check_loss = lambda cluster: replicas, check_loss
    trainer.use_threads = lambda threads: None  # TensorFlow has begun to compute.
    try:
        path = folder() / "replicas' store"
        settings = config(path if path.exists() else made(path), **CHANGES | changes)
        trainer.train(settings, run)
    finally:
        trainer.replicas_here, trainer.check_loss, trainer.use_threads = before
    return found, run


def compare(name, *, rtol=2e-5, **changes):
    found, run = trained(f"{name} on two", Replicas(STRATEGY), **changes)
    expected, alone = trained(f"{name} on one", OneReplica(), **changes)
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for term, value in other.items():
            np.testing.assert_allclose(one[term], value, rtol=rtol, atol=1e-6, err_msg=term)
    for one, other in zip(read_log(run), read_log(alone), strict=True):
        assert one.keys() == other.keys()
        compared = [k for k in one if k not in ("step", "seconds")]
        assert all(abs(one[k] / other[k] - 1) < 5 * rtol for k in compared)
    return load_run(run), load_run(alone)


def check_ghost_parts():
    two, one = compare("ghost")
    images = np.random.default_rng(0).random((5, 64, 64, 3), np.float32)
    intrinsics = np.tile(np.float32([[60, 0, 32], [0, 60, 32], [0, 0, 1]]), (5, 1, 1))
    poses = [run.poses({"image": images, "K": intrinsics}) for run in (two, one)]
    np.testing.assert_allclose(*poses, atol=1.0)  # mm


def check_the_whole_batch_as_one_part():
    compare("normal", model__batch_norm="normal")


def check_accumulated_gradients():
    """Two pieces, each shared by both devices."""
    compare("pieces", optimizer__accumulate=2, model__batch_norm="3d2d")


def check_activations_that_are_computed_again():
    compare("recompute", model__recompute=True, model__batch_norm="normal")


def check_dynamic_loss_scale():
    """Both devices see the same overflows: those of the summed gradients."""
    half = {"model__precision": "mixed_float16", "optimizer__loss_scale": "dynamic"}
    compare("scaled", rtol=1e-2, **half)  # float16 has 3 digits
    first, optimizing.FIRST_SCALE = optimizing.FIRST_SCALE, 1e38
    try:
        runs = [
            trained(f"overflowing on {count}", replicas, **half)[1]
            for count, replicas in (("two", Replicas(STRATEGY)), ("one", OneReplica()))
        ]
    finally:
        optimizing.FIRST_SCALE = first
    for run in runs:
        scale, since = last_values(run, 2)
        assert scale == np.float32(1e38) / 16 and since == 0


def last_values(run, count):
    """The last of the variables in a run's last checkpoint."""
    with np.load(checkpoint_path(run / "checkpoints", 4)) as arrays:
        names = sorted(name for name in arrays if name != "header")
        return [float(arrays[name]) for name in names[-count:]]
