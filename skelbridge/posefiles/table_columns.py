"""What columns of a table of poses can mean, and tables that do not say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

AXES = ("x", "y", "z")
CONFIDENCE = "c"
CONFIDENCE_NAMES = (
    "c",
    "conf",
    "confidence",
    "score",
    "likelihood",
    "visibility",
    "vis",
    "v",
    "prob",
    "probability",
    "presence",
)
_ROLE_NAMES = {
    "frame": "frame frames frame# frame_id frameid frame_idx frame_index frame_number frame_no"
    " frameno framenum image_id image sample fnum instance",
    "time": "time times timestamp time_s seconds sec t timestamp_ms time_ms",
    "person": "person persons person_id personid person_idx person_index track track_id trackid"
    " individual individuals subject subject_id",
    "joint": "joint joints joint_name jointname joint_id jointid joint_idx joint_index keypoint"
    " keypoints keypoint_name keypoint_id keypoint_index landmark landmarks landmark_name"
    " landmark_id landmark_index marker marker_name bodypart bodyparts body_part point point_id",
}


@dataclass(frozen=True)
class Columns:
    """The meaning of a table's columns, by index.

    Attributes:
      points: for one row per frame: by person (None where there is but one) and joint, the column
        of each axis (`"x"`, `"y"`, `"z"`, `"c"` for the confidence).
      axes: for one row per joint: the column of each axis.
      roles: the columns of `"frame"`, `"time"`, `"person"` and `"joint"`, where there are any.
      others: names of the remaining columns.
      units: where the header states them.
      fps: where the header states it.
      leading: what the rows are: `"frame"`, or `"instance"` where the table calls them so.
    """

    points: dict[tuple[str | None, str], dict[str, int]] = field(default_factory=dict)
    axes: dict[str, int] = field(default_factory=dict)
    roles: dict[str, int] = field(default_factory=dict)
    others: dict[int, str] = field(default_factory=dict)
    units: str | None = None
    fps: float | None = None
    leading: str = "frame"

    @property
    def numeric(self) -> list[int]:
        """The columns that must hold numbers."""
        if self.axes:
            return sorted(self.axes.values())
        return sorted(column for axes in self.points.values() for column in axes.values())

    @property
    def coordinates(self) -> list[int]:
        """The columns of x, y and z."""
        points = [self.axes] if self.axes else self.points.values()
        return [axes[axis] for axes in points for axis in AXES if axis in axes]

    @property
    def is_understood(self) -> bool:
        """Whether joints were found."""
        return bool(self.points or self.axes)


class DuplicateColumnError(Exception):
    """Two columns claim the same coordinate of the same joint; the argument names it."""


def no_joints_problem(names: Sequence[str]) -> str:
    """Returns the message for a table without joints, naming its columns and what is understood."""
    listed = ", ".join(repr(name[:40]) for name in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return (
        "expected columns like hip_x, hip_y, hip_z (a row per frame), or frame, joint, x, y, z (a "
        f"row per joint), or a DeepLabCut or Vicon header; found columns {listed}{more}"
    )


def number_columns(
    n_columns: int, n_joints: int | None, *, skipped: int = 0
) -> tuple[Columns, str | None] | None:
    """Reads a table of bare numbers, one joint after the other in each row.

    Args:
      n_columns: how many numbers a row has.
      n_joints: how many joints the source format has; else three columns per joint are assumed
        where that is possible.
      skipped: how many columns before the numbers hold nothing.

    Returns:
      The columns and a note on what was assumed, or None.
    """
    has_frames = False
    if n_joints:
        widths = {3 * n_joints: 3, 2 * n_joints: 2, 4 * n_joints: 4}
        has_frames = n_columns - 1 in widths and n_columns not in widths
        width = widths.get(n_columns - has_frames)
    else:
        width = next((width for width in (3, 2) if n_columns % width == 0 and n_columns > 3), None)
    if not width:
        return None
    n_found = n_columns // width
    first = skipped + has_frames
    axes = (*AXES, CONFIDENCE)[:width]
    points = {
        (None, str(joint)): {axis: first + joint * width + i for i, axis in enumerate(axes)}
        for joint in range(n_found)
    }
    note = None
    if not n_joints:
        note = (
            f"no header: {n_columns} columns were read as {n_found} joints of {width} coordinates"
        )
    return Columns(points=points, roles={"frame": skipped} if has_frames else {}), note


def count_of_numbered_columns(cells: Sequence[str]) -> tuple[int, int] | None:
    """Returns how many columns a header of mere column numbers has, and how many precede them.

    pandas writes such a header (`,0,1,2,3`) for an array.
    """
    skipped = int(bool(cells) and not cells[0].strip())
    numbers = [cell.strip() for cell in cells[skipped:]]
    if len(numbers) > 3 and numbers == [str(i) for i in range(len(numbers))]:
        return len(numbers), skipped
    return None


def roles_of(names: Sequence[str]) -> dict[str, int]:
    """Returns the first column of each role, by the order in which the role's names are listed."""
    lowered = [re.sub(r"[\s\-]+", "_", name.lower()).removesuffix("_(s)") for name in names]
    first = {name: i for i, name in reversed(list(enumerate(lowered)))}
    roles = {}
    for role, known in _ROLE_NAMES.items():
        column = next((first[name] for name in known.split() if name in first), None)
        if column is not None:
            roles[role] = column
    return roles


def enter_point(points: dict, key: tuple[str | None, str], axis: str, column: int) -> None:
    """Enters a column as an axis of a point; of several confidences the first counts.

    Raises:
      DuplicateColumnError: the point has this coordinate already.
    """
    axes = points.setdefault(key, {})
    if axis in axes and axis != CONFIDENCE:
        raise DuplicateColumnError(f"{key[1]}_{axis}")
    axes.setdefault(axis, column)


def ordered_points(points: dict) -> dict:
    """Returns points with their axes in the order x, y, z, c."""
    order = (*AXES, CONFIDENCE)
    return {
        key: {axis: axes[axis] for axis in order if axis in axes} for key, axes in points.items()
    }


def other_columns(names: Iterable[str], taken: set[int]) -> dict[int, str]:
    """Returns the named columns that are not taken."""
    return {column: name for column, name in enumerate(names) if name and column not in taken}


def axis_name(cell: str) -> str | None:
    """Returns `"x"`, `"y"`, `"z"` or `"c"` for a cell that names an axis or a confidence."""
    cell = cell.strip().lower()
    if cell in AXES:
        return cell
    return CONFIDENCE if cell in CONFIDENCE_NAMES else None
