"""Known distances between points that share a name but not a place."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from statistics import mean

Point = tuple[str, str]


def known_offset(first: Point, second: Point) -> tuple[float, str] | None:
    """Looks up the measured distance between two points of different families.

    A pair that nobody measured directly is taken as the difference of two offsets from the same
    base point, if one body of evidence holds both.

    Args:
      first, second: (family, key) as `Skeleton.point_of` gives them.

    Returns:
      (distance in mm, a line on where it comes from), or None where nothing is known. Several
      measurements are averaged and all named.
    """
    pair = (_left(first), _left(second))
    for find, origin in ((_direct, "measured"), (_derived, "difference of two measured offsets")):
        found = [(name, d) for name, table in _evidence().items() if (d := find(table, *pair))]
        if found:
            values = " and ".join(f"{d:.0f} mm ({name})" for name, d in found)
            return mean(d for _, d in found), f"{origin}: {values}"
    return None


def _left(point: Point) -> str:
    family, key = point
    return f"{family}:{'left' + key[5:] if key.startswith('right') else key}"


@functools.cache
def _evidence() -> dict[str, dict[tuple[str, str], dict]]:
    text = (Path(__file__).parent / "measured_offsets.json").read_text(encoding="utf-8")
    return {
        s["name"]: {(o["point"], o["base"]): o for o in s["offsets"]}
        for s in json.loads(text)["sets"]
    }


def _direct(table: dict, first: str, second: str) -> float | None:
    row = table.get((first, second)) or table.get((second, first))
    if row is None:
        return None
    return row["distance_mm"] if "distance_mm" in row else math.hypot(*row["offset_mm"])


def _derived(table: dict, first: str, second: str) -> float | None:
    bases = {
        point: {
            base: row["offset_mm"]
            for (p, base), row in table.items()
            if p == point and "offset_mm" in row
        }
        for point in (first, second)
    }
    for base, offset in bases[first].items():
        if base in bases[second]:
            return math.dist(offset, bases[second][base])
    return None
