"""Finding joints by the names that files and people use."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .errors import UserError

if TYPE_CHECKING:
    from .skeleton import Skeleton

#: Prefixes that capture software and rigs put before every joint name.
_PREFIX = re.compile(r"^(?:.*[:|]|mixamorig\d*[:_]?|character\d*_)", re.IGNORECASE)

#: Own joint names that a widely used code base gives to another joint of the same format. The
#: library does not guess between them when a person types such a word.
_CONTESTED = {
    ("h36m", "head"): "posepile calls the joint above the neck so (VideoPose3D 'Neck/Nose', mmpose "
    "'neck_base'), mmpose, VideoPose3D and SPIN mean the topmost one",
}


def simplified(name: str) -> str:
    """Returns a name without rig prefix, separators, remarks and case.

    >>> simplified("mixamorig:LeftArm"), simplified("root (pelvis)")
    ('leftarm', 'root')
    """
    return re.sub(r"\([^)]*\)|[\s_.\-]+", "", _PREFIX.sub("", name.strip())).lower()


def _sided(name: str) -> tuple[str, str] | None:
    """Splits `RKnee`, `knee_r`, `Right Knee` into ("r", "knee"); None for names without a side."""
    bare = _PREFIX.sub("", name.strip())
    if found := re.match(r"(left|right|l|r)[\s_.\-]*(\w.*)$", bare, re.IGNORECASE):
        return found[1][0].lower(), simplified(found[2])
    if found := re.match(r"(.*\w)[\s_.\-]+(left|right|l|r)$", bare, re.IGNORECASE):
        return found[2][0].lower(), simplified(found[1])
    return None


def suggestions(word: str, choices: Sequence[str], *, count: int = 3) -> str:
    """Returns " Did you mean a, b?" or an empty text."""
    by_simplified = {}
    for choice in choices:
        by_simplified.setdefault(simplified(choice) or choice, choice)
    close = difflib.get_close_matches(simplified(word), list(by_simplified), n=count, cutoff=0.6)
    return f" Did you mean {', '.join(by_simplified[c] for c in close)}?" if close else ""


class NameTable:
    """Where the joints of one skeleton are, by every spelling of their names.

    Args:
      joints: own names, in order.
      aliases: joint -> other names.
    """

    def __init__(self, joints: Sequence[str], aliases: Mapping[str, Sequence[str]]):
        self._exact: dict[str, list[int]] = {}
        self._loose: dict[str, list[int]] = {}
        self._by_side: dict[tuple[str, str], list[int]] = {}
        for index, joint in enumerate(joints):
            spellings = dict.fromkeys((joint, *aliases.get(joint, ())))
            for name in spellings:
                self._exact.setdefault(name, []).append(index)
            for name in dict.fromkeys(map(simplified, spellings)):
                self._loose.setdefault(name, []).append(index)
            if side := _sided(joint):
                self._by_side.setdefault(side, []).append(index)

    def all_meanings(self, name: str) -> list[int]:
        """Joints with a name or alias that is equal but for prefix, separators and case."""
        return self._loose.get(simplified(name), [])

    def candidates(self, name: str) -> list[int]:
        """Joints that a name may stand for: exact matches, else looser ones, else by side."""
        exact = self._exact.get(name) or self.all_meanings(name)
        if exact:
            return exact
        side = _sided(name)
        return self._by_side.get(side, []) if side else []


def resolve_joint(skeleton: Skeleton, joint: str | int) -> int:
    """Implements `Skeleton.index`; see there."""
    if isinstance(joint, int):
        if not -len(skeleton.joints) <= joint < len(skeleton.joints):
            raise UserError(
                f"joint index must lie in 0..{len(skeleton.joints) - 1} for "
                f"'{skeleton.name}'. Received {joint}"
            )
        return joint % len(skeleton.joints)
    contested = _CONTESTED.get((skeleton.family, joint.lower()))
    found = skeleton.name_table.candidates(joint)
    if contested is None and joint in skeleton.joints:
        return skeleton.joints.index(joint)
    if contested and len(everywhere := skeleton.name_table.all_meanings(joint)) > 1:
        found = everywhere
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            f"'{skeleton.name}' has no joint '{joint}'."
            f"{suggestions(joint, skeleton.joints)} "
            f"(skelbridge show {skeleton.name} lists them)"
        )
    meanings = "; ".join(
        f"{i} = '{skeleton.joints[i]}' (also {', '.join(skeleton.aliases[skeleton.joints[i]])})"
        if skeleton.aliases.get(skeleton.joints[i])
        else f"{i} = '{skeleton.joints[i]}'"
        for i in found
    )
    why = f": {contested}" if contested else ""
    raise UserError(
        f"joint '{joint}' of '{skeleton.name}' is ambiguous{why}. It may be {meanings}: "
        "use the index or a name that only one of them has"
    )


def match_joints(skeleton: Skeleton, names: Sequence[str]) -> list[int | None]:
    """Finds the joint of a skeleton for each of a file's names, judging all names together.

    One name can mean different joints in different code bases (SURREAL's `spine1` is SMPL's
    `spine2`; mmpose's `head` is Human3.6M's head top), so names are assigned jointly: names that
    fit one joint only are settled first and take it away from the others.

    Args:
      skeleton: the format.
      names: names as the file spells them, in any order, possibly with others among them.

    Returns:
      For each name the joint's index, or None where the skeleton has no such joint.
    """
    if set(names) <= set(skeleton.joints):
        return [skeleton.joints.index(name) for name in names]
    table = skeleton.name_table
    open_names = {
        i: set(found) for i, name in enumerate(names) if (found := table.candidates(name))
    }
    result: list[int | None] = [None] * len(names)

    def settle(position: int, joint: int) -> None:
        result[position] = joint
        del open_names[position]
        for candidates in open_names.values():
            candidates.discard(joint)

    while open_names:
        single = next((i for i, c in open_names.items() if len(c) == 1), None)
        if single is not None:
            settle(single, next(iter(open_names[single])))
            continue
        # Only names with several meanings are left: the skeleton's own spelling decides first.
        own = next(
            (
                i
                for i, c in open_names.items()
                if names[i] in skeleton.joints and skeleton.joints.index(names[i]) in c
            ),
            None,
        )
        if own is not None:
            settle(own, skeleton.joints.index(names[own]))
            continue
        position = next(iter(open_names))
        candidates = open_names[position]
        if candidates:
            settle(position, min(candidates))
        else:
            del open_names[position]
    return result
