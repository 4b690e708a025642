"""Where all formats' points lie on posed bodies, from the placement table.

Every point comes down to anchors of the body times weights plus offsets that parts of the body
carry, so that thousands of samples are placed by a few matrix products.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .anchor_names import anchor_names, other_side
from .body import PosedBodies
from .mirror import Mirror
from .placement_table import Row, Source, read_table
from .transfer import PART_INDEX, PARTS

#: The body that the offsets of the table are for.
REFERENCE_STATURE_M = 1.73
#: Its distance between the rig's hip joints.
REFERENCE_HIP_WIDTH_M = 0.221
_HIPS = ("bone:upperleg01.L", "bone:upperleg01.R")
#: What an offset is multiplied by: 1, stature or hip width relative to the reference body.
_SCALES = ("none", "stature", "hip_width")


@dataclass(frozen=True, eq=False)
class Placements:
    """The places of `P` points.

    Attributes:
      names: `family:key`, ordered.
      flip: `(P,)` number of each point's mirror image.
      hidden: `(P,)` bool: mirror images of points that have none in any format; there only to keep
        the set symmetric.
      sigma_mm: `(P,)`.
      anchor_of: `(P,)` points of equal number hang on the same point and share its uncertainty; -1:
        with nobody.
      weights: name of an anchor of the body -> `(P,)` its weight in each point.
      offsets: `(P, parts, 3 scales, 3)` m.
      rows: `(P,)` the rows that the points come from.
      sources: all sources by id.
      unplaced: points that the table says have no place.
    """

    names: tuple[str, ...]
    flip: np.ndarray
    hidden: np.ndarray
    sigma_mm: np.ndarray
    anchor_of: np.ndarray
    weights: Mapping[str, np.ndarray]
    offsets: np.ndarray
    rows: tuple[Row, ...]
    sources: Mapping[str, Source]
    unplaced: tuple[str, ...]

    def index(self, point: str) -> int:
        """Return the number of a point."""
        return self.names.index(point)

    @property
    def visible_names(self) -> list[str]:
        """The points that formats have."""
        return [name for name, hidden in zip(self.names, self.hidden, strict=True) if not hidden]

    @property
    def used_sources(self) -> dict[str, Source]:
        """The sources that rows name."""
        used = {name for row in self.rows for name in row.sources}
        return {name: self.sources[name] for name in sorted(used)}


def load_placements(
    folder: str | os.PathLike,
    *,
    permissive_only: bool = False,
    replaced: Mapping[str, Sequence[float]] | None = None,
) -> Placements:
    """Read a folder of placement tables.

    Args:
      folder: with `*.csv` and `sources*.json`.
      permissive_only: leave out rows with a source that is not permissive, and what hangs on them.
      replaced: other offsets for some points, (lateral, up, forward) in mm.

    Raises:
      FileError: naming file and line, where the table breaks its rules.
    """
    table, sources = read_table(folder)
    mirror = Mirror.of_registry()
    rows: dict[str, Row] = {}
    unplaced = []
    for row in table:
        mirror.check(row)
        if row.point in (replaced or {}):
            row = replace(row, offset=tuple(replaced[row.point]))
        for one in mirror.both_sides(row):
            if row.anchor:
                rows[one.point] = one
            else:
                unplaced.append(one.point)
    if permissive_only:
        rows = _permissive(rows, sources)
    return _resolved(rows, sources, tuple(sorted(unplaced)), mirror)


def place(bodies: PosedBodies, placements: Placements) -> tuple[np.ndarray, tuple[str, ...]]:
    """Place all points on posed bodies.

    Returns:
      `(N, P, 3)` float32 metres, y up, and the `P` names.
    """
    anchors = [bodies.index(name) for name in placements.weights]
    weights = np.stack(list(placements.weights.values())).astype(np.float32)
    factors = scale_factors(bodies.reference, bodies.stature, bodies.anchor_names)
    points = np.empty((len(bodies.anchors), len(placements.names), 3), dtype=np.float32)
    used = np.flatnonzero(placements.offsets.any(axis=(0, 2, 3)))
    moved = [np.flatnonzero(placements.offsets[:, part].any(axis=(1, 2))) for part in used]
    for start in range(0, len(points), 500):
        rows = slice(start, start + 500)
        for axis in range(3):
            points[rows, :, axis] = bodies.anchors[rows, anchors, axis] @ weights
        for part, some in zip(used, moved, strict=True):
            offsets = placements.offsets[some, part].astype(np.float32)
            local = np.einsum("ns,psk->nkp", factors[rows].astype(np.float32), offsets)
            turned = bodies.rotations[rows, part] @ local
            points[rows, some] += np.swapaxes(turned, 1, 2)
    return points, placements.names


def scale_factors(
    reference: np.ndarray, stature: np.ndarray, anchor_names: Sequence[str]
) -> np.ndarray:
    """Return what bodies' offsets are multiplied by.

    Args:
      reference: `(N, A, 3)` anchors in the reference T-pose, metres.
      stature: `(N,)` metres.
      anchor_names: `A`.

    Returns:
      `(N, 3)`: none, stature and hip width.
    """
    left, right = (reference[:, anchor_names.index(name)] for name in _HIPS)
    width = np.linalg.norm(left - right, axis=-1)
    return np.stack([np.ones_like(width), stature / REFERENCE_STATURE_M,
                     width / REFERENCE_HIP_WIDTH_M], axis=1)  # fmt: skip


def _permissive(rows: Mapping[str, Row], sources: Mapping[str, Source]) -> dict[str, Row]:
    kept = {point: row for point, row in rows.items()
            if all(sources[name].permissive for name in row.sources)}  # fmt: skip
    while True:
        bad = [point for point, row in kept.items()
               if any(name.startswith("point:") and name[6:] in rows and name[6:] not in kept
                      for name in row.anchor)]  # fmt: skip
        if not bad:
            return kept
        for point in bad:
            del kept[point]


def _resolved(rows, sources, unplaced, mirror: Mirror) -> Placements:
    names = _ordered(rows, unplaced)
    number = {name: k for k, name in enumerate(names)}
    anchors = _anchor_names(rows)
    column = {name: k for k, name in enumerate(anchors)}
    weights = np.zeros((len(names), len(anchors)))
    offsets = np.zeros((len(names), len(PARTS), len(_SCALES), 3))
    for k, name in enumerate(names):
        row = rows[name]
        for anchor, weight in row.anchor.items():
            if anchor.startswith("point:"):
                other = number[anchor[6:]]
                weights[k] += weight * weights[other]
                offsets[k] += weight * offsets[other]
            else:
                weights[k, column[anchor]] += weight
        if row.frame:
            _add_offset(offsets[k, PART_INDEX[row.frame]], row)
    order = np.argsort(names)
    names = tuple(names[k] for k in order)
    weights, offsets = weights[order], offsets[order]
    flip = np.array([names.index(mirror.image(name)) for name in names])
    _check_symmetry(names, flip, weights, offsets, anchors, rows)
    return Placements(
        names=names, flip=flip, hidden=np.array([mirror.is_hidden(name) for name in names]),
        sigma_mm=np.array([rows[name].sigma for name in names]),
        anchor_of=_shared_anchors(names, rows),
        weights=dict(zip(anchors, weights.T, strict=True)), offsets=offsets,
        rows=tuple(rows[name] for name in names), sources=sources, unplaced=unplaced,
    )  # fmt: skip


def _add_offset(offset: np.ndarray, row: Row) -> None:
    lateral, up, forward = (value / 1000 for value in row.offset)
    scale = "stature" if row.scale == "hip_width" else row.scale
    offset[_SCALES.index(row.scale), 0] += lateral
    offset[_SCALES.index(scale), 1:] += (up, forward)


def _anchor_names(rows: Mapping[str, Row]) -> tuple[str, ...]:
    found = set()
    for row in rows.values():
        for anchor in row.anchor:
            if anchor.startswith("point:"):
                continue
            if anchor not in anchor_names():
                raise row.error(f"anchor: there is no {anchor!r} on the body")
            found.add(anchor)
    return tuple(sorted(found))


def _ordered(rows: Mapping[str, Row], unplaced: Sequence[str]) -> list[str]:
    """Order points so that each comes after those it hangs on."""
    order: dict[str, None] = {}
    for first in sorted(rows):
        path = [first]
        while path:
            row = rows[path[-1]]
            others = [name[6:] for name in row.anchor if name.startswith("point:")]
            waiting = [name for name in others if name not in order]
            if not waiting:
                order[path.pop()] = None
                continue
            if waiting[0] in path:
                raise row.error(f"anchor: points hang on each other: {' -> '.join(path)}")
            if waiting[0] not in rows:
                why = "has no place" if waiting[0] in unplaced else "stands in no table"
                raise row.error(f"anchor: point {waiting[0]!r} {why}")
            path.append(waiting[0])
    return list(order)


def _check_symmetry(names, flip, weights, offsets, anchors, rows) -> None:
    """Refuse points whose place on the other side of the body is not their mirror image's."""
    swap = [anchors.index(other_side(name)) if other_side(name) in anchors else -1
            for name in anchors]  # fmt: skip
    parts = [PART_INDEX[other_side(part)] for part in PARTS]
    mirrored = np.where(np.array(swap) >= 0, weights[flip][:, swap], 0.0)
    reflected = offsets[flip][:, parts] * (-1, 1, 1)
    wrong = np.abs(mirrored - weights).max(axis=1) > 1e-9
    wrong |= np.abs(reflected - offsets).max(axis=(1, 2, 3)) > 1e-9
    if wrong.any():
        row = rows[names[int(np.flatnonzero(wrong)[0])]]
        raise row.error("expected a place that is its own mirror image: a point on the midline has "
                        "lateral 0 and as much of each left anchor as of the right")  # fmt: skip


def _shared_anchors(names: Sequence[str], rows: Mapping[str, Row]) -> np.ndarray:
    """Number points by the one point that they hang on in the end."""
    roots = []
    for name in names:
        while len(rows[name].anchor) == 1 and next(iter(rows[name].anchor)).startswith("point:"):
            name = next(iter(rows[name].anchor))[6:]
        roots.append(name)
    shared = [root if roots.count(root) > 1 else "" for root in roots]
    numbers = {root: k for k, root in enumerate(sorted(set(shared) - {""}))}
    return np.array([numbers.get(root, -1) for root in shared], dtype=np.int32)
