"""Several seeds at a time, one thread each; the best so far is there whenever it is asked for."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence

from .solving import Candidate, Solver

Progress = Callable[[float], None]

_POLL_SECONDS = 0.05


class SeedFits:
    """Fits with several seeds; numpy leaves Python's lock while it computes.

    Threads take turns with the seeds, so that three of them keep two cores busy to the end. Every
    seed's result is its own, whatever the number of threads.
    """

    def __init__(self, solver: Solver, seeds: Sequence[int]):
        self._stop = threading.Event()
        self._fits = [solver.run(seed, stopped=self._stop.is_set) for seed in seeds]
        self._best: list[Candidate | None] = [None] * len(self._fits)
        self._done = [0.0] * len(self._fits)
        self._waiting = deque(range(len(self._fits)))
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
            for _ in range(min(len(self._fits), _cores()))
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
            try:
                number = self._waiting.popleft()
            except IndexError:
                # Those that are not done are with other threads, which keep them.
                return
            try:
                done, candidate = next(self._fits[number])
            except StopIteration:
                continue
            except BaseException as error:
                self._failure = error
                self._stop.set()
                return
            best = self._best[number]
            if candidate is not None and (best is None or candidate.score < best.score):
                self._best[number] = candidate
            self._done[number] = done
            self._waiting.append(number)


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1
