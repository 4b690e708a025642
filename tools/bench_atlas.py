"""How long maps take to solve, and what missing joints cost.

    python tools/bench_atlas.py [--quick] [--atlas FILE]

Solving is measured in milliseconds, converting as the ratio to one dense map of the same poses
without gaps, taken in turns; the best of several repeats counts. On a busy machine the ratio of
processor times says more than that of wall times.
"""

import argparse
import os
import platform
import time

import numpy as np

import skeleton_defs
from skelbridge.atlas import Moments, default_moments
from skelbridge.atlas.by_atlas import AtlasPair, map_by_atlas
from skelbridge.atlas.pattern_blocks import finite_rows
from skelbridge.atlas.pattern_keys import joint_levels, pattern_keys, sorted_by_key
from skelbridge.atlas.pattern_product import PatternProduct
from skelbridge.atlas.pattern_weights import PatternWeights
from skelbridge.atlas.patterns import PatternMaps
from skelbridge.atlas.solver import gather, solve
from skelbridge.atlas.sparse import solve_sparse
from skelbridge.conversion.apply import apply_weights

LIMITS = {"24 -> 24 ms": 0.5, "133 -> all ms": 10.0, "patterns": 1.5}
PATTERNS = 50
STEPS = ("find", "sort", "gather", "multiply", "put", "dense")


def best_seconds(functions, repeats):
    """The shortest (wall, processor) time of each, taken in turns so that all see one machine."""
    times = np.empty((repeats, len(functions), 2))
    for repeat in range(repeats):
        for number, function in enumerate(functions):
            start = np.array([time.perf_counter(), time.process_time()])
            function()
            times[repeat, number] = time.perf_counter() - start[0], time.process_time() - start[1]
    return times.min(axis=0)


def bench_solving(moments, repeats):
    """(a) 24 -> 24 joints and 133 -> all points of the atlas, moments and solution."""
    smpl = skeleton_defs.get("smpl")
    own = moments.indices(smpl.point_of(j) for j in smpl.joints)
    flip = np.array(smpl.flip)
    others = np.random.default_rng(0).permutation(len(moments))
    targets = np.setdiff1d(others, own)[:24]
    many, everything = np.sort(others[:133]), np.arange(len(moments))
    small = gather(moments, own, targets)

    def both_steps(sources, aims, **flips):
        return solve(gather(moments, sources, aims, **flips), noise_mm=8.0)

    wall = best_seconds(
        [
            lambda: both_steps(own, targets),
            lambda: both_steps(own, own, source_flip=flip, target_flip=flip),
            lambda: both_steps(many, everything),
            lambda: solve_sparse(small, noise_mm=8.0),
            lambda: map_by_atlas(smpl, skeleton_defs.get("h36m"), moments=moments),
        ],
        repeats,
    )[:, 0]
    milliseconds = 1000 * wall
    print(f"(a) solve 24 -> 24: {milliseconds[0]:.2f} ms, made symmetric {milliseconds[1]:.2f} ms "
          f"(at most {LIMITS['24 -> 24 ms']})")  # fmt: skip
    print(f"    solve 133 -> {len(everything):,}: {milliseconds[2]:.1f} ms "
          f"(at most {LIMITS['133 -> all ms']:g})")  # fmt: skip
    print(f"    24 -> 24 with few weights: {milliseconds[3]:.1f} ms; a whole map smpl -> h36m with "
          f"names, errors and reasons: {milliseconds[4]:.1f} ms")  # fmt: skip


def gaps(frames, share, rng):
    """(frames, 24) bool: in this share of poses some joints are missing, in `PATTERNS` ways."""
    masks = rng.random((PATTERNS, 24)) < 0.1
    masks[np.arange(PATTERNS), np.arange(PATTERNS) % 24] = True
    masks[24:, 0] |= True
    incomplete = rng.random(frames) < share
    return masks[rng.integers(PATTERNS, size=frames)] & incomplete[:, None]


