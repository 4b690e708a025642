"""The machines of a run: what TF_CONFIG must say, and what it says.

`python -m skelbridge.training.cluster INDEX HOST HOST ... [--port N]` prints TF_CONFIG for one of
several machines with a worker each; `tools/cluster` shows it at work. (TensorFlow's own resolver
for Slurm orders machines as text, node10 before node2, and Slurm numbers tasks in the order of its
list; without GPUs it fails.)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skeleton_defs import UserError

PORT = 23456
#: What a worker says to the chief, and the chief's answer when all have come.
_HERE, _BEGIN = "skelbridge worker {}\n", b"begin\n"
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:23456", "host2:23456"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Cluster:
    """The workers of a run and which one this process is.

    Attributes:
      jobs: name of the job (`chief`, `worker`) -> addresses of its tasks; the chief comes first.
      job, task: of this process.
    """

    jobs: Mapping[str, tuple[str, ...]]
    job: str
    task: int

    @property
    def size(self) -> int:
        """Number of the workers, the chief among them."""
        return sum(map(len, self.jobs.values()))

    @property
    def index(self) -> int:
        """Number of this worker; 0 is the chief, which writes."""
        return self.task + (len(self.jobs["chief"]) if self.job != next(iter(self.jobs)) else 0)

    @property
    def addresses(self) -> list[str]:
        """Addresses of all workers in the order of their numbers."""
        return [address for addresses in self.jobs.values() for address in addresses]

    @property
    def leader(self) -> str:
        """Name of the chief as TensorFlow writes it."""
        return f"/job:{next(iter(self.jobs))}/replica:0/task:0"


def cluster_of(environment: Mapping[str, str]) -> Cluster | None:
    """Returns what TF_CONFIG says; None where it is not set, or names one worker only.

    Raises:
      UserError: it says nothing sensible.
    """
    text = environment.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong("found no JSON") from None
    cluster, task = (stated.get(k) if isinstance(stated, dict) else None for k in _KEYS)
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _wrong("found no cluster or no task")
    if others := sorted(cluster.keys() - {"chief", "worker"}):
        raise _wrong(f"found jobs named {', '.join(others)}")
    jobs = {name: cluster[name] for name in ("chief", "worker") if cluster.get(name)}
    for name, addresses in jobs.items():
        if not (isinstance(addresses, list) and all(map(_is_address, addresses))):
            raise _wrong(f"found {addresses!r} as addresses of '{name}'")
    if len(jobs.get("chief", [0])) > 1:
        raise _wrong("found more than one chief")
    job, index = task.get("type"), task.get("index")
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    is_number = isinstance(index, int) and not isinstance(index, bool)
    is_job = isinstance(job, str) and job in jobs
    if not is_job or not is_number or not 0 <= index < len(jobs[job]):
        raise _wrong(f"found the task {json.dumps(task)}, which is not in the cluster")
    found = Cluster({name: tuple(addresses) for name, addresses in jobs.items()}, job, index)
    return found if found.size > 1 else None


_KEYS = ("cluster", "task")


def tf_config(hosts: Sequence[str], index: int, *, port: int = PORT) -> str:
    """Returns TF_CONFIG for one of several machines, each with one worker.

    >>> tf_config(["a", "b"], 1, port=2000)
    '{"cluster": {"worker": ["a:2000", "b:2000"]}, "task": {"type": "worker", "index": 1}}'

    Raises:
      UserError: there is no such machine or port, or a machine stands there twice.
    """
    if not 0 <= index < len(hosts):
        raise UserError(f"the worker must be from 0 to {len(hosts) - 1}. Received {index}")
    if len(set(hosts)) != len(hosts):
        raise UserError(f"machines must differ: one worker on each. Received {', '.join(hosts)}")
    if not 0 < port < 65536:
        raise UserError(f"port must be from 1 to 65535. Received {port}")
    addresses = [f"{host}:{port}" for host in hosts]
    return json.dumps(
        {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    )


def meet(cluster: Cluster, *, seconds: float) -> None:
    """Waits until all workers have come: the chief listens at its address, the others call it.

    (TensorFlow's chief waits for ever, and nothing in its process can end that.)

    Raises:
      UserError: somebody does not come in so many seconds, or the address is taken.
    """
    end = time.monotonic() + seconds
    address = cluster.addresses[0]
    host, _, port = address.rpartition(":")
    if cluster.index:
        if not _called(cluster.index, (host, int(port)), end):
            raise UserError(
                f"worker {cluster.index}: the chief at {address} (worker 0 of TF_CONFIG) did not "
                f"begin within {seconds:g} s; start all workers, each with its own task, and see "
                "that the port is open"
            )
    elif missing := _listened(int(port), set(range(1, cluster.size)), end):
        raise UserError(
            f"worker 0: of the {cluster.size} workers of TF_CONFIG "
            f"{', '.join(map(str, sorted(missing)))} did not come within {seconds:g} s; start all "
            "workers, each with its own task, and see that the port is open"
        )


def _called(index: int, address: tuple[str, int], end: float) -> bool:
    """Tells the chief that a worker is here, until it answers; returns whether it did."""
    while (left := end - time.monotonic()) > 0:
        # No name or no listener yet, or one that went away: once more.
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, timeout=min(left, 10)) as call,
        ):
            call.sendall(_HERE.format(index).encode())
            call.settimeout(max(end - time.monotonic(), 0.1))
            if _line(call) == _BEGIN:
                return True
        time.sleep(0.2)
    return False


def _listened(port: int, missing: set[int], end: float) -> set[int]:
    """Waits for workers' calls and answers them when all are here; returns who did not come."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise UserError(
            f"worker 0: port {port} of TF_CONFIG cannot be used ({error.strerror}); give another"
        ) from None
    numbers = {_HERE.format(i).encode(): i for i in missing}
    calls: dict[int, socket.socket] = {}
    with server, contextlib.ExitStack() as stack:
        while len(calls) < len(numbers) and (left := end - time.monotonic()) > 0:
            server.settimeout(left)
            with contextlib.suppress(OSError):
                call = stack.enter_context(server.accept()[0])
                call.settimeout(5)
                number = numbers.get(_line(call))
                if number is not None:  # Of one who calls again, the last call counts.
                    calls[number] = call
        if len(calls) == len(numbers):
            for call in calls.values():
                with contextlib.suppress(OSError):
                    call.sendall(_BEGIN)
    return missing - calls.keys()


def _line(call: socket.socket) -> bytes:
    with call.makefile("rb") as stream:
        return stream.readline(100)


def _is_address(text) -> bool:
    if not isinstance(text, str):
        return False
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal()


def _wrong(found: str) -> UserError:
    return UserError(f"TF_CONFIG must be like {_EXAMPLE}; {found}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints TF_CONFIG."""
    parser = argparse.ArgumentParser(prog="python -m skelbridge.training.cluster")
    parser.add_argument("index", type=int, help="number of this machine, from 0")
    parser.add_argument("hosts", nargs="+", help="names of all machines, in the same order on all")
    parser.add_argument("--port", type=int, default=PORT, help="of every worker")
    given = parser.parse_args(arguments)
    try:
        print(tf_config(given.hosts, given.index, port=given.port))
    except UserError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
