"""What the names of an ACAE's joints say: mirror partners, sides, body parts, formats."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import skeleton_defs
from skeleton_defs import JointRegistry, UserError

#: Body parts from head to toe, as rows of heat maps are ordered.
_PARTS = (
    "face", "head", "neck", "clavicle", "shoulder", "arm", "elbow", "wrist", "hand", "thumb",
    "index", "middle", "ring", "pinky", "spine_upper", "spine_mid", "spine_lower", "trunk",
    "pelvis", "hip", "thigh", "knee", "shin", "ankle", "heel", "foot", "toe",
)  # fmt: skip


@dataclass(frozen=True)
class NamedPoint:
    """A point of the skeleton definitions: its mirror partner's name, its side and body part."""

    partner: str
    side: str
    part: str


@functools.cache
def known_points() -> dict[str, NamedPoint]:
    """Returns all points of formats that have both sides, by `family:key`."""
    points: dict[str, NamedPoint] = {}
    for name in skeleton_defs.list_formats():
        skeleton, keys = skeleton_defs.get(name), _keys(name)
        if skeleton.flip is None:
            continue
        for i, key in enumerate(keys):
            part = skeleton.group.get(skeleton.joints[i], "")
            point = NamedPoint(keys[skeleton.flip[i]], skeleton.sides[i], part)
            points.setdefault(key, point)
    return points


@dataclass(frozen=True, eq=False)
class JointNames:
    """The joints of a pose file.

    Attributes:
      names: J unique names, or None.
      flip: (J,) permutation, or None where nobody says which joints mirror each other.
      sides: per joint, or None.
      formats: the names of the formats that the joints are the registry of; empty otherwise.
    """

    names: tuple[str, ...] | None = None
    flip: np.ndarray | None = None
    sides: tuple[str, ...] | None = None
    formats: tuple[str, ...] = ()

    @classmethod
    def of_formats(cls, formats: Sequence[str]) -> JointNames:
        """The joints of several formats, in `JointRegistry`'s order."""
        registry = JointRegistry(formats)
        skeletons = tuple(skeleton.name for skeleton in registry.skeletons)
        return cls(registry.names, registry.flip, registry.sides, skeletons)

    @classmethod
    def of_names(cls, names: Sequence[str]) -> JointNames:
        """Joints by name; where all are points of our definitions, these say what mirrors what.

        Raises:
          UserError: a name is there twice, or a joint without its mirror partner.
        """
        names = tuple(names)
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise UserError(f"joint name '{name[:80]}' is given twice")
            seen.add(name)
        points = known_points()
        if not all(name in points for name in names):
            return cls(names)
        place = {name: i for i, name in enumerate(names)}
        for name in names:
            if points[name].partner not in place:
                raise UserError(
                    f"joint '{name}' is there without its mirror partner "
                    f"'{points[name].partner}': add it (NaN where nobody knows it)"
                )
        flip = np.array([place[points[name].partner] for name in names])
        return cls(names, flip, tuple(points[name].side for name in names))


def part_of(name: str) -> str:
    """Returns the body part of a joint by its name, `""` where it is not one of ours."""
    point = known_points().get(name)
    return "" if point is None else point.part


def part_rank(part: str) -> tuple[int, str]:
    """Returns a key that sorts body parts from head to toe, partners next to each other."""
    bare = part.removeprefix("left_").removeprefix("right_")
    ranks = [i for i, known in enumerate(_PARTS) if known in bare]
    return (ranks[0] if ranks else len(_PARTS)), bare + part


def formats_among(names: Sequence[str] | None) -> list[str]:
    """Returns the formats all of whose joints are there; of several with the same joints, one."""
    there = set(names or ())
    found: dict[frozenset[str], list[str]] = {}
    for name in skeleton_defs.list_formats():
        keys = frozenset(_keys(name))
        if keys <= there:
            found.setdefault(keys, []).append(name)
    # `smpl_24` rather than a dataset's name for the same joints.
    families = [next(iter(keys)).split(":")[0] for keys in found]
    return sorted(
        min(same, key=lambda name, own=own: (not name.startswith(own), len(name), name))
        for own, same in zip(families, found.values(), strict=True)
    )


def groups_of(names: Sequence[str] | None, formats: Sequence[str]) -> dict[str, list[int]]:
    """Returns the joints of every format, and of every family those that no format has."""
    if names is None:
        return {}
    place = {name: i for i, name in enumerate(names)}
    groups = {}
    for name in _known(formats):
        if rows := [place[key] for key in dict.fromkeys(_keys(name)) if key in place]:
            groups[name] = rows
    lone = set(range(len(names))).difference(*groups.values())
    for i in sorted(lone):
        groups.setdefault(names[i].split(":")[0] if ":" in names[i] else "all joints", []).append(i)
    return groups


def bones_of(names: Sequence[str] | None, formats: Sequence[str]) -> list[tuple[int, int]]:
    """Returns pairs of joints that are bones of one of the formats."""
    place = {name: i for i, name in enumerate(names or ())}
    bones: dict[tuple[int, int], None] = {}
    for name in _known(formats):
        rows = [place.get(key) for key in _keys(name)]
        for a, b in skeleton_defs.get(name).edges:
            if rows[a] is not None and rows[b] is not None:
                bones[rows[a], rows[b]] = None
    return list(bones)


def _keys(name: str) -> list[str]:
    """The `family:key` of a format's joints."""
    skeleton = skeleton_defs.get(name)
    return [":".join(skeleton.point_of(joint)) for joint in skeleton.joints]


def _known(formats: Sequence[str]) -> list[str]:
    known = set(skeleton_defs.list_formats())
    return [name for name in formats if name in known]
