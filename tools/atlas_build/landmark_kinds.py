"""The kinds of rules that most landmarks follow: name, rule in words, and the rule."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .average_body import BACK, DOWN, FRONT, LEFT, RIGHT, UP, AverageBody, Weights

#: How much of a fingertip or toe counts as its end.
TAIL_MM = 10.0

Rule = tuple[str, str, Callable[[AverageBody], Weights]]


def ray(name: str, bone: str, direction: np.ndarray, *, shift=(0, 0, 0), reach=120.0) -> Rule:
    """Take the skin in a direction from a bone's head (plus a shift in mm)."""
    where = f"{bone}" + (f" + {tuple(shift)} mm" if any(shift) else "")
    text = f"skin where a ray from bone head {where} towards {_word(direction)} leaves it"
    return name, text, lambda body: body.hit(body.heads[bone] + np.array(shift), direction, reach)


def ray_at_height(name: str, share: float, direction: np.ndarray, *, x=0.0, why: str) -> Rule:
    """Take the skin in a direction from the trunk's axis at a share of the stature."""

    text = (f"skin towards {_word(direction)} at {share:.3f} of stature"
            + (f", {x:.3f} of stature from the midline" if x else ", on the midline")
            + f" ({why})")  # fmt: skip

    def find(body: AverageBody) -> Weights:
        origin = body.at_height(share) + np.array([x * body.stature, 0, 0])
        return body.hit(origin, direction, 250.0)

    return name, text, find


def between_bones(name: str, first: str, second: str, share: float, direction: np.ndarray) -> Rule:
    """Take the skin in a direction from a point between two bones' heads."""

    text = (f"skin towards {_word(direction)} of the point {share:g} of the way from bone head "
            f"{first} to {second}")  # fmt: skip

    def find(body: AverageBody) -> Weights:
        origin = body.heads[first] + share * (body.heads[second] - body.heads[first])
        return body.hit(origin, direction)

    return name, text, find


def furthest(name: str, direction: np.ndarray, *bones: str) -> Rule:
    """Take the vertex of some bones that lies furthest in a direction."""

    text = f"vertex furthest to {_word(direction)} among those carried by {', '.join(bones)}"
    return name, text, lambda body: body.extreme(direction, body.of(*bones))


def _word(direction: np.ndarray) -> str:
    words = (("lateral", LEFT), ("medial", RIGHT), ("up", UP), ("down", DOWN), ("front", FRONT),
             ("back", BACK))  # fmt: skip
    return next(word for word, axis in words if np.allclose(axis, direction))


def finger_tip(name: str, finger: int) -> Rule:
    """Take the tip of a left finger, 1 (thumb) to 5."""

    def find(body: AverageBody) -> Weights:
        along = body.heads[f"finger{finger}-3.L"] - body.heads[f"finger{finger}-2.L"]
        return body.extreme(along, body.of(f"finger{finger}-3.L"))

    text = f"vertex of the last bone of finger {finger} furthest along its middle bone"
    return name, text, find


def tail(bone: str) -> Rule:
    """Take the middle of the end of a finger's or toe's last bone."""

    def find(body: AverageBody) -> Weights:
        mask = body.of(bone)
        along = body.heads[bone] - body.heads[f"{bone[:-3]}{int(bone[-3]) - 1}.L"]
        along = FRONT if bone.startswith("toe") else along / np.linalg.norm(along)
        reach = body.vertices @ along
        return {int(k): 1.0 for k in np.flatnonzero(mask & (reach > reach[mask].max() - TAIL_MM))}

    return f"tail:{bone}", f"mean of its vertices within {TAIL_MM:g} mm of the furthest one", find
