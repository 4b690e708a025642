"""What the report shows: each format's joints on the average body, and the views they are seen in.

Millimetres; x to the person's left, y up from the floor, z forward; the reference T-pose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton

from .body import PosedBodies
from .placement import Placements, place

#: So many joints in the box of a detail make it worth drawing.
_ENOUGH = {"head": 5, "hand": 4, "foot": 4}


@dataclass(frozen=True, eq=False)
class FormatOnBody:
    """A format's joints on the average body.

    Attributes:
      skeleton: the format.
      points: `(J, 3)` mm, NaN where a joint has no place.
      sigma_mm: `(J,)`, NaN where a joint has no place.
      sources: per joint the ids of its sources.
      notes: per joint what the table says about it.
    """

    skeleton: Skeleton
    points: np.ndarray
    sigma_mm: np.ndarray
    sources: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The joints without a place."""
        lost = np.isnan(self.sigma_mm)
        return tuple(self.skeleton.joints[k] for k in np.flatnonzero(lost))


@dataclass(frozen=True)
class View:
    """A box of the body, seen along an axis.

    Attributes:
      name: of the view, for pages' ids.
      title: in words.
      right, up: index of the axis to the right and upwards in the picture, and its sign.
      low, high: `(3,)` corners of the box in mm; only what lies inside is drawn.
    """

    name: str
    title: str
    right: tuple[int, int]
    up: tuple[int, int]
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in mm."""
        extent = np.subtract(self.high, self.low)
        return float(extent[self.right[0]]), float(extent[self.up[0]])

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Return a mask `(J,)` of the points inside the box."""
        return ((points >= self.low) & (points <= self.high)).all(axis=-1)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return `(..., 2)` mm from the picture's left and top edge."""
        (x, x_sign), (y, y_sign) = self.right, self.up
        across = points[..., x] - self.low[x] if x_sign > 0 else self.high[x] - points[..., x]
        down = self.high[y] - points[..., y] if y_sign > 0 else points[..., y] - self.low[y]
        return np.stack([across, down], axis=-1)

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Return `(...,)` mm towards the viewer."""
        right, up = np.zeros(3), np.zeros(3)
        right[self.right[0]], up[self.up[0]] = self.right[1], self.up[1]
        return points @ np.cross(right, up)


#: Index of an axis of the body, and its sign.
_X, _Y, _BACK = (0, 1), (1, 1), (2, -1)


def whole_views(vertices: np.ndarray) -> tuple[View, ...]:
    """Return the views from the front, the left and above, of a mesh `(V, 3)` mm."""
    low, high = (vertices.min(axis=0) - 45).tolist(), (vertices.max(axis=0) + 45).tolist()
    left_half = (-20.0, *low[1:])
    return (
        View("front", "from the front", _X, _Y, tuple(low), tuple(high)),
        View("side", "from the left: left half and midline", _BACK, _Y, left_half, tuple(high)),
        View("top", "from above", _X, _BACK, tuple(low), tuple(high)),
    )


def detail_views(anchors: Mapping[str, np.ndarray]) -> dict[str, tuple[View, View]]:
    """Return enlarged views of the head, the hands and the left foot.

    Args:
      anchors: `(3,)` mm of the body's anchors; its nose, ears, wrist, finger, ankle and toe.
    """
    head = (anchors["coco:left_ear"] + anchors["coco:right_ear"]) / 2 + (0, 15, 15)
    head_box = _box(head, (115, 165, 145))
    wrist, tip = anchors["bone:wrist.L"], anchors["tail:finger3-3.L"]
    hand = _box((wrist + tip) / 2, (abs(tip - wrist)[0] / 2 + 55, 75, 105))
    ankle, toe = anchors["bone:foot.L"], anchors["tail:toe1-2.L"]
    foot = _box((ankle + toe) / 2 + (0, 10, -30), (75, 85, abs(toe - ankle)[2] / 2 + 85))
    other = [(-high[0], *low[1:]) for low, high in (hand, hand[::-1])]
    return {
        "head": (
            View("head_front", "head from the front", _X, _Y, *head_box),
            View(
                "head_side",
                "head from the left: left half and midline",
                _BACK,
                _Y,
                (-3.0, *head_box[0][1:]),
                head_box[1],
            ),
        ),
        "hand": (
            View("hand_top", "left hand from above", _X, _BACK, *hand),
            View("hand_front", "left hand from the front", _X, _Y, *hand),
        ),
        "right_hand": (
            View("right_hand_top", "right hand from above", _X, _BACK, *other),
            View("right_hand_front", "right hand from the front", _X, _Y, *other),
        ),
        "foot": (
            View("foot_top", "left foot from above", _X, _BACK, *foot),
            View("foot_side", "left foot from the left", _BACK, _Y, *foot),
        ),
    }


def _box(centre: np.ndarray, reach: tuple[float, float, float]):
    return tuple((centre - reach).tolist()), tuple((centre + reach).tolist())


def details_of(
    drawn: FormatOnBody, details: Mapping[str, tuple[View, View]]
) -> tuple[tuple[View, View], ...]:
    """Choose the details that hold enough of a format's joints; one hand is as good as two."""
    counts = {name: int(views[0].holds(drawn.points).sum()) for name, views in details.items()}
    chosen = [name for name, least in _ENOUGH.items() if counts[name] >= least]
    if "hand" not in chosen and counts["right_hand"] >= _ENOUGH["hand"]:
        chosen.append("right_hand")
    return tuple(details[name] for name in chosen)


def formats_on_body(
    placements: Placements, body: PosedBodies, *, origin: np.ndarray, names: Iterable[str]
) -> list[FormatOnBody]:
    """Place the joints of formats on one body.

    Args:
      placements: the table.
      body: one sample, in the reference T-pose.
      origin: `(3,)` mm of the body's origin.
      names: of the formats.
    """
    points, point_names = place(body, placements)
    number = {name: k for k, name in enumerate(point_names)}
    points = 1000 * points[0].astype(np.float64) + origin
    found = []
    for name in names:
        skeleton = skeleton_defs.get(name)
        rows = [number.get(":".join(skeleton.point_of(joint)), -1) for joint in skeleton.joints]
        placed = np.array(rows) >= 0
        found.append(FormatOnBody(
            skeleton=skeleton,
            points=np.where(placed[:, None], points[rows], np.nan),
            sigma_mm=np.where(placed, placements.sigma_mm[rows], np.nan),
            sources=tuple(placements.rows[k].sources if k >= 0 else () for k in rows),
            notes=tuple(placements.rows[k].note if k >= 0 else "" for k in rows),
        ))  # fmt: skip
    return found
