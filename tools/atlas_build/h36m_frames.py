"""Four real frames that have both SMPL pose parameters and Human3.6M joints, and what they tell.

The frames do not come with this repository; they are mmpose's test data. SMPL's neutral rest
skeleton, posed by the frames' rotations, gives SMPL joints; offsets from these to the Human3.6M
joints, alike in all frames and mirror-symmetric, are fitted together with the sizes of the persons'
legs, trunk and arms, which are not known. Two other measurements are the prior.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import skeleton_defs
from dataset_adapters.body_models.rotations import matrix_from_axis_angle
from dataset_adapters.containers.npz import open_npz

SMPL_FILE = "mmpose_tests/h36m/test_h36m.npz"
H36M_FILE = "mmpose_tests/h36m/test_h36m_body3d.npz"
#: Standard deviation of what a frame's joint is off for reasons of its own, per axis.
FRAME_SD_MM = 15.0
#: ... and of the logarithm of a person's size against SMPL's neutral body.
SIZE_SD = 0.07
_SIZES = ("leg", "trunk", "arm")


@dataclass(frozen=True)
class Offset:
    """Where a Human3.6M joint lies, as seen from an SMPL joint.

    Attributes:
      joint: of h36m_17; the left one of a pair.
      smpl: joint of smpl_24 it is measured from.
      frame: joint of smpl_24 whose rotation carries the offset.
      prior: rows of (lateral, up, forward, standard deviation) in mm: measured elsewhere.
    """

    joint: str
    smpl: str
    frame: str
    prior: tuple[tuple[float, float, float, float], ...]

    @property
    def paired(self) -> bool:
        """Whether there is a right one too."""
        return self.joint.startswith("left_")


#: The priors are one SMPL mesh with a regressor and a decoder learned from images
#: (`h36m_regressor` and `metrabs_decoder` in sources.json).
OFFSETS = (
    Offset("left_hip", "left_hip", "pelvis", ((73, 113, -3, 15), (76, 114, 9, 15))),
    Offset("left_knee", "left_knee", "left_hip", ((4, 53, 1, 15), (11, 42, -4, 15))),
    Offset("left_ankle", "left_ankle", "left_knee", ((8, 40, -29, 15), (24, 10, -28, 15))),
    # The regressor's offset is for an arm that hangs down: of little weight for the chest's frame.
    Offset("left_shoulder", "left_shoulder", "spine3", ((-22, 14, 16, 30), (-35, 13, 1, 20))),
    Offset("left_elbow", "left_elbow", "left_shoulder", ((10, 39, 16, 20), (-12, 2, 5, 15))),
    Offset("left_wrist", "left_wrist", "left_elbow", ((-8, 19, 20, 20), (-22, -14, -3, 15))),
    Offset("spine", "spine2", "spine2", ((0, 33, -18, 15), (0, 11, -5, 15))),
    Offset("neck", "neck", "neck", ((0, 4, -9, 15), (0, -10, 5, 15))),
    Offset("head", "head", "head", ((0, 20, 27, 15),)),
    Offset("head_top", "head", "head", ((0, 122, -20, 15),)),
)


@dataclass(frozen=True, eq=False)
class Frames:
    """`F` frames of both formats.

    Attributes:
      rotations: `(F, 24, 3, 3)` SMPL's local rotations, turned to the axes of `joints`.
      joints: `(F, 17, 3)` mm.
    """

    rotations: np.ndarray
    joints: np.ndarray

    def select(self, chosen: Sequence[int]) -> Frames:
        """Pick frames."""
        return Frames(self.rotations[list(chosen)], self.joints[list(chosen)])


@dataclass(frozen=True, eq=False)
class Fit:
    """What frames and priors say.

    Attributes:
      offsets: joint -> `(3,)` lateral, up, forward in mm.
      sd: joint -> `(3,)` their standard deviations.
      sizes: `(F, 3)` of legs, trunk and arms against SMPL's neutral body.
    """

    offsets: dict[str, np.ndarray]
    sd: dict[str, np.ndarray]
    sizes: np.ndarray


def load_frames(samples: str | os.PathLike) -> Frames:
    """Read the frames out of a folder of samples."""
    with open_npz(Path(samples) / SMPL_FILE) as arrays:
        rotations = matrix_from_axis_angle(arrays["pose"].reshape(-1, 24, 3))
    with open_npz(Path(samples) / H36M_FILE) as arrays:
        joints = arrays["S"][..., :3] * 1000
    return Frames(rotations, joints)


def pose_smpl(rotations: np.ndarray, sizes: np.ndarray | None = None):
    """Pose SMPL's neutral rest skeleton.

    Args:
      rotations: `(F, 24, 3, 3)` local.
      sizes: `(F, 3)` factors on the bones of legs, trunk and arms.

    Returns:
      `(F, 24, 3)` joints in mm and `(F, 24, 3, 3)` world rotations.
    """
    smpl = skeleton_defs.get("smpl_24")
    rest = 1000 * smpl.rest_pose
    if sizes is None:
        sizes = np.ones((len(rotations), 3))
    world, joints = np.empty_like(rotations), np.zeros((len(rotations), 24, 3))
    for k, parent in enumerate(smpl.parents):
        world[:, k] = rotations[:, k] if parent < 0 else world[:, parent] @ rotations[:, k]
        if parent >= 0:
            bone = (rest[k] - rest[parent]) * sizes[:, [_size_of(smpl.joints[k])]]
            joints[:, k] = joints[:, parent] + np.einsum("fij,fj->fi", world[:, parent], bone)
    return joints, world


def _size_of(joint: str) -> int:
    if any(part in joint for part in ("knee", "ankle", "foot")):
        return _SIZES.index("leg")
    if any(part in joint for part in ("elbow", "wrist", "hand")):
        return _SIZES.index("arm")
    return _SIZES.index("trunk")


def place_h36m(joints: np.ndarray, world: np.ndarray, offsets: dict[str, np.ndarray]):
    """Return `(F, 17, 3)` Human3.6M joints that offsets from SMPL joints give."""
    smpl, h36m = skeleton_defs.get("smpl_24"), skeleton_defs.get("h36m_17")
    placed = np.full((len(joints), 17, 3), np.nan)
    for entry in OFFSETS:
        for side, sign in (("left", 1), ("right", -1)) if entry.paired else (("left", 1),):
            joint, start, frame = (name.replace("left", side)
                                   for name in (entry.joint, entry.smpl, entry.frame))  # fmt: skip
            local = offsets[entry.joint] * (sign, 1, 1)
            at = joints[:, smpl.joints.index(start)]
            placed[:, h36m.joints.index(joint)] = at + world[:, smpl.joints.index(frame)] @ local
    hips = [h36m.joints.index(f"{side}_hip") for side in ("left", "right")]
    placed[:, h36m.joints.index("pelvis")] = placed[:, hips].mean(axis=1)
    return placed


def combined_prior() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return joint -> mean and standard deviation, the priors weighed by their precision."""
    combined = {}
    for entry in OFFSETS:
        prior = np.array(entry.prior, dtype=float)
        precision = 1 / prior[:, 3] ** 2
        mean = precision @ prior[:, :3] / precision.sum()
        combined[entry.joint] = mean, np.full(3, precision.sum() ** -0.5)
    return combined


