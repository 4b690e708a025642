"""`.pose` files of the pose-format package (MediaPipe Holistic and OpenPose runs of sign language).

The package does the reading; what it would believe without looking (a header that promises more
than the file holds) is checked here before it is asked.

MediaPipe components hold x times the image width, y times its height, and z as MediaPipe gave it.
That also befalls the world landmarks, which are brought back to metres here.

Source: https://github.com/sign-language-processing/pose, docs/specs (v0.0, v0.1, v0.2) and
pose_format/utils/holistic.py.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_bytes import read_bytes
from dataset_adapters.containers.file_text import list_names, printable
from skelbridge.posefiles import openpose
from skelbridge.posefiles.data import PoseData
from skelbridge.posefiles.json_text import check_fill

#: Real files have four or five (body, face, hands).
MAX_COMPONENTS = 256

#: Components that are a whole skeleton by their name and point count.
_BODIES = {
    ("POSE_WORLD_LANDMARKS", 33): "mediapipe_33",
    ("POSE_LANDMARKS", 33): "mediapipe_33",
    **{("pose_keypoints_2d", count): name for count, name in openpose.SKELETONS.items()},
}

#: World landmarks lie around the hips: beyond this many metres they are not in metres.
_MAX_REACH_M = 4.0


@dataclass(frozen=True)
class _Component:
    name: str
    dims: int
    points: tuple[str, ...]


def read_pose(path: str | os.PathLike, *, key: str | None = None) -> PoseData:
    """Reads a `.pose` file.

    Args:
      path: the file.
      key: the component to read; by default the body of 33 MediaPipe or 15, 18 or 25 OpenPose
        points where there is one, the other components going to the extras, else all points,
        called `component:point`.

    Returns:
      Poses `(T, P, J, 2 or 3)`, NaN where the file has no confidence in a point. Extras: the other
      components, and `image_size` (width, height) in pixels.

    Raises:
      FileError: if the file is damaged, cut short or promises more than it holds.
    """
    data = read_bytes(path)
    components, size, notes = _checked(path, data)
    positions, confidence, fps = _read_with_package(path, data)
    if np.isinf(positions).any():
        t, p, j, _ = np.argwhere(np.isinf(positions))[0].tolist()
        raise FileError(path, f"frame {t}, person {p}, point {j}: expected a finite position")
    starts = np.cumsum([0, *(len(c.points) for c in components)]).tolist()
    blocks = {c.name: slice(a, a + len(c.points)) for c, a in zip(components, starts, strict=False)}
    body = _body(path, components, key)
    names = tuple(f"{c.name}:{point}" for c in components for point in c.points)
    extras: dict[str, Any] = {"image_size": [size[0], size[1]]}
    if body is not None:
        names = body.points
        rest = {name: positions[:, :, block] for name, block in blocks.items() if name != body.name}
        if rest:
            notes.append(f"put aside in extras: {', '.join(rest)}")
        extras |= rest
        positions = positions[:, :, blocks[body.name]]
        confidence = confidence[:, :, blocks[body.name]]
    skeleton = _BODIES.get((body.name, len(body.points))) if body else None
    units = "px" if skeleton and skeleton.startswith("openpose") else None
    if body is not None and body.name == "POSE_WORLD_LANDMARKS":
        positions, units = _in_metres(positions, size, notes)
    elif skeleton == "mediapipe_33":
        notes.append("x and y are pixels but z a fraction of the image width: they differ in scale")
    return PoseData(
        positions=np.ascontiguousarray(positions),
        confidence=np.ascontiguousarray(confidence),
        leading=("frame", "person"),
        joint_names=names,
        skeleton=skeleton,
        fps=float(fps) if np.isfinite(fps) and fps > 0 else None,
        units=units,
        extras=extras,
        notes=tuple(notes),
    )


def _in_metres(
    positions: np.ndarray, size: tuple[int, int], notes: list[str]
) -> tuple[np.ndarray, str | None]:
    """Undoes the scaling of world landmarks by the image size, where that makes them metres."""
    for scale in ((1, 1, 1), (max(size[0], 1), max(size[1], 1), 1)):
        scaled = positions / np.array(scale, dtype=np.float32)
        if positions.shape[-1] == 3 and np.nanmax(np.abs(scaled), initial=0) <= _MAX_REACH_M:
            notes.append("world landmarks: metres from the hip midpoint, y down")
            return scaled, "m"
    notes.append("the world landmarks are neither metres nor scaled by the image size")
    return positions, None


def _body(path, components: list[_Component], key: str | None) -> _Component | None:
    by_name = {c.name: c for c in components}
    if key is not None:
        if key not in by_name:
            raise FileError(path, f"expected the component {key!a}, found: {list_names(by_name)}")
        return by_name[key]
    return next(
        (by_name[n] for n, k in _BODIES if n in by_name and len(by_name[n].points) == k), None
    )


def _read_with_package(path, data: bytes) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns positions `(T, P, J, D)` with NaN for masked points, confidence and fps."""
    from pose_format import Pose

    try:
        body = Pose.read(data).body
    except (struct.error, ValueError, TypeError, IndexError, NotImplementedError) as error:
        problem = printable(str(error).partition("\n")[0])[:80]
        raise FileError(path, f"the pose-format package cannot read it ({problem})") from None
    masked = np.ma.getmaskarray(body.data)
    positions = np.where(masked, np.float32("nan"), np.ma.getdata(body.data)).astype(np.float32)
    return positions, np.ma.getdata(body.confidence).astype(np.float32), body.fps


