"""Acclaim motion capture: a skeleton (`.asf`) and the motion of its bones (`.amc`).

The formats: the Acclaim skeleton file definition 1.10 and Oxford Metrics' notes on it,
http://graphics.cs.cmu.edu/nsp/course/cs229/info/ACCLAIMdef.html
"""

from __future__ import annotations

import io
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.kinematics import (
    accumulate_rotations,
    accumulate_steps,
    fixed_axis_rotations,
    frame_chunks,
    parents_first,
    positions_fit,
    rotate,
)

MM_PER_INCH = 25.4
MAX_BONES = 20_000
#: Beyond this a number is damage, and sums and products of such could overflow.
MAX_VALUE = 1e12

ROOT = "root"
_ROOT_DOFS = ("tx", "ty", "tz", "rx", "ry", "rz")
_ROTATIONS = ("rx", "ry", "rz")
_AXIS_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")
_SECTIONS = (":version", ":name", ":units", ":documentation", ":root", ":bonedata", ":hierarchy",
             ":skin")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Asf:
    """A skeleton: a root point, and `B` bones, each from its parent's end to its own.

    Attributes:
      path: the file it is from.
      joint_names: `B + 1` names, `root` first, then the bones in file order. A bone's joint is the
        point at its far end (`lfemur` is the left knee).
      parents: index of each joint's parent, -1 for the root. Need not be a smaller index.
      offsets: `(B + 1, 3)` from the parent's end to the bone's in the rest pose, in world axes and
        file units; the root's is its preset position.
      axes: `(B + 1, 3, 3)` the axes that the bone's rotations are about, in the rest pose.
      dofs: per joint the names of its values in the motion, in order, such as `("rx", "rz")`.
      mm_per_unit: millimetres per file unit, or None where the file declares no length unit.
      degrees: whether angles are in degrees (else radians).
      notes: one-line remarks on what is odd about the file.
    """

    path: str
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray
    axes: np.ndarray
    dofs: tuple[tuple[str, ...], ...]
    mm_per_unit: float | None
    degrees: bool
    notes: tuple[str, ...] = ()


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
            turns = [k for k, dof in enumerate(dofs) if dof in _ROTATIONS]
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


def parse_asf(path: str | os.PathLike, data: bytes) -> Asf:
    """Parse an Acclaim skeleton.

    Args:
      path: the file's name, for messages.
      data: its bytes.

    Raises:
      FileError: the file is not a complete skeleton, or has a bone that moves in its length.
    """
    return _AsfParser(os.fspath(path), data).parse()


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


@dataclass
class _Bone:
    name: str = ""
    direction: list[float] = field(default_factory=list)
    length: float | None = None
    axis: list[float] = field(default_factory=list)
    axis_order: str = "XYZ"
    dofs: tuple[str, ...] = ()


