"""Acclaim skeletons (`.asf`): a root point, and bones with a length and a direction of their own.

The format: the Acclaim skeleton file definition 1.10 and Oxford Metrics' notes on it,
http://graphics.cs.cmu.edu/nsp/course/cs229/info/ACCLAIMdef.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from dataset_adapters.containers.acclaim_lines import refuse, split_lines
from dataset_adapters.containers.errors import FileError
from dataset_adapters.containers.kinematics import fixed_axis_rotations, parents_first
from dataset_adapters.containers.text_numbers import read_plausible_number

MM_PER_INCH = 25.4
MAX_BONES = 20_000

ROOT = "root"
ROTATIONS = ("rx", "ry", "rz")
_ROOT_DOFS = ("tx", "ty", "tz", *ROTATIONS)
_AXIS_ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


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


def parse_asf(path: str | os.PathLike, data: bytes) -> Asf:
    """Parse an Acclaim skeleton.

    Args:
      path: the file's name, for messages.
      data: its bytes.

    Raises:
      FileError: the file is not a complete skeleton, or has a bone that moves in its length.
    """
    return _AsfParser(os.fspath(path), data).parse()


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
        self.lines = split_lines(data, blanks=b",()")
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
                self._refuse("an ASF file, which starts with :version", words[0])
        for needed in (":root", ":bonedata", ":hierarchy"):
            if needed not in seen:
                raise FileError(self.path, f"expected a section {needed}, found none; "
                                           "is it a complete .asf file?")  # fmt: skip
        return self._asf()

    def _unit(self, words: list[str]) -> None:
        if words[0].lower() == "length":
            (self.length_unit,) = self._numbers(words, 1)
            if not 1e-6 <= self.length_unit <= 1e6:
                self._refuse("a length unit above 0, such as 0.45", words[1])
            if self.length_unit == 1:
                self.notes += (f"{self.path} declares length 1.0, which was read as inches",)
        elif words[0].lower() == "angle":
            unit = words[1].lower()[:3] if len(words) > 1 else ""
            if unit not in ("deg", "rad"):
                self._refuse("angle deg or angle rad", " ".join(words))
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
            self._refuse("root orientation 0 0 0", " ".join(words[1:4]))

    def _bone_line(self, words: list[str]) -> None:
        keyword = words[0].lower()
        if keyword == "begin":
            if len(self.bones) == MAX_BONES:
                self._refuse(f"at most {MAX_BONES} bones", "more")
            self.bones.append(_Bone())
            return
        if not self.bones:
            self._refuse("begin of the first bone", words[0])
        bone = self.bones[-1]
        if keyword == "name":
            if len(words) < 2:
                self._refuse("a name of the bone", "none")
            bone.name = " ".join(words[1:])
        elif keyword == "direction":
            bone.direction = self._numbers(words, 3)
        elif keyword == "length":
            (bone.length,) = self._numbers(words, 1)
        elif keyword == "axis":
            bone.axis = self._numbers(words, 3)
            order = words[4].upper() if len(words) > 4 else "XYZ"
            if order not in _AXIS_ORDERS:
                self._refuse(f"an axis order such as XYZ of bone {bone.name!a}", words[4])
            bone.axis_order = order
        elif keyword == "dof":
            bone.dofs = self._dofs(words[1:], ROTATIONS, f"bone {bone.name!a}")

    def _hierarchy_line(self, words: list[str]) -> None:
        if words[0].lower() in ("begin", "end") and len(words) == 1:
            return
        self.children.setdefault(words[0].lower(), []).extend(word.lower() for word in words[1:])

    def _dofs(self, words: list[str], allowed: tuple[str, ...], whose: str) -> tuple[str, ...]:
        dofs = tuple(word.lower() for word in words)
        for k, dof in enumerate(dofs):
            if dof not in allowed or dof in dofs[:k]:
                self._refuse(f"degrees of freedom of {whose} out of {' '.join(allowed)}, each once "
                             "(bones that stretch or shift are not read)", dof)  # fmt: skip
        return dofs

    def _numbers(self, words: list[str], count: int) -> list[float]:
        values = [read_plausible_number(word) for word in words[1 : count + 1]]
        if len(values) < count or any(value is None or value != value for value in values):
            self._refuse(f"{count} numbers after {words[0]}", " ".join(words[1 : count + 1]))
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

    def _refuse(self, expected: str, found: str) -> NoReturn:
        refuse(self.path, self.line, expected=expected, found=found)
