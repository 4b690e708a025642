"""How far conversion is from its floor: memory traffic, process start-up, and copying a file.

    python tools/bench_convert.py [--quick]

Every figure is a ratio of two measurements of this one run; the best of several repeats counts.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from skelbridge.conversion.apply import apply_weights

LIMITS = {"apply": 2.5, "startup": 4.0, "stream": 4.0, "memory_mb": 400.0}

#: Linux hands the peak of the parent on to `getrusage` of a child, /proc starts anew.
CONVERT_AND_PRINT_PEAK = """
import resource, sys
from pathlib import Path
from skelbridge.cli import cli
cli.main(["convert", "--from", "smpl", "--to", "h36m", sys.argv[1], "-o", sys.argv[2]],
         standalone_mode=False)
if sys.platform == "linux":
    status = Path("/proc/self/status").read_text()
    peak_mb = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
else:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(peak_mb)
"""


def best_seconds(function, repeats):
    """The shortest wall time of some repeats."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def bench_apply(frames, repeats):
    """(a) A dense 24 -> 17 map against copying its input and output into fresh arrays."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((17, 24))
    weights /= weights.sum(axis=1, keepdims=True)
    poses = rng.standard_normal((frames, 24, 3), dtype=np.float32)
    result = apply_weights(weights, poses)
    copying = best_seconds(lambda: (poses.copy(), result.copy()), repeats)
    applying = best_seconds(lambda: apply_weights(weights, poses), repeats)
    batched = best_seconds(lambda: weights.astype(np.float32) @ poses, 1)
    return copying, applying, batched


def bench_startup(folder, repeats):
    """(b) `skelbridge convert` of 100 frames against `python -c "import numpy"`."""
    np.save(folder / "small.npy", np.random.default_rng(0).standard_normal((100, 24, 3)))
    floor = [sys.executable, "-c", "import numpy"]
    program = shutil.which("skelbridge", path=Path(sys.executable).parent) or "skelbridge"
    convert = [program, *"convert --from smpl --to h36m small.npy -o out.npy".split()]

    def run(command):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    run(floor), run(convert)
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", convert[0], *convert[1:]],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    loads_tensorflow = "tensorflow" in listed
    return (best_seconds(lambda: run(floor), repeats), best_seconds(lambda: run(convert), repeats),
            loads_tensorflow)  # fmt: skip


def bench_stream(folder, gigabytes, repeats):
    """(c) A large `.npy`: wall time against copying the file, and peak resident memory."""
    frames = int(gigabytes * 1e9 / (24 * 3 * 4))
    source, result = folder / "large.npy", folder / "large_out.npy"
    chunk = np.random.default_rng(0).standard_normal((100_000, 24, 3), dtype=np.float32)
    with source.open("wb") as file:
        np.lib.format.write_array_header_2_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (frames, 24, 3)}
        )
        for start in range(0, frames, len(chunk)):
            file.write(chunk[: frames - start].tobytes())
    copying, durable, converting, peaks = [], [], [], []
    for _ in range(repeats):
        start = time.perf_counter()
        shutil.copyfile(source, folder / "copy.npy")
        copying.append(time.perf_counter() - start)
        with (folder / "copy.npy").open("rb") as file:
            os.fsync(file.fileno())
        durable.append(time.perf_counter() - start)
        (folder / "copy.npy").unlink()
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", CONVERT_AND_PRINT_PEAK, str(source), str(result)],
            check=True,
            capture_output=True,
            text=True,
        )
        converting.append(time.perf_counter() - start)
        peaks.append(float(done.stdout.split()[-1]))
        result.unlink()
    return min(copying), min(durable), min(converting), max(peaks)


def main():
    """Runs the three benchmarks and prints one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes")
    parser.add_argument("--dir", help="where the large file goes (default: the temporary folder)")
    arguments = parser.parse_args()
    share, repeats = (0.1, 2) if arguments.quick else (1.0, 5)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, numpy {np.__version__}")  # fmt: skip
    copying, applying, batched = bench_apply(int(1e6 * share), repeats)
    print(f"(a) dense 24 -> 17 on {int(1e6 * share):,} float32 frames: copying {copying:.3f} s, "
          f"applying {applying:.3f} s, ratio {applying / copying:.2f} "
          f"(at most {LIMITS['apply']}; a batched matmul: {batched / copying:.2f})")  # fmt: skip
    with tempfile.TemporaryDirectory(dir=arguments.dir) as name:
        folder = Path(name)
        floor, convert, tensorflow = bench_startup(folder, 2 * repeats)
        print(f"(b) import numpy {floor:.3f} s, convert 100 frames {convert:.3f} s, ratio "
              f"{convert / floor:.2f} (at most {LIMITS['startup']:g}); TensorFlow imported: "
              f"{'yes' if tensorflow else 'no'}")  # fmt: skip
        copying, durable, converting, peak = bench_stream(folder, share, min(repeats, 3))
        print(f"(c) {share:g} GB .npy: copying {copying:.2f} s (with fsync {durable:.2f} s), "
              f"converting {converting:.2f} s (with fsync), ratio {converting / copying:.2f} "
              f"(at most {LIMITS['stream']:g}; {converting / durable:.2f} of the durable copy); "
              f"peak memory {peak:.0f} MB (at most {LIMITS['memory_mb']:g})")  # fmt: skip


if __name__ == "__main__":
    main()
