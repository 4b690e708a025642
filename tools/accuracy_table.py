"""How far off conversions between the most used formats are expected to be, as a table.

    python tools/accuracy_table.py [--markdown | --json]
    python tools/accuracy_table.py --update skelbridge/atlas/README.md

Needs numpy alone. Every figure is for `skelbridge convert --method auto` with all source joints.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT))

import skeleton_defs  # noqa: E402
from skelbridge.atlas import default_moments  # noqa: E402
from skelbridge.conversion.affine_map import AffineMap  # noqa: E402

FORMATS = (
    "smpl_24", "amass_smplh_52", "smplx_55", "h36m_17", "coco_17", "coco_wholebody_133",
    "openpose_25", "halpe_26", "mediapipe_33", "mpii_16", "lsp_14", "posetrack_17",
    "mpi_inf_3dhp_17", "mpi_inf_3dhp_28", "cmu_panoptic_19", "kinectv2_25", "azure_kinect_32",
    "mixamo_65", "xsens_23", "cmu_asf_31",
)  # fmt: skip
_BEGIN, _END = "<!-- accuracy table -->", "<!-- end of accuracy table -->"


@dataclass(frozen=True)
class Cell:
    """What to expect of one conversion.

    Attributes:
      mean_mm: mean expected error over the available joints whose error is known; None without any.
      n_unavailable: target joints that cannot be had.
      n_unknown: available joints that have no place in the atlas: only their names agree.
    """

    mean_mm: float | None
    n_unavailable: int
    n_unknown: int


def cell_of(affine_map: AffineMap) -> Cell:
    """Summarise a map."""
    available = np.array([status != "unavailable" for status in affine_map.status])
    error = affine_map.expected_error_mm[available]
    known = error[~np.isnan(error)]
    return Cell(
        mean_mm=float(known.mean()) if len(known) else None,
        n_unavailable=int((~available).sum()),
        n_unknown=len(error) - len(known),
    )


def table(formats: Sequence[str]) -> dict[str, dict[str, Cell]]:
    """Return source -> target -> `Cell`."""
    return {
        source: {target: cell_of(AffineMap.between(source, target)) for target in formats}
        for source in formats
    }


def markdown(cells: dict[str, dict[str, Cell]]) -> str:
    """Write the table with sources as rows and targets as columns."""
    targets = list(next(iter(cells.values())))
    lines = ["| from \\ to | " + " | ".join(targets) + " |", "|---" * (len(targets) + 1) + "|"]
    for source, row in cells.items():
        lines.append(f"| **{source}** | " + " | ".join(_text(row[t]) for t in targets) + " |")
    return "\n".join([*lines, "", _provenance()])


def _text(cell: Cell) -> str:
    mean = "-" if cell.mean_mm is None else f"{cell.mean_mm:.0f}"
    unknown = f" ({cell.n_unknown} unknown)" if cell.n_unknown else ""
    return f"{mean} / {cell.n_unavailable}{unknown}"


def _provenance() -> str:
    atlas = default_moments()
    return (
        f"`python tools/accuracy_table.py --markdown`, {time.strftime('%Y-%m-%d')}, "
        f"{platform.machine()} with {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"numpy {np.__version__}; an atlas of {len(atlas.points)} points, "
        f"{atlas.provenance.get('samples')} samples, {atlas.provenance.get('bodies')} bodies and "
        f"{len(atlas.provenance.get('takes', ()))} takes."
    )


def updated(text: str, cells: dict[str, dict[str, Cell]]) -> str:
    """Return a text with a new table between its marks.

    Raises:
      UserError: the marks are missing.
    """
    block = f"{_BEGIN}\n{markdown(cells)}\n{_END}"
    pattern = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    if not pattern.search(text):
        raise skeleton_defs.UserError(f"expected the lines '{_BEGIN}' and '{_END}', found none")
    return pattern.sub(lambda _: block, text)


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--markdown", action="store_true", help="a Markdown table (the default)")
    kind.add_argument("--json", action="store_true", help="source -> target -> figures")
    kind.add_argument("--update", type=Path, metavar="FILE", help="replace the table in a file")
    options = parser.parse_args(arguments)
    cells = table(FORMATS)
    if options.json:
        print(json.dumps({source: {target: asdict(cell) for target, cell in row.items()}
                          for source, row in cells.items()}, indent=1))  # fmt: skip
    elif options.update:
        try:
            text = updated(options.update.read_text(encoding="utf-8"), cells)
        except (skeleton_defs.UserError, OSError) as error:
            print(f"accuracy_table: {options.update}: {error}", file=sys.stderr)
            return 1
        options.update.write_text(text, encoding="utf-8")
    else:
        print(markdown(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