def bench_patterns(moments, frames, repeats):
    """(b) Poses with gaps against one dense map of poses without."""
    rng = np.random.default_rng(0)
    pair = AtlasPair(skeleton_defs.get("smpl"), skeleton_defs.get("h36m"), moments=moments)
    weights = pair.weights(np.ones(24))
    poses = rng.standard_normal((frames, 24, 3), dtype=np.float32)
    shares = {"no gaps": 0.0, "gaps in 10 % of the poses": 0.1, "in half": 0.5, "in all": 1.0}
    counts = []

    def convert(array):
        maps = PatternMaps(PatternWeights(pair), 24)
        maps.apply(array)
        counts.append(maps.patterns)

    print(f"(b) {frames:,} float32 poses 24 -> 17, {PATTERNS} patterns in random order, solving "
          "included, against one dense map:")  # fmt: skip
    for name, share in shares.items():
        gappy = poses.copy()
        gappy[gaps(frames, share, rng)] = np.nan
        dense, patterns = best_seconds(
            [lambda: apply_weights(weights, poses), lambda gappy=gappy: convert(gappy)], repeats
        )
        ratio, processor_ratio = patterns / dense
        print(f"    {name}: {patterns[0]:.3f} s against {dense[0]:.3f} s, ratio {ratio:.2f}, of "
              f"processor times {processor_ratio:.2f} ({counts[-1]} patterns; at most "
              f"{LIMITS['patterns']})")  # fmt: skip


def bench_steps(moments, repeats):
    """(c) What sorting poses by pattern takes step by step, however it is put together."""
    rng = np.random.default_rng(0)
    pair = AtlasPair(skeleton_defs.get("smpl"), skeleton_defs.get("h36m"), moments=moments)
    weights = pair.weights(np.ones(24))
    product, piece, frames = PatternProduct(weights), 10_000, 100_000
    poses = rng.standard_normal((frames, 24, 3), dtype=np.float32)
    gappy = poses.copy()
    gappy[gaps(frames, 1.0, rng)] = np.nan
    seconds = {name: np.inf for name in STEPS}

    def timed(name, function, *arguments, **options):
        start = time.thread_time()
        found = function(*arguments, **options)
        times[name] += time.thread_time() - start
        return found

    # What stands for missing joints is as large as can be, and has no weight in PatternMaps.
    np.seterr(over="ignore", invalid="ignore")
    for _ in range(repeats):
        times = dict.fromkeys(STEPS, 0.0)
        result, space = (np.empty((frames, 17, 3), np.float32) for _ in range(2))
        for start in range(0, frames, piece):
            block, part = gappy[start : start + piece], slice(start, start + piece)
            levels = timed("find", joint_levels, block)
            keys = timed("sort", pattern_keys, levels, graded=False)
            order, _ = timed("sort", sorted_by_key, keys)
            rows = timed("gather", finite_rows, block.reshape(piece, -1), order, both=False)
            timed("multiply", product.multiply, rows.reshape(block.shape), space[:piece])
            options = {"axis": 0, "mode": "clip", "out": result[part]}
            timed("put", np.take, space[:piece], np.argsort(order), **options)
            # One map without gaps: does anything lack, and the product.
            timed("dense", np.vdot, poses[part], poses[part])
            timed("dense", product.multiply, poses[part], result[part])
        seconds = {name: min(seconds[name], times[name]) for name in STEPS}
    each = {name: 1e9 * value / frames for name, value in seconds.items()}
    dense = each.pop("dense")
    told = ", ".join(f"{name} {value:.0f}" for name, value in each.items())
    print(f"(c) gaps in all poses, one thread, processor time in ns per pose: {told}; together "
          f"{sum(each.values()) / dense:.2f} of one dense map ({dense:.0f})")  # fmt: skip


def main():
    """Runs the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the poses")
    parser.add_argument("--repeats", type=int, default=10, help="more on a busy machine")
    parser.add_argument("--atlas", help="another atlas file than the installed one")
    arguments = parser.parse_args()
    moments = Moments.load(arguments.atlas) if arguments.atlas else default_moments()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, numpy {np.__version__}, {moments!r}")  # fmt: skip
    bench_solving(moments, 50)
    bench_patterns(moments, 100_000 if arguments.quick else 1_000_000, arguments.repeats)
    bench_steps(moments, arguments.repeats)


if __name__ == "__main__":
    main()