class _Header:
    """Takes numbers and texts off the front of the file, never beyond its end."""

    def __init__(self, path: str | os.PathLike, data: bytes):
        self.path, self.data, self.at = path, data, 0

    def take(self, form: str, what: str) -> tuple:
        size = struct.calcsize(form)
        if self.at + size > len(self.data):
            self.refuse(f"the file ends in the header, at {what}; it is cut short")
        self.at += size
        return struct.unpack_from(form, self.data, self.at - size)

    def text(self, what: str) -> str:
        (length,) = self.take("<H", what)
        (raw,) = self.take(f"<{length}s", what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.refuse(f"{what}: expected UTF-8 text; the file is damaged or not a .pose file")

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def refuse(self, problem: str) -> NoReturn:
        raise FileError(self.path, problem)


def _checked(path, data: bytes) -> tuple[list[_Component], tuple[int, int], list[str]]:
    """Checks header and sizes; returns the components, width and height, and notes."""
    header = _Header(path, data)
    (version,) = header.take("<f", "the version")
    if not any(abs(version - known) < 1e-6 for known in (0.0, 0.1, 0.2)):
        header.refuse(f"expected a .pose file of version 0.0, 0.1 or 0.2, found {version:g}")
    width, height, _, count = header.take("<4H", "the dimensions")
    if not 0 < count <= MAX_COMPONENTS:
        header.refuse(f"expected 1 to {MAX_COMPONENTS} components, found {count}")
    components = [_component(header, i) for i in range(count)]
    if len({c.dims for c in components}) > 1 or len({c.name for c in components}) < count:
        header.refuse("expected components of different names and one format")
    notes: list[str] = []
    points = sum(len(c.points) for c in components)
    if points == 0:
        header.refuse("expected points in the components, found none")
    numbers = points * (components[0].dims + 1)
    if version < 0.05:
        _check_body_0_0(header, numbers, notes)
    else:
        _check_body(header, numbers, notes, with_long_count=version > 0.15)
    return components, (width, height), notes


def _component(header: _Header, index: int) -> _Component:
    name = header.text(f"component {index}")
    form = header.text(f"component {index}")
    if form not in ("XYC", "XYZC"):
        header.refuse(f"component {index}: expected the format XYC or XYZC, found {form[:20]!a}")
    n_points, n_limbs, n_colors = header.take("<3H", f"component {index}")
    points = [printable(header.text(f"component {index}, point {i}")) for i in range(n_points)]
    header.take(f"<{2 * n_limbs + 3 * n_colors}H", f"component {index}, limbs and colours")
    return _Component(printable(name), len(form) - 1, tuple(points))


def _check_body(header: _Header, numbers: int, notes: list[str], *, with_long_count: bool) -> None:
    """Checks versions 0.1 and 0.2: one array of all positions, one of all confidences."""
    _, frames, people = header.take("<fIH" if with_long_count else "<3H", "the frame count")
    frame_bytes = 4 * people * numbers
    if frames == 0 or people == 0:
        header.refuse(f"expected poses, found {frames} frames of {people} people")
    if with_long_count:
        if header.left < frames * frame_bytes:
            header.refuse(
                f"the header promises {frames} frames of {people} people, {frames * frame_bytes} "
                f"bytes, but {header.left} follow; the file is cut short or damaged"
            )
        if header.left > frames * frame_bytes:
            notes.append(f"{header.left - frames * frame_bytes} bytes after the last frame ignored")
    # Version 0.1 counts frames in 16 bits; longer files exist, and their size tells the count.
    elif header.left % frame_bytes or (header.left // frame_bytes) % 65536 != frames:
        header.refuse(
            f"the header promises {frames} frames of {people} people, {frame_bytes} bytes each, "
            f"but {header.left} bytes follow; the file is cut short or damaged"
        )


def _check_body_0_0(header: _Header, numbers: int, notes: list[str]) -> None:
    """Checks version 0.0: per frame a count of people, and per person an id and all points."""
    _, frames = header.take("<2H", "the frame count")
    total = crowded = 0
    for t in range(frames):
        (people,) = header.take("<H", f"frame {t}")
        header.at += people * (2 + 4 * numbers)
        if header.left < 0:
            header.refuse(f"the file ends in frame {t} of {frames}; it is cut short or damaged")
        total += people
        crowded += people > 1
    if total == 0:
        header.refuse(f"expected poses, found no people in {frames} frames")
    check_fill(header.path, "frames", frames * numbers, total * numbers)
    if header.left:
        notes.append(f"{header.left} bytes after the last frame ignored")
    if crowded:
        notes.append(f"{crowded} frames hold several people; only the first of each is read")
