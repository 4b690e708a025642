"""BVH motion capture files: a hierarchy of joints, then one row of channel values per frame.

The format: https://research.cs.wisc.edu/graphics/Courses/cs-838-1999/Jeff/BVH.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from dataset_adapters.containers.bvh_hierarchy import Hierarchy, read_hierarchy
from dataset_adapters.containers.bvh_motion import MotionHeader, read_motion, read_motion_header
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.file_text import number_repeats
from dataset_adapters.containers.kinematics import (
    euler_rotations,
    frame_chunks,
    place_joints,
    positions_fit,
)


@dataclass(frozen=True, eq=False)
class Bvh:
    """One BVH file.

    Attributes:
      joint_names: the `J` joints in file order, end sites among them as `<Joint>_End`. A name that
        comes a second time has `#2` appended.
      parents: index of each joint's parent (always a smaller one), -1 for a root.
      offsets: `(J, 3)` rest position relative to the parent, in the parent's axes; file units.
      channels: per joint its channels in file order, such as `("Zrotation", "Xrotation")`.
      end_sites: per joint whether it is an end site: the point where a chain ends.
      motion: `(T, C)` channel values, joint after joint; degrees and file units.
      frame_time: seconds per frame.
      fps: frames per second, or None where the frame time is 0. A whole number where the frame time
        is that number's inverse, rounded to the digits the file has (0.0333333 is 30 fps).
      displaced: whether position channels of joints below the root are displacements from their
        OFFSET; as a rule they replace it. See `_positions_are_displacements`.
      notes: one-line remarks on what is odd about the file.
    """

    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    channels: tuple[tuple[str, ...], ...]
    end_sites: tuple[bool, ...]
    motion: np.ndarray
    frame_time: float
    fps: float | None
    displaced: bool = False
    notes: tuple[str, ...] = ()

    def positions(self) -> np.ndarray:
        """Compute `(T, J, 3)` world positions of all joints and end sites, in file units."""
        first_columns = np.cumsum([0, *map(len, self.channels)])
        result = np.empty((len(self.motion), len(self.parents), 3))
        for frames in frame_chunks(len(self.motion), len(self.parents)):
            result[frames] = self._positions_of(self.motion[frames], first_columns)
        return result

    def _positions_of(self, motion: np.ndarray, first_columns: np.ndarray) -> np.ndarray:
        shape = (len(motion), len(self.parents))
        steps = np.broadcast_to(self.offsets, (*shape, 3)).copy()
        rotations = np.broadcast_to(np.eye(3), (*shape, 3, 3)).copy()
        for joint, channels in enumerate(self.channels):
            turns = [k for k, channel in enumerate(channels) if channel.endswith("rotation")]
            values = motion[:, first_columns[joint] : first_columns[joint] + len(channels)]
            if turns:
                axes = "".join(channels[k][0] for k in turns)
                rotations[:, joint] = euler_rotations(np.radians(values[:, turns]), axes)
            for k in set(range(len(channels))) - set(turns):
                axis = "XYZ".index(channels[k][0])
                if self.displaced and self.parents[joint] >= 0:
                    steps[:, joint, axis] += values[:, k]
                else:
                    steps[:, joint, axis] = values[:, k]
        return place_joints(self.parents, rotations, steps)


def parse_bvh(path: str | os.PathLike, data: bytes) -> Bvh:
    """Parse a BVH file.

    Any Euler order, order and number of channels per joint is read; several ROOTs make one forest.

    Args:
      path: the file's name, for messages.
      data: its bytes.

    Raises:
      FileError: the file is not a complete BVH.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    hierarchy = read_hierarchy(path, data)
    header = read_motion_header(path, data, hierarchy.end)
    n_channels = sum(map(len, hierarchy.channels))
    _require_room(path, len(data), hierarchy, header, n_channels=n_channels)
    motion, surplus_lines = read_motion(
        path, data, header.end, n_frames=header.n_frames, n_channels=n_channels
    )
    displaced = _positions_are_displacements(hierarchy, motion)
    names, notes = number_repeats(hierarchy.names)
    if surplus_lines:
        notes += (f"the header promises {header.n_frames} frames; {surplus_lines} more lines after "
                  "them were left out",)  # fmt: skip
    if header.fps is None:
        notes += ("Frame Time is 0: the frame rate is not known",)
    if displaced:
        notes += ("position channels below the root were read as displacements from the OFFSET, "
                  "because they stay near 0",)  # fmt: skip
    return Bvh(
        joint_names=names,
        parents=hierarchy.parents,
        offsets=hierarchy.offsets,
        channels=hierarchy.channels,
        end_sites=hierarchy.end_sites,
        motion=motion,
        frame_time=header.frame_time,
        fps=header.fps,
        displaced=displaced,
        notes=notes,
    )


def _require_room(
    path: str | os.PathLike,
    n_bytes: int,
    hierarchy: Hierarchy,
    header: MotionHeader,
    *,
    n_channels: int,
) -> None:
    """Raises where a file of `n_bytes` cannot hold, or be worth, the clip that it promises."""
    if header.n_frames and not n_channels:
        raise FileError(path, f"expected channels for {header.n_frames} frames, found CHANNELS on "
                              "no joint; a motion needs at least a root that moves")  # fmt: skip
    # A number takes two bytes at least: a header that lies about its frames is told by the rows.
    most_frames = (n_bytes - header.end) // (2 * n_channels) + 1 if n_channels else 0
    n_joints = len(hierarchy.names)
    if not positions_fit(min(header.n_frames, most_frames), n_joints, file_bytes=n_bytes):
        raise FileError(path, f"expected a clip in proportion to its file ({n_bytes} bytes), found "
                              f"{header.n_frames} frames of {n_joints} joints; cut the clip or "
                              "leave out joints without channels")  # fmt: skip


def _positions_are_displacements(hierarchy: Hierarchy, motion: np.ndarray) -> bool:
    """Tell whether joints' position channels are relative to their OFFSET.

    Joints below the root have position channels in the files of a few programs. In most, the
    position replaces the OFFSET (and stays near it: bones keep their length); some older exporters
    wrote displacements (which stay near 0), and read as positions those would fold the body into a
    point. The majority of such joints decides, by which of the two their positions are nearer.
    """
    if not len(motion):
        return False
    votes, column = 0, 0
    for joint, names in enumerate(hierarchy.channels):
        columns = [names.index(c) for c in ("Xposition", "Yposition", "Zposition") if c in names]
        if hierarchy.parents[joint] >= 0 and len(columns) == 3:
            position = motion[:, np.array(columns) + column]
            from_zero = np.median(np.linalg.norm(position, axis=-1))
            from_offset = np.median(np.linalg.norm(position - hierarchy.offsets[joint], axis=-1))
            votes += int(from_zero < from_offset) - int(from_offset < from_zero)
        column += len(names)
    return votes > 0
