"""Two workers on this machine against one process, and one of them killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras_backends
import numpy as np
import pytest

from skelbridge.training.cluster import tf_config
from skelbridge.training.run_log import read_log

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
SECONDS = 900


def started(*arguments, **environment):
    command = [sys.executable, HERE / "worker_runs.py", *arguments]
    return subprocess.Popen(
        list(map(str, command)),
        env=os.environ | keras_backends.ENVIRONMENT | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def two_started(*arguments, of_second=(), **environment):
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    config = json.loads(tf_config(["localhost", "other"], 0))
    config["cluster"]["worker"] = [f"localhost:{port}" for port in ports]
    workers = []
    for index in range(2):
        config["task"]["index"] = index
        more = of_second if index else ()
        environment["TF_CONFIG"] = json.dumps(config)
        workers.append(started(*arguments, *more, **environment))
    return workers


def ended(process, seconds=SECONDS):
    """Exit status and what was said on standard error; never waits forever."""
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
        pytest.fail(f"hung: {said[-2000:]}", pytrace=False)
    return process.returncode, said


def all_well(processes):
    for process in processes:
        status, said = ended(process)
        assert status == 0, said[-4000:]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    code = (
        "import sys, worker_runs\n"
        "for preset in ('mini', 'tiny'): worker_runs.store_of(preset, f'{sys.argv[1]}/{preset}')\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, folder],
        env=os.environ | keras_backends.ENVIRONMENT | {
            "PYTHONPATH": f"{keras_backends.ENVIRONMENT['PYTHONPATH']}{os.pathsep}{HERE}"
        },
        check=True, timeout=SECONDS,
    )  # fmt: skip
    return folder


def losses(folder, run, worker=0):
    return json.loads((folder / f"{run}.losses.{worker}.json").read_text())


def last_checkpoint(run):
    return max((run / "checkpoints").glob("step_*.npz"))


@pytest.mark.parametrize("batch_norm", ["ghost", "normal", "3d2d"])
def test_losses_and_inference_of_one_process(stores, batch_norm):
    steps = 50 if batch_norm == "ghost" else 20
    what = [stores / "mini", 0, "mini", f"model.batch_norm={batch_norm}", f"steps={steps}"]
    one, two = f"{batch_norm} one", f"{batch_norm} two"
    all_well([started(what[0], stores / one, *what[1:])])
    all_well(two_started(what[0], stores / two, *what[1:]))
    expected, *found = losses(stores, one), *(losses(stores, two, i) for i in range(2))
    assert found[0] == found[1] and len(expected) == len(found[0]) == steps
    worst = max(
        abs(a[name] - b[name]) / max(abs(b[name]), 1e-3)
        for a, b in zip(found[0], expected, strict=True)
        for name in b
    )
    poses = [predicted(stores, run) for run in (one, two)]
    apart = float(np.abs(poses[0] - poses[1]).max())
    print(f"{batch_norm}: losses {worst:.1e} relative, joints {apart:.2g} mm apart")
    assert worst < 1e-5
    assert apart < 0.5
    for a, b in zip(read_log(stores / one), read_log(stores / two), strict=True):
        assert a.keys() == b.keys() and a["images"] == b["images"]
        assert all(abs(a[k] / b[k] - 1) < 1e-4 for k in a if k.startswith(("dataset/", "total")))


def predicted(folder, run):
    """Poses of fixed pictures, predicted in a process of its own."""
    code = (
        "import sys, numpy as np; from skelbridge.training.run_folder import load_run\n"
        "images = np.random.default_rng(0).random((16, 96, 96, 3), np.float32)\n"
        "K = np.tile(np.float32([[90, 0, 48], [0, 90, 48], [0, 0, 1]]), (16, 1, 1))\n"
        "np.save(sys.argv[2], load_run(sys.argv[1]).poses({'image': images, 'K': K}))\n"
    )
    target = folder / f"{run}.npy"
    environment = os.environ | keras_backends.ENVIRONMENT
    command = [sys.executable, "-c", code, folder / run, target]
    subprocess.run(command, env=environment, check=True, timeout=SECONDS)
    return np.load(target)


@pytest.fixture(scope="module")
def whole(stores):
    """The last checkpoint of an uninterrupted run of two workers."""
    all_well(two_started(stores / "tiny", stores / "whole", 0, "tiny"))
    return last_checkpoint(stores / "whole").read_bytes()


@pytest.mark.parametrize("victim", [0, 1])
def test_one_is_killed(stores, whole, victim):
    run = stores / f"killed {victim}"
    workers = two_started(stores / "tiny", run, 0.5, "tiny")
    first = run / "checkpoints" / "step_000000002.npz"
    end = time.monotonic() + SECONDS
    while not first.exists() and time.monotonic() < end and workers[victim].poll() is None:
        time.sleep(0.05)
    workers[victim].send_signal(signal.SIGKILL)
    start = time.monotonic()
    status, said = ended(workers[1 - victim], 180)
    print(f"the other ended after {time.monotonic() - start:.1f} s")
    assert ended(workers[victim])[0] == -signal.SIGKILL
    assert status == 2, said[-4000:]
    (line,) = [line for line in said.splitlines() if line.startswith("Error: ")]
    assert f"worker {1 - victim} of 2 lost another worker" in line and "--resume" in line
    assert "Traceback" not in said
    assert not (run / "checkpoints" / "step_000000008.npz").exists()
    all_well(two_started(stores / "tiny", run, 0, "tiny"))
    assert last_checkpoint(run).name == "step_000000008.npz"
    assert last_checkpoint(run).read_bytes() == whole


def test_a_rate_that_is_too_large_ends_both(stores):
    run = stores / "rate"
    workers = two_started(stores / "tiny", run, 0, "tiny", "rates.base=1e38")
    lines = []
    for worker in workers:
        status, said = ended(worker)
        assert status == 2, said[-4000:]
        lines += [line for line in said.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 2 and all("is not finite" in line for line in lines), lines


def test_workers_must_have_the_same_configuration(stores):
    workers = two_started(stores / "tiny", stores / "others", 0, "tiny", of_second=["seed=4"])
    for worker in workers:
        status, said = ended(worker, 300)
        assert status == 2 and "Traceback" not in said, said[-4000:]
        assert "the configuration must be the same for all workers; of worker 1" in said
    assert not (stores / "others").exists()


@pytest.mark.parametrize("there", [0, 1])
def test_one_that_never_comes(stores, there):
    """The time until it is given up is shortened."""
    workers = two_started(stores / "tiny", stores / "alone", 0, "tiny", COMING_SECONDS="5")
    workers[1 - there].kill()
    ended(workers[1 - there])
    status, said = ended(workers[there], 180)
    assert status == 2 and "Traceback" not in said, said[-4000:]
    assert f"Error: worker {there}: " in said and "within 5 s" in said
    assert not (stores / "alone").exists()
