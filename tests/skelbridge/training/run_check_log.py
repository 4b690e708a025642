"""Checks of `RunLog` that need TensorFlow; see `keras_backends`."""

import contextlib
import io
import json

import numpy as np
from small_runs import folder

from skelbridge.training import run_log
from skelbridge.training.run_log import RunLog, read_log

DATASETS = ("a", "b", "only_2d")


def batch():
    """Two of a, one of b, one without 3D labels."""
    mask = np.ones((4, 5), bool)
    mask[3] = False
    mask[2, 1:] = False
    return {"mask3d": mask, "dataset": np.int32([0, 0, 1, 2])}


def found(step):
    return {
        "total": np.float32(step),
        "3d/supervised": np.float32(10 * step),
        "per_example": np.float32([step, 3 * step, 7, 99]),
    }


def opened(name, *, first=0, unwritten=None, every=4, total=10, shown=False):
    run = folder() / name
    run.mkdir(exist_ok=True)
    return RunLog(
        run, DATASETS, first=first, total=total, every=every, shown=shown, unwritten=unwritten
    )


def add(log, first, last):
    for step in range(first, last + 1):
        log.add(step, batch(), found(step), {"head": 0.5 / step, "backbone": 0.25})


def check_means():
    with contextlib.closing(opened("means")) as log:
        add(log, 1, 10)
    lines = (folder() / "means" / "log.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert records == read_log(folder() / "means")
    # Every 4 steps, and at the end.
    assert [r["step"] for r in records] == [4, 8, 10]
    assert [r["images"] for r in records] == [16, 32, 40]
    assert [r["total"] for r in records] == [2.5, 6.5, 9.5]
    assert [r["3d/supervised"] for r in records] == [25, 65, 95]
    assert [r["dataset/a"] for r in records] == [5, 13, 19]  # means of step and 3 * step
    assert [r["dataset/b"] for r in records] == [7, 7, 7]
    assert [r["rate/head"] for r in records] == [0.125, 0.0625, 0.05]
    assert not any("only_2d" in key or "per_example" in key for r in records for key in r)
    seconds = [r["seconds"] for r in records]
    assert seconds == sorted(seconds) and seconds[0] >= 0


def check_gone_on():
    """Lines are as if it had never been interrupted; time adds up."""
    with contextlib.closing(opened("on")) as log:
        add(log, 1, 5)
        state = json.loads(json.dumps(log.unwritten))
        add(log, 6, 9)
    path = folder() / "on" / "log.jsonl"
    text = path.read_text()
    path.write_text(text.replace('"seconds": ', '"seconds": 100') + '{"step": 9, "im')
    with contextlib.closing(opened("on", first=5, unwritten=state)) as log:
        add(log, 6, 10)
    found, expected = read_log(folder() / "on"), read_log(folder() / "means")
    assert min(record["seconds"] for record in found) >= 100
    for record in (*found, *expected):
        del record["seconds"]
    assert found == expected


def check_progress_lines():
    """A line at the end, and one every 20 seconds."""
    now = [1000.0]
    original, run_log.time.monotonic = run_log.time.monotonic, lambda: now[0]
    err = io.StringIO()
    try:
        with contextlib.redirect_stderr(err):
            log = opened("shown", every=1, total=100, shown=True)
            with contextlib.closing(log):
                for step in range(1, 61):
                    now[0] += 1
                    add(log, step, step)
            assert err.getvalue().count("\n") == 3
    finally:
        run_log.time.monotonic = original
    first = err.getvalue().splitlines()[0]
    # A step of four images per second: 80 are left after 20.
    assert first.startswith("step 20/100, 4 images/s, 1 min 20 s left, loss 20.0000 (a 40.000 b")
