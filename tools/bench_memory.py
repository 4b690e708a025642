"""Memory of a training step: what `--plan` estimates, and what a step takes.

python tools/bench_memory.py                          # EfficientNetV2-S, 256 px, 16 examples
python tools/bench_memory.py --backbone small --crop 96 --batch 36

A row for each precision, with activations kept and computed again (`model.recompute`), each in a
process of its own. On a CPU, measured is by how much the process grows during its second step; on
a GPU, the peak of TensorFlow's own memory. The estimate leaves out the workspace of convolutions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

PRECISIONS = ("float32", "mixed_float16")
#: Freed memory goes back to the system at once, so that it does not hide what a step takes.
ALLOCATION = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "0",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # with it, TensorFlow keeps freed memory
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", default="efficientnet_v2_s")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--row", help="(a row in this process: what the table starts)")
    arguments = parser.parse_args()
    if arguments.row is not None:
        print(json.dumps(row(json.loads(arguments.row), arguments.threads)))
        return
    table(arguments.backbone, arguments.crop, arguments.batch, threads=arguments.threads)


def table(backbone: str, crop: int, batch: int, *, threads: int = 1) -> None:
    """Prints estimated and measured memory of both precisions, without and with recomputation."""
    print(
        f"\nMemory of a training step: {backbone} at {crop} px, {batch} examples; GB beside "
        f"weights and optimiser\n  {'':26}{'activations':>14}{'at most':>10}{'measured':>10}"
    )
    for precision in PRECISIONS:
        for recompute in (False, True):
            changes = changes_for(backbone, crop, batch, precision, recompute=recompute)
            found = in_own_process(changes, threads)
            name = f"{precision}{', recomputed' if recompute else ''}"
            values = (found[key] / 1e9 for key in ("kept", "working", "measured"))
            print(f"  {name:26}" + "{:14.3f}{:10.3f}{:10.3f}".format(*values), flush=True)


def changes_for(
    backbone: str, crop: int, batch: int, precision: str, *, recompute: bool
) -> list[str]:
    """Returns what a row's configuration differs in from the preset `full`."""
    return [
        f"model.backbone={backbone}", f"data.crop={crop}", f"model.precision={precision}",
        f"model.recompute={json.dumps(recompute)}", "model.weights=null",
        "data.batch=null", f"data.three_d={{any: {batch - batch // 4}}}",
        f"data.two_d={{other: {batch // 4}}}",
    ]  # fmt: skip


def in_own_process(changes: list[str], threads: int) -> dict[str, int]:
    """Returns what `row` returns in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--threads", str(threads), "--row", json.dumps(changes)],
        env=os.environ | ALLOCATION, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def row(changes: list[str], threads: int) -> dict[str, int]:
    """Returns bytes: `kept`, `working` as estimated, and `measured`."""
    import tensorflow as tf

    from skelbridge.training.config_file import as_mapping, config_of
    from skelbridge.training.network_costs import network_costs, synthetic_batch
    from skelbridge.training.presets import preset
    from skelbridge.training.trainer import prepared_step, use_threads

    use_threads(threads)
    config = config_of(as_mapping(preset("full")), changes=changes)
    costs = network_costs(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = prepared_step(config, config.data.registry(), start_weights=False)
        batch = synthetic_batch(config)
        step(batch, 0)
        if tf.config.list_physical_devices("GPU"):
            tf.config.experimental.reset_memory_stats("GPU:0")
            before = tf.config.experimental.get_memory_info("GPU:0")["current"]
            step(batch, 1)
            peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
        else:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            before = own_memory("VmRSS")
            step(batch, 1)
            peak = own_memory("VmHWM")
    return {"kept": costs.kept_bytes, "working": costs.working_bytes, "measured": peak - before}


def own_memory(name: str) -> int:
    """Returns bytes of this process's memory, now (VmRSS) or at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
