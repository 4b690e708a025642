"""Running tasks: here, in local processes, or on a Dask cluster; always the same function."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from skeleton_defs import UserError

#: Tasks that wait at each worker, so that none is idle; more would only take memory.
_AHEAD = 2
_PATIENCE_S = 20


def run(
    function: Callable[..., Any],
    calls: Iterable[tuple],
    *,
    workers: int = 1,
    scheduler: str | None = None,
) -> Iterator[tuple[tuple, Any]]:
    """Calls a function many times; yields (arguments, result) as they are finished.

    `calls` is read a little ahead of the work only, so what it yields may depend on earlier
    results. When the consumer stops, or a call raises, the others are given up.

    Args:
      function: importable by its module and name.
      calls: arguments, picklable.
      workers: local processes; 1 is this one.
      scheduler: address of a Dask scheduler, used instead.

    Raises:
      UserError: a worker died, or the scheduler cannot be reached.
    """
    if scheduler is not None:
        return _on_cluster(function, calls, scheduler)
    if workers > 1:
        return _in_processes(function, calls, workers)
    return ((arguments, function(*arguments)) for arguments in calls)


def _in_processes(function, calls, workers: int):
    context = multiprocessing.get_context("spawn")
    # Workers hold the reading end: it reports when we close ours, or die in whatever way.
    ours, theirs = context.Pipe(duplex=False)[::-1]
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (theirs,))
    finished = False
    try:
        yield from _windowed(calls, workers * _AHEAD, lambda a: pool.submit(function, *a))
        finished = True
    except BrokenProcessPool:
        raise UserError(
            "a worker process died (out of memory?); run the same command again to go on, "
            "with fewer --workers"
        ) from None
    finally:
        if not finished:
            ours.close()
        pool.shutdown(wait=True, cancel_futures=True)
        ours.close()
        theirs.close()


def _begin_worker(parent) -> None:
    # Ctrl-C is the parent's business: it ends us by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent) -> None:
    parent.poll(None)
    os._exit(1)


def _windowed(calls: Iterable[tuple], n: int, submit: Callable[[tuple], Future]):
    pending: dict[Future, tuple] = {}
    calls = iter(calls)
    more = True
    while more or pending:
        while more and len(pending) < n:
            arguments = next(calls, None)
            more = arguments is not None
            if more:
                pending[submit(arguments)] = arguments
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            yield pending.pop(future), future.result()


def _on_cluster(function, calls, scheduler: str):
    try:
        from distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise UserError("--scheduler needs Dask: pip install 'skelbridge[cluster]'") from None
    try:
        client = Client(scheduler, timeout=_PATIENCE_S)
    except (OSError, TimeoutError, ValueError) as error:
        text = " ".join(str(error).split())
        raise UserError(f"no Dask scheduler answers at {scheduler} ({text[:120]})") from None
    pending: dict[str, tuple] = {}
    futures = as_completed()
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
        calls = iter(calls)
        more = True
        while more or pending:
            n_threads = sum(client.nthreads().values())
            while more and len(pending) < max(1, n_threads) * _AHEAD:
                arguments = next(calls, None)
                more = arguments is not None
                if more:
                    future = client.submit(function, *arguments, pure=False)
                    pending[future.key] = arguments
                    futures.add(future)
            if pending:
                future = next(futures)
                yield pending.pop(future.key), future.result()
    except TimeoutError:
        raise UserError(f"the Dask scheduler at {scheduler} has no workers; start some") from None
    except KilledWorker:
        raise UserError(
            "Dask workers died (out of memory?); run the same command again to go on, "
            "with fewer workers per machine"
        ) from None
    finally:
        client.cancel(list(futures.futures))
        client.close()
