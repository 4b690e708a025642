"""Several seeds at a time, one thread each; the best so far is there whenever it is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from .solving import Candidate, Solver

Progress = Callable[[float], None]

_POLL_SECONDS = 0.05


class SeedFits:
    """Fits with several seeds; numpy leaves Python's lock while it computes.

    Every seed's result is its own, whatever the number of threads.
    """

    def __init__(self, solver: Solver, seeds: Sequence[int]):
        self._solver, self._seeds = solver, list(seeds)
        self._best: list[Candidate | None] = [None] * len(self._seeds)
        self._done = [0.0] * len(self._seeds)
        self._next = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def best(self) -> Candidate | None:
        """Returns the candidate with the least score so far; of equals that of the first seed."""
        found = [candidate for candidate in self._best if candidate is not None]
        return min(found, key=lambda candidate: candidate.score) if found else None

    def run(self, progress: Progress | None = None) -> None:
        """Fits all seeds; `progress` is called in this thread with the share of the work done.

        Raises:
          KeyboardInterrupt: after all threads have stopped.
        """
        threads = [
            threading.Thread(target=self._work, daemon=True)
            for _ in range(min(len(self._seeds), _cores()))
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                for thread in threads:
                    thread.join(_POLL_SECONDS)
                if progress:
                    progress(sum(self._done) / len(self._done))
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                number, self._next = self._next, self._next + 1
            if number >= len(self._seeds):
                return
            try:
                self._fit(number)
            except BaseException as error:
                self._failure = error
                self._stop.set()

    def _fit(self, number: int) -> None:
        for done, candidate in self._solver.run(self._seeds[number]):
            best = self._best[number]
            if candidate is not None and (best is None or candidate.score < best.score):
                self._best[number] = candidate
            self._done[number] = done
            if self._stop.is_set():
                return


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1
