"""Converting pose files from one skeleton format to another."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton, UserError

from .conversion import AffineMap
from .conversion.methods import build_converter
from .coordinates import CoordinateChange, coordinate_change
from .posefiles import (
    READERS,
    WRITERS,
    Input,
    JointMatch,
    PoseData,
    check_output,
    is_frame_folder,
    open_poses,
    pose_suffix,
    write_poses,
)
from .posefiles.data import ArrayLike

if TYPE_CHECKING:
    from .atlas.converting import AtlasConverter

#: A summary names at most this many unavailable joints.
_NAMED_JOINTS = 6


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
      target: the format to convert to.
      stated: what the user says about the input.
      method, atlas_options: see `AffineMap.between`.
      weigh_confidence: with the atlas, let less sure joints count less.
      units, up, scale: see `coordinate_change`.
      dialect: see `write_poses`.
      view: also draw source and target into this `.html` or `.png`.
    """

    target: str | Skeleton
    stated: Input = field(default_factory=Input)
    method: str | os.PathLike = "auto"
    atlas_options: Mapping[str, Any] = field(default_factory=dict)
    weigh_confidence: bool = False
    units: str | None = None
    up: str | None = None
    scale: float = 1.0
    dialect: str | None = None
    view: str | os.PathLike | None = None


