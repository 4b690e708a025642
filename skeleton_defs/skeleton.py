"""One skeleton format: ordered joints with names, tree, mirror permutation and provenance."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from .errors import UserError
from .names import NameTable, resolve_joint
from .schema import SkeletonError, number_rows, validate

#: Points of the person's left half of the face in the iBUG 68 numbering (`face68_NN`).
_LEFT_FACE = {*range(9, 17), *range(22, 27), 34, 35, *range(42, 48), *range(52, 57), 63, 64, 65}

#: How names tell left from right, the surest way first.
_SIDE_WORDS = [
    (re.compile(r"left", re.I), re.compile(r"right", re.I)),
    (re.compile(r".*[_.\- ]l$", re.I), re.compile(r".*[_.\- ]r$", re.I)),
    (re.compile(r"l", re.I), re.compile(r"r", re.I)),
]


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
        validate(self)
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
        # Own names first: a list of them is no riddle, even where one word is contested.
        own = {joint: i for i, joint in enumerate(self.joints)}
        chosen = [own[j] if j in own else self.index(j) for j in joints]
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
            known["rest_pose"] = number_rows("rest_pose_m", rest)
        if isinstance(known.get("root"), str):
            known["root"] = [known["root"]]
        # Files say `rest_pose_m`, and list what they have beside the schema at the top.
        names = {f.name for f in fields(cls)} - {"details"}
        if "rest_pose" in definition:
            raise SkeletonError("field 'rest_pose' must be named 'rest_pose_m' (m, y up)")
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
