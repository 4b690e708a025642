"""What kinds of poses a collection of motion covers, by source: a table for the build's report.

Run as `PYTHONPATH=.:tools python -m atlas_build.coverage FOLDER_OF_MOTION`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np

from dataset_adapters.containers.kinematics import accumulate_steps

from .motion import Motion, load_motions
from .transfer import PART_INDEX

#: A stick figure in the reference T-pose: point -> (parent point, the part that carries it, step in
#: shares of the stature). Lengths after Winter, Biomechanics and Motor Control of Human Movement.
_STICKS = {
    "pelvis": (None, "pelvis", (0, 0, 0)),
    "lumbar": ("pelvis", "spine1", (0, 0.08, 0)), "chest": ("lumbar", "spine2", (0, 0.06, 0)),
    "neck": ("chest", "spine3", (0, 0.15, 0)), "head": ("neck", "neck", (0, 0.05, 0.01)),
    "head_top": ("head", "head", (0, 0.13, 0.01)),
    **{f"{side}_{point}": (parent if parent in ("pelvis", "neck") else f"{side}_{parent}",
                           part if part in ("pelvis", "spine3") else f"{side}_{part}",
                           (sign * x, y, z))
       for side, sign in (("left", 1), ("right", -1))
       for point, parent, part, (x, y, z) in (
           ("hip", "pelvis", "pelvis", (0.05, -0.03, 0)), ("knee", "hip", "thigh", (0, -0.245, 0)),
           ("ankle", "knee", "shank", (0, -0.246, 0)), ("toes", "ankle", "foot", (0, -0.03, 0.11)),
           ("shoulder", "neck", "spine3", (0.11, -0.03, 0)),
           ("elbow", "shoulder", "upper_arm", (0.17, 0, 0)),
           ("wrist", "elbow", "forearm", (0.15, 0, 0)))},
}  # fmt: skip
_POINTS = tuple(_STICKS)

#: Heading of the table -> what it counts, over frames (arms and legs: over both sides).
KINDS = {
    "arm up": "upper arms above the horizontal",
    "hand over head": "wrists above the head's top",
    "sitting": "both thighs within 35 degrees of the horizontal, knees bent by 45 degrees or more, "
               "trunk within 45 degrees of the vertical",
    "bent over": "trunk more than 45 degrees from the vertical, standing or not",
    "floor": "pelvis less than 0.15 of the stature above the lowest point, or trunk within 25 "
             "degrees of the horizontal or upside down",
    "kick": "ankles above the other knee, standing",
    "high kick": "ankles above the hips, standing",
    "deep knee": "knees bent by more than 90 degrees",
}  # fmt: skip


def stick_figures(rotations: np.ndarray) -> dict[str, np.ndarray]:
    """Compute points of a stick figure of stature 1.

    Args:
      rotations: `(T, P, 3, 3)` part rotations relative to the reference T-pose.

    Returns:
      Point -> `(T, 3)`, the pelvis at the origin, y up.
    """
    parents, steps = [], np.empty((len(rotations), len(_POINTS), 3))
    for k, (parent, part, step) in enumerate(_STICKS.values()):
        parents.append(-1 if parent is None else _POINTS.index(parent))
        steps[:, k] = rotations[:, PART_INDEX[part]] @ np.array(step, dtype=float)
    points = accumulate_steps(parents, steps)
    return {name: points[:, k] for k, name in enumerate(_POINTS)}


def coverage(motions: Iterable[Motion]) -> dict[str, dict[str, float]]:
    """Count kinds of poses.

    Returns:
      Source (or `total: train`, `total: test`) -> `frames`, and the share of each of `KINDS`.
    """
    groups: dict[str, list[np.ndarray]] = {}
    for motion in motions:
        for group in (motion.source, f"total: {motion.split}"):
            groups.setdefault(group, []).append(motion.rotations)
    table = {}
    for group in sorted(groups):
        rotations = np.concatenate(groups[group])
        table[group] = {"frames": float(len(rotations)), **shares_of_kinds(rotations)}
    return table


def shares_of_kinds(rotations: np.ndarray) -> dict[str, float]:
    """Return the share of each of `KINDS` among part rotations `(T, P, 3, 3)`."""
    points = stick_figures(rotations.astype(np.float64))
    height = {name: point[:, 1] for name, point in points.items()}

    def both(values) -> np.ndarray:
        return np.stack([values("left", "right"), values("right", "left")])

    def rise(start: str, end: str) -> np.ndarray:
        """Return the angle of a segment above the horizontal, in degrees."""
        step = points[end] - points[start]
        return np.degrees(np.arcsin(np.clip(step[:, 1] / np.linalg.norm(step, axis=1), -1, 1)))

    trunk = rise("pelvis", "neck")
    arm = both(lambda side, _: rise(f"{side}_shoulder", f"{side}_elbow"))
    thigh = both(lambda side, _: rise(f"{side}_hip", f"{side}_knee"))
    bend = both(lambda side, _: _bend(rotations, f"{side}_thigh", f"{side}_shank"))
    lowest = np.min(list(height.values()), axis=0)
    floor = (height["pelvis"] - lowest < 0.15) | (trunk < 25)
    ankle = both(lambda side, _: height[f"{side}_ankle"])
    other_knee = both(lambda _, other: height[f"{other}_knee"])
    hip = both(lambda side, _: height[f"{side}_hip"])
    wrist = both(lambda side, _: height[f"{side}_wrist"])
    seated = (np.abs(thigh) < 35).all(0) & (bend > 45).all(0) & (trunk > 45)
    shares = (arm > 0, wrist > height["head_top"], seated, trunk < 45, floor,
              (ankle > other_knee) & ~floor, (ankle > hip) & ~floor, bend > 90)  # fmt: skip
    return {kind: float(np.mean(share)) for kind, share in zip(KINDS, shares, strict=True)}


def _bend(rotations: np.ndarray, upper: str, lower: str) -> np.ndarray:
    """Return the angle between two parts' long axes, in degrees."""
    first, second = (rotations[:, PART_INDEX[part], :, 1] for part in (upper, lower))
    cosine = np.sum(first * second, axis=1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def kinds_text(rotations: np.ndarray) -> str:
    """Write the shares of `KINDS` among part rotations `(T, P, 3, 3)` in one line, in percent."""
    shares = shares_of_kinds(rotations)
    return ", ".join(f"{kind} {100 * share:.1f}" for kind, share in shares.items())


def coverage_text(table: dict[str, dict[str, float]]) -> str:
    """Write the table as aligned text, shares in percent."""
    width = max(map(len, table))
    lines = [" ".join([" " * width, "frames", *KINDS])]
    for group, row in table.items():
        shares = (f"{100 * row[kind]:{len(kind)}.1f}" for kind in KINDS)
        lines.append(" ".join([group.ljust(width), f"{row['frames']:6.0f}", *shares]))
    return "\n".join(lines)


if __name__ == "__main__":
    print(coverage_text(coverage(load_motions(sys.argv[1]))))
