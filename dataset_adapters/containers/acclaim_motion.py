"""Motions of Acclaim skeletons (`.amc`): per frame a line of values for each bone."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from dataset_adapters.containers.acclaim_lines import refuse, split_lines
from dataset_adapters.containers.acclaim_skeleton import ROOT, ROTATIONS, Asf
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.kinematics import (
    accumulate_rotations,
    accumulate_steps,
    fixed_axis_rotations,
    frame_chunks,
    positions_fit,
    rotate,
)
from dataset_adapters.containers.text_numbers import MAX_VALUE, read_plausible_number


@dataclass(frozen=True, eq=False)
class Amc:
    """The motion of a skeleton.

    Attributes:
      asf: the skeleton.
      motion: `(T, C)` values, joint after joint as `asf.dofs` lists them; radians and file units.
        NaN where the file leaves a bone out.
      fps: frames per second where the file says so (CMU's do not), else None.
      notes: one-line remarks on what is odd about the file.
    """

    asf: Asf
    motion: np.ndarray
    fps: float | None = None
    notes: tuple[str, ...] = ()

    def positions(self) -> np.ndarray:
        """Compute `(T, B + 1, 3)` positions of the root and the bones' ends, in file units."""
        n_joints = len(self.asf.parents)
        result = np.empty((len(self.motion), n_joints, 3))
        for frames in frame_chunks(len(self.motion), n_joints):
            result[frames] = self._positions_of(self.motion[frames])
        return result

    def positions_mm(self) -> np.ndarray:
        """Compute `positions()` in millimetres.

        Raises:
          FileError: the skeleton file declares no length unit.
        """
        if self.asf.mm_per_unit is None:
            raise FileError(self.asf.path, "expected a length under :units, found none; "
                                           "use the positions in file units")  # fmt: skip
        return self.positions() * self.asf.mm_per_unit

    def _positions_of(self, motion: np.ndarray) -> np.ndarray:
        asf = self.asf
        shape = (len(motion), len(asf.parents))
        rotations = np.broadcast_to(np.eye(3), (*shape, 3, 3)).copy()
        steps = np.broadcast_to(asf.offsets, (*shape, 3)).copy()
        column = 0
        for joint, dofs in enumerate(asf.dofs):
            values = motion[:, column : column + len(dofs)]
            column += len(dofs)
            turns = [k for k, dof in enumerate(dofs) if dof in ROTATIONS]
            for k in set(range(len(dofs))) - set(turns):
                steps[:, joint, "xyz".index(dofs[k][1])] += values[:, k]
            if turns:
                order = "".join(dofs[k][1].upper() for k in turns)
                rotations[:, joint] = fixed_axis_rotations(values[:, turns], order)
        rotations = asf.axes @ rotations @ asf.axes.swapaxes(-1, -2)
        rotations = accumulate_rotations(asf.parents, rotations)
        bones = np.flatnonzero(np.array(asf.parents) >= 0)
        steps[:, bones] = rotate(rotations[:, bones], steps[:, bones])
        return accumulate_steps(asf.parents, steps)


def parse_amc(path: str | os.PathLike, data: bytes, asf: Asf) -> Amc:
    """Parse the motion of a skeleton.

    Args:
      path: the file's name, for messages.
      data: its bytes.
      asf: the skeleton that the motion was made for; one of the same bones will do, with its own
        bone lengths.

    Raises:
      FileError: the file is not a complete motion, or not one of this skeleton.
    """
    return _AmcParser(os.fspath(path), data, asf).parse()


class _AmcParser:
    def __init__(self, path: str, data: bytes, asf: Asf):
        self.path, self.data, self.asf = path, data, asf
        self.degrees = asf.degrees
        self.fps: float | None = None
        self.notes: tuple[str, ...] = ()
        self.line = 0
        self.n_columns = 0
        self.columns: dict[str, slice] = {}
        for name, dofs in zip(asf.joint_names, asf.dofs, strict=True):
            self.columns[name.lower()] = slice(self.n_columns, self.n_columns + len(dofs))
            self.n_columns += len(dofs)
        self.may_group_digits = b"_" in data  # which float() takes: 1_000
        self.frame_numbers = array("q")
        self.values = array("d")
        self.row: list[float] = []
        self.bones: list[str] = []  # of the frame that is being read
        self.first_bones: list[str] = []  # of the first frame: all others must have the same

    def parse(self) -> Amc:
        for line, words in split_lines(self.data):
            self.line = line
            if len(words) == 1 and words[0].isdecimal():
                self._end_frame()
                self._begin_frame(words[0])
            elif self.frame_numbers:
                self._bone(words)
            elif words[0].startswith(":"):
                self._keyword(words)
            else:
                self._refuse("a frame number before the first bone", words[0])
        self._end_frame()
        if not self.frame_numbers:
            raise FileError(self.path, "expected frames, found none; is it an .amc file?")
        return Amc(asf=self.asf, motion=self._motion(), fps=self.fps, notes=self.notes)

    def _keyword(self, words: list[str]) -> None:
        keyword = words[0].lower()
        if keyword in (":degrees", ":radians"):
            self.degrees = keyword == ":degrees"
        elif keyword == ":samples-per-second":
            fps = read_plausible_number(words[1]) if len(words) > 1 else None
            if fps is None or not fps > 0:
                self._refuse("a number of frames after :SAMPLES-PER-SECOND", " ".join(words[1:]))
            self.fps = fps
        elif keyword in (":bonedata", ":hierarchy"):
            self._refuse("the motion of a skeleton (.amc)", f"the skeleton itself ({words[0]})")

    def _begin_frame(self, number: str) -> None:
        if len(number) > 12:
            self._refuse("a frame number", number)
        self.frame_numbers.append(int(number))
        if not positions_fit(len(self.frame_numbers), len(self.asf.parents),
                             file_bytes=len(self.data)):  # fmt: skip
            self._refuse("a clip in proportion to its file",
                         f"{len(self.frame_numbers)} frames of {len(self.asf.parents)} joints"
                         )  # fmt: skip
        self.row = [np.nan] * self.n_columns
        self.bones = []

    def _bone(self, words: list[str]) -> None:
        name = words[0].lower()
        columns = self.columns.get(name)
        if columns is None:
            self._refuse(f"a bone of the skeleton {self.asf.path}", words[0])
        if len(words) - 1 != columns.stop - columns.start:
            dofs = self.asf.dofs[list(self.columns).index(name)]
            self._refuse(f"{len(dofs)} values for {words[0]!a} ({' '.join(dofs)} in "
                         f"{self.asf.path})", str(len(words) - 1))  # fmt: skip
        try:
            self.row[columns] = map(float, words[1:])
            is_number = not self.may_group_digits or not any("_" in word for word in words[1:])
        except ValueError:
            is_number = False
        if not is_number:
            bad = next(word for word in words[1:] if read_plausible_number(word) is None)
            self._refuse(f"numbers for {words[0]!a}", bad)
        self.bones.append(name)

    def _end_frame(self) -> None:
        """Take the frame over, if it has the bones that the first one has."""
        if not self.frame_numbers:
            return
        if len(self.frame_numbers) == 1:
            self.first_bones = self.bones
        number = self.frame_numbers[-1]
        if len(self.bones) != len(set(self.bones)):
            raise FileError(self.path, f"frame {number}: expected each bone once, found one twice; "
                                       "the file is damaged")  # fmt: skip
        if self.bones != self.first_bones or ROOT not in self.bones:
            expected = {ROOT, *self.first_bones}
            odd = sorted(expected.symmetric_difference(self.bones))
            if odd:
                raise FileError(self.path, f"frame {number}: expected the {len(expected)} bones of "
                                           f"the first frame, found {len(self.bones)} ({odd[0]!a} "
                                           "makes a difference); the file is cut off or damaged"
                                )  # fmt: skip
        self.values.extend(self.row)

    def _motion(self) -> np.ndarray:
        shape = (len(self.frame_numbers), self.n_columns)
        motion = np.array(self.values, dtype=np.float64).reshape(shape)
        damaged = np.argwhere(np.abs(motion) > MAX_VALUE)
        if len(damaged):
            frame, column = damaged[0]
            raise FileError(self.path, f"frame {self.frame_numbers[frame]}: expected angles and "
                                       f"positions, found {motion[frame, column]:g}; the file is "
                                       "damaged")  # fmt: skip
        if self.degrees:
            dofs = [dof for dofs in self.asf.dofs for dof in dofs]
            motion[:, np.isin(dofs, ROTATIONS)] *= np.pi / 180
        if (np.diff(self.frame_numbers) != 1).any():
            self.notes += ("frame numbers are not consecutive; frames were read as they come",)
        absent = [name for name in self.columns
                  if name not in self.first_bones and self.columns[name].stop
                  > self.columns[name].start]  # fmt: skip
        if absent:
            self.notes += (f"the motion has no values of {', '.join(absent)}; these bones, and all "
                           "beyond them, are missing (NaN)",)  # fmt: skip
        return motion

    def _refuse(self, expected: str, found: str) -> NoReturn:
        refuse(self.path, self.line, expected=expected, found=found)
