"""Times the adapters against the bare parse of the same annotation files, in one process.

    python tools/bench_adapters.py [NAME ...] [--rounds N]

Miniatures are written below a temporary folder with annotation files as long as real ones. Adapter
and bare parse (json, cdflib, scipy, h5py, ezc3d, pickle, numpy alone) run in turns; of several
rounds the best times count, in seconds of this process's own work (files are in the system's cache
after the first round, which does not count). What adapters remember of files is forgotten before
each round. The adapter's side has listing of folders, headers of videos and images, cameras, checks
and blocks on top of the parse: together at most twice its time.

Where the parse is a mere copy of memory (uncompressed numbers), or of tiny files beside which many
images lie, this cannot be met by anyone. There the floor counts: the parse, one look at the joints
of each block, reading each video's header, and listing each folder of images.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from enlarged_files import ENLARGED  # noqa: E402

from dataset_adapters import get_adapter  # noqa: E402
from dataset_adapters.adapters._parameter_pickles import ParameterPickles  # noqa: E402
from dataset_adapters.adapters._values import RecentFiles  # noqa: E402
from dataset_adapters.examples import ExampleBlock  # noqa: E402
from dataset_adapters.videos import video_header  # noqa: E402

MAX_RATIO = 2.0
#: Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def main() -> None:
    """Prints a line per dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"default: all of {', '.join(ENLARGED)}")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    keep_memory()
    print(
        f"{'':22}{'examples':>9}{'blocks':>8}{'adapter':>12}{'parse':>12}{'ratio':>7}{'floor':>12}{'ratio':>7}"
    )
    failed = []
    for name, enlarge in ENLARGED.items():
        if chosen.names and not any(part in name for part in chosen.names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, enlarge, Path(folder), chosen.rounds)
        print(f"{name:22}{found}", flush=True)
        if found.verdict == "FAIL":
            failed.append(name)
    if failed:
        sys.exit(f"more than {MAX_RATIO} times the floor: {', '.join(failed)}")


@dataclass(frozen=True)
class Times:
    """What was measured of a dataset, s: the adapter, the bare parse, and the floor."""

    n_examples: int
    n_blocks: int
    adapter: float
    parse: float
    floor: float

    @property
    def verdict(self) -> str:
        """Whether the adapter is fast enough, and held against what."""
        if self.adapter <= MAX_RATIO * self.parse:
            return "PASS"
        return "PASS (floor)" if self.adapter <= MAX_RATIO * self.floor else "FAIL"

    def __str__(self):
        times = [f"{self.adapter * 1e3:9.1f} ms"]
        for other in (self.parse, self.floor):
            times.append(f"{other * 1e3:9.1f} ms{self.adapter / other:7.2f}")
        return f"{self.n_examples:9}{self.n_blocks:8}{''.join(times)}  {self.verdict}"


def measure(
    name: str, enlarge: Callable[[Path], Callable[[], object]], root: Path, rounds: int
) -> Times:
    """Measures one dataset; the best times of several rounds."""
    parse = enlarge(root)
    adapter = get_adapter(name.split()[0])
    blocks = list(adapter.blocks(root))

    def ours() -> int:
        return sum(len(block) for block in adapter.blocks(root))

    rest = rest_of_floor(root, blocks)
    times = {ours: [], parse: [], rest: []}
    for _ in range(rounds):
        for function in times:
            forget()
            start = time.process_time()
            function()
            times[function].append(time.process_time() - start)
    adapter_time, parse_time, rest_time = (min(column) for column in times.values())
    n = sum(map(len, blocks))
    return Times(n, len(blocks), adapter_time, parse_time, parse_time + rest_time)


def rest_of_floor(root: Path, blocks: list[ExampleBlock]) -> Callable[[], None]:
    """Returns what nobody can do without on top of the parse.

    It looks once at the numbers of each block, reads the header of each video, and lists each
    folder of images.
    """
    images = {
        block.images: block.video_frames is not None
        for block in blocks
        if isinstance(block.images, str)
    }
    for block in blocks:
        if not isinstance(block.images, str):
            images |= dict.fromkeys(block.images or (), block.video_frames is not None)
    videos = [root / path for path, is_video in images.items() if is_video]
    folders = sorted({(root / path).parent for path, is_video in images.items() if not is_video})
    numbers = [
        values
        for block in blocks
        for values in (block.joints3d, block.joints2d, *block.extras.values())
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiu"
    ]

    def rest() -> None:
        for values in numbers:
            np.isfinite(values).all()
        for video in videos:
            video_header(video)
        for folder in folders:
            os.listdir(folder)

    return rest


def keep_memory() -> None:
    """Makes the C library keep memory that was freed, where it is glibc.

    Else it depends on luck whether memory comes back from the system page by page, which takes
    longer than parsing some of the files.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def forget() -> None:
    """Empties what adapters remember of the files that they read last."""
    for module in [m for name, m in sys.modules.items() if name.startswith("dataset_adapters.")]:
        for value in vars(module).values():
            if isinstance(value, (RecentFiles, ParameterPickles)):
                value.cache_clear()


if __name__ == "__main__":
    main()
