"""One skeleton format: ordered joints with names, tree, mirror permutation and provenance."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .errors import UserError
from .names import NameTable, resolve_joint

#: Points of the person's left half of the face in the iBUG 68 numbering (`face68_NN`).
_LEFT_FACE = {*range(9, 17), *range(22, 27), 34, 35, *range(42, 48), *range(52, 57), 63, 64, 65}

#: How names tell left from right, the surest way first.
_SIDE_WORDS = [
    (re.compile(r"left", re.I), re.compile(r"right", re.I)),
    (re.compile(r".*[_.\- ]l$", re.I), re.compile(r".*[_.\- ]r$", re.I)),
    (re.compile(r"l", re.I), re.compile(r"r", re.I)),
]


class SkeletonError(UserError):
    """A skeleton definition with a field that breaks the schema."""


@dataclass(frozen=True, eq=False, repr=False)
class Skeleton:
    """A skeleton format: what the J rows of a pose array mean.

    Validated on construction; a definition that breaks the schema raises `SkeletonError` naming the
    field.

    Attributes:
      name: id of the format, e.g. `smpl_24`.
      joints: the J joint names in file order, unique.
      family: formats of one family name the same physical points by construction.
      points: joint -> `"family:key"`, for joints that are not the family's own point of the same
        canonical name (composites, coincident joints). See `point_of`.
      aliases: joint -> other names that files and code bases use for it.
      canonical: joint -> canonical anatomical name; equal only where the point is the same one up
        to dataset noise. Absent for joints without an anatomical meaning.
      near: joint -> {"canonical", "note"}: the closest canonical name that is NOT the same point.
      group: joint -> coarse body part, e.g. `left_hip`.
      parents: parent index per joint, -1 for a root; None for plain keypoint lists.
      edges: drawn bones as index pairs.
      flip: the permutation that swaps left and right (an involution); None for a selection that
        holds one side only.
      root: the root joint, or the joints whose mean is the root.
      dims: 2 or 3, as the format is distributed.
      units: native unit of the files, in words.
      oks_sigmas: per-joint COCO OKS sigmas where published.
      rest_pose: (J, 3) metres, y up, facing +z, the person's left = +x, or None.
      datasets, source, certainty, certainty_note, note, variant_of: provenance.
      details: further fields of the definition file, untouched.
    """

    name: str
    joints: tuple[str, ...]
    family: str = ""
    points: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    canonical: Mapping[str, str] = field(default_factory=dict)
    near: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    group: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[int, ...] | None = None
    edges: tuple[tuple[int, int], ...] = ()
    flip: tuple[int, ...] | None = None
    root: tuple[str, ...] = ()
    dims: int = 3
    units: str = ""
    oks_sigmas: tuple[float, ...] | None = None
    rest_pose: np.ndarray | None = None
    datasets: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    certainty: str = "unverified"
    certainty_note: str = ""
    note: str = ""
    variant_of: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        _validate(self)
        if not self.family:
            object.__setattr__(self, "family", self.name)
        if self.rest_pose is not None:
            self.rest_pose.setflags(write=False)

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {len(self.joints)} joints, family {self.family!r})"

    def __len__(self) -> int:
        return len(self.joints)

    # Identity is the name and the joints: two loads of one file are the same format.
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Skeleton):
            return NotImplemented
        return (self.name, self.joints, self.family) == (other.name, other.joints, other.family)

    def __hash__(self) -> int:
        return hash((self.name, self.joints))

    @property
    def n_joints(self) -> int:
        """The number of joints J."""
        return len(self.joints)

    def index(self, joint: str | int) -> int:
        """Returns the 0-based index of a joint given by name, alias or index.

        Raises:
          UserError: the joint is unknown (the nearest names are suggested), or the word stands for
            different joints in different code bases (the message tells them apart).
        """
        return resolve_joint(self, joint)

    def point_of(self, joint: str) -> tuple[str, str]:
        """Returns (family, key): equal for joints that are the same point by construction."""
        override = self.points.get(joint)
        if override is not None:
            family, _, key = override.partition(":")
            return family, key
        return self.family, self.canonical.get(joint, joint)

    @functools.cached_property
    def name_table(self) -> NameTable:
        """Finds joints by any spelling of their names."""
        return NameTable(self.joints, self.aliases)

    @functools.cached_property
    def sides(self) -> tuple[str, ...]:
        """`"left"`, `"right"` or `"centre"` per joint, from names checked against `flip`."""
        return tuple(_side(self, joint) for joint in self.joints)

    @functools.cached_property
    def hop_distances(self) -> np.ndarray:
        """(J, J) number of bones between joints along `edges`; -1 where not connected."""
        count = len(self.joints)
        adjacent = np.eye(count, dtype=bool)
        for a, b in self.edges:
            adjacent[a, b] = adjacent[b, a] = True
        hops = np.where(np.eye(count, dtype=bool), 0, -1)
        reached = np.eye(count, dtype=bool)
        for distance in range(1, count):
            grown = (reached.astype(np.int64) @ adjacent) > 0
            fresh = grown & ~reached
            if not fresh.any():
                break
            hops[fresh] = distance
            reached = grown
        return hops

    def select(self, joints: Sequence[str | int], *, name: str | None = None) -> Skeleton:
        """Returns the format restricted to some joints, in the given order.

        Parents become the nearest selected ancestor; edges with both ends selected stay; `flip` is
        None where a selected joint's mirror partner is left out.
        """
        chosen = [self.index(joint) for joint in joints]
        if len(set(chosen)) != len(chosen):
            raise UserError(f"select: joints of '{self.name}' are named twice in {list(joints)}")
        place = {old: new for new, old in enumerate(chosen)}
        names = tuple(self.joints[i] for i in chosen)
        flip = None
        if self.flip is not None and all(self.flip[i] in place for i in chosen):
            flip = tuple(place[self.flip[i]] for i in chosen)
        return Skeleton(
            name=name or f"{self.name}[{len(chosen)}]",
            joints=names,
            family=self.family,
            points=_only(self.points, names),
            aliases=_only(self.aliases, names),
            canonical=_only(self.canonical, names),
            near=_only(self.near, names),
            group=_only(self.group, names),
            parents=self._selected_parents(chosen, place),
            edges=tuple((place[a], place[b]) for a, b in self.edges if a in place and b in place),
            flip=flip,
            root=tuple(j for j in self.root if j in names),
            dims=self.dims,
            units=self.units,
            oks_sigmas=self.oks_sigmas and tuple(self.oks_sigmas[i] for i in chosen),
            rest_pose=None if self.rest_pose is None else self.rest_pose[chosen],
            datasets=self.datasets,
            source=self.source,
            certainty=self.certainty,
            certainty_note=self.certainty_note,
            note=self.note,
            variant_of=self.name,
        )

    def _selected_parents(self, chosen: list[int], place: dict[int, int]):
        if self.parents is None:
            return None
        parents = []
        for joint in chosen:
            ancestor = self.parents[joint]
            while ancestor != -1 and ancestor not in place:
                ancestor = self.parents[ancestor]
            parents.append(place.get(ancestor, -1))
        return tuple(parents)

    @classmethod
    def from_dict(cls, definition: Mapping[str, Any]) -> Skeleton:
        """Builds a skeleton from the fields of a definition file (JSON or TOML).

        Raises:
          SkeletonError: a field is missing, unknown in type, or inconsistent with the joints.
        """
        if not isinstance(definition, Mapping):
            raise SkeletonError(
                f"a skeleton definition must be an object with the fields 'name' "
                f"and 'joints'. Received {type(definition).__name__}"
            )
        known = dict(definition)
        for required in ("name", "joints"):
            if required not in known:
                raise SkeletonError(f"field '{required}' is missing in the skeleton definition")
        declared = known.pop("n_joints", None)
        joints = known["joints"]
        if declared is not None and isinstance(joints, list) and declared != len(joints):
            raise SkeletonError(
                f"field 'n_joints' must equal the number of joints "
                f"({len(joints)}). Received {declared}"
            )
        rest = known.pop("rest_pose_m", None)
        if rest is not None:
            known["rest_pose"] = _as_array("rest_pose_m", rest)
        if isinstance(known.get("root"), str):
            known["root"] = [known["root"]]
        names = {f.name for f in fields(cls)}
        details = {key: known.pop(key) for key in list(known) if key not in names}
        for key, value in known.items():
            if isinstance(value, list):
                known[key] = tuple(tuple(v) if isinstance(v, list) else v for v in value)
        return cls(**known, details=details)

    def to_dict(self) -> dict[str, Any]:
        """Returns the definition as plain JSON values, the inverse of `from_dict`."""
        out: dict[str, Any] = {
            "name": self.name,
            "joints": list(self.joints),
            "n_joints": len(self.joints),
        }
        for f in fields(self):
            if f.name in ("name", "joints", "details", "rest_pose", "root"):
                continue
            value = getattr(self, f.name)
            if isinstance(value, Mapping):
                value = {
                    k: dict(v)
                    if isinstance(v, Mapping)
                    else list(v)
                    if isinstance(v, (tuple, list))
                    else v
                    for k, v in value.items()
                }
            elif isinstance(value, tuple):
                value = [list(v) if isinstance(v, tuple) else v for v in value]
            out[f.name] = value
        out["root"] = self.root[0] if len(self.root) == 1 else list(self.root)
        if self.rest_pose is not None:
            out["rest_pose_m"] = self.rest_pose.tolist()
        return out | dict(self.details)


def _only(table: Mapping, names: Sequence[str]) -> dict:
    return {joint: table[joint] for joint in names if joint in table}


def _side(skeleton: Skeleton, joint: str) -> str:
    """The side of a joint: its flip partner says that it has one, its names say which."""
    if skeleton.flip is None:
        partner = None
    else:
        partner = skeleton.joints[skeleton.flip[skeleton.joints.index(joint)]]
        if partner == joint:
            return "centre"
    canonical = skeleton.canonical.get(joint, "")
    if canonical.startswith("face68_"):
        return "left" if int(canonical[-2:]) in _LEFT_FACE else "right"
    for table in (skeleton.canonical, skeleton.group, {joint: joint, partner: partner}):
        own, other = table.get(joint, ""), table.get(partner) or ""
        for left, right in _SIDE_WORDS:
            if left.match(own) and (partner is None or right.match(other)):
                return "left"
            if right.match(own) and (partner is None or left.match(other)):
                return "right"
    if partner is None:
        return "centre"
    raise SkeletonError(f"field 'flip': cannot tell which of '{joint}' and '{partner}' is left")


def _as_array(name: str, value: Any) -> np.ndarray:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise SkeletonError(f"field '{name}' must be a list of [x, y, z] numbers") from None


def _require(condition: bool, name: str, rule: str, value: Any) -> None:
    if not condition:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        raise SkeletonError(f"field '{name}' {rule}. Received {shown}")


def _validate(s: Skeleton) -> None:
    """Raises `SkeletonError` naming the first field that breaks the schema."""
    _require(isinstance(s.name, str) and s.name != "", "name", "must be a non-empty text", s.name)
    _require(
        isinstance(s.joints, (tuple, list))
        and len(s.joints) > 0
        and all(isinstance(j, str) and j for j in s.joints),
        "joints",
        "must be a list of joint names",
        s.joints,
    )
    repeated = sorted({j for j in s.joints if list(s.joints).count(j) > 1})
    _require(not repeated, "joints", "must not repeat a name", repeated)
    count = len(s.joints)
    known = set(s.joints)
    for name in ("points", "aliases", "canonical", "near", "group"):
        table = getattr(s, name)
        _require(isinstance(table, Mapping), name, "must map joint names to values", table)
        strangers = sorted(str(j) for j in table if j not in known)
        _require(not strangers, name, "must name joints of this skeleton only", strangers)
    for name in ("points", "canonical", "group"):
        for joint, value in getattr(s, name).items():
            _require(isinstance(value, str), f"{name}.{joint}", "must be a text", value)
    for joint, value in s.points.items():
        _require(value.count(":") == 1, f"points.{joint}", "must read 'family:key'", value)
    for joint, value in s.aliases.items():
        _require(
            isinstance(value, (list, tuple)) and all(isinstance(a, str) for a in value),
            f"aliases.{joint}",
            "must be a list of names",
            value,
        )
    for joint, value in s.near.items():
        _require(
            isinstance(value, Mapping) and isinstance(value.get("canonical"), str),
            f"near.{joint}",
            "must hold 'canonical' (and 'note')",
            value,
        )
    _validate_tree(s, count)
    _require(s.dims in (2, 3), "dims", "must be 2 or 3", s.dims)
    for name in ("family", "units", "certainty", "certainty_note", "note"):
        _require(isinstance(getattr(s, name), str), name, "must be a text", getattr(s, name))
    for name in ("root", "datasets", "source"):
        value = getattr(s, name)
        _require(
            isinstance(value, tuple) and all(isinstance(v, str) for v in value),
            name,
            "must be a list of texts",
            value,
        )
    _require(all(j in known for j in s.root), "root", "must name joints of this skeleton", s.root)
    if s.oks_sigmas is not None:
        _require(
            isinstance(s.oks_sigmas, tuple)
            and len(s.oks_sigmas) == count
            and all(isinstance(v, (int, float)) and math.isfinite(v) for v in s.oks_sigmas),
            "oks_sigmas",
            f"must be {count} numbers",
            s.oks_sigmas,
        )
    if s.rest_pose is not None:
        _require(
            s.rest_pose.shape == (count, 3),
            "rest_pose_m",
            f"must be {count} x 3 numbers",
            s.rest_pose.shape,
        )


def _validate_tree(s: Skeleton, count: int) -> None:
    def is_index(value: Any, low: int = 0) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value < count

    if s.parents is not None:
        _require(
            isinstance(s.parents, tuple)
            and len(s.parents) == count
            and all(is_index(p, -1) for p in s.parents),
            "parents",
            f"must be {count} joint indices (-1 for a root)",
            s.parents,
        )
        for start in range(count):
            joint, steps = start, 0
            while joint != -1 and steps <= count:
                joint, steps = s.parents[joint], steps + 1
            _require(joint == -1, "parents", "must not run in a circle", s.joints[start])
    _require(
        isinstance(s.edges, tuple)
        and all(isinstance(e, tuple) and len(e) == 2 and all(map(is_index, e)) for e in s.edges),
        "edges",
        "must be pairs of joint indices",
        s.edges,
    )
    if s.flip is not None:
        _require(
            isinstance(s.flip, tuple) and len(s.flip) == count and all(map(is_index, s.flip)),
            "flip",
            f"must be {count} joint indices",
            s.flip,
        )
        odd = [s.joints[i] for i in range(count) if s.flip[s.flip[i]] != i]
        _require(not odd, "flip", "must be its own inverse", odd)
