"""Points of C3D motion capture files.

The numbers are decoded by the `ezc3d` library. It is native code that damaged files crash, hang or
make take gigabytes, and it refuses some good ones (SGI files, floats where it expects integers), so
it never sees a file as it came: `c3d_layout` finds and checks the points, and `ezc3d` reads them
from a small C3D file that holds nothing else.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dataset_adapters.containers.c3d_layout import BLOCK, Layout, read_layout
from dataset_adapters.containers.c3d_parameters import DEC, INTEL, SGI, Parameters
from dataset_adapters.containers.errors import FileError
from skeleton_defs.errors import UserError

#: Frames are decoded in slices, since `ezc3d` takes 12 times as much memory as they take on disk.
_SLICE_BYTES = 1 << 20
_MAX_SLICE_FRAMES = 60_000  # its count of frames is a 16-bit number,
_MAX_POINTS = 32767  # and that of points a signed one
#: Vicon keeps what it computes from the markers among the points.
_OUTPUT_GROUPS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")


@dataclass(frozen=True, eq=False)
class C3d:
    """What a C3D file says about its points.

    Attributes:
      labels: P labels without padding, empty where the file has none; they may repeat.
      positions: `(T, P, 3)` float64 in `units`, NaN where a point is missing.
      outputs: labels of those points that are no positions but angles, forces and the like.
      rate: frames per second, or None.
      units: the unit as the file spells it, or None.
      first_frame: the number that the file gives its first frame.
      screen_up: the axis that points up on a screen (`"+Z"`), or None. It is the vertical one.
      notes: one-line remarks about where the file contradicts itself.
    """

    labels: tuple[str, ...]
    positions: np.ndarray
    outputs: frozenset[str]
    rate: float | None
    units: str | None
    first_frame: int
    screen_up: str | None
    notes: tuple[str, ...]


def parse_c3d(path: str | os.PathLike) -> C3d:
    """Read the points of a C3D file; analog channels are passed over.

    A point is missing where its fourth word is negative. Where it is at the origin in some frames
    only, it is missing in these too: real files have such, with a residual that calls them valid.

    Raises:
      FileError: the file is no C3D file, is cut off, or contradicts itself.
      UserError: the `ezc3d` package is not installed.
    """
    try:
        with Path(path).open("rb") as file:
            layout = read_layout(path, file, os.fstat(file.fileno()).st_size)
            positions = _read_points(path, file, layout)
    except OSError as error:
        raise FileError.unreadable(path, error) from None
    notes = layout.notes
    at_origin = (positions == 0).all(axis=-1)
    at_origin &= ~at_origin.all(axis=0)
    if at_origin.any():
        positions[at_origin] = np.nan
        notes += (f"{at_origin.sum()} positions are exactly (0, 0, 0), though not marked as "
                  "missing; they are read as missing",)  # fmt: skip
    parameters = layout.parameters
    labels = _find_labels(parameters)
    if len(labels) < layout.n_points:
        notes += (f"{layout.n_points - len(labels)} of {layout.n_points} points have no label",)
    screen_up = parameters.texts("POINT", "Y_SCREEN")
    units = parameters.texts("POINT", "UNITS")
    return C3d(
        labels=(labels + ("",) * layout.n_points)[: layout.n_points],
        positions=positions,
        outputs=frozenset(
            label for group in _OUTPUT_GROUPS for label in parameters.texts("POINT", group) if label
        ),
        rate=layout.rate,
        units=(units[0] if units else "") or None,
        first_frame=layout.first_frame,
        screen_up=(screen_up[0] if screen_up else "") or None,
        notes=notes,
    )


def _find_labels(parameters: Parameters) -> tuple[str, ...]:
    """Returns all labels; one parameter holds 255, the next ones are in LABELS2 and so on."""
    labels = parameters.texts("POINT", "LABELS")
    number = 2
    while ("POINT", f"LABELS{number}") in parameters:
        labels += parameters.texts("POINT", f"LABELS{number}")
        number += 1
    return tuple(labels)


def _read_points(path, file: BinaryIO, layout: Layout) -> np.ndarray:
    """Returns `(T, P, 3)`, NaN where missing."""
    try:
        import ezc3d
    except ImportError:
        raise UserError(
            f"{path}: reading C3D files needs the package 'ezc3d', which is not installed; "
            "install it (pip install ezc3d)"
        ) from None
    if layout.n_points > _MAX_POINTS:
        raise FileError(
            path,
            f"expected at most {_MAX_POINTS} points, found {layout.n_points}; export fewer at once",
        )
    positions = np.empty((layout.n_frames, layout.n_points, 3))
    with tempfile.TemporaryDirectory(prefix="c3d-") as directory:
        clean = Path(directory) / "points.c3d"
        for start, words in _slices(path, file, layout):
            clean.write_bytes(_clean_file(layout, words))
            try:
                points = ezc3d.c3d(str(clean))["data"]["points"]
            except (OSError, RuntimeError, ValueError, IndexError) as error:
                raise FileError(path, f"ezc3d cannot decode the points: {error}") from None
            if points.shape[1:] != (layout.n_points, len(words)):
                raise FileError(
                    path,
                    f"expected {layout.n_points} points in {len(words)} frames, found "
                    f"{points.shape[1:]}; please report this file",
                )
            positions[start : start + len(words)] = points[:3].transpose(2, 1, 0)
    positions[~np.isfinite(positions).all(axis=-1)] = np.nan
    return positions


def _slices(path, file: BinaryIO, layout: Layout) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the first frame and the point words `(frames, 4 P)` of each slice, analog left out."""
    frame_bytes = layout.frame_words * layout.word_bytes
    per_slice = max(1, min(_MAX_SLICE_FRAMES, _SLICE_BYTES // frame_bytes))
    file.seek(layout.data_offset)
    for start in range(0, layout.n_frames, per_slice):
        count = min(per_slice, layout.n_frames - start)
        raw = file.read(count * frame_bytes)
        if len(raw) < count * frame_bytes:
            raise FileError(path, "became shorter while it was read; try again")
        words = np.frombuffer(raw, f"{'>' if layout.processor == SGI else '<'}u{layout.word_bytes}")
        yield start, words.reshape(count, layout.frame_words)[:, : 4 * layout.n_points]


def _clean_file(layout: Layout, words: np.ndarray) -> bytes:
    """Returns a C3D file of nothing but these points.

    DEC files stay DEC, which `ezc3d` decodes; words of SGI files are swapped to Intel's order.
    """
    n_points, n_frames = layout.n_points, len(words)
    processor, scale = layout.processor, layout.scale
    if processor == SGI:
        processor, scale = INTEL, scale[::-1]
    rate = b"\x80\x40\0\0" if processor == DEC else struct.pack("<f", 1)  # 1 per second
    parameters = (
        _group(1, b"POINT")
        + _parameter(1, b"USED", 2, struct.pack("<H", n_points))
        + _parameter(1, b"FRAMES", 2, struct.pack("<H", n_frames))
        + _parameter(1, b"DATA_START", 2, struct.pack("<H", 3))
        + _parameter(1, b"SCALE", 4, scale)
        + _parameter(1, b"RATE", 4, rate)
    )
    section = bytes([1, 0x50, 1, processor]) + parameters
    header = struct.pack("<BBHHHHH4sHH4s", 2, 0x50, n_points, 0, 1, n_frames, 0, scale, 3, 0, rate)
    data = words.astype(f"<u{layout.word_bytes}").tobytes()
    return header.ljust(BLOCK, b"\0") + section.ljust(BLOCK, b"\0") + data


def _group(number: int, name: bytes) -> bytes:
    return struct.pack("<bb", len(name), -number) + name + struct.pack("<HB", 3, 0)


def _parameter(group: int, name: bytes, kind: int, value: bytes) -> bytes:
    """Returns the record of a single number."""
    body = struct.pack("<bB", kind, 0) + value + b"\0"
    return struct.pack("<bb", len(name), group) + name + struct.pack("<H", len(body) + 2) + body
