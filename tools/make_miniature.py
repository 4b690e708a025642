"""Writes a small, format-faithful copy of a dataset, to try adapters and `prepare` on.

python tools/make_miniature.py h36m OUT [--seed 0]
"""

import argparse
import sys
from pathlib import Path

from miniatures import NAMES, write_miniature


def main():
    """Writes the miniature named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.out.exists() and any(arguments.out.iterdir()):
        sys.exit(f"Error: {arguments.out} is not empty; name a new folder")
    arguments.out.mkdir(parents=True, exist_ok=True)
    truth = write_miniature(arguments.name, arguments.out, seed=arguments.seed)
    print(f"{arguments.out}: {arguments.name} in miniature, {len(truth.rows)} examples")


if __name__ == "__main__":
    main()
