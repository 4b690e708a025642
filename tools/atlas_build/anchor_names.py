"""What placements can hang on: names known without loading the body, and their mirror images."""

from __future__ import annotations

import functools

from .landmarks import load_landmarks

_CENTRE_BONES = ("root", "spine05", "spine04", "spine03", "spine02", "spine01", "neck01", "neck02",
                 "neck03", "head")  # fmt: skip
_SIDED_BONES = (
    "pelvis upperleg01 upperleg02 lowerleg01 lowerleg02 foot clavicle shoulder01 upperarm01 "
    "upperarm02 lowerarm01 lowerarm02 wrist metacarpal1 metacarpal2 metacarpal3 metacarpal4 eye"
).split()
_FINGER_BONES = tuple(f"finger{finger}-{bone}" for finger in range(1, 6) for bone in range(1, 4))
_TOE_BONES = ("toe1-1", "toe1-2",
              *(f"toe{toe}-{bone}" for toe in range(2, 6) for bone in range(1, 4)))  # fmt: skip
_COCO = ("eye ear shoulder elbow wrist hip knee ankle big_toe small_toe heel").split()


@functools.cache
def anchor_names() -> frozenset[str]:
    """Return the names of all anchors, as `PosedBodies.anchor_names` has them."""
    sided = (*_SIDED_BONES, *_FINGER_BONES, *_TOE_BONES)
    bones = [*_CENTRE_BONES, *(f"{bone}.{side}" for bone in sided for side in "LR")]
    coco = ["nose", *(f"{side}_{point}" for point in _COCO for side in ("left", "right"))]
    skin = [name if name.startswith("tail:") else f"skin:{name}" for name in load_landmarks()]
    return frozenset(
        [*(f"bone:{name}" for name in bones), *(f"coco:{name}" for name in coco), *skin]
    )


def other_side(name: str) -> str:
    """Return the name of an anchor or a part of `PARTS` on the other side of the body.

    `left_foot`, `coco:left_ear`, `bone:wrist.L`; `skin:ibug_31` by the mirror images of the iBUG
    numbering. Names without a side stay.
    """
    kind, colon, rest = name.rpartition(":")
    for left, right in (("left_", "right_"), ("right_", "left_")):
        if rest.startswith(left):
            return f"{kind}{colon}{right}{rest.removeprefix(left)}"
    for left, right in ((".L", ".R"), (".R", ".L")):
        if rest.endswith(left):
            return f"{kind}{colon}{rest.removesuffix(left)}{right}"
    if rest.startswith("ibug_"):
        return f"{kind}{colon}ibug_{_ibug_image(int(rest[5:])):02d}"
    return name


def _ibug_image(number: int) -> int:
    """Return the mirror image of a point in the iBUG numbering, 1 to 68."""
    for first, last, total in ((1, 17, 18), (18, 27, 45), (32, 36, 68), (49, 55, 104),
                               (56, 60, 116), (61, 65, 126), (66, 68, 134)):  # fmt: skip
        if first <= number <= last:
            return total - number
    eyes = {37: 46, 38: 45, 39: 44, 40: 43, 41: 48, 42: 47}
    return {**eyes, **{b: a for a, b in eyes.items()}}.get(number, number)
