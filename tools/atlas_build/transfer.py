"""Body parts, their reference T-pose, and the transfer of a motion file's bones to them.

Axes throughout: x is the person's left, y up, z forward. In the reference T-pose the person stands
upright facing +z, the arms straight out to the sides with the palms down, the legs straight down,
the feet parallel and flat.

A limb is described by its direction and the axis its hinge bends about (elbow, knee; wrist for the
hand, ankle for the foot). A source states both for its own rest pose; the turn between the source's
frame and that of the reference T-pose then carries over, so that posed limbs point and bend as in
the file whatever the rest poses were.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skelbridge.atlas.body_parts import PART_INDEX, PARTS

from .turning import about, between, limb_frame, swing, unit

#: Share of the way from the hips to the base of the neck that spine1 and spine2 make up.
LUMBAR_SHARE = 0.42
#: Share of a skeleton's lean at rest that the chest takes, see `trunk_turns`.
CHEST_SHARE_OF_LEAN = 1 / 3

_X, _Y, _Z = np.eye(3)

#: Limb part -> direction and hinge in the reference T-pose. Turning about the hinge bends the limb
#: the way it bends: forearms to the front, shanks to the back, hands to the palm, toes down.
T_POSE: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "left_upper_arm": (_X, -_Y), "right_upper_arm": (-_X, _Y),
    "left_forearm": (_X, -_Y), "right_forearm": (-_X, _Y),
    "left_hand": (_X, -_Z), "right_hand": (-_X, _Z),
    "left_thigh": (-_Y, _X), "right_thigh": (-_Y, _X),
    "left_shank": (-_Y, _X), "right_shank": (-_Y, _X),
    "left_foot": (_Z, _X), "right_foot": (_Z, _X),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SourceBone:
    """The bone of a motion file that moves a body part, in the file's rest pose.

    Attributes:
      joint: index of the joint whose world rotation moves the part.
      direction: `(3,)` along the limb; None for parts of the trunk, whose rest pose is taken to be
        that of the reference T-pose, but see `trunk_turns`.
      hinge: `(3,)` the axis the limb bends about, or None where the file does not tell: then the
        limb was moved from the T-pose to its rest pose without a twist.
      turn: `(3, 3)` from the reference T-pose to the rest pose, where it is known already.
    """

    joint: int
    direction: np.ndarray | None = None
    hinge: np.ndarray | None = None
    turn: np.ndarray | None = None


def rest_turn(part: str, bone: SourceBone) -> np.ndarray:
    """Return the turn `(3, 3)` of a part from the reference T-pose to a file's rest pose."""
    if bone.turn is not None:
        return bone.turn
    if bone.direction is None:
        return np.eye(3)
    direction, hinge = T_POSE[part]
    source = unit(np.asarray(bone.direction, dtype=np.float64))
    if bone.hinge is None:
        return swing(direction, source)
    return limb_frame(source, bone.hinge) @ limb_frame(direction, hinge).T


def trunk_turns(hips: np.ndarray, neck: np.ndarray) -> dict[str, np.ndarray]:
    """Return the turns of the trunk's parts at rest in a skeleton with hips not under its neck.

    In CMU's skeletons the hips lie 35 to 60 mm before the spine, so that in motion the spine leans
    forward to stand over them. Carried over as it is, the lean puts the chest 40 to 60 mm too far
    forward on a body that has its hips under its neck. Here the neck comes where it is in the file
    relative to the hips; the lumbar spine makes up for most of it, because the chest's markers in a
    take that has some show that the chest is turned as the file says.

    Args:
      hips: `(3,)` midpoint of the hips at rest.
      neck: `(3,)` base of the neck at rest.

    Returns:
      Part -> `(3, 3)` turn about the transverse axis; pelvis, neck and head have none.
    """
    _, up, forward = np.asarray(neck) - hips
    lean = np.arctan2(forward, up)
    chest = CHEST_SHARE_OF_LEAN * lean
    lumbar = (lean - (1 - LUMBAR_SHARE) * chest) / LUMBAR_SHARE
    angles = {"spine1": lumbar, "spine2": lumbar, "spine3": chest, "left_collar": chest,
              "right_collar": chest}  # fmt: skip
    return {part: about(_X, angle) for part, angle in angles.items()}


def transfer(world: np.ndarray, bones: Mapping[str, SourceBone]) -> np.ndarray:
    """Turn a file's world rotations into rotations of body parts.

    Args:
      world: `(T, J, 3, 3)` world rotations of the file's joints relative to the file's rest pose,
        in the axes of this module.
      bones: part -> source bone. Hands may be left out (they follow the forearm), collars (they
        follow the chest), and spine parts (they share the turn between their neighbours evenly).

    Returns:
      `(T, P, 3, 3)` rotations relative to the reference T-pose, in the order of `PARTS`.
    """
    given = {part: world[:, bone.joint] @ rest_turn(part, bone) for part, bone in bones.items()}
    for side in ("left", "right"):
        given.setdefault(f"{side}_hand", given[f"{side}_forearm"])
    _fill_chain(given, ("pelvis", "spine1", "spine2", "spine3"))
    for side in ("left", "right"):
        given.setdefault(f"{side}_collar", given["spine3"])
    _fill_chain(given, ("spine3", "neck", "head"))
    return np.stack([given[part] for part in PARTS], axis=1)


def _fill_chain(given: dict[str, np.ndarray], chain: tuple[str, ...]) -> None:
    """Give absent parts of a chain, whose ends are there, an even share of the turn."""
    known = [k for k, part in enumerate(chain) if part in given]
    for start, end in itertools.pairwise(known):
        for k in range(start + 1, end):
            share = (k - start) / (end - start)
            given[chain[k]] = between(given[chain[start]], given[chain[end]], share)


def mirrored(rotations: np.ndarray) -> np.ndarray:
    """Mirror part rotations `(..., P, 3, 3)` left to right.

    Returns:
      `(..., P, 3, 3)`: reflected in the person's sagittal plane x = 0, left and right exchanged.
    """
    reflection = np.array([-1.0, 1.0, 1.0], dtype=rotations.dtype)
    other_side = [PART_INDEX[_other_side(part)] for part in PARTS]
    return rotations[..., other_side, :, :] * reflection[:, None] * reflection


def _other_side(part: str) -> str:
    side, _, rest = part.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, part)
