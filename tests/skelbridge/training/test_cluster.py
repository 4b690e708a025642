"""Who the workers are: TF_CONFIG, and the scripts for Slurm and Kubernetes that make it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from skelbridge.training.cluster import Cluster, cluster_of, meet, tf_config
from skeleton_defs import UserError

ROOT = Path(__file__).parents[3]
SCRIPTS = ROOT / "tools" / "cluster"
TWO = {"worker": ["a:2000", "b:2000"]}


def stated(cluster, job="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})}


def test_workers():
    cluster = cluster_of(stated(TWO, index=1))
    assert (cluster.size, cluster.index, cluster.job, cluster.task) == (2, 1, "worker", 1)
    assert cluster.leader == "/job:worker/replica:0/task:0"
    assert cluster_of(stated(TWO, index="1")) == cluster


def test_chief_comes_first():
    jobs = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    assert [cluster_of(stated(jobs, "worker", i)).index for i in range(2)] == [1, 2]
    cluster = cluster_of(stated(jobs, "chief"))
    assert (cluster.size, cluster.index) == (3, 0)
    assert cluster.leader == "/job:chief/replica:0/task:0"


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": " "}, stated({"worker": ["a:1"]})])
def test_alone(environment):
    assert cluster_of(environment) is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "found no JSON"),
        ("[" * 100_000, "found no JSON"),
        ("3", "no cluster or no task"),
        ('{"cluster": {"worker": ["a:1"]}}', "no cluster or no task"),
        (stated({"ps": ["a:1"], **TWO}), "jobs named ps"),
        (stated({"worker": "a:1"}), "as addresses of 'worker'"),
        (stated({"worker": ["a:1", "b"]}), "as addresses of 'worker'"),
        (stated({"worker": ["a:1", 7]}), "as addresses of 'worker'"),
        (stated({"chief": ["a:1", "b:1"], **TWO}, "chief"), "more than one chief"),
        (stated(TWO, index=2), "not in the cluster"),
        (stated(TWO, index=True), "not in the cluster"),
        (stated(TWO, "chief"), "not in the cluster"),
        (stated(TWO, ["worker"]), "not in the cluster"),
    ],
)
def test_wrong(text, message):
    environment = text if isinstance(text, dict) else {"TF_CONFIG": text}
    with pytest.raises(UserError, match=message) as caught:
        cluster_of(environment)
    assert "\n" not in str(caught.value) and "TF_CONFIG must be like" in str(caught.value)


def test_what_is_printed_is_read():
    environment = {"TF_CONFIG": tf_config(["n2", "n10"], 1, port=5000)}
    assert cluster_of(environment).jobs == {"worker": ("n2:5000", "n10:5000")}


@pytest.mark.parametrize(
    "hosts, index, port, message",
    [
        (["a", "b"], 2, 1, "from 0 to 1"),
        (["a", "a"], 0, 1, "machines must differ"),
        (["a", "b"], 0, 65536, "port must be"),
    ],
)
def test_wrong_machines(hosts, index, port, message):
    with pytest.raises(UserError, match=message):
        tf_config(hosts, index, port=port)


def of_this_machine(count):
    """The views of so many workers; the chief's port is free."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    addresses = (f"localhost:{port}", *(f"nowhere.invalid:{i}" for i in range(1, count)))
    return [Cluster({"worker": addresses}, "worker", i) for i in range(count)]


def met(clusters, seconds):
    """What each of some workers ends with, in the order in which they are given."""

    def one(cluster):
        try:
            meet(cluster, seconds=seconds)
        except UserError as error:
            return str(error)
        return "met"

    with ThreadPoolExecutor(len(clusters)) as pool:
        return list(pool.map(one, clusters))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_meet(order):
    clusters = of_this_machine(3)
    assert met([clusters[i] for i in order], 20) == ["met"] * 3