class _AsfParser:
    def __init__(self, path: str, data: bytes):
        self.path = path
        self.lines = _lines(data, blanks=b",()")
        self.line = 0
        self.degrees = True
        self.length_unit: float | None = None
        self.root_dofs: tuple[str, ...] = _ROOT_DOFS
        self.root_position = [0.0, 0.0, 0.0]
        self.bones: list[_Bone] = []
        self.children: dict[str, list[str]] = {}
        self.notes: tuple[str, ...] = ()

    def parse(self) -> Asf:
        readers = {":units": self._unit, ":root": self._root, ":bonedata": self._bone_line,
                   ":hierarchy": self._hierarchy_line}  # fmt: skip
        section, seen = "", set()
        for line, words in self.lines:
            self.line = line
            keyword = words[0].lower()
            if keyword.startswith(":"):
                section = keyword
                seen.add(keyword)
            elif section in readers:
                readers[section](words)
            elif not section:
                self._fail("an ASF file, which starts with :version", words[0])
        for needed in (":root", ":bonedata", ":hierarchy"):
            if needed not in seen:
                raise FileError(self.path, f"expected a section {needed}, found none; "
                                           "is it a complete .asf file?")  # fmt: skip
        return self._asf()

    def _unit(self, words: list[str]) -> None:
        if words[0].lower() == "length":
            (self.length_unit,) = self._numbers(words, 1)
            if not 1e-6 <= self.length_unit <= 1e6:
                self._fail("a length unit above 0, such as 0.45", words[1])
            if self.length_unit == 1:
                self.notes += (f"{self.path} declares length 1.0, which was read as inches",)
        elif words[0].lower() == "angle":
            unit = words[1].lower()[:3] if len(words) > 1 else ""
            if unit not in ("deg", "rad"):
                self._fail("angle deg or angle rad", " ".join(words))
            self.degrees = unit == "deg"

    def _root(self, words: list[str]) -> None:
        keyword = words[0].lower()
        if keyword == "order":
            self.root_dofs = self._dofs(words[1:], _ROOT_DOFS, "the root")
        elif keyword == "position":
            self.root_position = self._numbers(words, 3)
            if any(self.root_position):
                self.notes += (f"{self.path} presets the root's position, which was added",)
        elif keyword == "orientation" and any(self._numbers(words, 3)):
            # Programs disagree on what it does, and no known file has one.
            self._fail("root orientation 0 0 0", " ".join(words[1:4]))

    def _bone_line(self, words: list[str]) -> None:
        keyword = words[0].lower()
        if keyword == "begin":
            if len(self.bones) == MAX_BONES:
                self._fail(f"at most {MAX_BONES} bones", "more")
            self.bones.append(_Bone())
            return
        if not self.bones:
            self._fail("begin of the first bone", words[0])
        bone = self.bones[-1]
        if keyword == "name":
            if len(words) < 2:
                self._fail("a name of the bone", "none")
            bone.name = " ".join(words[1:])
        elif keyword == "direction":
            bone.direction = self._numbers(words, 3)
        elif keyword == "length":
            (bone.length,) = self._numbers(words, 1)
        elif keyword == "axis":
            bone.axis = self._numbers(words, 3)
            order = words[4].upper() if len(words) > 4 else "XYZ"
            if order not in _AXIS_ORDERS:
                self._fail(f"an axis order such as XYZ of bone {bone.name!a}", words[4])
            bone.axis_order = order
        elif keyword == "dof":
            bone.dofs = self._dofs(words[1:], _ROTATIONS, f"bone {bone.name!a}")

    def _hierarchy_line(self, words: list[str]) -> None:
        if words[0].lower() in ("begin", "end") and len(words) == 1:
            return
        self.children.setdefault(words[0].lower(), []).extend(word.lower() for word in words[1:])

    def _dofs(self, words: list[str], allowed: tuple[str, ...], whose: str) -> tuple[str, ...]:
        dofs = tuple(word.lower() for word in words)
        for k, dof in enumerate(dofs):
            if dof not in allowed or dof in dofs[:k]:
                self._fail(f"degrees of freedom of {whose} out of {' '.join(allowed)}, each once "
                           "(bones that stretch or shift are not read)", dof)  # fmt: skip
        return dofs

    def _numbers(self, words: list[str], count: int) -> list[float]:
        values = [_number(word) for word in words[1 : count + 1]]
        if len(values) < count or any(value is None or value != value for value in values):
            self._fail(f"{count} numbers after {words[0]}", " ".join(words[1 : count + 1]))
        return values

    def _asf(self) -> Asf:
        index = {ROOT: 0}
        for k, bone in enumerate(self.bones, start=1):
            for key in ("name", "direction", "length", "axis"):
                if getattr(bone, key) in ("", [], None):
                    raise FileError(self.path, f"expected {key} of bone {bone.name!a} (number {k} "
                                               "in the file), found none; is it a complete .asf "
                                               "file?")  # fmt: skip
            if bone.name.lower() in index:
                raise FileError(self.path, "expected bones of different names, found "
                                           f"{bone.name!a} twice; rename one")  # fmt: skip
            index[bone.name.lower()] = k
        offsets = [self.root_position, *(np.multiply(b.direction, b.length) for b in self.bones)]
        return Asf(
            path=self.path,
            joint_names=(ROOT, *(bone.name for bone in self.bones)),
            parents=self._parents(index),
            offsets=np.array(offsets, dtype=np.float64),
            axes=np.array([np.eye(3), *map(self._axes, self.bones)]),
            dofs=(self.root_dofs, *(bone.dofs for bone in self.bones)),
            mm_per_unit=MM_PER_INCH / self.length_unit if self.length_unit else None,
            degrees=self.degrees,
            notes=self.notes,
        )

    def _axes(self, bone: _Bone) -> np.ndarray:
        angles = [bone.axis["XYZ".index(letter)] for letter in bone.axis_order]
        return fixed_axis_rotations(np.radians(angles) if self.degrees else angles, bone.axis_order)

    def _parents(self, index: dict[str, int]) -> tuple[int, ...]:
        parents: list[int | None] = [None] * len(index)
        for parent, children in self.children.items():
            for name in (parent, *children):
                if name not in index:
                    raise FileError(self.path, "expected bones of :bonedata in :hierarchy, found "
                                               f"{name!a}; is the file complete?")  # fmt: skip
            for child in children:
                if parents[index[child]] is not None or child == ROOT:
                    raise FileError(self.path, f"expected one parent of bone {child!a}, found a "
                                               f"second one, {parent!a}; remove one from the "
                                               ":hierarchy")  # fmt: skip
                parents[index[child]] = index[parent]
        parents[0] = -1
        if None in parents:
            orphan = self.bones[parents.index(None) - 1].name
            raise FileError(self.path, f"expected a parent of bone {orphan!a} in :hierarchy, found "
                                       "none; is it a complete .asf file?")  # fmt: skip
        try:
            parents_first(parents)
        except ValueError as error:
            raise FileError(self.path, f"expected a tree in :hierarchy, found a loop ({error}); "
                                       "correct it") from None  # fmt: skip
        return tuple(parents)

    def _fail(self, expected: str, found: str) -> NoReturn:
        _fail(self.path, self.line, expected, found)


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
        for line, words in _lines(self.data):
            self.line = line
            if len(words) == 1 and words[0].isdecimal():
                self._end_frame()
                self._begin_frame(words[0])
            elif self.frame_numbers:
                self._bone(words)
            elif words[0].startswith(":"):
                self._keyword(words)
            else:
                self._fail("a frame number before the first bone", words[0])
        self._end_frame()
        if not self.frame_numbers:
            raise FileError(self.path, "expected frames, found none; is it an .amc file?")
        return Amc(asf=self.asf, motion=self._motion(), fps=self.fps, notes=self.notes)

    def _keyword(self, words: list[str]) -> None:
        keyword = words[0].lower()
        if keyword in (":degrees", ":radians"):
            self.degrees = keyword == ":degrees"
        elif keyword == ":samples-per-second":
            fps = _number(words[1]) if len(words) > 1 else None
            if fps is None or not fps > 0:
                self._fail("a number of frames after :SAMPLES-PER-SECOND", " ".join(words[1:]))
            self.fps = fps
        elif keyword in (":bonedata", ":hierarchy"):
            self._fail("the motion of a skeleton (.amc)", f"the skeleton itself ({words[0]})")

    def _begin_frame(self, number: str) -> None:
        if len(number) > 12:
            self._fail("a frame number", number)
        self.frame_numbers.append(int(number))
        if not positions_fit(len(self.frame_numbers), len(self.asf.parents),
                             file_bytes=len(self.data)):  # fmt: skip
            self._fail("a clip in proportion to its file", f"{len(self.frame_numbers)} frames of "
                       f"{len(self.asf.parents)} joints")  # fmt: skip
        self.row = [np.nan] * self.n_columns
        self.bones = []

    def _bone(self, words: list[str]) -> None:
        name = words[0].lower()
        columns = self.columns.get(name)
        if columns is None:
            self._fail(f"a bone of the skeleton {self.asf.path}", words[0])
        if len(words) - 1 != columns.stop - columns.start:
            dofs = self.asf.dofs[list(self.columns).index(name)]
            self._fail(f"{len(dofs)} values for {words[0]!a} ({' '.join(dofs)} in "
                       f"{self.asf.path})", str(len(words) - 1))  # fmt: skip
        try:
            self.row[columns] = map(float, words[1:])
            is_number = not self.may_group_digits or not any("_" in word for word in words[1:])
        except ValueError:
            is_number = False
        if not is_number:
            bad = next(word for word in words[1:] if _number(word) is None)
            self._fail(f"numbers for {words[0]!a}", bad)
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
            motion[:, np.isin(dofs, _ROTATIONS)] *= np.pi / 180
        if (np.diff(self.frame_numbers) != 1).any():
            self.notes += ("frame numbers are not consecutive; frames were read as they come",)
        absent = [name for name in self.columns
                  if name not in self.first_bones and self.columns[name].stop
                  > self.columns[name].start]  # fmt: skip
        if absent:
            self.notes += (f"the motion has no values of {', '.join(absent)}; these bones, and all "
                           "beyond them, are missing (NaN)",)  # fmt: skip
        return motion

    def _fail(self, expected: str, found: str) -> NoReturn:
        _fail(self.path, self.line, expected, found)


def _lines(data: bytes, *, blanks: bytes = b"") -> Iterator[tuple[int, list[str]]]:
    """Yield line numbers and words of lines that have any, without comments."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    table = bytes.maketrans(blanks, b" " * len(blanks)) if blanks else None
    for number, line in enumerate(io.BytesIO(data.removeprefix(b"\xef\xbb\xbf")), start=1):
        line = line.partition(b"#")[0]
        words = (line.translate(table) if table else line).decode("latin-1").split()
        if words and words[0] != "\x1a":  # the end-of-file mark of DOS
            yield number, words


def _number(word: str) -> float | None:
    """Read a number of plausible size; NaN, the mark of missing values, is one."""
    try:
        value = float(word)
    except ValueError:
        return None
    return None if abs(value) > MAX_VALUE or "_" in word else value


def _fail(path: str, line: int, expected: str, found: str) -> NoReturn:
    shown = found[:60] + ("..." if len(found) > 60 else "")
    raise FileError(path, f"line {line}: expected {expected}, found {shown!a}; "
                          "is it a complete file of its kind?")  # fmt: skip