@dataclass(frozen=True)
class ConvertReport:
    """What became of one file.

    Attributes:
      input, output: paths as given.
      frames: length of the first leading axis (1 for a single pose).
      counted: what is counted: `frames`, `instances` (people in images), `poses`.
      people: poses per frame, or None where the file has no axis of people.
      affine_map: the map that was used.
      seconds: wall time.
      notes: remarks for the user.
    """

    input: str
    output: str
    frames: int
    counted: str
    people: int | None
    affine_map: AffineMap
    seconds: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Returns one line for people."""
        people = "" if self.people is None else f", {self.people} people"
        joints = ", ".join(f"{n} {status}" for status, n in self.affine_map.status_counts.items())
        lost = self.affine_map.unavailable
        if lost:
            more = ", ..." if len(lost) > _NAMED_JOINTS else ""
            joints += f" ({', '.join(lost[:_NAMED_JOINTS])}{more})"
        if (error := self.affine_map.mean_error_mm) is not None:
            joints += f", expected error {error:.0f} mm on average"
        return (
            f"{self.input} -> {self.output}: {self.affine_map.source.name} -> "
            f"{self.affine_map.target.name}, {self.frames} {self.counted}{people}, "
            f"joints: {joints}, {self.seconds:.2f} s"
        )

    def to_dict(self) -> dict:
        """Returns the report as plain JSON values."""
        return {
            "input": self.input,
            "output": self.output,
            "frames": self.frames,
            "people": self.people,
            "seconds": round(self.seconds, 4),
            "notes": list(self.notes),
            **self.affine_map.to_dict(),
        }


def convert_file(
    path: str | os.PathLike, output: str | os.PathLike, options: ConvertOptions
) -> ConvertReport:
    """Converts one pose file; large `.npy` and `.h5` files pass through in pieces.

    Args:
      path: a file that `read_poses` reads.
      output: a file that `write_poses` writes.
      options: see `ConvertOptions`.

    Raises:
      UserError: the input cannot be read or matched, or the output cannot be written. Nothing is
        left behind then, and an existing output stays as it was.
    """
    start = time.perf_counter()
    target = skeleton_defs.get(options.target)
    check_output(output, dialect=options.dialect)
    if options.view:
        from .view_files import check_view, view_conversion

        check_view(options.view)
    poses, match = open_poses(path, options.stated)
    converter = build_converter(
        match.skeleton,
        target,
        method=options.method,
        observed=match.observed,
        atlas_options=options.atlas_options,
    )
    change = coordinate_change(poses, units=options.units, up=options.up, scale=options.scale)
    converted = convert_poses(
        poses, match, converter, change, weigh_confidence=options.weigh_confidence
    )
    written = write_poses(output, converted, dialect=options.dialect)
    lacking = getattr(converter, "notes", ()) if not isinstance(converter, AffineMap) else ()
    if options.view:
        title = f"{Path(path).name}: {match.skeleton.name} to {target.name}"
        view_conversion(options.view, poses, match, converted, target, change, title=title)
    return ConvertReport(
        input=os.fspath(path),
        output=os.fspath(output),
        frames=poses.positions.shape[0] if poses.leading else 1,
        counted=f"{poses.leading[0] if poses.leading else 'pose'}s",
        people=poses.positions.shape[1] if "person" in poses.leading[1:] else None,
        affine_map=getattr(converter, "affine_map", converter),
        seconds=time.perf_counter() - start,
        notes=(*poses.notes, *match.notes, *change.notes, *lacking, *written),
    )


def convert_poses(
    poses: PoseData,
    match: JointMatch,
    converter: AffineMap | AtlasConverter,
    change: CoordinateChange,
    *,
    weigh_confidence: bool = False,
) -> PoseData:
    """Returns the poses in the target format; positions on disk are converted when read.

    Args:
      poses, match: the input.
      converter: a map, or what `build_converter` gives.
      change: of units and axes.
      weigh_confidence: let less sure joints count less.
    """
    sure = None
    if poses.confidence is not None:
        sure = match.arrange(poses.confidence, axis=-1)
    if weigh_confidence and (sure is None or isinstance(converter, AffineMap)):
        lacks = "the file has none" if sure is None else "only the atlas (--method auto) does that"
        raise UserError(f"joints cannot be weighed by their confidences: {lacks}")
    lazily = _ConvertedPositions(
        poses.positions, match, converter, change, sure if weigh_confidence else None
    )
    confidence = None if sure is None else converter.apply_confidence(sure)
    return replace(
        poses,
        positions=lazily if poses.streams else lazily[:],
        joint_names=converter.target.joints,
        skeleton=converter.target.name,
        confidence=confidence,
        units=change.units,
        up=change.up,
        notes=(),
    )


class _ConvertedPositions:
    """An `ArrayLike` that converts the slices that are read from it."""

    def __init__(
        self,
        positions: np.ndarray | ArrayLike,
        match: JointMatch,
        converter: AffineMap | AtlasConverter,
        change: CoordinateChange,
        weights: np.ndarray | None,
    ):
        self._positions, self._match, self._change = positions, match, change
        self._converter, self._confidence = converter, weights
        *leading, _, dims = positions.shape
        self.shape = (*leading, len(converter.target), dims)
        self.dtype = positions.dtype

    def __getitem__(self, frames: slice) -> np.ndarray:
        # A single pose has no frames to slice: its first axis is the joints.
        part = self._positions[frames] if len(self.shape) > 2 else self._positions
        poses = self._match.arrange(part)
        if self._confidence is None:
            return self._change.apply(self._converter.apply(poses))
        sure = self._confidence[frames] if len(self.shape) > 2 else self._confidence
        return self._change.apply(self._converter.apply(poses, confidence=sure))


def find_inputs(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Expands folders into the pose files below them.

    Returns:
      (path, name relative to the folder it was found in). A folder with one JSON file per frame is
      one input.

    Raises:
      UserError: a folder holds no pose file.
    """
    found = []
    for path in paths:
        if path == "-" or not Path(path).is_dir() or is_frame_folder(path):
            found.append((path, Path(path).name))
            continue
        inside = _pose_files_below(path)
        if not inside:
            kinds = ", ".join(sorted(READERS))
            raise UserError(f"{path}: expected pose files in this folder ({kinds}), found none")
        found += [(file, os.path.relpath(file, path)) for file in inside]
    return found


def _pose_files_below(path: str) -> list[str]:
    found = []
    for folder, subfolders, files in os.walk(path):
        subfolders.sort()
        if is_frame_folder(folder):
            found.append(folder)
            subfolders.clear()
            continue
        kinds = READERS.keys() - {".asf"}
        found += [os.path.join(folder, f) for f in sorted(files) if pose_suffix(f) in kinds]
    return found


def default_output(name: str, target: str | Skeleton) -> Path:
    """Names an output: `walk.bvh` -> `walk_h36m_17.npz`, with the input's suffix where writable."""
    file = Path(name)
    suffix = pose_suffix(file)
    stem = file.name[: file.name.lower().rindex(suffix)] if suffix else file.name
    kind = suffix if suffix in WRITERS else ".npz"
    return file.with_name(f"{stem}_{skeleton_defs.get(target).name}{kind}")
