"""What the header of a table of poses says: joints and coordinates, frames, persons."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .array_keys import UNIT_NAMES
from .table_columns import (
    AXES,
    CONFIDENCE,
    CONFIDENCE_NAMES,
    Columns,
    DuplicateColumnError,
    axis_name,
    enter_point,
    ordered_points,
    other_columns,
    roles_of,
)

#: The first row of DeepLabCut's headers begins with one of these.
_STACK_LABELS = ("scorer", "individuals", "bodyparts", "coords")
MAX_HEADER_ROWS = 6

_AXIS = "x|y|z|" + "|".join(sorted(CONFIDENCE_NAMES, key=len, reverse=True))
_UNIT = r"(?:\s*[\[(](?P<unit>mm|cm|m|px)[\])])?"
#: How wide tables spell joint and axis; the spelling that explains most columns is taken.
_SPELLINGS = tuple(
    re.compile(pattern + _UNIT, flags | re.DOTALL)
    for pattern, flags in (
        (rf"(?P<joint>.+)[ _.:/-](?P<axis>{_AXIS})", re.IGNORECASE),  # hip_x
        (rf"(?P<axis>{_AXIS})[ _.:/-](?P<joint>.+)", re.IGNORECASE),  # x_hip
        (rf"(?P<axis>{_AXIS})(?P<joint>\d+)", re.IGNORECASE),  # x0
        (r"(?P<joint>.+)(?P<axis>[XYZC])", 0),  # HipX
    )
)
_LONG_AXES = (
    re.compile(rf"(?P<axis>{_AXIS}){_UNIT}", re.IGNORECASE),
    re.compile(rf"(?:pos|position|coord)[ _.]?(?P<axis>{_AXIS}){_UNIT}", re.IGNORECASE),
)


def read_columns(names: Sequence[str]) -> Columns:
    """Finds out what columns with these names hold.

    A table with a column of joints, or with no more than `x` and `y`, has one row per joint;
    otherwise columns name joint and axis, in the spelling that explains most of them.

    Raises:
      DuplicateColumnError: two columns are the same coordinate.
    """
    names = [name.strip() for name in names]
    roles = roles_of(names)
    spelled = [_spelled_points(names, spelling) for spelling in _SPELLINGS]
    points, units = max(spelled, key=lambda found: len(found[0]))
    if "joint" in roles or not points:
        axes, units = _long_axes(names, taken=set(roles.values()))
        taken = {*axes.values(), *roles.values()}
        return Columns(
            axes=axes,
            roles=roles,
            others=other_columns(names, taken),
            units=units,
            leading=_leading(names, roles),
        )
    pose_columns = {column for axes in points.values() for column in axes.values()}
    roles = {role: column for role, column in roles.items() if column not in pose_columns}
    others = other_columns(names, pose_columns | set(roles.values()))
    return Columns(
        points=ordered_points(points),
        roles=roles,
        others=others,
        units=units,
        leading=_leading(names, roles),
    )


def read_stacked_columns(rows: Sequence[Sequence[str]]) -> tuple[Columns, int] | None:
    """Reads a header of several rows: joint names above a row of axes.

    This is the header of DeepLabCut (scorer, individuals, bodyparts, coords), of Vicon Nexus
    (`Trajectories`, rate, names once per three columns, axes, units) and of pandas' column levels.

    Args:
      rows: the first rows of the table, split into cells.

    Returns:
      The columns and how many rows the header takes, or None where it is no such header.
    """
    labels = [row[0].strip().lower() if row else "" for row in rows[:MAX_HEADER_ROWS]]
    fps = None
    axes_row = next((i for i, row in enumerate(rows[:MAX_HEADER_ROWS]) if _is_axes(row)), None)
    if not axes_row:
        return None
    axes = [axis_name(cell) for cell in rows[axes_row]]
    names = _spread(rows[axes_row - 1], axes)
    persons: list[str | None] = [None] * len(axes)
    if "individuals" in labels[:axes_row]:
        persons = list(_spread(rows[labels.index("individuals")], axes))
    if labels[0] == "trajectories" and axes_row >= 2 and _is_number(labels[1]):
        fps = float(labels[1]) or None
    points: dict[tuple[str | None, str], dict[str, int]] = {}
    for column, (person, name, axis) in enumerate(zip(persons, names, axes, strict=True)):
        if axis and name:
            enter_point(points, (person, name), axis, column)
    n_rows = axes_row + 1
    units = None
    if len(rows) > n_rows:
        cells = [cell.strip().lower() for cell in rows[n_rows]]
        found = {UNIT_NAMES[cell] for cell in cells if cell in UNIT_NAMES}
        is_index_name = bool(cells and cells[0]) and not any(cells[1:])
        if (found or is_index_name) and not any(_is_number(cell) for cell in cells):
            units = found.pop() if len(found) == 1 else None
            n_rows += 1
    points = {key: axes for key, axes in points.items() if {"x", "y"} <= axes.keys()}
    pose_columns = {column for axes in points.values() for column in axes.values()}
    header = [cell.strip() for cell in rows[axes_row]] + [""] * len(axes)
    roles = roles_of([cell if i not in pose_columns else "" for i, cell in enumerate(header)])
    if labels[axes_row] in _STACK_LABELS:
        roles = {"frame": 0}
    others = other_columns(header[: len(axes)], pose_columns | set(roles.values()))
    columns = Columns(
        points=ordered_points(points), roles=roles, others=others, units=units, fps=fps
    )
    return columns, n_rows


def _leading(names: Sequence[str], roles: dict[str, int]) -> str:
    is_instance = "frame" in roles and names[roles["frame"]].lower() == "instance"
    return "instance" if is_instance else "frame"


def _long_axes(names: Sequence[str], taken: set[int]) -> tuple[dict[str, int], str | None]:
    """Returns columns that are a coordinate by themselves, and their unit."""
    for pattern in _LONG_AXES:
        axes: dict[str, int] = {}
        units = set()
        for column, name in enumerate(names):
            match = pattern.fullmatch(name) if column not in taken else None
            if match is None:
                continue
            axis = axis_name(match["axis"])
            if axis in axes and axis != CONFIDENCE:
                raise DuplicateColumnError(name)
            axes.setdefault(axis, column)
            if axis != CONFIDENCE:
                units.add(match["unit"])
        if {"x", "y"} <= axes.keys():
            return axes, units.pop() if len(units) == 1 else None
    return {}, None


def _spelled_points(names: Sequence[str], spelling: re.Pattern):
    """Returns the complete points of a wide header in one spelling, and their unit."""
    points: dict[tuple[str | None, str], dict[str, int]] = {}
    duplicates, units = {}, set()
    for column, name in enumerate(names):
        match = spelling.fullmatch(name)
        if match:
            key = (None, match["joint"])
            try:
                enter_point(points, key, axis_name(match["axis"]), column)
            except DuplicateColumnError:
                duplicates[key] = name
            units.add(match["unit"])
    complete = {key: axes for key, axes in points.items() if {"x", "y"} <= axes.keys()}
    for key, name in duplicates.items():
        if key in complete:
            raise DuplicateColumnError(name)
    if any("z" in axes for axes in complete.values()):
        complete = {key: axes for key, axes in complete.items() if "z" in axes}
    return complete, units.pop() if len(units) == 1 else None


def _is_axes(row: Sequence[str]) -> bool:
    """Whether a row names an axis in most of its cells."""
    cells = [cell.strip().lower() for cell in row if cell.strip()]
    n_axes = sum(cell in AXES for cell in cells)
    return n_axes >= 2 and {"x", "y"} <= set(cells) and 2 * n_axes >= len(cells)


def _spread(row: Sequence[str], axes: Sequence[str | None]) -> list[str]:
    """Returns a row of names, each repeated over the cells without a name that follow it."""
    names, current = [], ""
    for i, axis in enumerate(axes):
        cell = row[i].strip() if i < len(row) else ""
        if cell:
            current = cell
        elif axis == "x":
            current = ""  # the coordinates of a point without a name
        names.append(current if axis else "")
    return names


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d{1,9}(\.\d{0,9})?", text.strip()))
