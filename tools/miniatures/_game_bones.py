"""SAIL-VOS bones: several hundred points per person, of which some stand for the joints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dataset_adapters.camera import Camera

#: Of which bones (row numbers) a joint is the mean; joints in the order of `sailvos_26`.
JOINT_BONES = (
    (341, 8), (61,), (216, 234), (171,), (164, 309), (255, 39), (330,), (108,), (45, 294),
    (215, 131, 253), (295,), (144, 315), (147, 342, 27), (85,), (152,), (206, 128, 102), (307, 312),
    (130,), (11,), (167, 188, 191, 310), (194, 193, 236, 78), (227, 304, 58, 229), (37, 260, 195),
    (47, 148, 232), (323,), (160,),
)  # fmt: skip
_NO_PIXEL = (-1280.0, -800.0)
#: Share of the other bones without a place, and without a pixel.
_LOST = 0.1


def bones_of(
    joints: np.ndarray, known: np.ndarray, *, n_bones: int, others: bool, noise_mm: float, rng
) -> tuple[np.ndarray, np.ndarray]:
    """Makes the bones of one person.

    Args:
      joints: (26, 3) mm.
      known: (26,) bool: joints of which at least one bone is known.
      others: False where no bone is known that does not stand for a joint.
      noise_mm: how far bones are from the limbs.

    Returns:
      (n_bones, 3) mm, NaN for unknown places, and (n_bones,) whether a bone has a pixel.
    """
    start, end = joints[rng.integers(0, len(joints), (2, n_bones))]
    bones = start + rng.uniform(0, 1, (n_bones, 1)) * (end - start)
    bones += rng.normal(0, noise_mm, bones.shape)
    bones[rng.uniform(size=n_bones) < _LOST] = np.nan
    has_pixel = rng.uniform(size=n_bones) > _LOST
    if not others:
        bones[:], has_pixel[:] = np.nan, False
    for joint, numbers in enumerate(JOINT_BONES):
        # Not all bones of a joint are always known; the joint is the mean of those that are.
        is_there = rng.uniform(size=len(numbers)) < (0.7 if others else 0)
        is_there[rng.integers(len(numbers))] = True
        is_there &= known[joint]
        offsets = rng.normal(0, noise_mm, (len(numbers), 3))
        if is_there.any():
            offsets -= offsets[is_there].mean(axis=0)
        bones[list(numbers)] = np.where(is_there[:, None], joints[joint] + offsets, np.nan)
        has_pixel[list(numbers)] = is_there
    return bones, has_pixel


def write_bones(base: Path, camera: Camera, bones: np.ndarray, has_pixel: np.ndarray, *, rng):
    """Writes `<base>_2d.txt` (px) and `<base>_3d.txt` (metres) with their marks for unknown."""
    pixels = np.where(has_pixel[:, None], camera.project(bones), _NO_PIXEL)
    # Bones with a pixel and without a place: such pixels mean nothing.
    placeless = np.isnan(bones[:, 0]) & has_pixel
    pixels[placeless] = rng.uniform(50, 700, (placeless.sum(), 2))
    base.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(f"{base}_2d.txt", pixels, fmt="%.6f")
    np.savetxt(f"{base}_3d.txt", np.nan_to_num(bones / 1000), fmt="%.6f")
