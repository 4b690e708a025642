"""Finding out which skeleton format a file's joints are, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

import skeleton_defs
from skeleton_defs import Skeleton, UserError, match_joints, simplified

from .data import PoseData

# A file is recognised by its names alone where it has at least this share of a format's joints, at
# least this many, and hardly any others: rigs share words like LeftArm without sharing joints.
_MIN_SHARE = 0.75
_MIN_JOINTS = 8
_MIN_SHARE_OF_NAMES = 0.95


@dataclass(frozen=True)
class JointMatch:
    """Where a skeleton's joints are in a file.

    Attributes:
      skeleton: the format.
      columns: (J,) the file's joint index per skeleton joint, -1 where the file has none; None
        where the file's joints are the skeleton's, in order.
      notes: remarks for the user.
    """

    skeleton: Skeleton
    columns: np.ndarray | None
    notes: tuple[str, ...] = ()

    @property
    def observed(self) -> list[str] | None:
        """Names of the joints that the file has, or None for all."""
        if self.columns is None or (self.columns >= 0).all():
            return None
        found = zip(self.skeleton.joints, self.columns, strict=True)
        return [joint for joint, column in found if column >= 0]

    def arrange(self, array: np.ndarray, *, axis: int = -2) -> np.ndarray:
        """Brings an array with a file joint axis into the skeleton's order, NaN for no joint."""
        if self.columns is None:
            return array
        picked = np.take(array, np.maximum(self.columns, 0), axis=axis)
        if (self.columns < 0).any():
            missing = [slice(None)] * picked.ndim
            missing[axis] = self.columns < 0
            picked[tuple(missing)] = np.nan if picked.dtype.kind == "f" else 0
        return picked


def match_skeleton(poses: PoseData, name: str | None = None) -> JointMatch:
    """Matches a file's joints to a format: by name where it has names, else by count.

    Args:
      poses: what was read.
      name: the format that the user says it is; None to take it from the file.

    Raises:
      UserError: the count or the names do not fit the format, or the file does not tell which
        format it is (the candidates are listed).
    """
    names = poses.joint_names if _has_real_names(poses.joint_names) else None
    if name is None:
        if poses.skeleton is not None:
            name = poses.skeleton
        elif names is not None:
            return recognise(names)
        else:
            raise UserError(
                f"the file does not say which skeleton format its {poses.n_joints} "
                f"joints are: name it with --from ({_same_count(poses.n_joints)})"
            )
    skeleton = skeleton_defs.get(name)
    if names is not None:
        match = _by_names(skeleton, names)
        if match is not None:
            return match
        if poses.skeleton is None or poses.n_joints != len(skeleton):
            raise UserError(
                f"none of the file's joint names are joints of '{skeleton.name}'. "
                f"Found {_shortened(names)}; expected {_shortened(skeleton.joints)}"
            )
    if poses.n_joints != len(skeleton):
        raise UserError(
            f"joint count must match skeleton '{skeleton.name}' ({len(skeleton)} "
            f"joints). The file has {poses.n_joints} ({_same_count(poses.n_joints)})"
        )
    return JointMatch(skeleton, None)


def recognise(names: Sequence[str]) -> JointMatch:
    """Finds the format that joint names belong to.

    Raises:
      UserError: no format fits, or several different ones fit equally well.
    """
    scored, close = [], []
    for format_name in skeleton_defs.list_formats():
        skeleton = skeleton_defs.get(format_name)
        positions = match_joints(skeleton, names)
        matched = [position is not None for position in positions]
        found = sum(matched)
        # End sites of a rig are extra to most formats and say nothing about it.
        counted = sum(
            ok or not name.endswith("_End") for ok, name in zip(matched, names, strict=True)
        )
        enough = max(_MIN_SHARE * len(skeleton), _MIN_SHARE_OF_NAMES * counted, _MIN_JOINTS)
        close.append((found, -len(skeleton), format_name))
        if found >= enough:
            # Names that a format explains count first; then how few of its joints are missing, and
            # whether they come in its order.
            in_order = positions == list(range(len(names)))
            scored.append(((found, found - len(skeleton), in_order), skeleton))
    if not scored:
        nearest = ", ".join(
            f"{name} ({found} of {-size} joints)"
            for found, size, name in sorted(close, reverse=True)[:3]
            if found
        )
        raise UserError(
            f"the file's joint names are those of no skeleton format. Found {_shortened(names)}. "
            f"{'Nearest: ' + nearest + '. ' if nearest else ''}If you know the format, name it "
            "with --from (joints are then matched by name); or describe yours in a .json or .toml "
            "file and pass that"
        )
    best_score = max(score for score, _ in scored)
    best = [skeleton for score, skeleton in scored if score == best_score]
    # A reordered or renamed copy of a format (ochuman of coco_17) says no more than the original.
    best_names = {skeleton.name for skeleton in best}
    best = [skeleton for skeleton in best if skeleton.variant_of not in best_names]
    short = set(skeleton_defs.format_aliases().values())
    best.sort(key=lambda s: (s.variant_of is not None, s.name not in short))
    if any(_points(s, names) != _points(best[0], names) for s in best[1:]):
        raise UserError(
            f"the file's joint names fit several skeleton formats: "
            f"{', '.join(s.name for s in best)}. Name the right one with --from"
        )
    match = _by_names(best[0], names)
    assert match is not None  # at least _MIN_JOINTS names were found
    note = f"recognised as {best[0].name} by its joint names"
    return replace(match, notes=(note, *match.notes))


def _points(skeleton: Skeleton, names: Sequence[str]) -> list:
    return [
        None if i is None else skeleton.point_of(skeleton.joints[i])
        for i in match_joints(skeleton, names)
    ]


def _by_names(skeleton: Skeleton, names: Sequence[str]) -> JointMatch | None:
    """Matches by name; None where no name fits."""
    columns = np.full(len(skeleton), -1, dtype=np.intp)
    for position, joint in enumerate(match_joints(skeleton, names)):
        if joint is not None:
            columns[joint] = position
    if (columns < 0).all():
        return None
    notes = []
    missing = [j for j, c in zip(skeleton.joints, columns, strict=True) if c < 0]
    if missing:
        notes.append(
            f"{len(missing)} of {len(skeleton)} joints of {skeleton.name} are not in the "
            f"file: {_shortened(missing)}"
        )
    unused = [n for i, n in enumerate(names) if i not in columns]
    if unused:
        notes.append(
            f"{len(unused)} points of the file are not joints of {skeleton.name} and are "
            f"left out: {_shortened(unused)}"
        )
    if not missing and len(names) == len(skeleton) and (columns == np.arange(len(names))).all():
        columns = None
    return JointMatch(skeleton, columns, tuple(notes))


def _has_real_names(names: Sequence[str] | None) -> bool:
    """Whether names say anything: `0, 1, 2` or `joint_0, joint_1` do not."""
    if names is None:
        return False
    words = {simplified(name).strip("0123456789") for name in names}
    return len(words) > 1 or len(names) == 1


def _same_count(count: int) -> str:
    same = [n for n in skeleton_defs.list_formats() if len(skeleton_defs.get(n)) == count]
    return (
        f"formats with {count} joints: {', '.join(same)}"
        if same
        else (f"no known format has {count} joints; describe yours in a .json or .toml file")
    )


def _shortened(names: Sequence[str], count: int = 8) -> str:
    shown = ", ".join(names[:count])
    return f"{shown}, ... ({len(names)})" if len(names) > count else shown
