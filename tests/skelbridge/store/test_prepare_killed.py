"""Killed at any moment and run again: the bytes of an uninterrupted run. On any number of workers.

The systematic part kills the process just before and just after each file gets its final name;
between these moments only unnamed or temporary files change.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_dataset import ToyDataset, write_toy

from skelbridge.store import open_store, prepare

ROOT = Path(__file__).parents[3]

EVERY_MOMENT = """
import os, shutil, signal, sys
from pathlib import Path
import cv2, h5py
from toy_dataset import ToyDataset
from skelbridge.store import prepare
from test_prepare_killed import contents

root, base = Path(sys.argv[1]), Path(sys.argv[2])
moves = 0
real = Path.replace

def forked(store, deadly, after):
    pid = os.fork()
    if pid == 0:
        def replace(path, target):
            global moves
            moves += 1
            if moves == deadly and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(path, target)
            if moves == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        Path.replace = replace
        prepare(ToyDataset(), root, store)
        os._exit(0)
    return os.waitpid(pid, 0)[1]

assert forked(base / "whole", 0, False) == 0
expected = contents(base / "whole")
kills = 0
for after in (False, True):
    for deadly in range(1, 100):
        store = base / "killed"
        status = forked(store, deadly, after)
        if status == 0:
            break
        assert status == signal.SIGKILL, status
        kills += 1
        assert forked(store, 0, False) == 0
        assert contents(store) == expected, (deadly, after)
        shutil.rmtree(store)
    shutil.rmtree(store)
print(kills)
"""


def contents(store):
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


def environment():
    paths = [ROOT, ROOT / "tests", ROOT / "tools", Path(__file__).parent]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def test_killed_at_every_moment(tmp_path):
    (tmp_path / "data").mkdir()
    root = write_toy(tmp_path / "data", sequences=1, frames=2)
    command = [sys.executable, "-W", "ignore", "-c", EVERY_MOMENT, str(root), str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    # Plan, shard, note per split; two indices; the manifest: before and after each.
    assert int(done.stdout) == 2 * (2 * 3 + 2 + 1)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return write_toy(tmp_path_factory.mktemp("toy"), sequences=6, frames=4)


@pytest.fixture(scope="module")
def expected(toy, tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "store"
    prepare(ToyDataset(), toy, store)
    return contents(store)


def test_killed_with_workers_at_random(toy, expected, tmp_path):
    rng = random.Random(5)
    script = str(ROOT / "tests" / "toy_dataset.py")
    command = [sys.executable, script, str(toy), str(tmp_path / "store"), "2"]
    for _ in range(2):
        process = subprocess.Popen(command, env=environment(), start_new_session=True)
        try:
            # Workers begin after about a second; some shards should be there.
            deadline = time.monotonic() + 20
            wanted = len(list((tmp_path / "store").glob("*/unfinished/*.json"))) + 1
            while process.poll() is None and time.monotonic() < deadline:
                if len(list((tmp_path / "store").glob("*/unfinished/*.json"))) >= wanted:
                    time.sleep(rng.uniform(0, 0.1))
                    break
                time.sleep(0.005)
        finally:
            process.kill()
            process.wait()
        assert no_process_is_left(process.pid)
    prepare(ToyDataset(), toy, tmp_path / "store", workers=2)
    assert contents(tmp_path / "store") == expected


def no_process_is_left(group: int) -> bool:
    """Whether all workers of a killed run end by themselves within seconds."""
    for _ in range(200):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    return False


def test_a_dask_cluster_makes_the_same_bytes(toy, expected, tmp_path):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    )
    try:
        prepare(ToyDataset(), toy, tmp_path / "store", scheduler=cluster.scheduler_address)
    finally:
        cluster.close()
    assert contents(tmp_path / "store") == expected
    assert len(open_store(tmp_path / "store")) == 28
