"""Tries every file below a folder as `skelbridge convert` would, and prints a table.

    python tools/scan_samples.py FOLDER [--to h36m] > table.md

One row a file: what was read, which format was recognised, and how the conversion ended; rows of
one folder that differ in the file name alone are joined.
"""

import argparse
import os
import re
import tempfile
from pathlib import Path

from skelbridge.conversion import AffineMap
from skelbridge.convert_files import convert_poses, find_inputs
from skelbridge.coordinates import coordinate_change
from skelbridge.posefiles import Input, open_poses, read_poses, write_poses
from skeleton_defs import UserError


def outcome(path, target, folder):
    """Returns (shape read, recognised format, result)."""
    try:
        shape = "x".join(map(str, read_poses(path).positions.shape))
    except UserError as error:
        return "-", "-", "explained: " + str(error).removeprefix(f"{path}: ")
    try:
        poses, match = open_poses(path, Input())
        bridge = AffineMap.between(match.skeleton, target, observed=match.observed)
        change = coordinate_change(poses)
        write_poses(Path(folder, "out.npz"), convert_poses(poses, match, bridge, change))
    except UserError as error:
        return shape, "-", "explained: " + str(error).removeprefix(f"{path}: ")
    counts = ", ".join(f"{n} {status}" for status, n in bridge.status_counts.items() if n)
    return shape, match.skeleton.name, f"converted: {counts}"


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--to", default="h36m")
    arguments = parser.parse_args()
    joined = {}
    with tempfile.TemporaryDirectory() as scratch:
        for path, name in find_inputs([arguments.folder]):
            shape, skeleton, result = outcome(path, arguments.to, scratch)
            kind = (os.path.dirname(name), "".join(Path(name).suffixes[-2:]))
            row = joined.setdefault((kind, skeleton, re.sub(r"\d+", "#", result)), [])
            row.append((name, shape, result))
    print("| file | frames x ... x joints x dims | recognised | result |\n|---|---|---|---|")
    for (_, skeleton, _), rows in joined.items():
        name, shape, result = rows[0]
        shown = f"`{name}`" if len(rows) == 1 else f"`{name}` and {len(rows) - 1} more"
        print(f"| {shown} | {shape} | {skeleton} | {result[:300].replace('|', '/')} |")


if __name__ == "__main__":
    main()
