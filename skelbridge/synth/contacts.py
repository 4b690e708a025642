"""Do limbs go through each other? Spheres along the limbs tell, roughly and fast."""

from __future__ import annotations

import functools

import numpy as np

from ..atlas.body_parts import LOW_POLY_PARTS

#: Limb -> (part it starts at, part or offset where it ends, radius in m, number of spheres).
#: Offsets are in the T-pose of an adult: fingers, toes, the crown.
_LIMBS = {
    "trunk": ("pelvis", "neck", 0.115, 5),
    "head": ("head", (0.0, 0.13, 0.03), 0.095, 2),
    **{f"{side}_{name}": (f"{side}_{start}", end if isinstance(end, tuple) else f"{side}_{end}",
                          radius, count)
       for side, sign in (("left", 1), ("right", -1))
       for name, start, end, radius, count in (
           ("flank", "thigh", "upper_arm", 0.07, 5),
           ("upper_arm", "upper_arm", "forearm", 0.042, 3),
           ("forearm", "forearm", "hand", 0.036, 4),
           ("hand", "hand", (sign * 0.16, -0.01, 0.0), 0.03, 3),
           ("thigh", "thigh", "shank", 0.07, 5),
           ("shank", "shank", "foot", 0.048, 5),
           ("foot", "foot", (0.0, -0.05, 0.17), 0.04, 3))},
}  # fmt: skip
#: Limbs that must keep clear of each other; those that hang together are not listed.
_CLEAR = [
    *((f"{side}_{low}", other) for side in ("left", "right") for low in ("forearm", "hand")
      for other in ("trunk", "head", "left_flank", "right_flank", "left_thigh", "right_thigh",
                    "left_shank", "right_shank")),
    *((f"left_{a}", f"right_{b}") for a in ("forearm", "hand") for b in ("forearm", "hand")),
    *((f"{side}_hand", f"{side}_upper_arm") for side in ("left", "right")),
    *((f"{side}_{a}", f"{other}_upper_arm") for side, other in (("left", "right"),
      ("right", "left")) for a in ("forearm", "hand")),
    *((f"left_{a}", f"right_{b}") for a in ("shank", "foot") for b in ("thigh", "shank", "foot")),
    *(("left_thigh", f"right_{b}") for b in ("shank", "foot")),
    *((f"{side}_foot", f"{side}_thigh") for side in ("left", "right")),
    ("left_thigh", "right_thigh"),
]  # fmt: skip
#: Thighs touch each other next to the body, and shanks their thighs.
_TOLERANCE = {("left_thigh", "right_thigh"): 0.03}


def depth_of_contact(turns: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Measures how deep limbs are inside each other.

    Args:
      turns: `(N, 22, 3, 3)` of `LOW_POLY_PARTS`.
      places: `(N, 22, 3)` of their pivots, metres.

    Returns:
      `(N,)` metres; negative where all limbs are clear of each other.
    """
    start, end, offset, share, first, second, reach = _spheres()
    ends = places[:, end] + (turns[:, end] @ offset[:, :, None])[..., 0]
    centers = places[:, start] + share[:, None] * (ends - places[:, start])
    apart = np.linalg.norm(centers[:, first] - centers[:, second], axis=-1)
    return (reach - apart).max(axis=1)


@functools.lru_cache(maxsize=1)
def _spheres():
    """Returns columns of the spheres, and of the pairs of spheres that must keep clear."""
    rows, of_limb = [], {}
    for limb, (start, end, radius, count) in _LIMBS.items():
        part, offset = (start, end) if isinstance(end, tuple) else (end, (0.0, 0.0, 0.0))
        # A limb's own joint does not count as contact with the limb before it.
        shares = np.linspace(0.2, 1.0, count) if count > 2 else np.array([0.3, 0.9])
        of_limb[limb] = range(len(rows), len(rows) + count)
        rows += [(LOW_POLY_PARTS.index(start), LOW_POLY_PARTS.index(part), offset, s, radius)
                 for s in shares]  # fmt: skip
    start, end, offset, share, radius = (np.array(column) for column in zip(*rows, strict=True))
    pairs = [
        (a, b, radius[a] + radius[b] - _TOLERANCE.get(pair, 0.0))
        for pair in _CLEAR
        for a in of_limb[pair[0]]
        for b in of_limb[pair[1]]
    ]
    first, second, reach = (np.array(column) for column in zip(*pairs, strict=True))
    return start, end, offset, share, first, second, reach
