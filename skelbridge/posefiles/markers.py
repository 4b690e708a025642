"""Marker files as poses: TRC (read and written) and C3D (read)."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset_adapters.containers.c3d import parse_c3d
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import quote
from dataset_adapters.containers.trc import Trc, parse_trc
from skeleton_defs.errors import UserError

from .array_shapes import row_chunks
from .data import UNIT_SPELLINGS, UNITS_PER_METRE, PoseData
from .marker_labels import names_from_labels

#: Written where the frame rate or the unit is unknown: a TRC file must state both.
DEFAULT_FPS = 30.0
DEFAULT_UNITS = "mm"
_INCH_NAMES = ("in", "inch", "inches")
_MM_PER_INCH = 25.4
_UP = {"+Y": "y", "+Z": "z"}
#: A header's frame rate may be rounded; further off the rows' times than this it is wrong.
_MAX_RATE_ERROR = 0.05


def read_trc(path: str | os.PathLike, data: bytes) -> PoseData:
    """Read a TRC file.

    Args:
      path: the file's name, for messages.
      data: its bytes.

    Returns:
      Frames of all named markers, NaN where one is missing; `up` is None, since no TRC file says
      it. `extras` has `frame_number` and `time` (seconds) per frame, and `labels`, the names as
      they are in the file, where `joint_names` differ: a prefix that all share (`Subject:`) is
      taken off, repeated names are numbered.

    Raises:
      FileError: the file is no whole TRC file.
    """
    trc = parse_trc(path, data)
    positions, units, unit_notes = _known_units(trc.positions, trc.units)
    names, name_notes = names_from_labels(trc.names)
    fps, rate_notes = _frame_rate(trc)
    extras = {"frame_number": trc.frame_numbers, "time": trc.times}
    if names != trc.names:
        extras["labels"] = list(trc.names)
    return PoseData(
        positions=positions,
        joint_names=names,
        fps=fps,
        units=units,
        extras=extras,
        notes=trc.notes + unit_notes + name_notes + rate_notes,
    )


def read_c3d(path: str | os.PathLike) -> PoseData:
    """Read the points of a C3D file.

    Args:
      path: the file. Analog channels and Vicon's computed angles, forces, moments, powers and
        scalars are left out.

    Returns:
      Frames of all points, NaN where one is missing. `up` is what the file calls the screen's
      vertical (`POINT:Y_SCREEN`). `extras` has `first_frame`, the number that the file gives its
      first frame, and `labels` as in `read_trc`.

    Raises:
      FileError: the file is no whole C3D file, or holds no positions.
    """
    c3d = parse_c3d(path)
    notes = c3d.notes
    is_output = np.array([label in c3d.outputs for label in c3d.labels])
    if is_output.all():
        raise FileError(path, "expected positions, found computed angles, forces and the like only")
    positions, labels = c3d.positions, c3d.labels
    if is_output.any():
        positions = positions[:, ~is_output]
        labels = tuple(label for label in labels if label not in c3d.outputs)
        notes += (f"{is_output.sum()} computed angles, forces and the like are left out",)
    positions, units, unit_notes = _known_units(positions, c3d.units)
    names, name_notes = names_from_labels(labels)
    extras = {"first_frame": c3d.first_frame}
    if names != labels:
        extras["labels"] = list(labels)
    up = _UP.get((c3d.screen_up or "").upper())
    if c3d.screen_up and not up:
        name_notes += (f"the vertical axis {quote(c3d.screen_up)} is none of +Y, +Z; not used",)
    return PoseData(
        positions=positions,
        joint_names=names,
        fps=c3d.rate,
        units=units,
        up=up,
        extras=extras,
        notes=notes + unit_notes + name_notes,
    )


def write_trc(path: str | os.PathLike, poses: PoseData) -> tuple[str, ...]:
    """Write frames of one person as a tab-separated TRC file.

    Missing joints become empty cells; numbers have 9 digits, so that float32 reads back the same.
    Frame numbers and times are those in `extras` (see `read_trc`), else count from 1 and from 0 s.

    Args:
      path: the file.
      poses: 3D, one person; positions on disk are read in slices.

    Returns:
      Remarks on what the poses do not say and the file has to: frame rate, unit, joint names.

    Raises:
      UserError: the poses are 2D, of several people or of no frames, or a coordinate is infinite.
    """
    _check_writable(poses)
    n_frames = poses.positions.shape[0] if poses.leading else 1
    notes = []
    fps, units, names = poses.fps, poses.units, poses.joint_names
    if not fps or not 0 < fps < math.inf:
        fps = DEFAULT_FPS
        notes.append(f"the frame rate is unknown: {fps:g} per second is written")
    if units not in UNITS_PER_METRE:
        notes.append(f"the length unit is {units or 'unknown'}: {DEFAULT_UNITS} is written")
        units = DEFAULT_UNITS
    if names is None:
        names = tuple(f"joint_{joint}" for joint in range(poses.n_joints))
        notes.append(f"the joints have no names: {names[0]}, ... are written")
    numbers = _per_frame(poses, "frame_number", n_frames)
    times = _per_frame(poses, "time", n_frames)
    if numbers is None:
        numbers = np.arange(1, n_frames + 1)
    if times is None:
        times = np.arange(n_frames) / fps
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write(_header(names, n_frames=n_frames, fps=fps, units=units, start=int(numbers[0])))
        row_format = "%d\t%.10g" + "\t%.9g" * (3 * poses.n_joints) + "\n"
        at = 0
        for rows in row_chunks(poses.positions) if poses.leading else [poses.positions]:
            rows = np.asarray(rows, np.float64).reshape(-1, 3 * poses.n_joints)
            if np.isinf(rows).any():
                frame, column = np.argwhere(np.isinf(rows))[0]
                raise UserError(
                    f"coordinates must be finite, or NaN where missing. Found an infinite one of "
                    f"joint {quote(names[column // 3])} in frame {at + frame}"
                )
            for number, time, row in zip(
                numbers[at:].tolist(), times[at:].tolist(), rows.tolist(), strict=False
            ):
                file.write((row_format % (number, time, *row)).replace("nan", ""))
            at += len(rows)
    return tuple(notes)


def _check_writable(poses: PoseData) -> None:
    shape = tuple(poses.positions.shape)
    if poses.n_dims != 3:
        raise UserError("a .trc file holds 3D poses. Received 2D poses; write .csv or .npz")
    if poses.leading not in ((), ("frame",), ("frame", "person")):
        raise UserError(
            f"a .trc file holds the frames of one person. Received axes {poses.leading} of shape "
            f"{shape}; write .npz or .csv"
        )
    if "person" in poses.leading and shape[1] != 1:
        raise UserError(
            f"a .trc file holds one person. Received {shape[1]} people; write .npz or .csv, which "
            "hold all, or pick one (positions[:, 0] and leading=('frame',) in Python)"
        )
    if 0 in shape:
        raise UserError(f"a .trc file holds at least one frame and joint. Received shape {shape}")
    for name in poses.joint_names or ():
        if not name.strip() or not name.isprintable():
            raise UserError(
                f"joint names in a .trc file must be printable text. Received {quote(name)}"
            )


def _header(names: Sequence[str], *, n_frames: int, fps: float, units: str, start: int) -> str:
    """Returns the five header lines and the empty one that follows them."""
    keys = ("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units",
            "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames")  # fmt: skip
    rate = f"{fps:.10g}"
    values = (rate, rate, n_frames, len(names), units, rate, start, n_frames)
    axes = (f"{axis}{marker}" for marker in range(1, len(names) + 1) for axis in "XYZ")
    lines = (
        ("PathFileType", "4", "(X/Y/Z)", "skelbridge"),
        keys,
        map(str, values),
        ("Frame#", "Time", *(cell for name in names for cell in (name, "", ""))),
        ("", "", *axes),
        (),
    )
    return "".join("\t".join(line) + "\n" for line in lines)


def _per_frame(poses: PoseData, key: str, n_frames: int) -> np.ndarray | None:
    """Returns an array of the extras that has a finite number per frame, or None."""
    values = poses.extras.get(key)
    if (
        isinstance(values, np.ndarray)
        and values.shape == (n_frames,)
        and values.dtype.kind in "iuf"
    ):
        return values if np.isfinite(values).all() else None
    return None


def _known_units(positions: np.ndarray, spelled: str | None):
    """Returns positions, `mm`, `cm`, `m` or None, and notes; inches are turned into mm."""
    name = (spelled or "").strip().lower()
    if name in _INCH_NAMES:
        return positions * _MM_PER_INCH, "mm", ("positions in inches are turned into mm",)
    if name and name not in UNIT_SPELLINGS:
        return positions, None, (f"the unit {quote(spelled)} is none of mm, cm, m; not used",)
    return positions, UNIT_SPELLINGS.get(name), ()


def _frame_rate(trc: Trc) -> tuple[float | None, tuple[str, ...]]:
    """Returns frames per second: the header's, or else what the rows' times say."""
    frames = float(trc.frame_numbers[-1] - trc.frame_numbers[0])
    seconds = float(trc.times[-1] - trc.times[0])
    timed = float(f"{frames / seconds:.6g}") if frames > 0 and seconds > 0 else None
    if trc.data_rate is None:
        if timed is None:
            return None, ("neither the header nor the times tell the frame rate",)
        return timed, (f"the header has no DataRate: {timed:g} per second follows from the times",)
    if timed is not None and abs(timed / trc.data_rate - 1) > _MAX_RATE_ERROR:
        return trc.data_rate, (
            f"the header has {trc.data_rate:g} frames per second, the times of the rows "
            f"{timed:g}; the header's is taken",
        )
    return trc.data_rate, ()
