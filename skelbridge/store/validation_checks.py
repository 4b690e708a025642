"""Checks that need nothing but the arrays: does this look like people, seen by these cameras?

Each function takes N examples of one skeleton format and returns one number (NaN where the format
or the data does not allow the check), which `validation` compares with its limit.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np

import skeleton_defs

#: Torso, thigh and shin of an adult together, mm; formats place hips and shoulders differently.
TYPICAL_LIMBS_MM = 1350.0
#: A knee, toe or nose counts as evidence of the facing direction where it stands out this far.
_CLEARLY_MM = 20.0


@functools.lru_cache(maxsize=256)
def group_rows(skeleton: str) -> dict[str, list[int]]:
    """Returns body part -> the joints of a format that belong to it."""
    definition = skeleton_defs.get(skeleton)
    rows: dict[str, list[int]] = {}
    for i, joint in enumerate(definition.joints):
        rows.setdefault(definition.group.get(joint, ""), []).append(i)
    return rows


def part(points: np.ndarray, skeleton: str, name: str) -> np.ndarray:
    """Returns the (N, D) mean place of a body part; NaN where the format has none of it."""
    rows = group_rows(skeleton).get(name)
    if not rows:
        return np.full((len(points), points.shape[-1]), np.nan)
    return points[:, rows].mean(axis=1)


def _middle(points: np.ndarray, skeleton: str, name: str) -> np.ndarray:
    return (part(points, skeleton, f"left_{name}") + part(points, skeleton, f"right_{name}")) / 2


def limbs_mm(joints: np.ndarray, skeleton: str) -> float:
    """Returns the median of torso + thigh + shin, mm, of joints (N, J, 3)."""
    length = np.linalg.norm(
        _middle(joints, skeleton, "shoulder") - _middle(joints, skeleton, "hip"), axis=-1
    )
    for upper, lower in (("hip", "knee"), ("knee", "ankle")):
        sides = [
            np.linalg.norm(
                part(joints, skeleton, f"{side}_{upper}")
                - part(joints, skeleton, f"{side}_{lower}"),
                axis=-1,
            )
            for side in ("left", "right")
        ]
        length = length + (sides[0] + sides[1]) / 2
    return median(length)


def bone_spread(joints: np.ndarray, skeleton: str, who: np.ndarray) -> float:
    """Returns the median over people and bones of a bone's standard deviation over its mean.

    Args:
      joints: (N, J, 3) mm.
      who: (N,) the person of each row, by number.
    """
    edges = np.array(skeleton_defs.get(skeleton).edges, int).reshape(-1, 2)
    lengths = np.linalg.norm(joints[:, edges[:, 0]] - joints[:, edges[:, 1]], axis=-1)
    spreads = []
    for person in np.unique(who):
        rows = lengths[who == person]
        enough = (~np.isnan(rows)).sum(axis=0) >= 3
        if enough.any():
            chosen = rows[:, enough]
            mean = np.nanmean(chosen, axis=0)
            usable = mean > 1e-6
            spreads.extend(np.nanstd(chosen, axis=0)[usable] / mean[usable])
    return median(np.array(spreads))


def side_difference(joints: np.ndarray, skeleton: str) -> float:
    """Returns the median over paired limbs of |left - right| over their mean length."""
    differences = []
    for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"),
                         ("knee", "ankle")):  # fmt: skip
        left, right = (
            np.linalg.norm(
                part(joints, skeleton, f"{side}_{upper}")
                - part(joints, skeleton, f"{side}_{lower}"),
                axis=-1,
            )
            for side in ("left", "right")
        )
        mean = (left + right) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            differences.append(np.where(mean > 1e-6, np.abs(left - right) / mean, np.nan))
    return median(np.concatenate(differences))


def facing_votes(joints: np.ndarray, skeleton: str) -> tuple[float, int]:
    """Tells whether left is left: where knees, toes and nose point against where the body faces.

    A person whose left side is labelled so faces along (left - right) x (up the torso). Knees bend,
    toes and noses point that way; where left and right are exchanged (or the whole world is
    mirrored) they point backwards.

    Returns:
      The share of votes that agree, and the number of votes.
    """
    hips = part(joints, skeleton, "left_hip") - part(joints, skeleton, "right_hip")
    torso = _middle(joints, skeleton, "shoulder") - _middle(joints, skeleton, "hip")
    forward = np.cross(hips, torso)
    with np.errstate(invalid="ignore", divide="ignore"):
        forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    evidence = []
    for side in ("left", "right"):
        hip, knee, ankle, toe = (
            part(joints, skeleton, f"{side}_{name}") for name in ("hip", "knee", "ankle", "toe")
        )
        leg = ankle - hip
        with np.errstate(invalid="ignore", divide="ignore"):
            along = ((knee - hip) * leg).sum(-1, keepdims=True) / (leg * leg).sum(-1, keepdims=True)
        evidence += [knee - hip - along * leg, toe - ankle]
    evidence.append(part(joints, skeleton, "nose") - _middle(joints, skeleton, "ear"))
    shown = np.concatenate([(vector * forward).sum(axis=-1) for vector in evidence])
    with np.errstate(invalid="ignore"):
        shown = shown[np.abs(shown) > _CLEARLY_MM]
    return (float((shown > 0).mean()) if len(shown) else np.nan), len(shown)


def side_order_2d(joints: np.ndarray, skeleton: str) -> float:
    """Returns how often shoulders and hips agree on which side is left in the image (N, J, 2)."""
    order = []
    for name in ("shoulder", "hip"):
        left, right = (part(joints, skeleton, f"{side}_{name}") for side in ("left", "right"))
        order.append(left[:, 0] - right[:, 0])
    scale = np.abs(order[0]) + np.abs(order[1])
    with np.errstate(invalid="ignore"):
        clear = (np.minimum(np.abs(order[0]), np.abs(order[1])) > 0.2 * scale) & (scale > 4)
    if not clear.any():
        return np.nan
    return float((np.sign(order[0]) == np.sign(order[1]))[clear].mean())


def uprightness(joints: np.ndarray, skeleton: str, up: np.ndarray) -> float:
    """Returns the median cosine between feet-to-shoulders and the upward directions (N, 3)."""
    body = _middle(joints, skeleton, "shoulder") - _middle(joints, skeleton, "ankle")
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (body * up).sum(-1) / np.linalg.norm(body, axis=-1)
    return median(cosine)


def projection_error(projected: np.ndarray, annotated: np.ndarray, boxes: np.ndarray) -> float:
    """Returns the median distance of (N, J, 2) pixels, as a share of the larger box side."""
    distance = np.linalg.norm(projected - annotated, axis=-1)
    side = boxes[:, 2:].max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return median(np.where(side > 0, median_rows(distance) / side, np.nan))


def outside_share(pixels: np.ndarray, sizes: np.ndarray) -> float:
    """Returns the share of (N, J, 2) pixels that lie outside of images of (N, 2) width, height."""
    known = ~np.isnan(pixels[..., 0]) & (sizes[:, None, 0] > 0)
    if not known.any():
        return np.nan
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= -0.5) & (pixels <= sizes[:, None] - 0.5)).all(axis=-1)
    return float((~inside)[known].mean())


def duplicate_share(joints: np.ndarray, keys: list) -> float:
    """Returns the share of rows whose joints (N, J, D) equal those of another row of their key."""
    if not len(joints):
        return np.nan
    seen: dict = {}
    duplicates = 0
    for row, key in zip(np.ascontiguousarray(joints), keys, strict=True):
        identity = (key, hashlib.blake2b(row.tobytes(), digest_size=16).digest())
        duplicates += identity in seen
        seen[identity] = True
    return duplicates / len(joints)


def median(values: np.ndarray) -> float:
    """Returns the median without NaN; NaN of nothing."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else np.nan


def median_rows(values: np.ndarray) -> np.ndarray:
    """Returns the median of each row without NaN; NaN of rows without numbers."""
    result = np.full(len(values), np.nan)
    usable = ~np.isnan(values).all(axis=1)
    if usable.any():
        result[usable] = np.nanmedian(values[usable], axis=1)
    return result
