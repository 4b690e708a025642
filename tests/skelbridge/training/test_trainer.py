"""skelbridge.training.trainer: see run_check_trainer.py; and killed at many moments."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras_backends
import pytest

HERE = Path(__file__).parent
CHECKS = keras_backends.checks_of([HERE / "run_check_trainer.py"])
LAST = "checkpoints/step_000000008.npz"


@pytest.mark.parametrize("check", CHECKS)
def test_run(of_runs, check):
    of_runs(check)


def started(folder, run, *arguments):
    command = [sys.executable, HERE / "small_runs.py", folder / "store", folder / run, *arguments]
    return subprocess.Popen(
        list(map(str, command)), env=os.environ | keras_backends.ENVIRONMENT,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process):
    _, err = process.communicate(timeout=200)
    assert process.returncode in (0, -signal.SIGKILL), err.decode()
    return process.returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    assert ended(started(folder, "whole", 0)) == 0
    return folder


def check_is_whole(whole, run):
    assert (whole / run / LAST).read_bytes() == (whole / "whole" / LAST).read_bytes()
    names = [{p.name for p in (whole / r / "checkpoints").iterdir()} for r in (run, "whole")]
    assert names[0] == names[1]
    assert not [p for p in (whole / run).rglob(".*")]


@pytest.mark.slow
@pytest.mark.parametrize("side", ["before", "after"])
# Configuration, facts, log, and the checkpoints of steps 2, 5 (before the last phase) and 8.
@pytest.mark.parametrize("move", [1, 2, 3, 4, 6, 8])
def test_killed_when_a_file_is_renamed(whole, move, side):
    run = f"{move} {side}"
    assert ended(started(whole, run, 0, move, side)) == -signal.SIGKILL
    assert ended(started(whole, run, 0)) == 0
    check_is_whole(whole, run)


@pytest.mark.slow
def test_killed_again_and_again(whole):
    """At whatever moments; every life is a little longer."""
    lives = 0
    while True:
        process = started(whole, "often", 0.1)
        try:
            process.wait(timeout=4 + 1.5 * lives)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        lives += 1
        if ended(process) == 0:
            break
        time.sleep(0.1)
    assert lives > 2
    check_is_whole(whole, "often")
