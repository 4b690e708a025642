"""Maps that follow names: the honest baseline of what formats tell about each other by words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton

from .affine_map import AffineMap
from .offsets import Point, known_offset

# Groups whose members lie all over a body part: "the same group" says nothing about the place.
_LOOSE_GROUPS = {"marker", "face"}
_FINGER = re.compile(r"(thumb|index|middle|ring|pinky)")


@dataclass(frozen=True)
class _Candidate:
    """A source joint, or a point that source joints define (such as a hip midpoint)."""

    label: str
    point: Point
    weights: dict[int, float]
    canonical: str | None
    near: str | None
    group: str | None
    #: How far the defining rule is from the point itself, mm; 0 for joints and exact rules.
    deviation_mm: float = 0.0


def map_by_name(
    source: Skeleton, target: Skeleton, *, observed: Sequence[str] | None = None
) -> AffineMap:
    """Builds the map that follows names.

    A target joint is `copied` where the source has the same point by construction (same family, or
    an exact documented definition such as "pelvis = midpoint of the hips"). Else it is `named`
    after, in this order: the same canonical name; the target's or the source's `near` name; a
    `near` name that both share; a joint of the same group. Names are a convention: an SMPL and a
    Human3.6M hip lie 134 mm apart. The expected error is that offset where it has been measured,
    else NaN.

    Args:
      source, target: the formats.
      observed: the source joints that the data has; all by default.
    """
    candidates = _candidates(source, observed)
    weights = np.full((len(target), len(source)), np.nan)
    status, notes = [], []
    error = np.full(len(target), np.nan)
    for row, joint in enumerate(target.joints):
        state, candidate, note = _find(target, joint, candidates)
        status.append(state)
        notes.append(note)
        if candidate is None:
            continue
        weights[row] = 0
        for column, weight in candidate.weights.items():
            weights[row, column] = weight
        if candidate.point == target.point_of(joint):
            error[row] = candidate.deviation_mm
        elif offset := known_offset(target.point_of(joint), candidate.point):
            error[row] = offset[0]
            notes[-1] = f"{note}; {offset[1]}"
    return AffineMap(weights, source, target, tuple(status), error, tuple(notes), "names")


def _candidates(source: Skeleton, observed: Sequence[str] | None) -> list[_Candidate]:
    joints = [j for j in source.joints if observed is None or j in observed]
    found = [
        _Candidate(
            label=joint,
            point=source.point_of(joint),
            weights={source.joints.index(joint): 1.0},
            canonical=source.canonical.get(joint),
            near=source.near.get(joint, {}).get("canonical"),
            group=source.group.get(joint),
        )
        for joint in joints
    ]
    place = {":".join(c.point): next(iter(c.weights)) for c in reversed(found)}
    for rule in skeleton_defs.definitions():
        parts = rule["weights"]
        if rule["point"] in place or not all(part in place for part in parts):
            continue
        family, _, key = rule["point"].partition(":")
        found.append(
            _Candidate(
                label=" + ".join(f"{w:g} {source.joints[place[p]]}" for p, w in parts.items()),
                point=(family, key),
                weights={place[part]: weight for part, weight in parts.items()},
                canonical=key,
                near=rule.get("near"),
                group=rule.get("group"),
                deviation_mm=0.0 if rule["exact"] else rule["deviation_mm"],
            )
        )
    return found


def _find(
    target: Skeleton, joint: str, candidates: list[_Candidate]
) -> tuple[str, _Candidate | None, str]:
    """Returns (status, candidate, note) for one target joint."""
    point = target.point_of(joint)
    canonical = target.canonical.get(joint)
    near = target.near.get(joint, {}).get("canonical")
    group = target.group.get(joint)

    def first(fits: Callable[[_Candidate], bool]) -> _Candidate | None:
        return next((c for c in candidates if fits(c)), None)

    if same := first(lambda c: c.point == point):
        if same.deviation_mm:
            return "named", same, f"by definition {same.label}, but not exactly"
        how = "the same point" if len(same.weights) == 1 else f"by definition {same.label}"
        return "copied", same, how
    if canonical and (c := first(lambda c: c.canonical == canonical)):
        return "named", c, f"both are called {canonical}; different families"
    if near and (c := first(lambda c: c.canonical == near)):
        return "named", c, f"nearest name of the target joint is {near}"
    if canonical and (c := first(lambda c: c.near == canonical)):
        return "named", c, f"nearest name of the source joint is {canonical}"
    if near and (c := first(lambda c: c.near == near)):
        return "named", c, f"nearest name of both is {near}"
    if group and group not in _LOOSE_GROUPS and not _FINGER.search(canonical or joint):
        in_group = [c for c in candidates if c.group == group]
        in_group = [c for c in in_group if not _FINGER.search(c.canonical or c.label)]
        if in_group:
            c = min(in_group, key=lambda c: _stem(c.canonical) != _stem(canonical))
            return "named", c, f"same body part ({group}) only"
    return "unavailable", None, "the source format has nothing of that name"


def _stem(canonical: str | None) -> str | None:
    """A canonical name without its family suffix: `left_hip_h36m` -> `left_hip`."""
    return canonical and canonical.rpartition("_")[0]
