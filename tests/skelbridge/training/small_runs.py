"""Tiny runs on tiny pictures, for the `run_check_*.py` files and the processes that they start.

`python small_runs.py STORE RUN SECONDS [MOVE SIDE]` trains the run of `config(STORE)`, with so many
seconds per batch, and is killed just `before` or `after` a file gets its final name.
"""

import atexit
import functools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from skelbridge.nn.backbones import small_cnn
from skelbridge.synth import SynthOptions, synthesize
from skelbridge.training import trainer
from skelbridge.training.config_file import config_of

#: A network that is compiled in a second.
small_cnn.STAGES = ((8, 0),) * 4
small_cnn.OUTPUT_CHANNELS = 16
FORMATS = ("coco_17", "h36m_17")
BASE = {
    "data": {
        "formats": FORMATS,
        "three_d": {"synth_a": 3, "synth_b": 3},
        "two_d": {"synth_2d": 2},
        "crop": 64,
    },
    "model": {"batch_norm": "3d2d"},
    "rates": {"base": 1e-3},
    # Each of the three begins to count at another step than 0.
    "phases": {
        "full_perspective_from": 2, "absolute_after": 3, "teacher_after": 1,
        "stored_statistics_last": 3,
    },
    "steps": 8,
    "seed": 3,
    "checkpoint_every": 2,
    "keep": 2,
    "log_every": 3,
}  # fmt: skip


@functools.cache
def folder():
    """A folder for this process."""
    path = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def made(path, **options):
    small = {"domains": 2, "examples": 24, "two_d": 6, "test": 4, "size": 48}
    synthesize(path, SynthOptions(formats=FORMATS, **small | options))
    return path


@functools.cache
def store():
    return made(folder() / "store")


def config(path=None, **changes):
    """A configuration; dots in keys are written `__`."""
    lines = [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in changes.items()]
    return config_of(BASE | {"store": str(path or store())}, changes=lines)


@functools.cache
def whole():
    """The folder of an uninterrupted run. Not to be changed."""
    import tensorflow as tf

    assert not tf.config.functions_run_eagerly()
    trainer.train(config(), folder() / "whole")
    return folder() / "whole"


def copied(run, name):
    return Path(shutil.copytree(run, folder() / name))


def files(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def slowly(seconds):
    """Makes every batch take its time, so that there is some to be killed in."""
    original = trainer.feed_of

    def feed_of(*arguments):
        feed = original(*arguments)
        batches = feed.batches

        def waiting(start, stop):
            for batch in batches(start, stop):
                time.sleep(seconds)
                yield batch

        feed.batches = waiting
        return feed

    trainer.feed_of = feed_of


def killed_at(deadly, side):
    """Kills this process when so many files have been given their names."""
    moves, replace = 0, Path.replace

    def deadly_replace(path, target):
        nonlocal moves
        moves += 1
        if moves == deadly and side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = replace(path, target)
        if moves == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Path.replace = deadly_replace


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        made(sys.argv[1])
    slowly(float(sys.argv[3]))
    if len(sys.argv) > 4:
        killed_at(int(sys.argv[4]), sys.argv[5])
    trainer.train(config(sys.argv[1]), sys.argv[2], resume=True)
