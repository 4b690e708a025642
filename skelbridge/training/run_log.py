"""What a run tells while it goes: a line of JSON now and then, TensorBoard, a progress bar."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import atomic_path
from .run_folder import LOG, TENSORBOARD


def read_log(run: str | Path) -> list[dict[str, Any]]:
    """Returns the lines of a run's log, without a last one that was cut off."""
    try:
        text = (Path(run) / LOG).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return list(_records(text))


def _records(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            return
        if not (isinstance(record, dict) and {"step", "seconds"} <= record.keys()):
            return
        yield record


class RunLog:
    """Averages over some steps, and writes the means.

    Args:
      run: the run's folder.
      datasets: names in the order of a batch's `dataset` numbers.
      first: step that the run begins or goes on with; later lines of an interrupted run go.
      total: steps of the run.
      every: steps per line.
      shown: whether to show a progress bar (on a terminal) or a line now and then.
      unwritten: what `unwritten` gave where an interrupted run goes on, so that its lines are as
        those of an uninterrupted one.
    """

    def __init__(
        self, run: Path, datasets: tuple[str, ...], *, first: int, total: int, every: int,
        shown: bool, unwritten: Mapping[str, Any] | None = None,
    ):  # fmt: skip
        import tensorflow as tf

        kept = [record for record in read_log(run) if record["step"] <= first]
        with atomic_path(run / LOG) as temporary:
            lines = "".join(json.dumps(record) + "\n" for record in kept)
            temporary.write_text(lines, encoding="utf-8")
        self._file = open(run / LOG, "a", encoding="utf-8")  # noqa: SIM115 (closed by `close`)
        self._writer = tf.summary.create_file_writer(str(run / TENSORBOARD))
        self._datasets, self._every, self._first, self._total = datasets, every, first, total
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._start = time.monotonic()
        self._last_shown = self._start
        self._bar = None
        self._shown = shown
        if shown and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=first, unit="step", dynamic_ncols=True)
        self._clear()
        if unwritten is not None:
            self._sums, self._steps = dict(unwritten["sums"]), unwritten["steps"]
            self._errors = np.array(unwritten["errors"], float)
            self._counts = np.array(unwritten["counts"], float)

    @property
    def unwritten(self) -> dict[str, Any]:
        """Sums over the steps since the last line, as plain values."""
        return {
            "steps": self._steps,
            "sums": self._sums,
            "errors": self._errors.tolist(),
            "counts": self._counts.tolist(),
        }

    def add(self, step: int, batch: Mapping, found: Mapping, rates: Mapping[str, float]) -> None:
        """Takes note of a finished step (counted from 1)."""
        per_example, counts = found["per_example"], batch["mask3d"].any(1)
        for name, value in found.items():
            if name != "per_example":
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
        np.add.at(self._errors, batch["dataset"][counts], per_example[counts])
        np.add.at(self._counts, batch["dataset"][counts], 1)
        self._steps += 1
        if self._bar is not None:
            self._bar.update(1)
        if step % self._every == 0 or step == self._total:
            self._write(step, len(per_example), rates)

    def close(self) -> None:
        """Closes files and bar."""
        self._file.close()
        self._writer.close()
        if self._bar is not None:
            self._bar.close()

    def _clear(self) -> None:
        self._sums: dict[str, float] = {}
        self._errors = np.zeros(len(self._datasets))
        self._counts = np.zeros(len(self._datasets))
        self._steps = 0

    def _write(self, step: int, batch_size: int, rates: Mapping[str, float]) -> None:
        import tensorflow as tf

        seconds = self._before + time.monotonic() - self._start
        means = {name: value / self._steps for name, value in self._sums.items()}
        errors = {
            f"dataset/{name}": self._errors[i] / self._counts[i]
            for i, name in enumerate(self._datasets)
            if self._counts[i]
        }
        values = means | errors | {f"rate/{name}": rate for name, rate in rates.items()}
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)
        self._writer.flush()
        record = {"step": step, "images": step * batch_size, "seconds": round(seconds, 3)} | {
            name: float(f"{value:.6g}") for name, value in values.items()
        }
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        self._show(step, batch_size, means["total"], errors)
        self._clear()

    def _show(self, step: int, batch_size: int, loss: float, errors: dict[str, float]) -> None:
        told = {name.removeprefix("dataset/"): f"{value:.3f}" for name, value in errors.items()}
        if self._bar is not None:
            self._bar.set_postfix({"loss": f"{loss:.4f}"} | told, refresh=False)
            return
        now = time.monotonic()
        if not self._shown or (now - self._last_shown < 20 and step < self._total):
            return
        self._last_shown = now
        rate = (step - self._first) / max(now - self._start, 1e-9)
        left = math.ceil((self._total - step) / rate) if rate else 0
        by_dataset = " ".join(f"{name} {value}" for name, value in told.items())
        print(
            f"step {step}/{self._total}, {rate * batch_size:.0f} images/s, "
            f"{left // 60} min {left % 60} s left, loss {loss:.4f} ({by_dataset})",
            file=sys.stderr,
            flush=True,
        )
