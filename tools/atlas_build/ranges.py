"""Widths and lengths of the formats' skeletons on sampled adults, against real figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .body import PARTS, Bodies, PosedBodies, make_bodies
from .placement import Placements, place

#: Format family -> length -> (two points, smallest, largest mean in mm). Figures of recordings of
#: adults, those of few people and of single rest skeletons made 2 % wider.
RANGES = {
    "smpl": {
        "hip width": ("left_hip_smpl", "right_hip_smpl", 117, 149),
        "shoulder width": ("left_shoulder", "right_shoulder", 341, 425),
        "thigh": ("left_hip_smpl", "left_knee", 369, 425),
        "shin": ("left_knee", "left_ankle", 393, 469),
        "upper arm": ("left_shoulder", "left_elbow", 252, 301),
        "forearm": ("left_elbow", "left_wrist", 244, 293),
    },
    "h36m": {
        "hip width": ("left_hip_h36m", "right_hip_h36m", 239, 293),
        "shoulder width": ("left_shoulder_h36m", "right_shoulder_h36m", 257, 328),
        "thigh": ("left_hip_h36m", "left_knee_h36m", 428, 452),
        "shin": ("left_knee_h36m", "left_ankle_h36m", 438, 454),
        "upper arm": ("left_shoulder_h36m", "left_elbow_h36m", 262, 292),
        "forearm": ("left_elbow_h36m", "left_wrist_h36m", 240, 255),
        "pelvis to spine": ("pelvis_h36m", "spine_mid_h36m", 224, 261),
        "spine to neck": ("spine_mid_h36m", "neck_base", 246, 262),
        "neck to head": ("neck_base", "head_h36m", 105, 121),
        "head to top": ("head_h36m", "head_top_h36m", 113, 117),
    },
    "coco": {
        "hip width": ("left_hip", "right_hip", 181, 228),
        "shoulder width": ("left_shoulder", "right_shoulder", 277, 334),
        "thigh": ("left_hip", "left_knee", 355, 418),
        "shin": ("left_knee", "left_ankle", 355, 440),
        "upper arm": ("left_shoulder", "left_elbow", 243, 299),
        "forearm": ("left_elbow", "left_wrist", 208, 274),
    },
    "3dhp": {
        "hip width": ("left_hip_3dhp", "right_hip_3dhp", 244, 284),
        "shoulder width": ("left_shoulder", "right_shoulder", 273, 320),
        "shin": ("left_knee", "left_ankle", 355, 428),
        "upper arm": ("left_shoulder", "left_elbow", 305, 342),
        "forearm": ("left_elbow", "left_wrist", 230, 264),
        "pelvis to spine": ("pelvis_3dhp", "spine_lower_3dhp", 227, 267),
        "neck to head": ("neck_3dhp", "head_3dhp", 87, 102),
        "head to top": ("head_3dhp", "head_top_3dhp", 174, 203),
    },
}


def upright(bodies: Bodies) -> PosedBodies:
    """Return bodies in the reference T-pose."""
    count = len(bodies.stature)
    turns = np.broadcast_to(np.eye(3, dtype=np.float32), (count, len(PARTS), 3, 3))
    reference = bodies.reference.astype(np.float32)
    return PosedBodies(
        anchors=reference, anchor_names=bodies.anchors.names, rotations=turns,
        reference=reference, stature=bodies.stature.astype(np.float32), body=np.arange(count),
        take=np.zeros(count, dtype=int), take_names=("T-pose",),
    )  # fmt: skip


def lengths(placements: Placements, bodies: PosedBodies) -> dict[tuple[str, str], np.ndarray]:
    """Return (family, length) -> `(N,)` mm, for those of `RANGES` whose points have places."""
    points, names = place(bodies, placements)
    found = {}
    for family, table in RANGES.items():
        for name, (first, second, _, _) in table.items():
            pair = [f"{family}:{point}" for point in (first, second)]
            if all(point in names for point in pair):
                a, b = (points[:, names.index(point)] for point in pair)
                found[family, name] = 1000 * np.linalg.norm(a - b, axis=-1)
    return found


def report_ranges(
    placements: Placements, *, seed: int, n_bodies: int = 200,
    bodies: Bodies | None = None, show: Callable[[str], None] = print,
) -> list[str]:  # fmt: skip
    """Print lengths over sampled adults; return those whose mean is out of its range."""
    bodies = bodies or make_bodies(n_bodies, seed=seed)
    show("")
    show(f"Lengths of {len(bodies.stature)} adults in the T-pose (stature "
         f"{bodies.stature.mean():.2f} +- {bodies.stature.std():.2f} m), mm")  # fmt: skip
    show(f"{'':24}{'mean':>6}{'s.d.':>6}{'real':>12}")
    outside = []
    for (family, name), values in lengths(placements, upright(bodies)).items():
        low, high = RANGES[family][name][2:]
        mean = values.mean()
        flag = "" if low <= mean <= high else "!"
        if flag:
            outside.append(f"{family} {name}: {mean:.0f} mm, real {low}-{high}")
        show(f"{f'{family} {name}':24}{mean:6.0f}{values.std():6.0f}{f'{low}-{high}':>12} {flag}")
    return outside
