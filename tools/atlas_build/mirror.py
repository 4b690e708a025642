"""Left and right: which points of the formats are mirror images, and rows for both sides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import skeleton_defs

from .anchor_names import other_side
from .placement_table import Row

#: Marks the mirror images of points that have none in any format, such as those of one-handed ones.
HIDDEN = "~mirrored"
_SIDED_KEY = re.compile(r":(left|right)_")


@dataclass(frozen=True)
class Mirror:
    """The mirror images of all formats' points.

    Attributes:
      partner: point -> its mirror image; itself on the midline.
      side: point -> `left`, `right` or `centre`.
    """

    partner: Mapping[str, str]
    side: Mapping[str, str]

    @classmethod
    def of_registry(cls) -> Mirror:
        """Collect the points of all formats in the registry."""
        partner, side = {}, {}
        for name in skeleton_defs.list():
            skeleton = skeleton_defs.get(name)
            points = [":".join(skeleton.point_of(joint)) for joint in skeleton.joints]
            flip = skeleton.flip or [None] * len(points)
            for point, other, where in zip(points, flip, skeleton.sides, strict=True):
                # Formats of one hand: their mirror images are in no format.
                if other is None or (points[other] == point and _SIDED_KEY.search(point)):
                    continue
                # Joints of both sides may coincide in a point on the midline.
                partner[point] = points[other]
                side[point] = "centre" if points[other] == point else where
        for name in skeleton_defs.list():
            skeleton = skeleton_defs.get(name)
            for joint in skeleton.joints:
                point = ":".join(skeleton.point_of(joint))
                if point not in partner:
                    partner[point], side[point] = point + HIDDEN, "unpaired"
                    partner[point + HIDDEN], side[point + HIDDEN] = point, "unpaired"
        return cls(partner, side)

    def image(self, point: str) -> str:
        """Return the mirror image of a point."""
        return self.partner[point]

    def is_hidden(self, point: str) -> bool:
        """Whether a point is in no format."""
        return point.endswith(HIDDEN)

    def check(self, row: Row) -> None:
        """Raise `FileError` where a row is not for a left point or one on the midline."""
        if row.point not in self.partner or self.is_hidden(row.point):
            raise row.error("point: no format of the registry has it")
        if self.side[row.point] == "right":
            left = self.partner[row.point]
            raise row.error(f"point: expected the left one, {left}: right points are mirrored")

    def both_sides(self, row: Row) -> list[Row]:
        """Return the row with its lateral offset along x, and the row of its mirror image."""
        if self.side[row.point] == "unpaired" and _on_the_right(row):
            row = _reflected(row)
        if self.partner[row.point] == row.point:
            return [row]
        image = replace(
            _reflected(row),
            point=self.partner[row.point],
            anchor={_image_of_anchor(name, self): weight for name, weight in row.anchor.items()},
            frame=other_side(row.frame),
        )
        return [row, image]


def _reflected(row: Row) -> Row:
    lateral, up, forward = row.offset
    return replace(row, offset=(-lateral, up, forward))


def _on_the_right(row: Row) -> bool:
    if row.frame:
        return row.frame.startswith("right_")
    return False


def _image_of_anchor(name: str, mirror: Mirror) -> str:
    if name.startswith("point:"):
        return f"point:{mirror.partner.get(name[6:], name[6:])}"
    return other_side(name)
