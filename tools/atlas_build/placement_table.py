"""The placement table: CSV rows that say where each format's joints lie on the body.

One row places one point, `family:key` as of `Skeleton.point_of`; rows of left points place the
right ones too. Columns:

- anchor: a mixture of `bone:NAME` (the posed head of a bone of anny's rig), `tail:NAME` (the end
  of a last bone), `coco:NAME` (anny's regressor), `skin:NAME` (`landmarks.json`) and
  `point:family:key` (another row's point), such as `0.5 bone:wrist.L + 0.5 coco:left_wrist`. Empty:
  the point has no place.
- frame: the part of the body whose rotation carries the offset.
- lateral, up, forward: the offset in mm, in the reference T-pose of a body of 1.73 m. Lateral is
  away from the midline: along the arm towards the hand, for an arm.
- scale: `stature` (the default), `none`, or `hip_width` (the lateral part by the hips' width, the
  rest by stature).
- sigma: uncertainty of the place in mm.
- source: ids in `sources*.json`, joined by `;`. `judgement` where there is no evidence.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dataset_adapters.containers.errors import FileError

from .transfer import PARTS

COLUMNS = ("point", "anchor", "frame", "lateral", "up", "forward", "scale", "sigma", "source",
           "note")  # fmt: skip
SCALES = ("stature", "none", "hip_width")
#: Rounded weights such as three times 0.333 count as a sum of one.
_SUM_TOLERANCE = 2e-3
_TERM = re.compile(
    r"(?P<sign>[+-])?\s*(?:(?P<weight>-?\d+(?:\.\d+)?(?:/\d+)?|\.\d+)\s+)?(?P<name>\S+)\s*"
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
      point: `family:key`.
      anchor: name -> weight, which sum to 1; empty where the point has no place.
      frame: the part of `PARTS` that carries the offset, or empty.
      offset: lateral, up and forward in mm, in the reference T-pose of a body of 1.73 m.
      scale: one of `SCALES`.
      sigma: mm.
      sources: ids.
      note: in words.
      file, line: where the row stands.
    """

    point: str
    anchor: Mapping[str, float]
    frame: str
    offset: tuple[float, float, float]
    scale: str
    sigma: float
    sources: tuple[str, ...]
    note: str
    file: Path
    line: int

    def error(self, problem: str) -> FileError:
        """Return what to raise about this row: the message names file and line."""
        return FileError(f"{self.file}:{self.line}", f"{self.point}: {problem}")


@dataclass(frozen=True)
class Source:
    """Where numbers of the table are from.

    Attributes:
      text: in words.
      licence: of it.
      permissive: whether anything may be done with what follows from it.
    """

    text: str
    licence: str
    permissive: bool


def read_table(folder: str | os.PathLike) -> tuple[list[Row], dict[str, Source]]:
    """Read all `*.csv` and `sources*.json` of a folder.

    Raises:
      FileError: a file breaks the rules; the message names file and line.
    """
    folder = Path(folder)
    sources = _read_sources(sorted(folder.glob("sources*.json")))
    rows = [row for file in sorted(folder.glob("*.csv")) for row in _read_rows(file)]
    if not rows:
        raise FileError(folder, "expected *.csv files with placements, found none")
    seen: dict[str, Row] = {}
    for row in rows:
        if row.point in seen:
            first = seen[row.point]
            raise row.error(f"expected one row per point, found another in "
                            f"{first.file.name}:{first.line}")  # fmt: skip
        seen[row.point] = row
        for source in row.sources:
            if source not in sources:
                raise row.error(f"source: expected ids of sources*.json, found {source!r}")
    return rows, sources


def _read_sources(files: Iterable[Path]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for file in files:
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise FileError(file, f"expected JSON: {error}") from None
        for name, entry in entries.items():
            kinds = {"text": str, "licence": str, "permissive": bool}
            if not (isinstance(entry, dict)
                    and all(isinstance(entry.get(key), kinds[key]) for key in kinds)):  # fmt: skip
                raise FileError(file, f"source {name!r}: expected text, licence and permissive "
                                      "(true or false)")  # fmt: skip
            source = Source(entry["text"], entry["licence"], entry["permissive"])
            # Files may repeat a source; the words of the first one count.
            if sources.setdefault(name, source).permissive != source.permissive:
                raise FileError(file, f"source {name!r}: another file says otherwise about "
                                      "permissive")  # fmt: skip
    return sources


def _read_rows(file: Path) -> Iterable[Row]:
    # Spreadsheets write a byte order mark.
    text = file.read_text(encoding="utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        raise FileError(f"{file}:1", f"expected the columns {','.join(COLUMNS)}, found "
                                     f"{','.join(header)}")  # fmt: skip
    for cells in reader:
        if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
            continue
        if len(cells) != len(COLUMNS):
            raise FileError(f"{file}:{reader.line_num}", f"expected {len(COLUMNS)} cells, found "
                                                         f"{len(cells)}")  # fmt: skip
        cell = dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=True))
        yield _row(cell, file, reader.line_num)


def _row(cell: Mapping[str, str], file: Path, line: int) -> Row:
    def error(problem: str) -> FileError:
        return FileError(f"{file}:{line}", f"{cell['point']}: {problem}")

    def number(column: str) -> float:
        try:
            value = float(cell[column] or 0)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise error(f"{column}: expected a number in mm, found {cell[column]!r}")
        return value

    offset = (number("lateral"), number("up"), number("forward"))
    frame, scale, sigma = cell["frame"], cell["scale"] or "stature", number("sigma")
    anchor = parse_anchor(cell["anchor"], error) if cell["anchor"] else {}
    if frame not in ("", *PARTS):
        raise error(f"frame: expected one of {', '.join(PARTS)} or nothing, found {frame!r}")
    if any(offset) != bool(frame):
        raise error("frame: expected one where there is an offset, and nothing where there is none")
    if scale not in SCALES:
        raise error(f"scale: expected one of {', '.join(SCALES)} or nothing, found {scale!r}")
    if anchor and not sigma > 0:
        raise error("sigma: expected mm above 0")
    sources = tuple(name.strip() for name in cell["source"].split(";") if name.strip())
    if anchor and not sources:
        raise error(
            "source: expected an id of sources*.json, 'judgement' where there is no evidence"
        )
    return Row(
        cell["point"], anchor, frame, offset, scale, sigma, sources, cell["note"], file, line
    )


def parse_anchor(text: str, error=ValueError) -> dict[str, float]:
    """Read a mixture such as `0.5 bone:wrist.L + 0.5 coco:left_wrist`.

    Args:
      text: names with weights (`0.5`, `1/3`); a name that stands alone has the weight 1. The
        weights sum to 1; a minus instead of the plus makes one negative.
      error: makes the exception out of a message.
    """
    weights: dict[str, float] = {}
    place = 0
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None or (place > 0 and term["sign"] is None):
            raise error(f"anchor: expected 'weight name + weight name', found {text!r}")
        numerator, _, denominator = (term["weight"] or "1").partition("/")
        weight = float(numerator) / float(denominator or 1) * (-1 if term["sign"] == "-" else 1)
        weights[term["name"]] = weights.get(term["name"], 0.0) + weight
        place = term.end()
    total = sum(weights.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise error(f"anchor: expected weights that sum to 1, found {total:g} in {text!r}")
    return {name: weight / total for name, weight in weights.items()}
