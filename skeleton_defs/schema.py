"""The rules of a skeleton definition; a definition that breaks one is refused naming the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UserError

if TYPE_CHECKING:
    from .skeleton import Skeleton


class SkeletonError(UserError):
    """A skeleton definition with a field that breaks the schema."""


def number_rows(name: str, value: Any) -> np.ndarray:
    """Returns a field's nested list as an array; raises `SkeletonError` where it is ragged."""
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SkeletonError(f"field '{name}' must be a list of [x, y, z] numbers") from None


def _require(condition: bool, name: str, rule: str, value: Any) -> None:
    if not condition:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        raise SkeletonError(f"field '{name}' {rule}. Received {shown}")


def validate(s: Skeleton) -> None:
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
