"""Which of a GTA ped's bones are the joints of `sailvos_26`."""

from __future__ import annotations

import numpy as np

#: Rows of the bones that stand for each joint, in the order of `sailvos_26`.
BONES = (
    (341, 8),  # head_top
    (61,),  # neck
    (216, 234), (171,), (164, 309),  # right shoulder, elbow, wrist
    (255, 39), (330,), (108,),  # left shoulder, elbow, wrist
    (45, 294), (215, 131, 253), (295,),  # right hip, knee, ankle
    (144, 315), (147, 342, 27), (85,),  # left hip, knee, ankle
    (152,),  # spine
    (206, 128, 102),  # head
    (307, 312),  # pelvis
    (130,), (11,),  # right, left toe
    (167, 188, 191, 310),  # nose
    (194, 193, 236, 78), (227, 304, 58, 229),  # right, left eye
    (37, 260, 195), (47, 148, 232),  # right, left ear
    (323,), (160,),  # right, left hand
)  # fmt: skip
#: Files have at least so many rows.
MIN_ROWS = 343
#: The x coordinates that mark a bone as invalid: minus the image's width or height.
_INVALID_X = (-1280.0, -800.0)


def bone_points(bones: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Returns pixels (N, 343, 2) and positions (N, 343, 3) with NaN for invalid bones.

    Args:
      bones: pixels and positions of each person, as the files have them.
    """
    pixels = np.array([pair[0][:MIN_ROWS] for pair in bones])
    points = np.array([pair[1][:MIN_ROWS] for pair in bones])
    pixels[np.isin(pixels[..., 0], _INVALID_X)] = np.nan
    points[(points == 0).all(-1)] = np.nan
    return pixels, points


def joints_of_bones(bones: np.ndarray) -> np.ndarray:
    """Returns joints (N, 26, D) as means of the valid ones among their bones (N, 343, D)."""
    joints = np.full((len(bones), len(BONES), bones.shape[-1]), np.nan)
    for joint, rows in enumerate(BONES):
        chosen = bones[:, rows]
        is_given = ~np.isnan(chosen[..., :1])
        count = is_given.sum(1)
        total = np.where(is_given, chosen, 0).sum(1)
        joints[:, joint] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return joints