def fit_offsets(frames: Frames) -> Fit:
    """Fit offsets to frames and priors, by inverse variance."""
    from scipy.optimize import least_squares

    prior = combined_prior()
    free = [(entry.joint, axis) for entry in OFFSETS for axis in range(3)
            if entry.paired or axis > 0]  # fmt: skip
    start = np.array([prior[joint][0][axis] for joint, axis in free])
    sd = np.array([prior[joint][1][axis] for joint, axis in free])
    count = len(frames.joints)

    def unpacked(values):
        offsets = {entry.joint: np.zeros(3) for entry in OFFSETS}
        for (joint, axis), value in zip(free, values, strict=False):
            offsets[joint][axis] = value
        return offsets, np.exp(values[len(free) :].reshape(count, 3))

    def residuals(values):
        offsets, sizes = unpacked(values)
        placed = place_h36m(*pose_smpl(frames.rotations, sizes), offsets)
        # The pelvis is the hips' midpoint and tells nothing more; where a person stands is free.
        apart = (placed - frames.joints)[:, 1:]
        apart = apart - apart.mean(axis=1, keepdims=True)
        known = (values[: len(free)] - start) / sd
        return np.concatenate([apart.ravel() / FRAME_SD_MM, known, values[len(free) :] / SIZE_SD])

    found = least_squares(residuals, np.concatenate([start, np.zeros(count * 3)]))
    offsets, sizes = unpacked(found.x)
    spread = np.sqrt(np.diag(np.linalg.inv(found.jac.T @ found.jac)))
    deviation = {entry.joint: np.zeros(3) for entry in OFFSETS}
    for (joint, axis), value in zip(free, spread, strict=False):
        deviation[joint][axis] = value
    return Fit(offsets, deviation, sizes)


def aligned_error_mm(placed: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return `(F, J)` distances after aligning the means and one scale per frame."""
    placed = placed - placed.mean(axis=1, keepdims=True)
    truth = truth - truth.mean(axis=1, keepdims=True)
    scale = (placed * truth).sum(axis=(1, 2)) / (placed**2).sum(axis=(1, 2))
    return np.linalg.norm(scale[:, None, None] * placed - truth, axis=-1)
