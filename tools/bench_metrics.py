"""How far PMPJPE is from its floor: a batched SVD and the matrix products around it.

    python tools/bench_metrics.py [--poses 100000]

The figure is a ratio of two processor times of this one run (nothing here runs in threads); the
best of several repeats counts.
"""

import argparse
import os
import platform
import time

import numpy as np

from skelbridge.evaluation import mpjpe, multi_format_scores, n_mpjpe, pmpjpe

LIMIT = 1.5


def best_ratio(function, floor, repeats):
    """Shortest processor times of both, taken in turns: a slow spell of the machine hits both."""
    times = []
    for _ in range(repeats):
        marks = [time.process_time()]
        for run in (function, floor):
            run()
            marks.append(time.process_time())
        times.append(np.diff(marks))
    return np.min(times, axis=0)


def bare(predicted, true):
    """Covariance, SVD, rotation, rotated poses: no centring, scale, reflection, masks or errors."""
    u, _, vt = np.linalg.svd(true.swapaxes(-1, -2) @ predicted)
    return predicted @ (u @ vt).swapaxes(-1, -2)


def main():
    """Prints one line per metric."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--poses", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    true = rng.normal(size=(arguments.poses, 17, 3)) * 300
    predicted = true + rng.normal(size=true.shape) * 50
    gaps = np.where(rng.random(true.shape[:2])[..., None] < 0.1, np.nan, true)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, numpy {np.__version__}")  # fmt: skip
    runs = {
        f"PMPJPE (at most {LIMIT:g})": lambda: pmpjpe(predicted, true),
        "PMPJPE, a tenth of the joints missing": lambda: pmpjpe(predicted, gaps),
        "MPJPE": lambda: mpjpe(predicted, true, root=0),
        "N-MPJPE": lambda: n_mpjpe(predicted, true, root=0),
        "MPJPE, PMPJPE, PCK100, CPS200": lambda: multi_format_scores(predicted, true, root=0),
    }
    print(f"{arguments.poses:,} poses of 17 joints, against a bare SVD and products")
    for name, run in runs.items():
        seconds, floor = best_ratio(run, lambda: bare(predicted, true), arguments.repeats)
        print(f"{name}: {seconds:.3f} s against {floor:.3f} s, ratio {seconds / floor:.2f}")


if __name__ == "__main__":
    main()
