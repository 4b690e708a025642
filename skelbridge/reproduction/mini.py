"""Runs the miniature: people, training, fine-tuning, evaluation, report."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dataset_adapters.containers.npz import open_npz
from skeleton_defs import UserError

from ..atomic import atomic_path
from ..synth import SynthOptions, synthesize
from ..training.run_folder import CONFIG
from ..training.run_log import read_log
from .outcome import Evaluation, Outcome, evaluate
from .plan import BATCH_NORM, MiniPlan, Stage
from .report import write_report
from .results import write_results
from .stages import RELATION, STORE, read_predictions
from .test_set import TestSet

#: Processes that run at a time.
JOBS = 2
_POLL_SECONDS = 0.2
_TIMES = "times.json"


def reproduce_mini(
    out: str | os.PathLike,
    plan: MiniPlan,
    *,
    jobs: int = JOBS,
    command: str = "",
    say: Callable[[str], None] = print,
) -> tuple[Outcome, Evaluation]:
    """Does what a plan says, in a folder; goes on where an interrupted run was.

    The numbers depend on the plan only (and on the machine in the last bits), not on `jobs`.

    Args:
      out: the folder; `report.html` and `results.json` are in it afterwards.
      plan: what to do.
      jobs: processes at a time.
      command: how to run it again, for the report.
      say: told what is going on, a line at a time.

    Raises:
      UserError: the folder holds something else, or a stage failed.
    """
    out = Path(out).absolute()
    plan.keep(out)
    times = _Times(out)
    start = time.monotonic()
    synthesize(
        out / STORE,
        SynthOptions(examples=plan.examples, test=plan.test, size=plan.size),
        workers=jobs,
        on_finished=lambda report: say(f"{report.dataset}: {report.n_examples} pictures"),
    )
    times.add("pictures", time.monotonic() - start)
    _run_stages(out, plan.stages(), jobs, times, say)
    outcome = gather(out, plan, machine=times.facts(), command=command)
    evaluation = evaluate(outcome)
    write_results(out, outcome, evaluation)
    write_report(out, outcome, evaluation)
    return outcome, evaluation


def gather(out: Path, plan: MiniPlan, *, machine: dict, command: str) -> Outcome:
    """Reads what the finished stages of a folder left."""
    predictions, curves, configs, batch_norm = {}, {}, {}, {}
    for stage in plan.stages():
        folder = stage.folder(out)
        if stage.name == "truth":
            test = TestSet.load(stage.result(out))
            with open_npz(folder / RELATION) as arrays:
                relation = arrays["relation"]
        elif stage.name.startswith(BATCH_NORM):
            kind = stage.name.removeprefix(BATCH_NORM)
            batch_norm[kind, "with"] = read_predictions(stage.result(out))
            batch_norm[kind, "without"] = read_predictions(folder / "predictions_without.npz")
        else:
            predictions[stage.seed, stage.name] = read_predictions(stage.result(out))
            curves[stage.seed, stage.name] = read_log(folder)
            text = (folder / CONFIG).read_text(encoding="utf-8")
            configs[str(stage)] = text.replace(f"{out}{os.sep}", "")
    return Outcome(
        preset=plan.preset, seeds=plan.seeds, test=test, predictions=predictions,
        relation=relation, configs=configs, machine=machine, learning_curves=curves,
        commands=[command] if command else [], batch_norm=batch_norm,
    )  # fmt: skip


def _run_stages(out: Path, stages: list[Stage], jobs: int, times: _Times, say) -> None:
    waiting = [stage for stage in stages if not stage.result(out).exists()]
    running: dict[Stage, tuple[subprocess.Popen, float]] = {}
    (out / "logs").mkdir(exist_ok=True)
    try:
        while waiting or running:
            for stage in list(waiting):
                is_ready = stage.needs is None or stage.needs.result(out).exists()
                if len(running) < jobs and is_ready and stage.needs not in running:
                    waiting.remove(stage)
                    say(f"{stage}: begun")
                    running[stage] = _started(out, stage), time.monotonic()
            time.sleep(_POLL_SECONDS)
            for stage, (process, begun) in list(running.items()):
                if process.poll() is None:
                    continue
                del running[stage]
                if process.returncode or not stage.result(out).exists():
                    raise UserError(_failure(out, stage))
                times.add(str(stage), time.monotonic() - begun)
                say(f"{stage}: {time.monotonic() - begun:.0f} s")
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.wait()


def _started(out: Path, stage: Stage) -> subprocess.Popen:
    with open(_log(out, stage), "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "skelbridge.reproduction.stages", str(out), stage.name,
             str(stage.seed)],
            stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1",
                              "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip


def _log(out: Path, stage: Stage) -> Path:
    return out / "logs" / f"{str(stage).replace(', ', '_').replace(' ', '')}.log"


def _failure(out: Path, stage: Stage) -> str:
    path = _log(out, stage)
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("Error: ") if lines else "it ended without a word"
    return f"the stage '{stage}' failed: {last} (log: {path}); the same command goes on from here"


class _Times:
    """Seconds per stage, kept in a file because a reproduction may be interrupted."""

    def __init__(self, out: Path):
        self._path = out / _TIMES
        try:
            self._seconds = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._seconds = {}

    def add(self, name: str, seconds: float) -> None:
        """Takes note of a stage; what was done again at once does not count."""
        self._seconds[name] = round(max(seconds, self._seconds.get(name, 0.0)), 1)
        with atomic_path(self._path) as temporary:
            temporary.write_text(json.dumps(self._seconds, indent=1) + "\n")

    def facts(self) -> dict:
        """Machine and times, for the report."""
        import numpy as np

        from ..training.run_folder import processor_name

        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{platform.system()} {platform.machine()}, {processor_name()}",
            "cores": len(os.sched_getaffinity(0)),
            "python": platform.python_version(),
            "numpy": np.__version__,
            **{f"seconds, {name}": seconds for name, seconds in self._seconds.items()},
        }