def test_some_do_not_come():
    clusters = of_this_machine(4)
    chief, first = met(clusters[:2], 1)
    assert "of the 4 workers of TF_CONFIG 2, 3 did not come within 1 s" in chief
    assert "worker 1: the chief at localhost:" in first and "within 1 s" in first
    assert "\n" not in chief + first


def test_others_call():
    """What does not greet as a worker does is not counted, and disturbs nobody."""
    chief, worker = of_this_machine(2)
    port = int(chief.addresses[0].rpartition(":")[2])

    def strangers():
        for text in (b"GET / HTTP/1.1\r\n\r\n", b"", b"skelbridge worker 2\n", b"x" * 1000 + b"\n"):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("localhost", port)) as call,
            ):
                call.sendall(text)

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(met, [chief], 20)
        time.sleep(0.2)
        strangers()
        assert met([worker], 20) == ["met"] and waiting.result() == ["met"]


def test_the_port_is_taken():
    taken, _ = of_this_machine(2)
    port = int(taken.addresses[0].rpartition(":")[2])
    with socket.create_server(("", port)):
        assert f"port {port} of TF_CONFIG cannot be used" in met([taken], 1)[0]


@pytest.fixture
def commands(tmp_path):
    """A folder of commands that tell how they were called, and the environment to find them."""

    def add(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    add("skelbridge", 'printf "%s\\n" "$TF_CONFIG" "$@"')
    add("python", f'exec "{sys.executable}" "$@"')
    environment = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}", PYTHONPATH=str(ROOT))
    return add, environment


def said(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_slurm(commands):
    add, environment = commands
    add("scontrol", '[ "$*" = "show hostnames gpu[2,10]" ] && printf "gpu2\\ngpu10\\n"')
    # As srun does: a task per machine, with its number.
    add("srun", '[ "$1" = --kill-on-bad-exit=1 ] && shift && SLURM_NODEID=$NODE exec "$@"')
    environment |= {"SLURM_JOB_NODELIST": "gpu[2,10]", "SLURM_JOB_ID": "1234567"}
    for node in range(2):
        config, *arguments = said(
            ["bash", SCRIPTS / "train.slurm", "train", "--out", "my run"],
            environment | {"NODE": str(node)},
        )
        cluster = cluster_of({"TF_CONFIG": config})
        assert cluster.index == node
        assert cluster.jobs["worker"] == ("gpu2:34567", "gpu10:34567")
        assert arguments == ["train", "--out", "my run", "--resume"]


def test_slurm_asks_for_one_task_per_machine():
    text = (SCRIPTS / "train.slurm").read_text()
    asked = [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith("#SBATCH")]
    assert "--ntasks-per-node=1" in asked and "--requeue" in asked


def test_kubernetes(commands):
    _, environment = commands
    service, job = yaml.safe_load_all((SCRIPTS / "train-job.yaml").read_text())
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]
    # What gives pods the names NAME-0.SERVICE, ...
    assert job["spec"]["completionMode"] == "Indexed"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    workers = job["spec"]["completions"]
    assert workers == job["spec"]["parallelism"]
    (container,) = pod["containers"]
    port = container["ports"][0]["containerPort"]
    environment |= {entry["name"]: entry["value"] for entry in container["env"]}
    for index in range(workers):
        config, *arguments = said(
            [*container["command"], *container["args"]],
            environment | {"JOB_COMPLETION_INDEX": str(index)},
        )
        cluster = cluster_of({"TF_CONFIG": config})
        assert cluster.index == index
        assert cluster.jobs["worker"] == tuple(
            f"{name}-{i}.{pod['subdomain']}:{port}" for i in range(workers)
        )
        assert arguments[0] == "train" and arguments[-1] == "--resume"


def test_the_page_shows_what_there_is():
    page = (SCRIPTS / "README.md").read_text()
    example = page.split("```json\n")[1].split("```")[0]
    assert cluster_of({"TF_CONFIG": example}).size == 2
    for file in ("train.slurm", "train-job.yaml"):
        assert f"tools/cluster/{file}" in page
