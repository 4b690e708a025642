"""From the rows of a table to poses: one row per frame, or one row per joint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable

import numpy as np

from dataset_adapters.containers.errors import FileError

from .array_shapes import mark_missing
from .data import PoseData
from .table_body import TableBody
from .table_columns import AXES, CONFIDENCE, Columns
from .table_grid import Axis, axis_of, combined_codes, count_within, grid, values_of


def poses_from_table(
    path: str | os.PathLike,
    columns: Columns,
    body: TableBody,
    *,
    n_joints: int | None = None,
    notes: tuple[str, ...] = (),
) -> PoseData:
    """Returns the poses of a table.

    Args:
      path: the file, for messages.
      columns: what its columns mean.
      body: its rows; numbers in the order of `columns.numeric`.
      n_joints: how many joints the source format has.
      notes: carried to the result.

    Raises:
      FileError: two rows are the same joint of the same frame, or rows make no regular table.
    """
    if columns.axes:
        poses = _poses_of_joint_rows(path, columns, body, n_joints)
    else:
        poses = _poses_of_frame_rows(path, columns, body)
    return dataclasses.replace(
        poses, fps=columns.fps, units=columns.units, notes=(*notes, *poses.notes)
    )


def _poses_of_frame_rows(path, columns: Columns, body: TableBody) -> PoseData:
    """One row per frame, or per frame and person."""
    persons = list(dict.fromkeys(person for person, _ in columns.points))
    joints = list(dict.fromkeys(joint for _, joint in columns.points))
    names = _axes_present(columns.points.values())
    values = _wide_values(columns, body.numbers, persons, joints, names)
    axes = {
        role: axis_of(body.labels[column])
        for role, column in columns.roles.items()
        if role in ("frame", "time", "person")
    }
    extras = {name: values_of(body.labels[column]) for column, name in columns.others.items()}
    notes = _axis_order_notes(columns)
    frame_role = "frame" if "frame" in axes else "time"
    if frame_role == "frame" and "time" in axes:
        extras["time"] = values_of(body.labels[columns.roles["time"]])
    frame, person = axes.get(frame_role), axes.get("person")
    if persons != [None]:
        leading = (columns.leading, "person")
        extras["person"] = np.array(persons)
    elif person is not None:
        frame = frame or count_within(person.codes)
        places = [frame, person]
        values = grid(path, places, values[:, 0])
        extras = {
            name: _per_frame(grid(path, places, column))
            for name, column in extras.items()
            if column.dtype.kind == "f"
        }
        extras |= _label_extras("person", person.labels)
        return _poses(
            values,
            names,
            leading=(columns.leading, "person"),
            joint_names=_joint_names(joints),
            extras=extras | _label_extras(frame_role, frame.labels),
            notes=notes,
        )
    else:
        values = values[:, 0]
        leading = (columns.leading,)
    if frame is not None:
        extras |= _label_extras(frame_role, frame.labels[frame.codes])
        if len(frame) < len(values):
            notes += ("frames repeat without a column person: each row is one instance",)
            leading = ("instance", *leading[1:])
    return _poses(
        values, names, leading=leading, joint_names=_joint_names(joints), extras=extras, notes=notes
    )


def _wide_values(columns: Columns, numbers: np.ndarray, persons, joints, names) -> np.ndarray:
    """Returns `(R, P, J, axes)`, NaN where a person has no column for a joint."""
    place = {column: i for i, column in enumerate(columns.numeric)}
    person_place = {person: i for i, person in enumerate(persons)}
    joint_place = {joint: i for i, joint in enumerate(joints)}
    absent = numbers.shape[1]
    sources = np.full((len(persons), len(joints), len(names)), absent)
    for (person, joint), found in columns.points.items():
        for i, name in enumerate(names):
            if name in found:
                sources[person_place[person], joint_place[joint], i] = place[found[name]]
    flat = sources.ravel()
    if np.array_equal(flat, np.arange(absent)):
        return numbers.reshape(len(numbers), *sources.shape)
    if flat.max() == absent:
        empty = np.full((len(numbers), 1), np.nan, numbers.dtype)
        numbers = np.concatenate([numbers, empty], axis=1)
    return numbers[:, flat].reshape(len(numbers), *sources.shape)


def _poses_of_joint_rows(path, columns: Columns, body: TableBody, n_joints) -> PoseData:
    """One row per joint of a frame and person."""
    if not len(body.numbers):
        raise FileError(path, "expected rows of joints, found none after the header")
    place = {column: i for i, column in enumerate(columns.numeric)}
    names = _axes_present([columns.axes])
    values = body.numbers[:, [place[columns.axes[name]] for name in names]]
    axes = {role: axis_of(body.labels[column]) for role, column in columns.roles.items()}
    frame_role = "frame" if "frame" in axes else "time"
    frame, person = axes.get(frame_role), axes.get("person")
    joint, joint_names, notes = _joint_axis(path, axes, frame, person, len(values), n_joints)
    if columns.others:
        listed = ", ".join(map(repr, list(columns.others.values())[:6]))
        notes += (f"columns {listed} are left out",)
    extras = _label_extras(frame_role, frame.labels) if frame is not None else {}
    if frame is None:
        frame = count_within(
            combined_codes([axis for axis in (person, joint) if axis is not None], len(values))
        )
        if len(frame) > 1:
            notes += ("no column of frames: the n-th row of each joint is taken for frame n",)
        else:
            frame = None
    elif frame_role == "frame" and "time" in axes:
        first = np.unique(frame.codes, return_index=True)[1]
        extras["time"] = axes["time"].labels[axes["time"].codes[first]]
    if person is not None:
        extras |= _label_extras("person", person.labels)
    found = {columns.leading: frame, "person": person}
    outer = {name: axis for name, axis in found.items() if axis is not None}
    return _poses(
        grid(path, [*outer.values(), joint], values),
        names,
        leading=tuple(outer),
        joint_names=joint_names,
        extras=extras,
        notes=notes,
    )


def _joint_axis(path, axes: dict[str, Axis], frame, person, n_rows: int, n_joints):
    """Returns the axis of joints, their names and notes."""
    joint = axes.get("joint")
    if joint is None:
        outer = combined_codes([axis for axis in (frame, person) if axis is not None], n_rows)
        counts = np.bincount(outer)
        if len(set(counts.tolist())) > 1:
            raise FileError(
                path,
                "expected a column joint (or keypoint, landmark, marker), for frames differ in "
                "their number of rows; found none",
            )
        note = "no column of joints: the rows of a frame are taken for joints in their order"
        return count_within(outer), None, (note,)
    labels = joint.labels
    if labels.dtype.kind != "i" or not len(labels):
        return joint, _joint_names([str(label) for label in labels.tolist()]), ()
    # Whole numbers are places, from 0 or from 1.
    low, high = int(labels[0]), int(labels[-1])
    first = 1 if low == 1 and high == (n_joints or len(labels)) else 0
    count = n_joints if n_joints and high - first < n_joints else high - first + 1
    if low < first or count > 4 * len(labels) + 16:
        return joint, tuple(str(label) for label in labels.tolist()), ()
    notes = ("joints are numbered from 1",) if first else ()
    return Axis(labels[joint.codes] - first, np.arange(count)), None, notes


def _poses(values: np.ndarray, names: list[str], *, leading, joint_names, extras, notes):
    """Returns poses of `(..., J, axes)`, the confidence split off."""
    confidence = None
    if names[-1] == CONFIDENCE:
        confidence = np.ascontiguousarray(values[..., -1])
        values = np.ascontiguousarray(values[..., :-1])
        values[confidence == -1] = np.nan
        values = mark_missing(values, confidence)
    return PoseData(
        values,
        leading,
        joint_names=joint_names,
        confidence=confidence,
        extras=extras,
        notes=notes,
    )


def _axes_present(points: Iterable[dict[str, int]]) -> list[str]:
    present = {axis for axes in points for axis in axes}
    return [axis for axis in (*AXES, CONFIDENCE) if axis in present]


def _joint_names(names: list[str]) -> tuple[str, ...] | None:
    """Returns joint names, or None where they only count the joints."""
    for pattern, first in (("joint{}", 0), ("{}", 0), ("{}", 1)):
        if names == [pattern.format(first + i) for i in range(len(names))]:
            return None
    return tuple(names)


def _label_extras(role: str, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what frames or persons are called for the extras, unless they only count from 0."""
    if role != "time" and np.array_equal(labels, np.arange(len(labels))):
        return {}
    return {role: labels}


def _per_frame(values: np.ndarray) -> np.ndarray:
    """Returns `(T,)` of `(T, P)` where all persons have the same, else all of it."""
    same = values.shape[1] and np.array_equal(
        values, np.broadcast_to(values[:, :1], values.shape), equal_nan=True
    )
    return values[:, 0] if same else values


def _axis_order_notes(columns: Columns) -> tuple[str, ...]:
    """Returns a note where the coordinates are not listed as x, y, z."""
    axes = next(iter(columns.points.values()))
    order = sorted((axis for axis in axes if axis in AXES), key=axes.get)
    if order == sorted(order):
        return ()
    return (
        f"coordinates are listed in the order {', '.join(order)}, as rotations often are; make "
        "sure that they are positions",
    )
